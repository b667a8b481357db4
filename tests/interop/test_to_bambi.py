"""Models handed to Bambi: the same columns, groups, priors and density; and what is refused."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import DesignError, PriorError
from tests.interop.densities import graph_density, random_values, written_density

Data = Callable[[str], pd.DataFrame]


@pytest.fixture(scope="module")
def small(dataset: Data) -> pd.DataFrame:
    """Twelve schools of High School & Beyond, the categories of sector in the order of the file."""
    frame = dataset("hsb")
    rng = np.random.default_rng(1)
    chosen = rng.permutation(frame["school"].unique())[:12]
    frame = frame[frame["school"].isin(chosen)].reset_index(drop=True)
    return frame.assign(z=rng.normal(size=len(frame)))


def columns_of(theirs: Any) -> pd.DataFrame:
    """Bambi's design matrix of the common terms."""
    terms = theirs.parameters["mu"].common_terms
    rows = range(theirs.data.shape[0])
    return pd.DataFrame({name: np.ravel(term.data) for name, term in terms.items()}, index=rows)


FORMULAS = [
    "math ~ ses * sector + (ses || school)",
    "math ~ within(ses, school) + between(ses, school) + poly(z, 2) + offset(meanses) + (1 | school)",
    "I(math / 10) ~ 0 + sector + C(sex, Sum) + (0 + ses | school)",
    "math ~ 1 + (1 | sector/school)",
    "math ~ ses + sector",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_columns_and_groups(formula: str, small: pd.DataFrame) -> None:
    model = bx.Model(formula, small)
    theirs, design = model.to_bambi(), model.design
    names = [name for name in design.fixed_names if name != "Intercept"]
    found = columns_of(theirs)
    assert list(found) == [name.replace("/", "÷") for name in names]
    np.testing.assert_array_equal(found.to_numpy(), design.fixed_values[:, [n in names for n in design.fixed_names]])
    assert (theirs.parameters["mu"].intercept_term is not None) == ("Intercept" in design.fixed_names)
    np.testing.assert_array_equal(theirs.response_term.data, design.response)
    groups = theirs.parameters["mu"].group_specific_terms
    assert len(groups) == sum(len(level.effects) for level in design.levels)
    bars = [(level, place) for level in design.levels for place in level.places]
    for (level, place), term in zip(bars, groups.values(), strict=True):
        np.testing.assert_array_equal(np.ravel(term.predictor), design.values[:, place])
        labels = np.array([str(label) for label in level.grouping.labels])
        assert np.array_equal(np.array(term.groups)[term.group_index], labels[level.grouping.codes])


@pytest.mark.parametrize("priors", ["default", "flat", "bambi"])
def test_the_density(priors: str, small: pd.DataFrame, rng: np.random.Generator) -> None:
    formula = "math ~ ses * sector + offset(meanses) + (ses || school)"
    model = bx.Model(formula, small, priors=priors)
    theirs = model.to_bambi()
    theirs.build()
    values = random_values(theirs, rng)
    assert graph_density(theirs, values) == pytest.approx(written_density(model, values), rel=1e-12)


def test_every_family_of_priors(small: pd.DataFrame, rng: np.random.Generator) -> None:
    priors = {
        "Intercept": "StudentT(3, 12, 5)",
        "ses": "Laplace(0, 2)",
        "cses": "Cauchy(0, 1)",
        "meanses": "Logistic(0, 2)",
        "sd(Intercept | school)": "Exponential(0.5)",
        "sd(ses | school)": "Gamma(2, 3)",
        "sigma": "LogNormal(1, 0.5)",
    }
    frame = small.assign(ses=small["ses"] + 0.1 * rng.normal(size=len(small)))
    model = bx.Model("math ~ ses + cses + meanses + (ses || school)", frame, priors=priors)
    theirs = model.to_bambi()
    theirs.build()
    values = random_values(theirs, rng)
    assert graph_density(theirs, values) == pytest.approx(written_density(model, values), rel=1e-12)


def test_names_are_those_of_our_posterior(small: pd.DataFrame) -> None:
    frame = small.assign(
        sigma=small["ses"], y=small["cses"], **{"a/b": small["meanses"] ** 2, "x y": small["cses"] ** 2}
    )
    model = bx.Model("math ~ sigma + y + `a/b` + `x y` + (1 | school)", frame)
    terms = list(model.to_bambi().parameters["mu"].terms)
    assert terms == ["Intercept", "sigma_", "y_", "a÷b", "x y", "1|school"]


def test_names_are_not_run(small: pd.DataFrame, tmp_path: Path) -> None:
    name = f"__import__('os').mkdir('{tmp_path}/hacked')"
    model = bx.Model(f"math ~ `{name}` + (1 | school)", small.rename(columns={"ses": name}))
    assert name.replace("/", "÷") in model.to_bambi().parameters["mu"].terms and os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("formula", "options", "kind", "words"),
    [
        ("math ~ ses + (ses | school)", {}, DesignError, "'Intercept' and 'ses' of level 'school' are correlated"),
        ("math ~ ses + (sector || school)", {}, DesignError, "correlated"),
        ("math ~ ses + (1 | school)", {"weights": "size"}, DesignError, r"precision weights \(size\)"),
        ("math ~ ses + (1 | school)", {"priors": "rstanarm"}, PriorError, r"'1\|school_sigma' is decov"),
        ("math ~ ses + (1 | school)", {"priors": {"R2": "Beta(1, 1)"}}, PriorError, "'ses' is R2"),
        ("math ~ ses + (1 | school)", {"priors": {"icc(school)": "Beta(1, 1)"}}, PriorError, "is ICC"),
        ("math ~ `a|b` + (1 | school)", {}, DesignError, r"can not read a column called 'a\|b'"),
        ("math ~ size + (1 | size)", {}, DesignError, "'size' is the name of two things"),
        ("math ~ offset + offset(ses) + (1 | school)", {}, DesignError, "'offset' is the name of two things"),
    ],
)
def test_refusals(
    formula: str, options: dict[str, Any], kind: type[Exception], words: str, small: pd.DataFrame
) -> None:
    size = small["school"].cat.codes.to_numpy() % 3 + 1.0
    model = bx.Model(formula, small.assign(size=size, offset=small["cses"], **{"a|b": small["cses"]}), **options)
    with pytest.raises(kind, match=words):
        model.to_bambi()


@pytest.mark.slow
def test_both_posteriors_agree(dataset: Data) -> None:
    model = bx.Model("Reaction ~ Days + (Days || Subject)", dataset("sleepstudy"))
    ours = model.sample(seed=1, progress=False, cores=2)
    theirs = model.to_bambi().fit(
        draws=2000, tune=1000, chains=4, cores=2, random_seed=1, inference_method="nutpie", progressbar=False
    )
    for name in ("Intercept", "Days", "1|Subject_sigma", "Days|Subject_sigma", "sigma"):
        one, other = (tree["posterior"][name].to_numpy() for tree in (ours.idata, theirs))
        errors = [np.std(draws) / np.sqrt(float(az.ess(draws))) for draws in (one, other)]
        assert abs(one.mean() - other.mean()) < 4 * np.hypot(*errors), name
        assert np.std(one) == pytest.approx(np.std(other), rel=0.1), name
