"""Designs made from a number: nested, crossed and between, of every awkwardness that data have.

The number of a design fixes everything about it, so that one that fails is made again by ``generate(number)``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# g holds h holds k; a, b, c cross each other and those. In b and c are fewer groups than in a.
FORMULAS = (
    "y ~ x + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x * z + (x || g)",
    "y ~ x + (0 + x | g)",
    "y ~ x + z + (1 + x + z | g)",
    "y ~ x + (1 | g) + (0 + x | g) + (0 + z | g)",
    "y ~ t + I(t^2) + (t + I(t^2) | g)",
    "y ~ poly(t, 3) + (poly(t, 2) | g)",
    "y ~ f + (f | g)",
    "y ~ 0 + f + (0 + f | g)",
    "y ~ f * x + (f || g)",
    "y ~ C(f, Sum) * x + (x | g)",
    "y ~ scale(x) + within(z, g) + between(z, g) + (within(z, g) | g)",
    "y ~ x + (1 | g/h)",
    "y ~ x + (x | g/h)",
    "y ~ t * f + (t | g/h)",
    "y ~ x + (x | g) + (1 | h)",
    "y ~ x + (1 | g/h/k)",
    "y ~ x + (x || g/h/k)",
    "y ~ x + (1 | a) + (1 | b)",
    "y ~ x + (x | a) + (1 | b)",
    "y ~ x + (x | a) + (x | b)",
    "y ~ x + (0 + x | a) + (x || b)",
    "y ~ f + (1 | a) + (f | b)",
    "y ~ 1 + (1 | a) + (1 | b) + (1 | c)",
    "y ~ x + z + (x | a) + (1 + x + z | b) + (1 | c)",
    "y ~ x + (1 | g/h) + (1 | b)",
    "y ~ x + (x | g/h) + (x | b) + (1 | c)",
    "y ~ x + (1 | a) + (1 | b) + (1 | a:b)",
    "y ~ t + I(t^2) + (t | a) + (t | b)",
)

SPREADS = (0.0, 0.3, 0.6, 1.0, 1.0, 3.0)  # sds of effects over that of the residual


@dataclass(frozen=True)
class Generated:
    """A formula with its data, and how it is to be fitted."""

    number: int
    formula: str
    frame: pd.DataFrame
    weights: str | None
    reml: bool


def generate(number: int) -> Generated:
    """The design of a number: the formula goes round with it, the rest is drawn."""
    rng = np.random.default_rng([20260, number])
    formula = FORMULAS[number % len(FORMULAS)]
    n = int(rng.integers(90, 220)) + 130 * ("/h" in formula or "| h" in formula) + 120 * ("/k" in formula)
    codes = _groupings(rng, n)
    x, z = _column(rng, n), _column(rng, n)
    t = rng.integers(0, 6, size=n) + rng.choice([0.0, 8.0, 1990.0])
    f = rng.choice(list("pqr"), size=n)
    e = rng.normal(size=n)
    y = e + rng.normal() * _standard(x) + 0.5 * (f == "q")
    for name, code in codes.items():
        if name in formula:
            y = y + _effects(rng, code, [_standard(x), _standard(t), (f == "q") - 0.3])
    w = np.ones(n)
    if rng.random() < 0.25:
        w = 10.0 ** rng.uniform(-2, 2, size=n) if rng.random() < 0.5 else rng.integers(1, 5, size=n).astype(float)
        y = y + e * (1 / np.sqrt(w) - 1)
    o = np.zeros(n)
    if rng.random() < 0.2:
        formula, o = f"{formula} + offset(o)", 3 * rng.normal(size=n) + 10
        y = y + o
    else:
        y = rng.choice([1e-6, 1.0, 1.0, 1e5]) * (y + rng.choice([0.0, 0.0, 1e3]))
    labels = {name: [f"{name}{i}" for i in code] for name, code in codes.items()}
    frame = pd.DataFrame({"y": y, "x": x, "z": z, "t": t, "f": f, "w": w, "o": o, **labels})
    return Generated(number, formula, frame, None if (w == 1).all() else "w", bool(rng.random() < 0.6))


def _groupings(rng: np.random.Generator, n: int) -> dict[str, Codes]:
    """Labels of every row: balanced or far from it, few groups or many, crossed fully, in part or hardly."""
    g = _shares(rng, n, int(rng.choice([4, 8, 14, 25])))
    h = _inside(rng, g, int(rng.integers(2, 4)))
    k = _inside(rng, h, 2)
    a = _shares(rng, n, int(rng.integers(6, 20)))
    b, c = _shares(rng, n, int(rng.integers(3, 7))), _shares(rng, n, int(rng.integers(2, 5)))
    partly = rng.choice([0.0, 0.5, 0.9])
    b = np.where(rng.random(n) < partly, a % (b.max() + 1), b)
    return {"g": g, "h": h, "k": k, "a": a, "b": b, "c": c}


def _shares(rng: np.random.Generator, n: int, groups: int) -> Codes:
    """Groups of equal sizes, of unequal ones, or a few large ones among groups of one or two rows."""
    match rng.choice(["balanced", "unequal", "tiny"]):
        case "balanced":
            codes = np.arange(n) % groups
        case "unequal":
            codes = rng.choice(groups, size=n, p=rng.dirichlet(np.ones(groups)))
        case _:
            codes = rng.integers(2, size=n)
            codes[: 2 * (groups - 2)] = 2 + np.arange(2 * (groups - 2)) // 2
            codes[0] = 0
    codes[-2:] = [0, 1]
    return rng.permutation(np.unique(codes, return_inverse=True)[1])


def _inside(rng: np.random.Generator, outer: Codes, parts: int) -> Codes:
    """Parts of every group, of unequal sizes."""
    part = np.minimum(rng.geometric(0.5, size=len(outer)) - 1, parts - 1)
    return np.unique(outer * parts + part, return_inverse=True)[1]


def _column(rng: np.random.Generator, n: int) -> Floats:
    """A predictor in its own units, near 0 or far from it."""
    unit = rng.choice([1e-4, 1.0, 1.0, 1.0, 1e6])
    return np.asarray(unit * (rng.normal(size=n) + rng.choice([0.0, 0.0, 20.0, 1e3])))


def _standard(x: Floats) -> Floats:
    return np.asarray((x - x.mean()) / x.std())


def _effects(rng: np.random.Generator, code: Codes, columns: list[Floats]) -> Floats:
    """What the groups add: effects absent, weak, strong, or all but one multiple of another."""
    q, groups = len(columns) + 1, code.max() + 1
    u = rng.normal(size=(groups, q))
    if rng.random() < 0.25:
        u = u[:, :1] + 0.05 * u
    u = u * rng.choice(SPREADS, size=q)
    return np.asarray(np.einsum("nq,nq->n", np.column_stack([np.ones(len(code)), *columns]), u[code]))


Build = Callable[[int], Generated]
