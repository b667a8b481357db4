"""Differences between printouts: the numbers are those the printouts hold."""

import dataclasses
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.dialects.conventions import CONVENTIONS, TOPICS, Convention, convention_table
from tests.markup import read

Fitted = Callable[[str, str], bx.LikelihoodFit]


def values(found: pd.DataFrame, topic: str, quantity: str) -> list[float]:
    one, two = found.columns[:2]
    return found.loc[(topic, quantity), [one, two]].astype(float).tolist()


def test_lme4_and_sas(hsb: pd.DataFrame) -> None:
    """Satterthwaite and containment df, AIC by 6 and 4 parameters; p one-sided against none."""
    fit = bx.Model("math ~ ses + (ses | school)", hsb).ml()
    found = bx.explain_difference("lme4", "sas", fit=fit)
    table = found.table
    assert table.columns.tolist() == ["lme4", "sas", "lme4_rule", "sas_rule", "why"]
    assert table.index.names == ["topic", "quantity"]
    df = fit.fixed_effects()["df"]["ses"], fit.fixed_effects(df="containment")["df"]["ses"]
    np.testing.assert_allclose(values(table, "degrees of freedom", "df of ses"), df)
    assert df[1] == 159
    np.testing.assert_allclose(values(table, "information criteria", "n of BIC"), [7185, 160])
    bic = [46689.75, fit.criterion + 6 * np.log(160)]
    np.testing.assert_allclose(values(table, "information criteria", "BIC"), bic, atol=5e-3)
    assert ("information criteria", "AIC") not in table.index  # under ML both count six parameters
    text = str(found)
    assert "Both the same: default method, intervals of variance components" in text
    assert "containment" in table.loc[("degrees of freedom", "df of ses"), "sas_rule"]
    assert "only what t is compared with" in text


def test_information_behind_standard_errors(hsb_reml: bx.LikelihoodFit) -> None:
    found = hsb_reml.explain_difference("sas", "mlwin").table
    se = [hsb_reml.variance_components(se=kind)["se"]["school", "var(ses)"] for kind in ("reml", "expected-ml")]
    topic = "standard errors of variance components"
    np.testing.assert_allclose(values(found, topic, "se of school var(ses)"), se, rtol=1e-12)
    assert found.loc[("default method", "fitted by default"), ["sas", "mlwin"]].tolist() == ["REML", "ML"]
    assert found.loc[("degrees of freedom", "df of ses"), "mlwin"] == np.inf


def test_one_sided_and_two_sided(hsb_reml: bx.LikelihoodFit) -> None:
    topic = "tests of variance components"
    found = hsb_reml.explain_difference("sas", "spss").table
    one, two = values(found, topic, "p of school var(ses)")
    np.testing.assert_allclose(two, 2 * one)
    assert (topic, "p of school cov(Intercept,ses)") not in found.index
    assert found.loc[("order of variance components", "parameters"), "spss"].startswith("Residual, UN (1,1)")
    with_hlm = hsb_reml.explain_difference("sas", "hlm").table
    np.testing.assert_allclose(values(with_hlm, topic, "p of school var(ses)")[1], 0.002, atol=5e-4)


def test_criteria_of_stata(hsb_reml: bx.LikelihoodFit) -> None:
    found = hsb_reml.explain_difference("stata", "spss").table
    np.testing.assert_allclose(values(found, "criterion", "value"), [-23320.199127, 46640.398254], atol=1e-5)
    np.testing.assert_allclose(values(found, "information criteria", "parameters counted"), [6, 4])
    assert ("intervals of variance components", "95 % of school var(ses)") not in found.index


def test_correlation_and_covariance(hsb_reml: bx.LikelihoodFit) -> None:
    found = hsb_reml.explain_difference("lme4", "stata").table.loc["scale of variance components"]
    np.testing.assert_allclose(float(found.loc["school corr(Intercept,ses)", "lme4"]), -0.109256, atol=1e-6)
    np.testing.assert_allclose(float(found.loc["school cov(Intercept,ses)", "stata"]), -0.1542754, atol=1e-6)
    assert found.loc["school cov(Intercept,ses)", "lme4"] is None


def test_reference_labels(fitted: Fitted) -> None:
    found = fitted("slopes", "REML").explain_difference("lme4", "sas").table
    assert found.loc[("reference label", "reference of kind"), ["lme4", "sas"]].tolist() == ["low<&>", "high"]


def test_containment_note_is_passed_on(hsb: pd.DataFrame) -> None:
    fit = bx.Model("math ~ meanses + (1 | school)", hsb).reml()
    assert "no random effect contains meanses" in str(fit.explain_difference("sas", "spss"))


@pytest.mark.parametrize("kind", ["rows", "three_levels", "crossed", "singular", "no_fixed"])
@pytest.mark.parametrize(("one", "two"), list(combinations(CONVENTIONS, 2)))
def test_every_pair_on_every_fit(one: str, two: str, kind: str, fitted: Fitted) -> None:
    found = fitted(kind, "REML").explain_difference(one, two)
    assert found.table["why"].notna().all()
    assert found.table[f"{one}_rule"].notna().all()
    assert len(found.rules) + len(found.same) == len(TOPICS)
    cells = [text for _, text in read(found._repr_html_()).found]
    assert f"What {one} and {two} print differently" in cells
    for topic in found.rules.index:
        assert f"{topic[0].upper()}{topic[1:]}" in str(found)
        assert topic in cells
    again = fitted(kind, "REML").explain_difference(two, one)
    pd.testing.assert_frame_equal(
        again.table[[one, two]].sort_index(), found.table[[one, two]].sort_index(), check_dtype=False
    )


def test_rules_alone() -> None:
    found = bx.explain_difference("lme4", "SAS")
    assert found.table.columns.tolist() == ["lme4", "sas", "why"]
    assert "containment" in found.table.loc["degrees of freedom", "sas"]
    assert found.formula is None
    assert "Numbers of this fit" not in str(found)
    assert read(found._repr_html_()).found


def test_the_table_of_conventions_is_full() -> None:
    table = convention_table()
    assert table.columns.tolist() == ["lme4", "sas", "spss", "hlm", "mlwin", "stata"]
    assert table.map(lambda text: isinstance(text, str) and len(text) > 4).to_numpy().all()
    assert all(isinstance(rule, Convention) and rule.program == name for name, rule in CONVENTIONS.items())


def test_frozen(hsb_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        hsb_reml.explain_difference("lme4", "sas").one = "spss"  # type: ignore[misc]


def test_wrong_use(hsb_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match="lme4, sas, spss, hlm, mlwin, stata") as error:
        bx.explain_difference("lme4", "mlwn", fit=hsb_reml)
    assert error.value.remedy == "Did you mean 'mlwin'?"
    assert error.value.found.startswith("two='mlwn'")
    with pytest.raises(ArgumentError, match="'sas' twice"):
        hsb_reml.explain_difference("sas", "sas")
    with pytest.raises(ArgumentError, match="fit=str"):
        bx.explain_difference("lme4", "sas", fit="model")  # type: ignore[arg-type]
