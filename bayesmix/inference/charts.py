"""Coordinates of covariance matrices in which one quantity of interest is a constant and the others are free.

The effects of a block are turned so that the one or two effects in question come first; a lower-triangular factor of
their covariance matrix then holds a fixed standard deviation, correlation or covariance in its first rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesmix.inference.ml import lower_factor

Floats = NDArray[np.float64]

# Where logarithms of standard deviations start when the standard deviation is smaller, over sigma.
LEAST_START = 1e-2


@dataclass(frozen=True)
class Chart:
    """One block of correlated effects of a level, as a function of free numbers.

    Parameters
    ----------
    level, start, stop : int
        Which effects.
    back : (q, q) array
        Effects in fit coordinates = back (turned effects).
    kind : {"free", "sd", "corr", "cov", "entry"}
        What is held: nothing, the sd of the first turned effect, the correlation or covariance of the first two, or
        one entry of the factor.
    value : float
        At which value, in inner units.
    entry : tuple of int
        Row and column of the entry held.
    """

    level: int
    start: int
    stop: int
    back: Floats
    kind: str = "free"
    value: float = 0.0
    entry: tuple[int, int] = (0, 0)

    def at(self, value: float) -> Chart:
        """The same quantity held at another value."""
        return self if self.kind == "free" else replace(self, value=value)

    @property
    def size(self) -> int:
        """Effects q of the block."""
        return self.stop - self.start

    @property
    def places(self) -> list[tuple[int, int]]:
        """Entries of the factor that are free numbers themselves."""
        held: set[tuple[int, int]] = set()
        if self.kind == "sd":
            held = {(0, 0)}
        elif self.kind == "corr":
            held = {(0, 0), (1, 0), (1, 1)}
        elif self.kind == "cov":
            held = {(0, 0), (1, 0)}
        elif self.kind == "entry":
            held = {self.entry}
        every = [(row, column) for column in range(self.size) for row in range(column, self.size)]
        return [place for place in every if place not in held]

    @property
    def logarithms(self) -> int:
        """Free numbers that are logarithms of standard deviations; they come before the entries."""
        return {"corr": 2, "cov": 1}.get(self.kind, 0)

    def factor(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """The factor L (q, q), its first derivatives (m, q, q) and second derivatives (m, m, q, q)."""
        q, m, k = self.size, len(x), self.logarithms
        L, first, second = np.zeros((q, q)), np.zeros((m, q, q)), np.zeros((m, m, q, q))
        for number, (row, column) in enumerate(self.places, start=k):
            L[row, column] = x[number]
            first[number, row, column] = 1.0
        sds = np.exp(x[:k])
        if self.kind == "sd":
            L[0, 0] = self.value
        elif self.kind == "entry":
            L[self.entry] = self.value
        elif self.kind == "corr":
            L[0, 0] = first[0, 0, 0] = second[0, 0, 0, 0] = sds[0]
            rest = np.sqrt(max(1.0 - self.value**2, 0.0))
            L[1, :2] = first[1, 1, :2] = second[1, 1, 1, :2] = sds[1] * np.array([self.value, rest])
        elif self.kind == "cov":
            L[0, 0] = first[0, 0, 0] = second[0, 0, 0, 0] = sds[0]
            L[1, 0] = second[0, 0, 1, 0] = self.value / sds[0]
            first[0, 1, 0] = -L[1, 0]
        return L, first, second

    def start_from(self, root: Floats, sigma: float, floor: float = 0.0) -> Floats:
        """Free numbers near a covariance matrix root root' in fit coordinates, diagonals of at least floor * sigma."""
        L = lower_factor(np.linalg.solve(self.back, root))
        k = self.logarithms
        sds = np.maximum(np.sqrt((L**2).sum(axis=1)), LEAST_START * sigma / np.linalg.norm(self.back, axis=0))
        entries = [
            max(L[row, column], floor * sigma) if row == column else L[row, column] for row, column in self.places
        ]
        return np.concatenate([np.log(sds[:k]), np.array(entries)])

    def covariance(self, L: Floats) -> Floats:
        """Covariance matrix of the effects in fit coordinates."""
        root = self.back @ L
        return np.asarray(root @ root.T)


def free_chart(level: int, start: int, stop: int) -> Chart:
    """A block in which nothing is held."""
    return Chart(level, start, stop, np.eye(stop - start))


def held_chart(level: int, start: int, stop: int, T: Floats, kind: str, row: int, column: int) -> Chart:
    """A block in which an sd, correlation, covariance or entry of the user's effects is held.

    Parameters
    ----------
    T : (q, q) array
        Effects in fit coordinates = T (effects of the user).
    row, column : int
        The effects in question, counted in the block.
    """
    if kind == "entry":
        return Chart(level, start, stop, T, kind, entry=(row, column))
    named = np.linalg.inv(T)[[row] if kind == "sd" else [column, row]]
    rest = np.linalg.qr(named.T, mode="complete")[0][:, len(named) :].T
    return Chart(level, start, stop, np.linalg.inv(np.vstack([named, rest])), kind)


def chain_rule(
    charts: tuple[Chart, ...], x: Floats, gradient: Floats, hessian: Floats, first: int
) -> tuple[Floats, Floats]:
    """Gradient and Hessian in the free numbers x from those in the free entries of the covariance matrices.

    Parameters
    ----------
    charts : tuple of Chart
        All blocks, in the order of theta.
    x : array
        Free numbers of all charts.
    gradient, hessian : arrays
        In (leading parameters, entries of every Sigma, row >= column, column by column).
    first : int
        Number of leading parameters, which are passed through.
    """
    m = len(x)
    jacobian = np.zeros((len(gradient), first + m))
    jacobian[:first, :first] = np.eye(first)
    curved = np.zeros((first + m, first + m))
    at, begin = first, 0
    for chart in charts:
        q = chart.size
        stop = begin + chart.logarithms + len(chart.places)
        L, one, two = chart.factor(x[begin:stop])
        columns, rows = np.triu_indices(q)  # column by column of the lower triangle
        end = at + len(rows)
        moved = chart.back @ one @ L.T @ chart.back.T
        part = slice(first + begin, first + stop)
        jacobian[at:end, part] = (moved + moved.transpose(0, 2, 1))[:, rows, columns].T
        G = np.zeros((q, q))
        G[rows, columns] = gradient[at:end] / 2
        turned = chart.back.T @ (G + G.T) @ chart.back
        curved[part, part] = 2 * np.einsum("ab,klab->kl", turned @ L, two)
        curved[part, part] += 2 * np.einsum("kab,lab->kl", one, turned @ one)
        at, begin = end, stop
    return jacobian.T @ gradient, jacobian.T @ hessian @ jacobian + curved
