"""Fits in tables for papers: every number is one of the fit's own tables, in words that say what it is."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.tables import PaperTable
from tests.bayes import Fits
from tests.frames import random_frame


def cells(table: PaperTable) -> dict[str, tuple[str, ...]]:
    return {label: texts for section in table.sections for label, texts in section.rows}


def test_published_numbers(hsb_reml: bx.LikelihoodFit) -> None:
    """12.6650 (.1898), 2.3938 (.1181); variances 4.8286, .4129, r -.11, 36.8302; REML criterion 46640.398254."""
    found = cells(bx.table(hsb_reml, decimals=4))
    assert found["Intercept"][:2] == ("12.6650", "0.1898")
    assert found["ses"][:2] == ("2.3938", "0.1181")
    assert found["school, var(Intercept)"][0] == "4.8286"
    assert found["school, corr(Intercept, ses)"][0] == "-.1093"
    assert found["Residual variance"][0] == "36.8302"
    assert found["REML criterion"][0] == "46640.40"
    assert (found["N"][0], found["Groups (school)"][0], found["ICC (school)"][0]) == ("7185", "160", ".12")


def test_intervals_and_p(hsb_reml: bx.LikelihoodFit) -> None:
    found = cells(bx.table(hsb_reml, show=("p", "ci"), prob=0.9, df="kenward-roger", decimals=3))
    own = hsb_reml.fixed_effects(df="kenward-roger", prob=0.9).loc["ses"]
    assert found["ses"] == (f"{own.estimate:.3f}", f"{own.ci_low:.3f}", f"{own.ci_high:.3f}", "< .001")
    bounds = hsb_reml.intervals("wald", prob=0.9).loc[("school", "var(ses)")]
    own = hsb_reml.variance_components().loc[("school", "var(ses)")]
    assert found["school, var(ses)"] == (f"{own.estimate:.3f}", f"{bounds.ci_low:.3f}", f"{bounds.ci_high:.3f}", "")
    notes = " ".join(bx.table(hsb_reml, prob=0.9, df="kenward-roger").notes)
    assert "90%" in notes and "Kenward-Roger" in notes


def test_estimates_beside_a_posterior(dyestuff: Fits) -> None:
    made = bx.table(dyestuff.reml, dyestuff.post)
    assert made.models == (("REML", ("Estimate", "SE", "LL", "UL")), ("Bayes", ("Mean", "SD", "LL", "UL")))
    found = cells(made)
    own = dyestuff.post.fixed_effects().loc["Intercept"]
    assert found["Intercept"][4:] == tuple(f"{own[k]:.2f}" for k in ("mean", "sd", "ci_low", "ci_high"))
    own = dyestuff.post.variance_components().loc[("Batch", "var(Intercept)")]
    assert found["Batch, var(Intercept)"][4:] == tuple(f"{own[k]:.2f}" for k in ("mean", "sd", "ci_low", "ci_high"))
    share = dyestuff.post.icc()["mean"].iloc[0]
    assert found["ICC (Batch)"][4] == f"{share:.2f}".removeprefix("0")
    assert found["AIC"][4:] == ("", "", "", "")
    assert "confidence or credible" in " ".join(made.notes)
    with_p = bx.table(dyestuff.post, dyestuff.reml, show="p")
    assert with_p.models == (("Bayes", ("Mean",)), ("REML", ("Estimate", "p")))
    assert dyestuff.post.to_latex().count(r"\begin{tabular}") == 1
    with pytest.raises(ArgumentError, match="posteriors only"):
        bx.table(dyestuff.post, show="p")
    with pytest.raises(ArgumentError, match="posteriors only"):
        dyestuff.post.to_html(df="hlm")


def test_models_with_different_terms(hsb: pd.DataFrame) -> None:
    one = bx.Model("math ~ ses + (1 | school)", hsb).reml()
    two = bx.Model("math ~ sector + ses + (ses | school)", hsb.iloc[:4000]).reml()
    made = bx.table(one, two, show="se")
    assert [name for name, _ in made.models] == ["Model 1 (REML)", "Model 2 (REML)"]
    found = cells(made)
    assert found["sector[Catholic]"][:2] == ("", "") and found["sector[Catholic]"][2] != ""
    assert [label for label, _ in made.sections[0].rows] == ["Intercept", "ses", "sector[Catholic]"]
    assert made.sections[1].rows[-1][0] == "Residual variance"
    notes = " ".join(made.notes)
    assert "different fixed effects" in notes and "different numbers of rows" in notes


def test_levels_stay_together(dataset: Callable[[str], pd.DataFrame]) -> None:
    """A slope that only the second model has stands beside the intercept of its level."""
    formulas = ("math ~ year + (1 | schoolid/childid)", "math ~ year + (year | schoolid/childid)")
    table = bx.table(*(bx.Model(formula, dataset("egsingle")).reml() for formula in formulas))
    parts = [name.split(",")[0] for name in cells(table) if "(" in name and name.startswith("schoolid")]
    assert parts == ["schoolid:childid"] * 4 + ["schoolid"] * 4


def test_small_numbers_keep_two_digits() -> None:
    frame = random_frame(np.random.default_rng(1))
    fit = bx.Model("y ~ w + (1 | top)", frame.assign(w=1e4 * frame["x"])).reml()
    own = fit.fixed_effects().loc["w"]
    shown = cells(bx.table(fit))["w"]
    assert len(shown[1].strip("0.")) == 2
    assert abs(float(shown[1]) / own.se - 1) < 0.05


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x",
        "y ~ 0 + (1 | top)",
        "y ~ f + (x || top/inner)",
        "y ~ x + (1 | top) + (1 | residual)",
        "y ~ x + (x | fixed)",
        "y ~ 0 + x + (1|top)",
    ],
)
def test_models_of_every_kind(formula: str) -> None:
    frame = random_frame(np.random.default_rng(2))
    frame = frame.assign(residual=frame["f"] + " label", fixed=frame["top"])
    fit = bx.Model(formula, frame, weights=np.linspace(1, 2, len(frame))).ml()
    for text in (fit.to_latex(), fit.to_markdown(), fit.to_html(), repr(bx.table(fit))):
        assert "nan" not in text
    labels = [label for section in bx.table(fit).sections for label, _ in section.rows]
    assert len(labels) == len(set(labels))
    terms = len(fit.design.fixed_names)
    assert len(labels) >= terms + len(fit.variance_components()) + 1
    assert "weighted by" in " ".join(bx.table(fit).notes)


def test_what_is_out_of_the_ordinary(dyestuff2: Fits) -> None:
    made = bx.table(dyestuff2.reml)
    assert cells(made)["Batch, var(Intercept)"][2:] == ("—", "—")
    assert any("singular" in note for note in made.notes)
    frame = random_frame(np.random.default_rng(2)).assign(twice=lambda f: 2 * f["x"])
    frame.loc[3, "y"] = np.nan
    with pytest.warns(bx.BayesmixWarning, match="twice"):
        fit = bx.Model("y ~ x + twice + (1 | top)", frame).reml()
    notes = " ".join(bx.table(fit).notes)
    assert "dropped: twice" in notes and "1 row with missing values" in notes


def test_wrong_input(hsb_reml: bx.LikelihoodFit, hsb_model: bx.Model) -> None:
    for fits in ((), (hsb_model,), ([hsb_reml, hsb_reml],), (None,)):
        with pytest.raises(ArgumentError, match="table was given"):
            bx.table(*fits)
    for options, words in (
        ({"show": "sd"}, "show='sd'"),
        ({"show": 3}, "show=3"),
        ({"prob": 95}, "prob=95"),
        ({"decimals": 2.5}, "decimals=2.5"),
        ({"decimals": -1}, "decimals=-1"),
        ({"names": ["a", "b"]}, r"for 1 fit\."),
        ({"names": 3}, "names=3"),
        ({"title": 3}, "title=3"),
        ({"df": "satterthwait"}, "satterthwait"),
        ({"columns": 3}, "no keyword 'columns'"),
        ({"digits": 3}, "no keyword 'digits'"),
    ):
        with pytest.raises(ArgumentError, match=words):
            bx.table(hsb_reml, **options)
    with pytest.raises(ArgumentError, match="has 'a' more than once"):
        bx.table(hsb_reml, hsb_reml, names=["a", "a"])


def test_maketables_hooks(hsb_reml: bx.LikelihoodFit, dyestuff: Fits) -> None:
    """The columns that its plug-in protocol names."""
    frame = hsb_reml.__maketables_coef_table__
    own = hsb_reml.fixed_effects()
    assert list(frame.columns) == ["b", "se", "t", "p", "ci95l", "ci95u"]
    assert frame.index.name == "Coefficient"
    for column, ours in {
        "b": "estimate",
        "se": "se",
        "t": "t",
        "p": "p",
        "ci95l": "ci_low",
        "ci95u": "ci_high",
    }.items():
        assert (frame[column] == own[ours]).all()
    assert hsb_reml.__maketables_depvar__ == "math"
    assert hsb_reml.__maketables_stat__("N") == 7185
    assert hsb_reml.__maketables_stat__("aic") == hsb_reml.aic
    assert hsb_reml.__maketables_stat__("ll") == hsb_reml.loglik
    assert hsb_reml.__maketables_stat__("n_groups") == "160 school"
    assert hsb_reml.__maketables_stat__("r2_within") is None
    sds = ["sd(Intercept | school)", "sd(ses | school)", "sigma"]
    assert hsb_reml.__maketables_default_stat_keys__ == ["method", "N", "n_groups", *sds, "aic", "bic"]
    # Zieffler's slide and lme4: 2.1974, .6426, 6.0688.
    assert [round(hsb_reml.__maketables_stat__(key), 4) for key in sds] == [2.1974, 0.6426, 6.0688]
    assert set(sds) <= set(hsb_reml.__maketables_stat_labels__)
    drawn = dyestuff.post.__maketables_coef_table__
    assert drawn[["t", "p"]].isna().all(axis=None) and drawn[["b", "se", "ci95l"]].notna().all(axis=None)
    assert dyestuff.post.__maketables_stat__("aic") is None
    keys = dyestuff.post.__maketables_default_stat_keys__
    assert keys == ["method", "N", "n_groups", "sd(Intercept | Batch)", "sigma"]
    draws = dyestuff.post.idata["posterior"]
    for key, name in (("sd(Intercept | Batch)", "1|Batch_sigma"), ("sigma", "sigma")):
        assert dyestuff.post.__maketables_stat__(key) == pytest.approx(float(draws[name].mean()), rel=1e-12)


def test_maketables_itself(hsb_fits: Fits, dyestuff: Fits) -> None:
    """Estimates and posterior of one model side by side, beside another model."""
    mt = pytest.importorskip("maketables", reason="maketables is not installed")
    frame = mt.ETable([hsb_fits.reml, hsb_fits.post, dyestuff.reml]).df
    assert list(frame.columns.get_level_values(0)) == ["math", "math", "Yield"]
    assert frame.loc[("stats", "Method")].tolist() == ["REML", "Bayes", "REML"]
    assert frame.loc[("stats", "SD (ses | school)")].tolist()[0] == "0.643"
    assert frame.loc[("coef", "ses")].iloc[0].startswith("2.394")
    assert frame.loc[("coef", "ses")].iloc[1].startswith(f"{hsb_fits.post.fixed_effects().loc['ses', 'mean']:.3f}")


# Names that LaTeX would read as something else.
NAMES = ["a_b", "50%", "x&y", "#1", "back\\slash", "größe", "Δt", "x^2", "{br}", "~t", "$m$", '"q"', "a b", "o'c"]


def compiled(body: str, folder: Path) -> None:
    """A document with this in it is set without an error."""
    program = next((p for p in ("pdflatex", "tectonic") if shutil.which(p)), None)
    if program is None:
        pytest.skip("there is neither pdflatex nor tectonic on this machine")
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,amsmath}\begin{document}"
    (folder / "page.tex").write_text(f"{head}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    options = [] if program == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    found = subprocess.run([program, *options, "page.tex"], cwd=folder, capture_output=True, timeout=120)
    assert found.returncode == 0, found.stdout.decode(errors="replace")[-2000:]


def badly_named() -> bx.Model:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({name: rng.normal(size=150) for name in [*NAMES, "y_1"]}).assign(
        **{"g%_1": [1, 2, 3, 4, 5] * 30}
    )
    terms = " + ".join(f"`{name}`" for name in NAMES)
    return bx.Model(f"y_1 ~ {terms} + (`{NAMES[0]}` | `g%_1`)", frame)


@pytest.mark.slow
def test_latex_compiles(hsb_reml: bx.LikelihoodFit, hsb_fits: Fits, tmp_path: Path) -> None:
    """Tables of one fit and of several, titles and names with every sign that LaTeX minds."""
    tables = [
        hsb_reml.to_latex(title="50% of a_b & {c} <d|e> Δ", label="tab:one"),
        bx.table(hsb_fits.reml, hsb_fits.post, show=("se", "ci", "p")).to_latex(),
        badly_named().reml().to_latex(),
    ]
    compiled("\n\n".join(tables), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("notation", ["gamma", "beta", "mu"])
def test_equations_compile(notation: str, hsb_reml: bx.LikelihoodFit, tmp_path: Path) -> None:
    """Of two and three levels, crossed ones, none, and with such names; also with numbers filled in."""
    models = [
        badly_named(),
        bx.Model("math ~ meanses * cses + sector * cses + (cses || school)", bx.load_dataset("hsb")),
        bx.Model("math ~ year + (year | schoolid/childid)", bx.load_dataset("egsingle")),
        bx.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", bx.load_dataset("penicillin")),
        bx.Model("math ~ ses", bx.load_dataset("hsb")),
    ]
    texts = [model.equations(notation=notation).latex for model in models]
    hsb = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    texts.append(hsb.equations(notation=notation, values=hsb_reml).latex)
    compiled("\n\n".join(f"\\[ {text} \\]" for text in texts), tmp_path)


def test_to_docx_names_the_extra(hsb_reml: bx.LikelihoodFit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(ArgumentError, match="tables"):
        hsb_reml.to_docx(tmp_path / "hsb.docx")


def test_notes_of_data_sets(dataset: Callable[[str], pd.DataFrame]) -> None:
    fit = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff")).ml()
    assert "Deviance" in cells(bx.table(fit)) and "REML criterion" not in cells(bx.table(fit))
    assert bx.table(fit, title="Dyes", names="a").title == "Dyes"
