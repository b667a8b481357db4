"""Priors as JSON and back."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import FileError
from bayesmix.inference.distributions import Flat, HalfStudentT, Normal
from bayesmix.inference.priors import LKJ, LevelPriors, UniformPartials
from bayesmix.results.prior_json import priors_from_json, priors_to_json
from tests.frames import random_frame

PRESETS = ["default", "flat", "brms", "rstanarm", "bambi"]


@pytest.mark.parametrize("preset", [*PRESETS, {"R2": "Beta(2, 3)"}])
@pytest.mark.parametrize("formula", ["y ~ x * f + (x + z || top/inner)", "y ~ 0 + (x | top)", "y ~ x"])
def test_there_and_back(formula: str, preset: Any, rng: np.random.Generator) -> None:
    """Numbers to the last digit, and the sources."""
    if formula == "y ~ 0 + (x | top)" and isinstance(preset, dict):
        preset = {"sd": "Gamma(2, 0.1)"}  # nothing to explain without fixed effects
    model = bx.Model(formula, random_frame(rng), priors=preset)
    found = priors_from_json(priors_to_json(model.priors.numbers), model.design)
    assert found == model.priors.numbers
    assert found.sources == model.priors.numbers.sources


def test_a_prior_of_the_icc(rng: np.random.Generator) -> None:
    model = bx.Model(
        "y ~ x + (x | top)", random_frame(rng), priors={"icc(top)": "Beta(2, 3)", "x": "StudentT(3, 0, 1)"}
    )
    assert priors_from_json(priors_to_json(model.priors.numbers), model.design) == model.priors.numbers


def test_every_number_is_kept(rng: np.random.Generator) -> None:
    """Of priors that no preset makes, and where a column has the name of another parameter."""
    frame = random_frame(rng).assign(sigma=rng.normal(size=120))
    model = bx.Model("y ~ sigma + (1 + sigma | top)", frame)
    level = LevelPriors((HalfStudentT(1 / 3, 5e-324), Flat()), LKJ(0.1 + 0.2))
    priors = replace(
        model.priors.numbers, beta=(Flat(), Normal(-0.1, 1e300)), levels=(level,), sigma=HalfStudentT(7.0, 1 / 7)
    )
    assert priors_from_json(priors_to_json(priors), model.design) == priors
    uniform = replace(priors, levels=(replace(level, correlation=UniformPartials()),))
    assert priors_from_json(priors_to_json(uniform), model.design) == uniform


def test_priors_of_another_model(dataset: Callable[[str], pd.DataFrame]) -> None:
    small = bx.Model("Reaction ~ 1 + (1 | Subject)", dataset("sleepstudy"))
    large = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"))
    with pytest.raises(FileError, match=r"priors of 1 fixed effects.*Expected those of 2"):
        priors_from_json(priors_to_json(small.priors.numbers), large.design)


def test_a_distribution_that_is_not_listed(hsb_model: bx.Model) -> None:
    """Only names of the list are looked up."""
    found = json.loads(priors_to_json(hsb_model.priors.numbers)) | {"sigma": {"distribution": "Design"}}
    with pytest.raises(KeyError):
        priors_from_json(json.dumps(found), hsb_model.design)
