"""Random nested designs as the kernels read them, and the same as a dense problem."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bayesmix.likelihood.coordinates import Coordinates, block_entries
from bayesmix.likelihood.layout import Layout, LevelLayout
from tests.dense import Dense

Floats = NDArray[np.float64]

COVARIATES = 5  # inner columns besides the constant and the response
FIXED = (0, 1, 2)  # the columns that X spans
EFFECTS = {"equal": (0, 1, 2), "overlapping": (1, 3, 0), "outside": (3, 4, 5)}


@dataclass(frozen=True)
class Case:
    """What a random design looks like.

    Parameters
    ----------
    depth : int
        Levels.
    effects : int
        Effects of the lowest level; those above have one more each, and one again after three.
    where : str
        z equal to, overlapping with or outside the columns of X.
    structure : str
        "correlated", "independent" (as by ``||``), or "slopes": as correlated, but each effect lives on a column
        of mean other than 0, so on one inner column more than there are effects.
    boundary : bool
        Lambda of less than full rank.
    crowd : int
        How many times more groups than show most mistakes; the kernels work through groups in chunks.
    """

    depth: int
    effects: int
    where: str
    structure: str
    boundary: bool
    crowd: int = 1

    def __str__(self) -> str:
        boundary = "singular" if self.boundary else "interior"
        crowd = f"-{self.crowd}x" if self.crowd > 1 else ""
        return f"{self.depth}-{self.effects}-{self.where}-{self.structure}-{boundary}{crowd}"


def cases() -> list[Case]:
    """Every depth, number of effects and place of z; structures dealt out so that each meets each of the others."""
    structures = ("correlated", "independent", "slopes")
    found = []
    for depth, effects, (place, where) in product((1, 2, 3), (1, 2, 3), enumerate(EFFECTS)):
        structure = structures[(depth + effects + place) % 3]
        found += [Case(depth, effects, where, structure, boundary) for boundary in (False, True)]
    return found


def crowded_cases() -> list[Case]:
    """More groups than the kernels take at a time, at every level."""
    return [
        Case(1, 2, "equal", "correlated", False, 15),
        Case(2, 2, "overlapping", "slopes", False, 27),
        Case(3, 1, "outside", "correlated", False, 44),
    ]


@dataclass(frozen=True)
class RandomDesign:
    """A design, a point theta, and the same problem in dense form (inner units)."""

    layout: Layout
    body: Floats
    W: Floats
    codes: tuple[NDArray[np.int64], ...]
    theta: Floats
    dense: Dense

    @property
    def packed(self) -> Floats:
        return self.layout.pack()

    @property
    def coordinates(self) -> Coordinates:
        q = tuple(np.eye(level.n_effects) for level in self.layout.levels)
        return Coordinates(self.layout, self.packed, self.body, q, np.eye(self.layout.n_fixed))

    def factors(self, theta: NDArray) -> list[NDArray]:
        """Lambda of each level; of any type of number."""
        start, found = 0, []
        for level in self.layout.levels:
            stop = start + len(level.entries)
            factor = np.zeros((level.n_effects,) * 2, theta.dtype)
            factor[level.entries[:, 0], level.entries[:, 1]] = theta[start:stop]
            found.append(factor)
            start = stop
        return found

    def covariances(self, theta: NDArray) -> list[NDArray]:
        return [factor @ factor.T for factor in self.factors(theta)]


def random_design(rng: np.random.Generator, case: Case, scale: float = 1.0, log_jacobian: float = 0.0) -> RandomDesign:
    """A design of unequal groups, some of a single row."""
    codes, parent = _tree(rng, case.depth, case.crowd)
    n = len(codes[0]) if codes else 40
    W = np.column_stack([np.ones(n), rng.normal(size=(n, COVARIATES)) + 0.4, rng.normal(size=n)])
    fixed = np.zeros((W.shape[1], len(FIXED)))
    fixed[list(FIXED)] = np.eye(len(FIXED)) + 0.3 * rng.normal(size=(len(FIXED),) * 2)
    levels = tuple(_level(rng, case, number, code.max() + 1) for number, code in enumerate(codes))
    W[:, -1] += W @ fixed @ np.array([1.0, -2.0, 0.5])
    for level, code in zip(levels, codes, strict=True):
        u = rng.normal(size=(level.n_groups, level.n_effects))
        W[:, -1] += np.einsum("nq,nq->n", W[:, level.columns] @ level.basis, u[code])
    layout = Layout(n, W.shape[1], fixed, levels, scale, log_jacobian)
    theta = np.concatenate([_theta(rng, level, case.boundary) for level in levels]) if levels else np.zeros(0)
    leaf = codes[0] if codes else np.zeros(n, np.int64)
    sums = np.array([W[leaf == g].T @ W[leaf == g] for g in range(leaf.max() + 1)])
    body = np.concatenate([parent.astype(float), np.moveaxis(sums, 0, -1).ravel()])
    columns = tuple(W[:, level.columns] @ level.basis for level in levels)
    dense = Dense(W @ fixed, W[:, -1].copy(), columns, codes)
    return RandomDesign(layout, body, W, codes, theta, dense)


def _tree(rng: np.random.Generator, depth: int, crowd: int) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.int64]]:
    """Codes of the rows by level, lowest first, groups numbered depth first, and the parent of every group."""
    if depth == 0:
        return (), np.zeros(0, np.int64)
    tops = {1: 9, 2: 5, 3: 3}[depth] * crowd
    upward: list[NDArray[np.int64]] = []  # from the top: the parent of each group of a level
    size = tops
    for _ in range(depth - 1):
        children = rng.integers(1, 4 if crowd == 1 else 3, size=size)
        upward.append(np.repeat(np.arange(size), children))
        size = len(upward[-1])
    rows = rng.integers(1, 6 if crowd == 1 else 2 if depth == 3 else 3, size=size)
    rows[0] = 1
    codes = [np.repeat(np.arange(size), rows)]
    for up in reversed(upward):
        codes.append(up[codes[-1]])
    sizes = [len(up) for up in reversed(upward)] + [tops]
    starts = np.cumsum([0, *sizes])
    parents = [starts[level + 1] + up for level, up in enumerate(reversed(upward))]
    parents.append(np.full(tops, starts[-1]))
    return tuple(codes), np.concatenate(parents)


def _level(rng: np.random.Generator, case: Case, number: int, n_groups: int) -> LevelLayout:
    q = (case.effects + number - 1) % 3 + 1
    columns = list(EFFECTS[case.where][:q])
    if case.structure == "slopes":
        columns = sorted({0, *columns})
        chosen = EFFECTS[case.where][:q]
        basis = np.zeros((len(columns), q))
        for effect, column in enumerate(chosen):
            basis[columns.index(0), effect] += rng.uniform(0.5, 2.0)
            basis[columns.index(column), effect] += rng.uniform(0.5, 2.0)
    else:
        order = np.argsort(columns)
        columns = sorted(columns)
        basis = np.eye(q)[order]
    blocks = tuple((i, i + 1) for i in range(q)) if case.structure == "independent" else ((0, q),)
    return LevelLayout(n_groups, np.array(columns, np.int64), basis, block_entries(blocks))


def _theta(rng: np.random.Generator, level: LevelLayout, boundary: bool) -> Floats:
    """A factor away from zero and symmetry, some of its diagonal negative; or one whose last column is zero."""
    theta = rng.uniform(0.4, 1.4, size=len(level.entries)) * rng.choice([-1.0, 1.0], size=len(level.entries))
    if boundary:
        theta[level.entries[:, 1] == level.n_effects - 1] = 0.0
    return theta
