"""The reading surface of a posterior: columns, names, notes, files, and what ArviZ makes of it."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError
from bayesmix.results.bayes_fit import summarise
from tests.bayes import Fits, level_factor

COLUMNS = ["mean", "sd", "ci_low", "ci_high", "ess_bulk", "ess_tail", "r_hat"]
SHORT = ["mean", "sd", "ci_low", "ci_high"]


def draws(fits: Fits, name: str) -> np.ndarray:
    return fits.post.idata["posterior"][name].to_numpy()


def check_summary(row: pd.Series, values: np.ndarray, prob: float = 0.95) -> None:
    """Against (chains, draws) values."""
    assert_allclose(row["mean"], values.mean())
    assert_allclose(row["sd"], values.std(ddof=1))
    assert_allclose([row["ci_low"], row["ci_high"]], np.quantile(values, [0.5 - prob / 2, 0.5 + prob / 2]))
    if "r_hat" in row:
        array = xr.DataArray(values, dims=("chain", "draw"))
        # Of ranks: draws that NUTS repeats are ties, which the last digit breaks one way or the other.
        assert_allclose(row["ess_bulk"], arviz_stats.ess(array, method="bulk"), rtol=0.01)
        assert_allclose(row["ess_tail"], arviz_stats.ess(array, method="tail"), rtol=0.05)
        assert_allclose(row["r_hat"], arviz_stats.rhat(array), rtol=1e-4)


# What the posterior holds


def test_variables(hsb_fits: Fits, pastes: Fits, dyestuff: Fits) -> None:
    """Bambi's names, fixed effects first; nothing that is not reported."""
    posterior = hsb_fits.post.idata["posterior"]
    assert list(posterior.data_vars) == [
        "Intercept", "ses", "sigma", "1|school_sigma", "ses|school_sigma", "school_corr", "1|school", "ses|school",
    ]  # fmt: skip
    assert posterior["1|school"].dims == ("chain", "draw", "school__factor_dim")
    assert posterior["school_corr"].dims == ("chain", "draw", "school__effect_pair")
    assert posterior.coords["school__effect_pair"].to_numpy().tolist() == ["Intercept,ses"]
    labels = hsb_fits.model.design.levels[0].grouping.labels
    assert posterior.coords["school__factor_dim"].to_numpy().tolist() == [str(label) for label in labels]
    assert dict(posterior.sizes) == {"chain": 4, "draw": 1000, "school__factor_dim": 160, "school__effect_pair": 1}
    assert list(pastes.post.idata["posterior"].data_vars) == [
        "Intercept", "sigma", "1|batch:cask_sigma", "1|batch_sigma", "1|batch:cask", "1|batch",
    ]  # fmt: skip
    assert list(dyestuff.post.idata["posterior"].data_vars) == ["Intercept", "sigma", "1|Batch_sigma", "1|Batch"]


def test_groups_of_the_tree(hsb_fits: Fits) -> None:
    tree = hsb_fits.post.idata
    assert set(tree.children) == {"posterior", "unconstrained_posterior", "sample_stats", "observed_data"}
    internal = tree["unconstrained_posterior"]
    assert set(internal.data_vars) == {"sigma", "1|school_sigma", "ses|school_sigma_signed", "school_partial_0"}
    assert (tree["unconstrained_posterior"]["ses|school_sigma_signed"] < 0).any()
    assert_allclose(np.abs(internal["ses|school_sigma_signed"]), draws(hsb_fits, "ses|school_sigma"), rtol=1e-12)
    assert_array_equal(tree["observed_data"]["y"], hsb_fits.model.design.response)
    stats_ = tree["sample_stats"]
    for name in ("diverging", "depth", "energy", "step_size", "n_steps"):
        assert stats_[name].shape == (4, 1000)
    attributes = tree["posterior"].attrs
    assert {name: attributes[name] for name in ("formula", "sampler")} == {
        "formula": "math ~ ses + (ses | school)",
        "sampler": "nutpie",
    }
    priors = json.loads(attributes["priors"])
    scale = hsb_fits.model.priors.numbers.sigma.scale
    assert priors["sigma"] == {"distribution": "HalfStudentT", "df": 4.0, "scale": scale, "source": "default: sd(y)"}
    assert priors["school_corr"] == {"distribution": "LKJ", "eta": 2.0, "source": "default"}
    assert hsb_fits.post.n_draws == 4000
    assert hsb_fits.post.divergences == int(stats_["diverging"].sum()) == 0


def test_reported_parameters_are_those_that_were_sampled(hsb_fits: Fits) -> None:
    """Sigma from the raw, signed variables is Sigma from |s| and the correlation that goes with it."""
    internal, (level,) = hsb_fits.post.idata["unconstrained_posterior"], hsb_fits.model.design.levels
    at = [(0, 0), (1, 17), (2, 503), (3, 999)]
    for chain, draw in at:
        raw = {name: variable[chain, draw].to_numpy() for name, variable in internal.data_vars.items()}
        factor = level_factor(level, raw)
        sds = [draws(hsb_fits, f"{name}|school_sigma")[chain, draw] for name in ("1", "ses")]
        rho = draws(hsb_fits, "school_corr")[chain, draw, 0]
        covariance = rho * sds[0] * sds[1]
        assert_allclose(
            factor @ factor.T, [[sds[0] ** 2, covariance], [covariance, sds[1] ** 2]], rtol=1e-10, atol=1e-12
        )


def test_a_slash_in_a_name(dataset: Callable[[str], pd.DataFrame]) -> None:
    """DataTree refuses '/', so variables and dimensions have '÷'; tables keep the user's name."""
    frame = dataset("dyestuff").rename(columns={"Batch": "lot/batch"})
    frame["acid"] = np.arange(len(frame)) % 7
    model = bx.Model("Yield ~ I(acid / 10) + (1 | `lot/batch`)", frame)
    post = model.sample(draws=50, tune=100, chains=2, seed=1, progress=False)
    posterior = post.idata["posterior"]
    assert list(posterior.data_vars) == ["Intercept", "I(acid÷10)", "sigma", "1|lot÷batch_sigma", "1|lot÷batch"]
    assert posterior["1|lot÷batch"].dims == ("chain", "draw", "lot÷batch__factor_dim")
    assert post.variance_components().index[0] == ("lot/batch", "var(Intercept)")
    assert list(post.fixed_effects().index) == list(model.reml().fixed_effects().index)
    assert post.group_effects("lot/batch").shape == (6, 4)
    assert post.coefficients().shape == (6, 4)


@pytest.mark.parametrize("name", ["sigma", "y", "chain", "draw", "Batch_corr"])
def test_a_predictor_with_a_name_of_ours(name: str, dataset: Callable[[str], pd.DataFrame]) -> None:
    """The posterior of a coefficient is that of the coefficient, or the name is refused; never another number."""
    frame = dataset("dyestuff")
    frame["other"] = np.random.default_rng(3).normal(size=len(frame))
    expected = bx.Model("Yield ~ other + (1 | Batch)", frame)
    try:
        post = bx.Model(f"Yield ~ {name} + (1 | Batch)", frame.rename(columns={"other": name})).sample(
            draws=200, chains=2, seed=1, progress=False
        )
    except BayesmixError as error:
        assert f"'{name}'" in error.found
        return
    row = expected.sample(draws=200, chains=2, seed=1, progress=False).fixed_effects().loc["other"]
    assert_allclose(post.fixed_effects().loc[name], row, rtol=1e-9)


@pytest.mark.parametrize(("one", "other"), [("sigma", "sigma_"), ("a/b", "a÷b")])
def test_two_predictors_do_not_meet_in_one_variable(
    one: str, other: str, dataset: Callable[[str], pd.DataFrame]
) -> None:
    """Each coefficient has draws of its own, or the names are refused."""
    rng = np.random.default_rng(3)
    frame = dataset("dyestuff").assign(**{one: rng.normal(size=30), other: rng.normal(size=30)})
    model = bx.Model(f"Yield ~ `{one}` + `{other}` + (1 | Batch)", frame)
    try:
        means = model.sample(draws=200, chains=2, seed=1, progress=False).fixed_effects()["mean"]
    except BayesmixError:
        return
    estimates = model.reml().fixed_effects()
    assert means.iloc[1] != means.iloc[2]
    assert_allclose((means - estimates["estimate"]) / estimates["se"], 0.0, atol=0.3)


# Tables


def test_fixed_effects(hsb_fits: Fits) -> None:
    table = hsb_fits.post.fixed_effects()
    assert list(table.columns) == COLUMNS
    assert table.index.name == "term"
    assert list(table.index) == ["Intercept", "ses"]
    for name in table.index:
        check_summary(table.loc[name], draws(hsb_fits, name))
    check_summary(hsb_fits.post.fixed_effects(prob=0.5).loc["ses"], draws(hsb_fits, "ses"), 0.5)


def test_variance_components(hsb_fits: Fits) -> None:
    table = hsb_fits.post.variance_components()
    assert list(table.columns) == COLUMNS
    assert table.index.names == ["level", "parameter"]
    pd.testing.assert_index_equal(table.index, hsb_fits.reml.variance_components().index)
    one, ses = draws(hsb_fits, "1|school_sigma"), draws(hsb_fits, "ses|school_sigma")
    rho = draws(hsb_fits, "school_corr")[..., 0]
    expected = {
        ("school", "var(Intercept)"): one**2,
        ("school", "var(ses)"): ses**2,
        ("school", "cov(Intercept,ses)"): rho * one * ses,
        ("school", "corr(Intercept,ses)"): rho,
        ("residual", "var"): draws(hsb_fits, "sigma") ** 2,
    }
    for label, values in expected.items():
        check_summary(table.loc[label], values)


def test_icc(pastes: Fits) -> None:
    table = pastes.post.icc()
    assert list(table.columns) == ["mean", "ci_low", "ci_high"]
    assert table.index.name == "level"
    assert list(table.index) == ["batch:cask", "batch"]
    parts = [draws(pastes, f"1|{level}_sigma") ** 2 for level in table.index]
    total = sum(parts) + draws(pastes, "sigma") ** 2
    for (_, row), part in zip(table.iterrows(), parts, strict=True):
        assert_allclose(row["mean"], (part / total).mean())
        assert_allclose([row["ci_low"], row["ci_high"]], np.quantile(part / total, [0.025, 0.975]))
    assert "note" not in table.attrs
    narrow = pastes.post.icc(prob=0.5)
    assert (narrow["ci_low"] > table["ci_low"]).all()


def test_icc_under_slopes(hsb_fits: Fits, hsb: pd.DataFrame) -> None:
    table = hsb_fits.post.icc()
    one, ses = draws(hsb_fits, "1|school_sigma"), draws(hsb_fits, "ses|school_sigma")
    covariance = draws(hsb_fits, "school_corr")[..., 0] * one * ses
    x = hsb["ses"].to_numpy()
    between = one**2 + 2 * covariance * x.mean() + ses**2 * (x**2).mean()
    share = between / (between + draws(hsb_fits, "sigma") ** 2)
    assert_allclose(table.loc["school", "mean"], share.mean())
    assert "average over the rows" in table.attrs["note"]


def test_group_effects(hsb_fits: Fits) -> None:
    table = hsb_fits.post.group_effects()
    assert list(table.columns) == SHORT
    assert table.index.names == ["group", "effect"]
    labels = hsb_fits.model.design.levels[0].grouping.labels
    assert list(table.index) == [(label, effect) for label in labels for effect in ("Intercept", "ses")]
    for place in (0, 77, 159):
        check_summary(table.loc[(labels[place], "ses")], draws(hsb_fits, "ses|school")[..., place])
    # And these are the effects of those schools: the posterior means follow REML's predictions.
    predicted = hsb_fits.reml.group_effects()["estimate"].unstack("effect")
    means = table["mean"].unstack("effect")
    assert np.corrcoef(predicted["Intercept"], means["Intercept"])[0, 1] > 0.999
    assert_allclose(means["Intercept"], predicted["Intercept"], atol=0.25)


def test_group_effects_of_several_levels(pastes: Fits) -> None:
    table = pastes.post.group_effects()
    assert table.index.names == ["level", "group", "effect"]
    assert list(table.index.get_level_values("level").unique()) == ["batch:cask", "batch"]
    assert len(table) == 30 + 10
    for level in ("batch:cask", "batch"):
        one = pastes.post.group_effects(level)
        assert list(table.loc[level].index) == list(one.index)
        assert_array_equal(table.loc[level], one)
    pd.testing.assert_index_equal(table.index, pastes.reml.group_effects().index)
    estimate = pastes.reml.group_effects()["estimate"]
    assert np.corrcoef(estimate, table["mean"])[0, 1] > 0.98


def test_groups_in_another_order(pastes: Fits, dataset: Callable[[str], pd.DataFrame]) -> None:
    """Casks coded in no order that batches know: every cask keeps its effect, in tables and in the posterior."""
    frame = dataset("pastes")
    casks = (frame["batch"].astype(str) + ":" + frame["cask"].astype(str)).to_numpy()
    names = np.unique(casks)
    code = dict(zip(names, np.random.default_rng(5).permutation(len(names)), strict=True))
    model = bx.Model("strength ~ 1 + (1 | batch) + (1 | code)", frame.assign(code=[code[cask] for cask in casks]))
    assert model.design.tree is not None
    assert (np.diff(model.design.tree.order[0]) < 0).any()
    post = model.sample(seed=20, cores=2, progress=False)
    summed = dataclasses.replace(post, effects=dataclasses.replace(post.effects, effects=None))
    expected = pastes.reml.group_effects("batch:cask")["estimate"]
    found = {
        "estimate": model.reml().group_effects("code")["estimate"],
        "table": post.group_effects("code")["mean"],
        "coefficients": post.coefficients("code")["mean"] - post.fixed_effects().loc["Intercept", "mean"],
        "summary": summed.group_effects("code")["mean"],
    }
    labels = [str(label) for label in model.design.levels[0].grouping.labels]
    assert post.idata["posterior"].coords["code__factor_dim"].to_numpy().tolist() == labels
    drawn = post.idata["posterior"]["1|code"].mean(("chain", "draw")).to_series()
    for name in names:
        wanted = expected.loc[(name, "Intercept")]
        for kind, values in found.items():
            assert abs(values.loc[(code[name], "Intercept")] - wanted) < (1e-6 if kind == "estimate" else 0.5), kind
        assert abs(drawn.loc[str(code[name])] - wanted) < 0.5


def test_coefficients(hsb_fits: Fits) -> None:
    """Fixed plus group effect, draw by draw."""
    table = hsb_fits.post.coefficients()
    assert list(table.columns) == SHORT
    pd.testing.assert_index_equal(table.index, hsb_fits.post.group_effects().index)
    label = hsb_fits.model.design.levels[0].grouping.labels[31]
    for effect, fixed in (("1", "Intercept"), ("ses", "ses")):
        total = draws(hsb_fits, f"{effect}|school")[..., 31] + draws(hsb_fits, fixed)
        check_summary(table.loc[(label, fixed)], total)
    effects, fixed_means = hsb_fits.post.group_effects()["mean"], hsb_fits.post.fixed_effects()["mean"]
    expected = effects + fixed_means.loc[table.index.get_level_values("effect")].to_numpy()
    assert_allclose(table["mean"], expected)


def test_coefficients_without_a_fixed_counterpart(dyestuff: Fits, dataset: Callable[[str], pd.DataFrame]) -> None:
    """An effect that is not among the fixed effects is reported as it is, as of a likelihood fit."""
    frame = dataset("dyestuff")
    post = bx.Model("Yield ~ 0 + (1 | Batch)", frame.assign(Yield=frame["Yield"] - 1500)).sample(
        draws=50, chains=2, seed=1, progress=False
    )
    assert post.fixed_effects().empty
    assert list(post.fixed_effects().columns) == COLUMNS
    assert_allclose(post.coefficients(), post.group_effects(), rtol=1e-12)  # sums run in another order
    assert "Batch" in post.summary()
    assert_array_equal(dyestuff.post.coefficients("Batch"), dyestuff.post.coefficients())


def test_which_level(pastes: Fits) -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'batch:cask'"):
        pastes.post.coefficients("batch:casks")
    assert len(pastes.post.coefficients("batch:cask")) == 30


def test_without_levels(dataset: Callable[[str], pd.DataFrame]) -> None:
    model = bx.Model("Reaction ~ Days", dataset("sleepstudy"))
    post = model.sample(draws=500, chains=2, seed=1, progress=False)
    assert list(post.idata["posterior"].data_vars) == ["Intercept", "Days", "sigma"]
    assert list(post.variance_components().index) == [("residual", "var")]
    for call in (post.icc, post.group_effects, post.coefficients):
        with pytest.raises(ArgumentError, match="no levels"):
            call()
    assert "Intraclass" not in post.summary()
    reml = model.reml().fixed_effects()
    assert_allclose(post.fixed_effects()["mean"], reml["estimate"], atol=0.2 * reml["se"].max())
    assert_allclose(post.fixed_effects()["sd"], reml["se"], rtol=0.15)


def test_coefficients_of_several_levels(pastes: Fits) -> None:
    """All of them under one more index level, as group_effects; estimates likewise."""
    for fit in (pastes.post, pastes.reml):
        table = fit.coefficients()
        pd.testing.assert_index_equal(table.index, fit.group_effects().index)
        assert table.index.names == ["level", "group", "effect"]
        for level in ("batch:cask", "batch"):
            pd.testing.assert_frame_equal(table.loc[level], fit.coefficients(level))


@pytest.mark.parametrize(
    ("call", "keywords", "said"),
    [
        ("fixed_effects", {"df": "z"}, r"no keyword 'df' here.*model.reml\(\).fixed_effects\(df"),
        ("fixed_effects", {"pro": 0.9}, "Write prob=0.9"),
        ("fixed_effects", {"level": 0.9}, "Write prob=0.9"),
        ("variance_components", {"se": "reml"}, "belong to estimates"),
        ("group_effects", {"variance": "prediction"}, "belong to estimates"),
        ("group_effects", {"levels": "batch"}, "Write level='batch'"),
        ("coefficients", {"conf": 0.9}, "no keyword 'conf'.*level, prob.*Remove it"),
        ("summary", {"style": "sas"}, "for estimates"),
        ("summary", {"digits": 3}, "no keyword 'digits'.*one of prob"),
    ],
)
def test_unknown_keywords(call: str, keywords: dict[str, object], said: str, pastes: Fits) -> None:
    with pytest.raises(ArgumentError, match=said):
        getattr(pastes.post, call)(**keywords)


@pytest.mark.parametrize("prob", [95, 0.0])
def test_impossible_coverage(prob: float, dyestuff: Fits) -> None:
    post = dyestuff.post
    for call in (post.fixed_effects, post.variance_components, post.icc, post.group_effects, post.coefficients):
        with pytest.raises(BayesmixError, match="prob"):
            call(prob=prob)


def test_summarise_needs_no_chains_that_agree() -> None:
    """Two chains apart: R-hat says so; one index, k columns."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 500, 2))
    values[2:, :, 1] += 3
    table = summarise(values, pd.Index(["fine", "apart"]), 0.9)
    assert list(table.columns) == COLUMNS
    assert table.loc["fine", "r_hat"] < 1.02
    assert table.loc["apart", "r_hat"] > 1.5
    assert table.loc["apart", "ess_bulk"] < 30
    check_summary(table.loc["apart"], values[..., 1], 0.9)


# Kept, summed up, or decided by size


@pytest.fixture(scope="module")
def summed(dyestuff: Fits) -> bx.BayesFit:
    return dyestuff.model.sample(seed=20, cores=2, progress=False, group_effects="summary")


def test_summary_of_group_effects_only(summed: bx.BayesFit, dyestuff: Fits) -> None:
    """The same seed: the same means and sds, and all else the same; intervals are normal ones, and it says so."""
    assert [name for name in summed.idata["posterior"].data_vars if name == "1|Batch"] == []
    pd.testing.assert_frame_equal(summed.fixed_effects(), dyestuff.post.fixed_effects())
    pd.testing.assert_frame_equal(summed.variance_components(), dyestuff.post.variance_components())
    table, kept = summed.group_effects(), dyestuff.post.group_effects()
    assert list(table.columns) == SHORT
    assert_allclose(table[["mean", "sd"]], kept[["mean", "sd"]], rtol=1e-9)
    assert_allclose(table["ci_high"] - table["mean"], stats.norm.ppf(0.975) * table["sd"])
    assert_allclose(table["mean"] - table["ci_low"], stats.norm.ppf(0.975) * table["sd"])
    assert "not kept" in table.attrs["note"]
    assert "note" not in kept.attrs
    with pytest.raises(ArgumentError, match="group_effects=True"):
        summed.coefficients()


def test_summary_of_several_levels_says_so(pastes: Fits) -> None:
    post = pastes.model.sample(seed=20, cores=2, progress=False, group_effects="summary")
    table = post.group_effects()
    assert "not kept" in table.attrs["note"]
    assert_allclose(table[["mean", "sd"]], pastes.post.group_effects()[["mean", "sd"]], rtol=1e-9)


def test_false_is_summary(summed: bx.BayesFit, dyestuff: Fits) -> None:
    post = dyestuff.model.sample(seed=20, cores=2, progress=False, group_effects=False)
    assert "1|Batch" not in post.idata["posterior"]
    assert_array_equal(post.group_effects(), summed.group_effects())


def test_true_and_small_are_kept(
    dyestuff: Fits, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """By itself kept up to a size; beyond it a line says what is not kept and how to have it."""
    from bayesmix.inference import posterior

    monkeypatch.setattr(posterior, "KEPT_BYTES", 8 * 6 * 2 * 50)
    options = {"draws": 50, "chains": 2, "seed": 1, "progress": False}
    assert "1|Batch" in dyestuff.model.sample(**options).idata["posterior"]
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(posterior, "KEPT_BYTES", 8 * 6 * 2 * 50 - 1)
    assert "1|Batch" not in dyestuff.model.sample(**options).idata["posterior"]
    line = capsys.readouterr().out
    assert "6 group effects" in line and "group_effects=True" in line and line.count("\n") == 1
    assert "1|Batch" in dyestuff.model.sample(**options, group_effects=True).idata["posterior"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", ["all", 1, 0, [True]])
def test_other_ways_to_keep(value: object, dyestuff: Fits) -> None:
    with pytest.raises(ArgumentError, match="group_effects="):
        dyestuff.model.sample(draws=50, chains=2, seed=1, progress=False, group_effects=value)  # type: ignore[arg-type]


# Text


def test_summary(hsb_fits: Fits) -> None:
    post = hsb_fits.post
    text = post.summary()
    assert repr(post) == text
    fixed, components = post.fixed_effects(), post.variance_components()
    for table in (fixed, components):
        for _, row in table.iterrows():
            for column in ("mean", "sd", "ci_low", "ci_high"):
                assert f"{row[column]:.4f}" in text
            assert f"{row['ess_bulk']:.0f}" in text and f"{row['r_hat']:.3f}" in text
    both = pd.concat([fixed, components])
    for part in (
        "posterior by NUTS", "math ~ ses + (ses | school)", "7185", "school 160", "4 chains of 1000", "0 divergences",
        f"{both['r_hat'].max():.3f}", f"{both['ess_bulk'].min():.0f}", f"{post.icc().iloc[0, 0]:.4f}",
        "average over the rows", "Normal(12.75, 17.2) (at the means of the other columns)", "HalfStudentT(4, 8.826)",
        "LKJ(2)", "1|school_sigma", "sigma",
    ):  # fmt: skip
        assert part in text, part
    assert "target_accept" not in text


def test_summary_warns(hsb_fits: Fits) -> None:
    """Divergences and chains that disagree."""
    idata = hsb_fits.post.idata.copy(deep=True)
    idata["sample_stats"]["diverging"][:, :3] = True
    idata["posterior"]["ses"][:2] += 1.0
    text = dataclasses.replace(hsb_fits.post, idata=idata).summary()
    assert "12 divergent transitions" in text and "target_accept=0.95" in text
    assert "R-hat exceeds 1.01" in text
    assert "divergent" not in hsb_fits.post.summary()


def test_one_chain(dyestuff: Fits) -> None:
    """R-hat needs two chains; the summary of one is still a summary."""
    post = dyestuff.model.sample(draws=100, chains=1, seed=1, progress=False)
    assert post.fixed_effects()["r_hat"].isna().all()
    text = post.summary()
    assert "nan" not in text  # missing numbers are blank in tables, and are no news in the header
    assert f"{post.fixed_effects().iloc[0, 0]:.4f}" in text


# Files and ArviZ


def test_save(pastes: Fits, tmp_path: Path) -> None:
    """One netCDF file with the same groups, variables, values and attributes; an older file is replaced."""
    path = tmp_path / "pastes.nc"
    path.write_text("old")
    assert pastes.post.save(path) == path
    with xr.open_datatree(path) as tree:
        assert set(tree.children) == {*pastes.post.idata.children, "bayesmix"}
        for name, group in pastes.post.idata.children.items():
            found = tree[name].to_dataset()
            assert list(found.data_vars) == list(group.data_vars)
            for variable in group.data_vars:
                assert_array_equal(found[variable], group[variable])
                assert found[variable].dims == group[variable].dims
        assert tree["posterior"].attrs["formula"] == "strength ~ 1 + (1 | batch/cask)"
    assert pastes.post.save(str(path)) == path  # text is a path too, and an open file was closed


def test_saved_file_holds_the_model(pastes: Fits, tmp_path: Path) -> None:
    """'All draws and the model's description': the formula, and the numbers of the priors."""
    path = pastes.post.save(tmp_path / "pastes.nc")
    with xr.open_datatree(path) as tree:
        attributes = str({**tree.attrs, **{k: v for group in tree.children.values() for k, v in group.attrs.items()}})
    assert "strength ~ 1 + (1 | batch/cask)" in attributes
    scale = pastes.model.priors.numbers.sigma.scale
    assert f"{scale:.4g}" in attributes or f"{scale}"[:6] in attributes  # the numbers of the priors, not their rules


def test_save_where_there_is_no_directory(pastes: Fits, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no directory"):
        pastes.post.save(tmp_path / "nowhere" / "pastes.nc")


def test_arviz_summary(hsb_fits: Fits, pastes: Fits) -> None:
    import arviz as az

    for fits, name in ((hsb_fits, "ses"), (pastes, "1|batch_sigma")):
        table = az.summary(fits.post.idata, round_to="none")
        assert_allclose(float(table.loc[name, "mean"]), draws(fits, name).mean(), rtol=1e-6)


def test_arviz_plot(dyestuff: Fits) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import arviz as az
    from matplotlib import pyplot

    plots = az.plot_trace_dist(dyestuff.post.idata)
    assert plots is not None
    pyplot.close("all")


def test_a_fit_is_frozen(hsb_fits: Fits) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        hsb_fits.post.idata = None  # type: ignore[misc, assignment]
    for table in (hsb_fits.post.fixed_effects, hsb_fits.post.coefficients, hsb_fits.post.variance_components):
        before = table().iloc[0, 0]
        changed = table()
        changed.iloc[:] = 0.0
        assert table().iloc[0, 0] == before
