"""Rows predicted from estimates: best linear unbiased prediction, with the exact covariance of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from bayesmix.design import CrossProducts, Design
from bayesmix.inference.ml import MlSolution
from bayesmix.likelihood.coordinates import Coordinates, fit_coordinates

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Right-hand sides solved at a time.
CHUNK = 256

# The code of a row at a level whose effects are averaged over: it shares its group with no other row.
AVERAGED = -1


@dataclass(frozen=True)
class Rows:
    """Rows to predict, or further rows that were observed.

    Parameters
    ----------
    fixed : (n, p) array
        Columns of the fixed effects, in the user's units.
    offset : (n,) array
    effects : tuple of (n, q) arrays
        Columns of the effects of each level.
    codes : tuple of (n,) int arrays
        Group of each row at each level: those of the fit in the order of their labels, then new ones;
        :data:`AVERAGED` where the effects of the level are averaged over.
    weights : (n,) array or None
        Precision weights, None where all are 1.
    """

    fixed: Floats
    offset: Floats
    effects: tuple[Floats, ...]
    codes: tuple[Integers, ...]
    weights: Floats | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.offset)

    def take(self, rows: slice | Integers) -> Rows:
        """Only these rows."""
        return Rows(
            self.fixed[rows],
            self.offset[rows],
            tuple(columns[rows] for columns in self.effects),
            tuple(codes[rows] for codes in self.codes),
            None if self.weights is None else self.weights[rows],
        )


def design_rows(design: Design) -> Rows:
    """The rows of a design."""
    return Rows(
        design.fixed_values,
        design.offset,
        tuple(design.values[:, level.places] for level in design.levels),
        tuple(level.grouping.codes for level in design.levels),
        design.weights,
    )


def stack_rows(one: Rows, two: Rows) -> Rows:
    """Rows of both, one after the other."""
    weights = None
    if one.weights is not None or two.weights is not None:
        weights = np.concatenate([np.ones(part.n) if part.weights is None else part.weights for part in (one, two)])
    return Rows(
        np.concatenate([one.fixed, two.fixed]),
        np.concatenate([one.offset, two.offset]),
        tuple(np.concatenate(pair) for pair in zip(one.effects, two.effects, strict=True)),
        tuple(np.concatenate(pair) for pair in zip(one.codes, two.codes, strict=True)),
        weights,
    )


@dataclass(frozen=True)
class Functionals:
    """Linear functions of group effects b (of variance sigma^2 I) and fixed effects, both in inner coordinates.

    Parameters
    ----------
    effects : (n, Q) sparse array
    fixed : (n, p) array
    """

    effects: Any
    fixed: Floats

    def combine(self, weights: Any) -> Functionals:
        """Linear combinations, weights (k, n), sparse or not."""
        return Functionals(sparse.csr_array(weights @ self.effects), np.asarray(weights @ self.fixed))

    def plus(self, other: Functionals) -> Functionals:
        """Row by row the sum of two."""
        return Functionals(self.effects + other.effects, self.fixed + other.fixed)

    @staticmethod
    def stacked(parts: Sequence[Functionals]) -> Functionals:
        """Those of each part, one after the other."""
        effects = sparse.csr_array(sparse.vstack([part.effects for part in parts]))
        return Functionals(effects, np.concatenate([part.fixed for part in parts]))


@dataclass(frozen=True)
class MixedEquations:
    """Group effects given the estimates and the rows seen, and the errors of whatever is predicted from them.

    With u = Lambda b, b has the precision M / sigma^2 given beta, M = I + Lambda'Z'WZ Lambda, and the mean
    M^-1 Lambda'Z'W (y - X beta). A function l'b + x'beta is predicted with the error variance
    sigma^2 [l'M^-1 l + a'R_xx^-1 a], a = x - X'WZ Lambda M^-1 l (Henderson 1975, Biometrics 31:423-447). The lowest
    level is eliminated first, so that a nested model fills nothing in.

    Parameters
    ----------
    coordinates : Coordinates
        Inner coordinates of fixed and group effects, in which columns are centred.
    solution : MlSolution
    counts : tuple of int
        Groups of each level, those without rows included: of them nothing is known but their variance.
    seen : Rows or None
        The rows that inform the effects; None where no known group is asked for.
    residual : (n,) array or None
        y - X beta - offset of these rows.
    """

    coordinates: Coordinates
    solution: MlSolution
    counts: tuple[int, ...]
    seen: Rows | None
    residual: Floats | None

    @cached_property
    def starts(self) -> Integers:
        """First effect of each level in b, and their number."""
        sizes = [J * len(T) for J, T in zip(self.counts, self.coordinates.levels, strict=True)]
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @cached_property
    def factors(self) -> tuple[Floats, ...]:
        """Lambda of each level in inner coordinates, relative to sigma."""
        return self.coordinates.layout.factors(self.solution.inner_theta)

    def whitened(self, columns: Floats, level: int) -> Floats:
        """Lambda'z of each row at a level, (n, q)."""
        return np.linalg.solve(self.coordinates.levels[level].T, columns.T).T @ self.factors[level]

    def functionals(self, rows: Rows) -> Functionals:
        """The mean of each row as a function of fixed and group effects."""
        at, columns, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
        for level, (effects, codes) in enumerate(zip(rows.effects, rows.codes, strict=True)):
            kept = np.flatnonzero(codes != AVERAGED)
            q = effects.shape[1]
            at.append(np.repeat(kept, q))
            columns.append((self.starts[level] + codes[kept, None] * q + np.arange(q)).ravel())
            values.append(self.whitened(effects[kept], level).ravel())
        place = np.concatenate(at), np.concatenate(columns)
        loadings = sparse.csr_array((np.concatenate(values), place), shape=(rows.n, int(self.starts[-1])))
        return Functionals(loadings, np.linalg.solve(self.coordinates.fixed.T, rows.fixed.T).T)

    @cached_property
    def _data(self) -> tuple[Any, Floats, Floats]:
        """The factorised M, Lambda'Z'WX, and Lambda'Z'W(y - X beta)."""
        Q, p = int(self.starts[-1]), self.solution.beta.size
        if self.seen is None or self.residual is None or Q == 0:
            return None, np.zeros((Q, p)), np.zeros(Q)
        Z = self.functionals(self.seen)
        weighted = Z.effects if self.seen.weights is None else Z.effects.multiply(self.seen.weights[:, None])
        weighted = sparse.csr_array(weighted)
        M = sparse.csc_array(sparse.eye_array(Q) + weighted.T @ Z.effects)
        # Positive definite: pivots stay on the diagonal, in the order in which the levels stand.
        solver = splu(M, permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        return solver, np.asarray(weighted.T @ Z.fixed), np.asarray(weighted.T @ self.residual)

    def _solve(self, right: Floats) -> Floats:
        """M^-1 times a matrix."""
        solver = self._data[0]
        return right if solver is None else np.asarray(solver.solve(np.ascontiguousarray(right)))

    @cached_property
    def _slope(self) -> Floats:
        """M^-1 Lambda'Z'WX, by how much b falls with beta, (Q, p)."""
        return self._solve(self._data[1])

    @cached_property
    def effects(self) -> Floats:
        """Predicted b, (Q,)."""
        return self._solve(self._data[2])

    def means(self, rows: Rows) -> Floats:
        """Predicted means, offset included, (n,)."""
        predicted = self.functionals(rows).effects @ self.effects
        return np.asarray(rows.offset + rows.fixed @ self.solution.beta + predicted)

    def variances(self, wanted: Functionals) -> Floats:
        """Error variance of each function, (n,)."""
        L = sparse.csr_array(wanted.effects)
        a = wanted.fixed - L @ self._slope
        given = np.zeros(L.shape[0])
        used = np.unique(L.indices)
        if L.shape[0] <= len(used):
            for start in range(0, L.shape[0], CHUNK):
                right = L[start : start + CHUNK].T.toarray()
                given[start : start + CHUNK] = np.einsum("qn,qn->n", right, self._solve(right))
        else:  # fewer effects than rows: columns of M^-1, each met only by the rows that have its effect
            columns = sparse.csc_array(L)
            for start in range(0, len(used), CHUNK):
                some = used[start : start + CHUNK]
                unit = np.zeros((L.shape[1], len(some)))
                unit[some, np.arange(len(some))] = 1.0
                own = sparse.csr_array(columns[:, some])
                met = np.flatnonzero(np.diff(own.indptr))
                given[met] += np.asarray(own[met].multiply(L[met] @ self._solve(unit)).sum(axis=1)).ravel()
        return np.asarray(self.solution.sigma**2 * (given + self._of_fixed(a)))

    def covariance(self, wanted: Functionals) -> Floats:
        """Joint error covariance of a few functions, (n, n)."""
        L = wanted.effects
        a = wanted.fixed - L @ self._slope
        given = L @ self._solve(L.T.toarray())
        return np.asarray(self.solution.sigma**2 * (given + a @ self.solution.inner_inverse @ a.T))

    def _of_fixed(self, a: Floats) -> Floats:
        """a'R_xx^-1 a of each row."""
        return np.asarray(np.einsum("np,pr,nr->n", a, self.solution.inner_inverse, a, optimize=True))

    def averaged_variances(self, rows: Rows) -> Floats:
        """Variance that the levels averaged over add to a single response, (n,)."""
        total = np.zeros(rows.n)
        for level, (effects, codes) in enumerate(zip(rows.effects, rows.codes, strict=True)):
            size = (self.whitened(effects, level) ** 2).sum(axis=1)
            total += np.where(codes == AVERAGED, size, 0.0)
        return np.asarray(self.solution.sigma**2 * total)


def mixed_equations(
    design: Design,
    products: CrossProducts,
    solution: MlSolution,
    counts: Sequence[int],
    known: bool,
    observed: tuple[Rows, Floats] | None = None,
) -> MixedEquations:
    """The equations of a fit, with further groups and further rows.

    Fixed effects and variances stay those of the fit: further rows inform group effects only.

    Parameters
    ----------
    design, products, solution
        Of the fit.
    counts : sequence of int
        Groups of each level, new ones included.
    known : bool
        Whether the groups of the fit are asked for.
    observed : (Rows, (n,) array), optional
        Further rows and their response.
    """
    seen = residual = None
    if known or observed is not None:
        seen, y = design_rows(design), design.response
        if observed is not None:
            seen, y = stack_rows(seen, observed[0]), np.concatenate([y, observed[1]])
        residual = y - seen.offset - seen.fixed @ solution.beta
    return MixedEquations(fit_coordinates(products), solution, tuple(counts), seen, residual)
