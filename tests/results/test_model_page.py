"""A model as a notebook shows it."""

import numpy as np

import bayesmix as bx
from tests.frames import random_frame
from tests.markup import read


def test_page(hsb_model: bx.Model) -> None:
    """Formula, sizes by level, and every prior with its source."""
    found = read(hsb_model._repr_html_()).found
    facts = [text for tag, text in found if tag in ("dt", "dd")]
    assert facts == ["Formula", "math ~ ses + (ses | school)", "Rows", "7185"]
    (equations,) = [text for tag, text in found if tag == "pre"]
    assert equations == hsb_model.equations().short and "β₁ⱼ = γ₁₀ + u₁ⱼ" in equations
    assert any("The intercept is the mean of math where ses is 0" in text for tag, text in found if tag == "p")
    cells = [text for tag, text in found if tag in ("th", "td")]
    at = cells.index("school")
    assert cells[at : at + 4] == ["school", "160", "14 - 44.9 - 67", "Intercept, ses"]
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
