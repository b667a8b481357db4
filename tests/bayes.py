"""What tests of the posterior share: priors and variance parameters the slow way, and posteriors sampled once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from numpy.typing import NDArray
from pytensor.compile.mode import Mode
from scipy import stats

import bayesmix as bx
from bayesmix.design import Level
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.graph import marginal_graph
from bayesmix.inference.naming import partial_name, sd_name, signed_name
from tests import dense
from tests.frames import random_frame

Floats = NDArray[np.float64]
Values = Mapping[str, Any]

# PyTensor's interpreter: a graph costs a tenth of a second instead of some seconds, and the Op runs as Python.
INTERPRETED = Mode(linker="py", optimizer=None)


def compiled(inputs: Sequence[Any], outputs: Any, mode: Any = INTERPRETED) -> Any:
    """A function of symbols, whether all of them matter or not."""
    return pytensor.function(list(inputs), outputs, mode=mode, on_unused_input="ignore")


def user_prior(model: bx.Model) -> dense.Normal:
    """Prior of the user's coefficients; the one written for the intercept holds at the means of the other columns."""
    design = model.design
    A = np.eye(len(design.fixed))
    if "Intercept" in design.fixed_names:
        A[design.fixed_names.index("Intercept")] = design.fixed_values.mean(axis=0)
    mean = np.array([prior.mean for prior in model.priors.numbers.beta])
    sd = np.array([prior.sd for prior in model.priors.numbers.beta])
    return dense.Normal(np.linalg.solve(A, mean), A.T @ np.diag(sd**-2.0) @ A)


def geometry_of(model: bx.Model, kind: str) -> Geometry:
    """Every sd in logarithms, every sd signed, or the two in turns."""
    rule = {"log": lambda a: False, "signed": lambda a: True, "mixed": lambda a: a % 2 == 1}[kind]
    return Geometry(tuple(tuple(rule(a + n) for a in range(len(v.effects))) for n, v in enumerate(model.design.levels)))


def graph_of(model: bx.Model, kind: str) -> pm.Model:
    return marginal_graph(model.design, model.products, model.priors.numbers, geometry_of(model, kind))


def random_values(graph: pm.Model, rng: np.random.Generator, scale: float = 2.0) -> dict[str, Any]:
    """Values of the free variables away from zero, one half and symmetry; signs at random where there are signs."""
    values: dict[str, Any] = {}
    for variable in graph.free_RVs:
        shape = variable.type.shape
        if "_partial_" in variable.name:
            values[variable.name] = rng.uniform(0.1, 0.9, size=shape)
        elif variable.name.endswith("_effects"):
            values[variable.name] = rng.normal(size=shape)
        elif variable.name.endswith("_signed"):
            values[variable.name] = np.asarray(rng.choice([-1.0, 1.0]) * scale * rng.uniform(0.3, 1.5))
        else:
            values[variable.name] = np.asarray(scale * rng.uniform(0.3, 1.5))
    return values


def point(graph: pm.Model, values: Values) -> dict[str, Any]:
    """The same in the coordinates of the sampler, as PyMC names them."""
    forward = {
        "log": np.log,
        "odds": lambda share: np.log(share) - np.log1p(-share),
        "": lambda value: value,
    }
    found = {}
    for variable in graph.free_RVs:
        name = graph.rvs_to_values[variable].name
        kind = "odds" if name.endswith("_logodds__") else "log" if name.endswith("_log__") else ""
        found[name] = np.asarray(forward[kind](values[variable.name]))
    return found


def correlation_root(partials: Floats, q: int) -> Floats:
    """L of C = LL' from partial correlations, row by row (Lewandowski, Kurowicka & Joe 2009, section 2.4)."""
    L, at = np.zeros((q, q)), 0
    for i in range(q):
        for k in range(i):
            L[i, k] = partials[at] * np.sqrt(np.prod([1 - partials[at - k + m] ** 2 for m in range(k)]))
            at += 1
        L[i, i] = np.sqrt(np.prod([1 - partials[at - i + m] ** 2 for m in range(i)]))
    return L


def level_factor(level: Level, values: Values) -> Floats:
    """Lambda of a level from the raw variables; signed where an sd is."""
    names = [(signed_name(name, level.name), sd_name(name, level.name)) for name in level.effect_names]
    sds = np.array([float(values[signed] if signed in values else values[plain]) for signed, plain in names])
    root = np.zeros((len(sds), len(sds)))
    for number, (start, stop) in enumerate(level.blocks):
        q = stop - start
        shares = np.asarray(values[partial_name(level.name, number)]) if q > 1 else np.zeros(0)
        root[start:stop, start:stop] = correlation_root(2 * shares - 1, q)
    return sds[:, None] * root


def covariances_of(model: bx.Model, values: Values) -> list[Floats]:
    """Sigma of each level."""
    factors = [level_factor(level, values) for level in model.design.levels]
    return [factor @ factor.T for factor in factors]


def dense_problem(model: bx.Model) -> dense.Dense:
    """The model in the user's columns, groups in the order of their labels."""
    design = model.design
    columns = tuple(design.values[:, level.places] for level in design.levels)
    codes = tuple(level.grouping.codes for level in design.levels)
    return dense.Dense(design.fixed_values, design.response - design.offset, columns, codes, design.weights)


def log_prior(model: bx.Model, values: Values) -> float:
    """Log prior density of the raw variables: half t, the same t unfolded, and Beta for the shares of LKJ."""
    total = float(np.log(2) + stats.t.logpdf(values["sigma"], 4, scale=model.priors.numbers.sigma.scale))
    for level, prior in zip(model.design.levels, model.priors.numbers.levels, strict=True):
        for name, sd in zip(level.effect_names, prior.sds, strict=True):
            signed, plain = signed_name(name, level.name), sd_name(name, level.name)
            fold = 0.0 if signed in values else np.log(2)
            value = values[signed] if signed in values else values[plain]
            total += float(fold + stats.t.logpdf(value, 4, scale=sd.scale))
        for number, (start, stop) in enumerate(level.blocks):
            q = stop - start
            columns = [k for i in range(q) for k in range(i)]
            shapes = prior.correlation.eta + (q - 2 - np.array(columns)) / 2
            if q > 1:
                total += float(stats.beta.logpdf(values[partial_name(level.name, number)], shapes, shapes).sum())
    return total


@dataclass(frozen=True)
class Fits:
    """A model with its REML fit and its posterior."""

    model: bx.Model
    reml: bx.LikelihoodFit
    post: bx.BayesFit


# Geometries: two sds in logarithms; one signed, twice; one of each at two levels; one of each at one, correlated.
_SAMPLED = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "dyestuff": "Yield ~ 1 + (1 | Batch)",
    "dyestuff2": "Yield ~ 1 + (1 | Batch)",
    "pastes": "strength ~ 1 + (1 | batch/cask)",
    "hsb": "math ~ ses + (ses | school)",
}


@cache
def fits(name: str) -> Fits:
    """Four chains of 1,000 draws."""
    model = bx.Model(_SAMPLED[name], bx.load_dataset(name))
    return Fits(model, model.reml(), model.sample(seed=20, cores=2, progress=False))


@pytest.fixture(scope="session")
def sleepstudy() -> Fits:
    return fits("sleepstudy")


@pytest.fixture(scope="session")
def dyestuff() -> Fits:
    return fits("dyestuff")


@pytest.fixture(scope="session")
def dyestuff2() -> Fits:
    return fits("dyestuff2")


@pytest.fixture(scope="session")
def pastes() -> Fits:
    return fits("pastes")


@pytest.fixture(scope="session")
def hsb_fits() -> Fits:
    return fits("hsb")


def shuffled_frame(rng: np.random.Generator, n: int = 120, groups: int = 8) -> pd.DataFrame:
    """A random frame whose inner groups also have a code of their own, in no order that the outer groups know."""
    frame = random_frame(rng, n, groups)
    code = rng.permutation(3 * groups)
    return frame.assign(code=code[3 * frame["top"] + frame["inner"]])


def simulated_sleepstudy(seed: int) -> pd.DataFrame:
    """Data of sleepstudy's shape and its kind of estimates: two large sds."""
    rng = np.random.default_rng(seed)
    frame = bx.load_dataset("sleepstudy")
    subject = pd.factorize(frame["Subject"])[0]
    u = rng.normal(size=(18, 2)) * [30.0, 8.0]
    mean = 200 + 15 * frame["Days"] + u[subject, 0] + u[subject, 1] * frame["Days"]
    return frame.assign(Reaction=mean + 20 * rng.normal(size=len(frame)))
