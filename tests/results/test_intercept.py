"""What the intercept means, in words, against where the columns of the model are 0."""

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx

OWN = "the intercept of each school is its own mean, not adjusted for the mean of"
IN = ", in a school whose residual is 0."

MEANINGS = [
    ("math ~ 1 + (1 | school)", f"The intercept is the mean of math{IN}"),
    ("math ~ ses * sector + (ses | school)", f"is the mean of math where ses is 0 and sector is Public{IN}"),
    (
        "math ~ centre(ses) + (1 | school)",
        f"where ses is at its mean over the rows (0.0001434){IN} The intercepts of groups are adjusted for their "
        "differences in ses.",
    ),
    (
        "math ~ within(ses) + (1 | school)",
        f"where ses is at the mean of its own school{IN} With ses centred within school, {OWN} ses there, unless that "
        "is a predictor too.",
    ),
    (
        "math ~ cses + (1 | school)",
        f"where cses is 0 (its mean in each school){IN} With cses centred within school, {OWN} cses there",
    ),
    (
        "math ~ within(ses) + between(ses) + (1 | school)",
        f"where ses is at the mean of its own school and the mean of ses in a school is 0{IN}",
    ),
    ("math ~ centre(between(ses, school)) + (1 | school)", "where the mean of ses in a school is at its mean over"),
    (
        "math ~ I(ses + 50) + (1 | school)",
        f"where I(ses+50) is 0{IN} I(ses+50) runs from 46.24 to 52.69, so that the intercept lies outside the data: "
        "centre(I(ses+50))",
    ),
    (
        "math ~ scale(ses) + C(sector, Treatment, Catholic)",
        "its mean over the rows (0.0001434) and C(sector, Treatment, Catholic) is Catholic.",
    ),
    ("math ~ C(sector, Sum) + ses", "where the labels of C(sector, Sum) count equally and ses is 0."),
    ("math ~ poly(ses, 2)", "where the columns of poly(ses, 2) are 0 (their mean over the rows)."),
    ("math ~ poly(ses, 2, raw) + offset(meanses)", "where ses is 0 and the offset meanses is 0."),
    ("math ~ meanses:cses + meanses", "where meanses is 0."),
    ("math ~ minority:sex + sex", "where sex is Male and minority is No."),
    ("math ~ 0 + ses + (1 | school)", "The model has no intercept."),
    ("math ~ ses + (0 + ses | school)", "The intercept is the mean of math where ses is 0."),
]


@pytest.mark.parametrize(("formula", "words"), MEANINGS)
def test_meanings(formula: str, words: str, hsb: pd.DataFrame) -> None:
    assert words in bx.Model(formula, hsb).intercept_meaning()


def test_centred_in_the_data(hsb: pd.DataFrame) -> None:
    frame = hsb.assign(cgm=hsb["ses"] - hsb["ses"].mean())
    assert "cgm is 0 (its mean over the rows)" in bx.Model("math ~ cgm + (1 | school)", frame).intercept_meaning()


def test_several_levels(egsingle_model: bx.Model) -> None:
    said = egsingle_model.intercept_meaning()
    assert said.endswith("where year is 0, in a schoolid:childid and a schoolid whose residuals are 0.")


def test_intercept_is_where_it_is_said_to_be(hsb: pd.DataFrame) -> None:
    """A row made as the words say has the intercept for its prediction."""
    fit = bx.Model(
        "math ~ scale(ses) + C(sector, Sum) + log(size) + (1 | school)", hsb.assign(size=np.exp(hsb["meanses"]))
    ).reml()
    said = bx.Model("math ~ scale(ses) + sector + (1 | school)", hsb).intercept_meaning()
    assert "ses is at its mean" in said and "sector is Public" in said
    row = {"ses": [float(hsb["ses"].mean())] * 2, "sector": ["Public", "Catholic"], "size": [1.0, 1.0]}
    mean = fit.predict(row, groups="population")["mean"].mean()
    assert mean == pytest.approx(float(fit.fixed_effects().loc["Intercept", "estimate"]), rel=1e-8)
