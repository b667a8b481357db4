"""A model as a notebook shows it."""

import numpy as np
import pytest

import bayesmix as bx
from bayesmix.results.model_page import equation_lines
from tests.frames import random_frame
from tests.markup import read

EQUATIONS = {
    "y ~ 1 + (1 | top)": ["y = β₀ + u₀[top] + e", "u₀[top] ~ Normal(0, τ₀²[top])", "e ~ Normal(0, σ²)"],
    "log(y) ~ 0 + x + (0 + z | top)": [
        "log(y) = β₁ x + u₀[top] z + e", "u₀[top] ~ Normal(0, τ₀²[top])", "e ~ Normal(0, σ²)",
    ],
    "y ~ x * z + offset(z) + (x || top/inner)": [
        "y = β₀ + β₁ x + β₂ z + β₃ x:z + u₀[top:inner] + u₁[top:inner] x + u₀[top] + u₁[top] x + z + e",
        "u₀[top:inner] ~ Normal(0, τ₀²[top:inner])", "u₁[top:inner] ~ Normal(0, τ₁²[top:inner])",
        "u₀[top] ~ Normal(0, τ₀²[top])", "u₁[top] ~ Normal(0, τ₁²[top])", "e ~ Normal(0, σ²)",
    ],
    "y ~ f + (x + z | top)": [
        "y = β₀ + β₁ f[b] + β₂ f[c] + u₀[top] + u₁[top] x + u₂[top] z + e",
        "(u₀, u₁, u₂)[top] ~ Normal(0, Σ[top])", "e ~ Normal(0, σ²)",
    ],
    "y ~ x": ["y = β₀ + β₁ x + e", "e ~ Normal(0, σ²)"],
}  # fmt: skip


@pytest.mark.parametrize("formula", EQUATIONS)
def test_equations(formula: str, rng: np.random.Generator) -> None:
    assert equation_lines(bx.Model(formula, random_frame(rng)).design) == EQUATIONS[formula]


def test_weights_and_many_effects(rng: np.random.Generator) -> None:
    model = bx.Model("y ~ poly(x, 11) + (1 | top)", random_frame(rng).assign(w=2.0), weights="w")
    first, *_, last = equation_lines(model.design)
    assert "β₁₀ poly(x, 10)[10]" not in first and "β₁₁ poly(x,11)[11]" in first.replace(", ", ",")
    assert last == "e ~ Normal(0, σ² / w)"


def test_page(hsb_model: bx.Model) -> None:
    """Formula, sizes by level, and every prior with its source."""
    found = read(hsb_model._repr_html_()).found
    facts = [text for tag, text in found if tag in ("dt", "dd")]
    assert facts == ["Formula", "math ~ ses + (ses | school)", "Rows", "7185"]
    cells = [text for tag, text in found if tag in ("th", "td")]
    at = cells.index("school")
    assert cells[at : at + 4] == ["school", "160", "44.9", "Intercept, ses"]
    for parameter, prior, source in (
        ("Intercept", "Normal(12.75, 17.2)", "mean(y), 2.5 sd(y)"), ("ses", "Normal(0, 22.06)", "2.5 sd(y)/sd(x)"),
        ("1|school_sigma", "HalfStudentT(4, 6.878)", "sd(y)"), ("sigma", "HalfStudentT(4, 6.878)", "sd(y)"),
        ("ses|school_sigma", "HalfStudentT(4, 8.826)", "sd(y)/sd(x)"),
    ):  # fmt: skip
        place = cells.index(parameter, at + 4)
        assert cells[place : place + 3] == [parameter, prior, f"default: {source}"]
    assert "at the means of the other columns" in "".join(text for tag, text in found if tag == "p")


def test_without_levels(rng: np.random.Generator) -> None:
    page = bx.Model("y ~ x", random_frame(rng), priors="flat")._repr_html_()
    assert "Linear model" in page and "Levels" not in page and "flat: constant" in page
