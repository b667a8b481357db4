"""Printouts against lme4's own, line by line."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesmix as bx
from bayesmix.results.dialects.lme4 import _fixed_effects, abbreviate
from bayesmix.tables import Printout, Rules

R = json.loads((Path(__file__).parents[2] / "reference" / "printouts.json").read_text(encoding="utf-8"))

# lme4 names a call that is not ours, breaks long formulas, and writes the double bar out.
LEFT_OUT = ("Linear mixed model", "Formula:", "Data:", "Control:", "optimizer (", "boundary (", "school)")


def kept(lines: list[str]) -> list[str]:
    """Lines with something on them that is the fit's."""
    return [line.rstrip() for line in lines if line.strip() and not line.strip().startswith(LEFT_OUT)]


def section(lines: list[str], start: str, stop: str | None) -> list[str]:
    """Lines from one title to before another."""
    first = lines.index(start)
    last = lines.index(stop) if stop in lines else len(lines)
    return lines[first:last]


@pytest.mark.parametrize(
    "case", R["summaries"], ids=lambda case: f"{case['formula']} {'REML' if case['reml'] else 'ML'}"
)
def test_as_lme4_prints(case: dict, dataset: Callable[[str], pd.DataFrame]) -> None:
    """All but the columns lmerTest adds; coefficients in them to the digits lme4 gives."""
    frame = dataset(case["data"])
    if case["data"] == "hsb":
        frame["sex"] = pd.Categorical(frame["sex"], ["Male", "Female"])
    model = bx.Model(case["formula"], frame)
    fit = model.reml() if case["reml"] else model.ml()
    theirs, ours = kept(case["lines"]), kept(fit.summary(style="lme4").splitlines())
    ours = ours[: next(i for i, line in enumerate(ours) if line.startswith("Note:"))]
    start, stop = "Fixed effects:", "Correlation of Fixed Effects:"
    assert ours[: ours.index(start)] == theirs[: theirs.index(start)]
    assert section([*ours, stop], stop, None) == section([*theirs, stop], stop, None)
    coefficients = [line.split() for line in section(ours, start, stop)[2:] if not line.startswith(("---", "Signif"))]
    expected = [line.split() for line in section(theirs, start, stop)[2:]]
    assert [row[0] for row in coefficients] == [row[0] for row in expected]
    mine, there = (
        np.array([[float(x) for x in row[1:5]] for row in coefficients]),
        np.array(expected)[:, 1:].astype(float),
    )
    # The degrees of freedom are formatted with estimates and errors and may shorten them.
    np.testing.assert_allclose(mine[:, [0, 1, 3]], there, rtol=5e-4, atol=1e-4)


@pytest.mark.parametrize("case", R["coefficients"], ids=lambda case: " ".join(map(str, case["df"])))
def test_coefficients_as_r_prints_them(case: dict) -> None:
    estimate, se, df = (np.array(case[name]) for name in ("estimate", "se", "df"))
    t = estimate / se
    table = pd.DataFrame({"estimate": estimate, "se": se, "df": df, "t": t, "p": 2 * stats.t.sf(np.abs(t), df)})
    names = [SimpleNamespace(factor=SimpleNamespace(text=letter)) for letter in "abcdef"[: len(t)]]
    columns = [SimpleNamespace(atoms=(name,)) for name in names]
    design = SimpleNamespace(columns=columns, fixed=range(len(t)))
    page = Printout("", tuple(_fixed_effects(SimpleNamespace(design=design), table)), (), Rules(gap=1))
    assert str(page).splitlines()[3:] == [line.rstrip() for line in case["lines"]]


@pytest.mark.parametrize("case", R["short"], ids=lambda case: case["names"][-1])
def test_abbreviations(case: dict) -> None:
    assert abbreviate(case["names"], 6) == case["six"]
    assert abbreviate(case["names"], 11) == case["eleven"]


def test_abbreviations_stay_apart() -> None:
    """As R's abbreviate(c("abcdefgh1x", "abcdefgh2x"), 3): longer until they differ."""
    short = abbreviate(["treatment_of_a", "treatment_of_b"], 4)
    assert len(set(short)) == 2


def test_lmertest_names_its_method(hsb_reml: bx.LikelihoodFit, hsb_model: bx.Model) -> None:
    first = "Linear mixed model fit by {}. t-tests use Satterthwaite's method ['lmerModLmerTest']"
    assert hsb_reml.summary(style="lme4").splitlines()[0] == first.format("REML")
    assert hsb_model.ml().summary(style="lme4").splitlines()[0] == first.format("maximum likelihood ")
