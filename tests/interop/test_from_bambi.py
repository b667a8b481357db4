"""Bambi's models read here: the same columns, groups, priors and density; and what is refused."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bambi
import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, DesignError, PriorError
from tests.interop.densities import graph_density, random_values, written_density

# Of pandas 3, about a call inside formulae, when a Bambi model is made.
pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes")

Data = Callable[[str], pd.DataFrame]


@pytest.fixture(scope="module")
def small(dataset: Data) -> pd.DataFrame:
    frame = dataset("hsb")
    frame = frame[frame["school"].isin(frame["school"].unique()[::14])].reset_index(drop=True)
    return frame.assign(third=pd.Series(np.arange(len(frame)) % 3).map({0: "c", 1: "a", 2: "b"}))


def named_values(theirs: Any, model: bx.Model, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values of Bambi's variables, and the same by our names: Bambi keeps the columns of a term in one variable."""
    given = random_values(theirs, rng)
    ours: dict[str, Any] = {}
    dims = theirs.backend.model.named_vars_to_dims
    for name, value in given.items():
        labels = [dim for dim in dims.get(name, ()) if not dim.endswith("__factor_dim")]
        if not labels:
            ours[name] = value
            continue
        stem, bar, rest = name.partition("|")
        for k, label in enumerate(theirs.backend.model.coords[labels[0]]):
            axis = list(dims[name]).index(labels[0])
            ours[f"{stem}[{label}]{bar}{rest}"] = np.take(value, k, axis=axis)
    return given, ours


@pytest.mark.parametrize(
    "formula",
    [
        "math ~ ses * sector + (1 | school) + (0 + ses | school)",
        "math ~ 0 + third + scale(ses) + offset(meanses) + (third | school)",
        "math ~ bs(ses, df=4) + (1 | sector) + (1 | school)",
    ],
)
def test_the_density(formula: str, small: pd.DataFrame, rng: np.random.Generator) -> None:
    theirs = bambi.Model(formula, small)
    theirs.build()
    model = bx.from_bambi(theirs)
    given, ours = named_values(theirs, model, rng)
    assert graph_density(theirs, given) == pytest.approx(written_density(model, ours), rel=1e-12)


def test_there_and_back(small: pd.DataFrame) -> None:
    model = bx.Model("math ~ ses * sector + (ses || school)", small, priors={"sd(ses | school)": "Gamma(2, 1)"})
    again = bx.from_bambi(model.to_bambi())
    assert again.priors.numbers == model.priors.numbers and again.groups == model.groups
    assert again.reml().criterion == pytest.approx(model.reml().criterion, abs=1e-8)
    pd.testing.assert_frame_equal(again.reml().fixed_effects(), model.reml().fixed_effects(), rtol=1e-6)


def test_priors_that_were_given(small: pd.DataFrame) -> None:
    sd = bambi.Prior("Exponential", lam=2)
    priors = {"ses": bambi.Prior("Laplace", mu=0, b=3), "1|school": bambi.Prior("Normal", mu=0, sigma=sd)}
    model = bx.from_bambi(bambi.Model("math ~ ses + (1 | school)", small, priors=priors))
    assert model.priors["ses"] == "Laplace(0, 3)" and model.priors["1|school_sigma"] == "Exponential(2)"


def group_prior(**numbers: Any) -> dict[str, Any]:
    return {"1|school": bambi.Prior("Normal", **{"mu": 0, "sigma": bambi.Prior("HalfNormal", sigma=1), **numbers})}


@pytest.mark.parametrize(
    ("formula", "options", "kind", "words"),
    [
        ("math ~ ses", {"family": "t"}, DesignError, "family 't'"),
        ("math ~ ses", {"link": "log"}, DesignError, "link 'log'"),
        (bambi.Formula("math ~ ses", "sigma ~ sector"), {}, DesignError, "a formula for sigma"),
        ("weighted(math, size) ~ ses", {}, DesignError, "a weighted response"),
        ("math ~ hsgp(ses, m=5, c=2)", {}, DesignError, "a Gaussian process"),
        ("math ~ ses", {"potentials": [("ses", lambda x: x)]}, DesignError, "potentials"),
        ("math ~ ses", {"center_predictors": False}, PriorError, "center_predictors=False"),
        ("math ~ ses", {"priors": {"sigma": 2}}, PriorError, "The prior of 'sigma'"),
        (
            "math ~ ses",
            {"priors": {"ses": bambi.Prior("SkewNormal", mu=0, sigma=1, alpha=1)}},
            PriorError,
            "SkewNormal",
        ),
        ("math ~ ses", {"priors": {"ses": bambi.Prior("Normal", mu=0, tau=1)}}, PriorError, "the numbers mu, sigma"),
        ("math ~ 1 + (1 | school)", {"priors": group_prior(mu=1)}, PriorError, "normal effects around 0"),
        (
            "math ~ 1 + (1 | school)",
            {"priors": group_prior(mu=bambi.Prior("Normal", mu=0, sigma=1))},
            PriorError,
            "around 0",
        ),
        ("math ~ ses + size + I(2 * size)", {}, DesignError, r"The columns I\(2 \* size\) are combinations"),
        ("math ~ 1 + (1 | one)", {}, DesignError, "has 1 group"),
    ],
)
def test_refusals(
    formula: Any, options: dict[str, Any], kind: type[Exception], words: str, small: pd.DataFrame
) -> None:
    theirs = bambi.Model(formula, small.assign(size=np.arange(len(small)) % 4 + 1.0, one="a"), **options)
    with pytest.raises(kind, match=words):
        bx.from_bambi(theirs)


@pytest.mark.parametrize("given", [None, "math ~ ses", 3, bambi.Prior("Flat"), pd.DataFrame({"a": [1]}), bambi.Model])
def test_what_is_no_model(given: Any) -> None:
    with pytest.raises(ArgumentError, match=r"Expected a bambi\.Model"):
        bx.from_bambi(given)


def test_names_are_not_run(small: pd.DataFrame, tmp_path: Path) -> None:
    name = f"__import__('os').mkdir('{tmp_path}/hacked')"
    theirs = bambi.Model(f"math ~ `{name}` + (1 | school)", small.rename(columns={"ses": name}))
    assert bx.from_bambi(theirs).design.fixed_names == ("Intercept", name) and os.listdir(tmp_path) == []


def test_bambi_is_loaded_late() -> None:
    script = "import sys, bayesmix.model; print('bambi' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False" and issubclass(DesignError, BayesmixError)
