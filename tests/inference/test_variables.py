"""What the free variables are, and where chains start."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pymc.distributions.transforms import LogOddsTransform, LogTransform

import bayesmix as bx
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.variables import free_variables, jittered, starting_values, unconstrained
from tests.bayes import INTERPRETED, geometry_of, graph_of, point
from tests.frames import random_frame

# The free variables

FORMULAS = [
    "y ~ x",
    "y ~ x + (1 | top)",
    "y ~ x + (x + z | top)",
    "y ~ x + (x || top)",
    "y ~ x + (1 | top) + (0 + x + z | top)",
    "y ~ 0 + f + (f | top)",
    "y ~ x + (z | top) + (x + z | top:inner)",
    "y ~ x + (I(x / 10) | top)",
]


@pytest.fixture(params=FORMULAS)
def model(request: pytest.FixtureRequest, rng: np.random.Generator) -> bx.Model:
    return bx.Model(request.param, random_frame(rng))


@pytest.mark.parametrize("kind", ["log", "signed", "mixed"])
def test_free_variables_are_those_of_the_graph(model: bx.Model, kind: str) -> None:
    graph = graph_of(model, kind)
    found = free_variables(model.design, model.priors.numbers, geometry_of(model, kind))
    assert [variable.name for variable in found] == [variable.name for variable in graph.free_RVs]
    transforms = {"log": LogTransform, "share": LogOddsTransform, "signed": type(None)}
    for ours, theirs in zip(found, graph.free_RVs, strict=True):
        assert isinstance(graph.rvs_to_transforms[theirs], transforms[ours.kind])
        assert theirs.type.shape == ((ours.size,) if ours.kind == "share" else ())
        assert ours.kind == "share" or ours.size == 1


def test_names() -> None:
    """Bambi's, with '/' replaced, in the order of the levels."""
    frame = random_frame(np.random.default_rng(4)).rename(columns={"top": "a/b"})
    model = bx.Model("y ~ x + (I(x / 10) | `a/b`) + (1 | `a/b`:inner)", frame)
    names = [
        variable.name for variable in free_variables(model.design, model.priors.numbers, geometry_of(model, "mixed"))
    ]
    assert names == [
        "sigma",
        "1|a÷b:inner_sigma",
        "1|a÷b_sigma_signed",
        "I(x÷10)|a÷b_sigma",
        "a÷b_partial_0",
    ]


# The start

# Data, formula, and whether REML ends on a boundary
STARTS = [
    ("dyestuff2", "Yield ~ 1 + (1 | Batch)", True),
    ("machines", "score ~ Machine + (Machine | Worker)", False),
    ("hsb", "math ~ ses + (ses | school)", False),
    ("pastes", "strength ~ 1 + (1 | batch/cask)", False),
    ("no slopes", "y ~ x + (x | top)", True),
    ("no slopes", "y ~ x + z + (x + z | top)", True),
    ("no slopes", "y ~ x + z + (z || top) + (z | top:inner)", True),
    ("hsb", "math ~ ses", False),
]


@pytest.fixture(params=STARTS, ids=[formula for _, formula, _ in STARTS])
def start_model(request: pytest.FixtureRequest, dataset: Callable[[str], pd.DataFrame]) -> bx.Model:
    name, formula, singular = request.param
    if name == "no slopes":
        rng = np.random.default_rng(12)
        frame = random_frame(rng)
        frame["y"] = rng.normal(size=len(frame)) + rng.normal(size=8)[frame["top"]]
    else:
        frame = dataset(name)
    model = bx.Model(formula, frame)
    assert model.reml().singular == singular
    return model


def start_of(model: bx.Model, geometry: Geometry) -> dict[str, np.ndarray]:
    values = starting_values(
        model.design, model.products, model.reml().solution, model.priors.numbers, geometry_of(model, "mixed")
    )
    variables = free_variables(model.design, model.priors.numbers, geometry)
    return {v.name: value for v, value in zip(variables, values, strict=True)}


def test_starts_are_inside(start_model: bx.Model) -> None:
    geometry = geometry_of(start_model, "mixed")
    variables = free_variables(start_model.design, start_model.priors.numbers, geometry)
    for variable, value in zip(variables, start_of(start_model, geometry).values(), strict=True):
        assert value.shape == (variable.size,)
        assert np.isfinite(value).all()
        assert (value > 0).all()
        if variable.kind == "share":
            assert (np.abs(2 * value - 1) <= 0.9).all()


def test_starts_stand_at_reml_where_that_is_inside(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    values = start_of(hsb_model, geometry_of(hsb_model, "log"))
    sigma = hsb_reml.covariances()["school"].to_numpy()
    assert_allclose(values["sigma"], hsb_reml.sigma, rtol=1e-12)
    assert_allclose(values["1|school_sigma"], np.sqrt(sigma[0, 0]), rtol=1e-12)
    assert_allclose(values["ses|school_sigma"], np.sqrt(sigma[1, 1]), rtol=1e-12)
    rho = sigma[0, 1] / np.sqrt(sigma[0, 0] * sigma[1, 1])
    assert_allclose(2 * values["school_partial_0"] - 1, rho, rtol=1e-9)


def test_starts_at_a_boundary(dataset: Callable[[str], pd.DataFrame]) -> None:
    """A tenth of sigma over the root of the rows of a group: 6 batches of 5."""
    model = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))
    values = start_of(model, geometry_of(model, "signed"))
    assert_allclose(values["1|Batch_sigma_signed"], 0.1 * model.reml().sigma / np.sqrt(5), rtol=1e-9)


def test_starts_of_three_correlations_are_reml(dataset: Callable[[str], pd.DataFrame]) -> None:
    """From partials back to the correlation matrix, where no correlation had to be pulled inside."""
    rng = np.random.default_rng(8)
    frame = random_frame(rng, 400, 20)
    frame["y"] += rng.normal(size=20)[frame["top"]] * 2 * frame["z"]
    model = bx.Model("y ~ x + z + (x + z | top)", frame.assign(x=frame["x"] - 20))
    sigma = model.reml().covariances()["top"].to_numpy()
    sds = np.sqrt(np.diag(sigma))
    correlation = sigma / np.outer(sds, sds)
    assert np.abs(correlation[np.tril_indices(3, -1)]).max() < 0.85, "choose another seed"
    graph = graph_of(model, "log")
    values = start_of(model, geometry_of(model, "log"))
    values = {name: value if "_partial_" in name else value[0] for name, value in values.items()}
    found = graph["top_corr"].eval(
        {graph[name]: value for name, value in values.items() if "_partial_" in name}, mode=INTERPRETED
    )
    assert_allclose(found, correlation[np.triu_indices(3, 1)], rtol=1e-7)


@pytest.mark.parametrize("kind", ["log", "signed"])
def test_density_and_gradient_are_finite_at_starts(start_model: bx.Model, kind: str, rng: np.random.Generator) -> None:
    geometry = geometry_of(start_model, kind)
    variables = free_variables(start_model.design, start_model.priors.numbers, geometry)
    graph = graph_of(start_model, kind)
    density = graph.compile_logp(mode=INTERPRETED)
    gradient = graph.compile_dlogp(mode=INTERPRETED)
    values = list(start_of(start_model, geometry).values())
    for start in (values, jittered(variables, values, rng)):
        at = point(graph, scalars(variables, start))
        assert np.isfinite(density(at))
        assert np.isfinite(gradient(at)).all()


def scalars(variables: Any, values: list[np.ndarray]) -> dict[str, Any]:
    return {v.name: value if v.kind == "share" else value[0] for v, value in zip(variables, values, strict=True)}


def test_unconstrained_is_the_samplers_vector(model: bx.Model, rng: np.random.Generator) -> None:
    """In the order and the transforms of the graph: what nutpie starts from."""
    graph = graph_of(model, "mixed")
    variables = free_variables(model.design, model.priors.numbers, geometry_of(model, "mixed"))
    values = starting_values(
        model.design, model.products, model.reml().solution, model.priors.numbers, geometry_of(model, "mixed")
    )
    moved = jittered(variables, values, rng)
    at = point(graph, scalars(variables, moved))
    expected = np.concatenate([np.ravel(at[graph.rvs_to_values[variable].name]) for variable in graph.free_RVs])
    assert_allclose(unconstrained(variables, moved), expected, rtol=1e-12)
    assert [variable.name for variable in graph.value_vars] == [graph.rvs_to_values[v].name for v in graph.free_RVs]


def test_jitter(model: bx.Model, rng: np.random.Generator) -> None:
    """Within 1 of the start in logarithms and logits, on the same side of 0, and anew for each chain."""
    variables = free_variables(model.design, model.priors.numbers, geometry_of(model, "mixed"))
    values = starting_values(
        model.design, model.products, model.reml().solution, model.priors.numbers, geometry_of(model, "mixed")
    )
    every_log = [type(v)(v.name, "log" if v.kind == "signed" else v.kind, v.size) for v in variables]
    origin = unconstrained(tuple(every_log), values)
    shifts = np.array([unconstrained(tuple(every_log), jittered(variables, values, rng)) - origin for _ in range(200)])
    assert np.abs(shifts).max() <= 1 + 1e-12
    assert (shifts.min(axis=0) < -0.9).all()
    assert (shifts.max(axis=0) > 0.9).all()
    assert np.linalg.matrix_rank(shifts) == len(origin)
