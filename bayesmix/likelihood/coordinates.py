"""Coordinates of the effects: the user's, and the centred and scaled ones in which optimisation is well conditioned.

A correlated block spans the same functions in any basis of its columns, so it may be optimised in an orthonormal one;
effects that vary independently may not (their model is not invariant), they are only scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, LevelProducts
from bayesmix.likelihood.layout import Layout, LevelLayout

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Coordinates:
    """A layout and the maps that lead to it: effects here = T (effects of the user).

    Parameters
    ----------
    layout : Layout
        What the kernels read.
    packed, body : arrays
        Layout and cross-products as the kernels take them.
    levels : tuple of (q, q) arrays
        T of each level.
    fixed : (p, p) array
        T of the fixed effects.
    """

    layout: Layout
    packed: Floats
    body: Floats
    levels: tuple[Floats, ...]
    fixed: Floats

    @property
    def crossed(self) -> bool:
        """Whether some level lies outside the nested chain."""
        return self.layout.n_nested < len(self.layout.levels)


def block_entries(blocks: tuple[tuple[int, int], ...]) -> Integers:
    """Row and column of the free entries of a block-diagonal factor, column by column as lme4 orders theta."""
    places = [(row, column) for start, stop in blocks for column in range(start, stop) for row in range(column, stop)]
    return np.array(places, np.int64).reshape(-1, 2)


def user_coordinates(products: CrossProducts) -> Coordinates:
    """Covariance factors in the units of the user's columns; the fixed effects centred and scaled."""
    return _coordinates(products, [np.eye(level.basis.shape[1]) for level in products.levels])


def fit_coordinates(products: CrossProducts) -> Coordinates:
    """Covariance factors in centred (where the model allows it) and scaled columns."""
    return _coordinates(products, [_level_map(level) for level in products.levels])


def _coordinates(products: CrossProducts, maps: list[Floats]) -> Coordinates:
    """Both choices: the fixed effects are always centred where the constant is among them, and scaled."""
    fixed = _column_map(products.fixed_basis, range(products.n_fixed))
    levels = tuple(
        LevelLayout(level.n_groups, level.columns, _in_coordinates(level.basis, T), block_entries(level.blocks))
        for level, T in zip(products.levels, maps, strict=True)
    )
    layout = Layout(
        products.n,
        products.width,
        _in_coordinates(products.fixed_basis, fixed),
        levels,
        products.response_scale,
        float(np.linalg.slogdet(fixed)[1]) if len(fixed) else 0.0,
        products.n_nested,
        _slots(products),
    )
    return Coordinates(layout, layout.pack(), products.body, tuple(maps), fixed)


def _slots(products: CrossProducts) -> tuple[int, int]:
    """Slots of all groups, and those of the lowest."""
    return (0, 0) if products.crossing is None else (len(products.crossing.columns), len(products.crossing.sums))


def _in_coordinates(basis: Floats, T: Floats) -> Floats:
    """B T^-1, exact zeros where centring makes them."""
    moved = np.linalg.solve(T.T, basis.T).T
    moved[np.abs(moved) < 1e-14 * np.abs(moved).max(initial=0.0)] = 0.0
    return np.ascontiguousarray(moved)


def _level_map(level: LevelProducts) -> Floats:
    """T of a level, block by block."""
    q = level.basis.shape[1]
    T = np.zeros((q, q))
    constant = np.flatnonzero(level.columns == 0)
    basis = level.basis
    if constant.size == 0:
        basis, constant = np.vstack([np.zeros(q), basis]), np.array([0])
    elif constant[0] != 0:
        raise AssertionError("inner columns are not ascending")
    for start, stop in level.blocks:
        T[start:stop, start:stop] = _column_map(basis, range(start, stop))
    return T


def _column_map(basis: Floats, columns: range) -> Floats:
    """T of a set of columns given on inner columns (the first constant, the rest with mean 0 and variance 1).

    Seen through it the columns are orthonormal combinations of inner ones: with the constant among them the others
    are centred, each is scaled to unit mean square, and those that nearly coincide are taken apart.
    """
    part = basis[:, list(columns)]
    sizes = np.sqrt((part**2).sum(axis=0))
    constant = np.flatnonzero((np.abs(part[1:]).sum(axis=0) == 0) & (part[0] != 0))
    order = [*constant[:1], *(j for j in range(len(columns)) if j not in constant[:1])]
    padded = np.vstack([part[:, order], np.zeros((max(len(order) - len(part), 0), len(order)))])
    triangle = np.linalg.qr(padded, mode="r")
    triangle *= np.where(np.diag(triangle) < 0, -1.0, 1.0)[:, None]
    for j, column in enumerate(order):
        if not triangle[j, j] > 1e-12 * sizes[column]:  # a combination of the others: any length will do
            triangle[j, j] = sizes[column] if sizes[column] > 0 else 1.0
    T = np.zeros((len(columns), len(columns)))
    T[np.ix_(order, order)] = triangle
    return T
