"""No, partial and complete pooling of groups, and reliabilities: closed forms, published numbers, least squares."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.inference.draws import EffectDraws
from bayesmix.results.homogeneity_table import homogeneity_table
from tests.bayes import Fits, shuffled_frame

COLUMNS = ["n", "no_pooling", "se", "partial_pooling", "fixed", "complete_pooling", "reliability"]


def kept(fit: bx.LikelihoodFit, level: str) -> np.ndarray:
    q = len(fit.shrinkage_matrices(level).columns)
    return fit.shrinkage_matrices(level).to_numpy().reshape(-1, q, q)


# Closed forms


def test_balanced(dyestuff: Fits, dataset: Callable[[str], pd.DataFrame]) -> None:
    """lambda = tau2/(tau2 + sigma2/n), from the mean squares: sigma2 = MSE, tau2 = (MSA - MSE)/n."""
    frame = dataset("dyestuff")
    means = frame.groupby("Batch", observed=True)["Yield"].mean()
    within = frame["Yield"] - means.loc[frame["Batch"]].to_numpy()
    residual = (within**2).sum() / 24
    between = 5 * means.var()
    table = dyestuff.reml.shrinkage().xs("Intercept", level="effect")
    assert list(table.columns) == COLUMNS
    assert set(table["n"]) == {5}
    share = 1 - residual / between
    assert_allclose(table["reliability"], share, rtol=1e-6)
    assert_allclose(table["no_pooling"], means, rtol=1e-12)
    assert_allclose(table["se"], np.sqrt(residual / 5), rtol=1e-6)
    assert_allclose(table["fixed"], means.mean(), rtol=1e-12)
    assert_allclose(table["complete_pooling"], frame["Yield"].mean(), rtol=1e-12)
    assert_allclose(table["partial_pooling"], means.mean() + share * (means - means.mean()), rtol=1e-8)
    assert_allclose(dyestuff.reml.reliability()["estimate"], share, rtol=1e-6)
    assert_allclose(dyestuff.reml.shrinkage_matrices()["Intercept"], share, rtol=1e-6)


def test_posterior_of_a_balanced_layout(dyestuff: Fits) -> None:
    """Each draw has its own lambda; no pooling is the mean of the batch whatever the draw."""
    posterior = dyestuff.post.idata["posterior"]
    tau2, sigma2 = posterior["1|Batch_sigma"].to_numpy() ** 2, posterior["sigma"].to_numpy() ** 2
    share = tau2 / (tau2 + sigma2 / 5)
    table = dyestuff.post.shrinkage(prob=0.8)
    assert list(table.columns) == [*COLUMNS, "reliability_ci_low", "reliability_ci_high"]
    assert_allclose(table["reliability"], share.mean())
    assert_allclose(table["reliability_ci_low"], np.quantile(share, 0.1))
    assert_allclose(table["reliability_ci_high"], np.quantile(share, 0.9))
    assert_allclose(table["se"], np.sqrt(sigma2 / 5).mean())
    assert_allclose(table["no_pooling"], dyestuff.reml.shrinkage()["no_pooling"], rtol=1e-12)
    assert_allclose(table["partial_pooling"], dyestuff.post.coefficients()["mean"], rtol=1e-12)
    assert_allclose(table["fixed"], posterior["Intercept"].mean())
    row = dyestuff.post.reliability().loc["Batch", "Intercept"]
    assert_allclose(row[["mean", "ci_low", "ci_high"]], [share.mean(), *np.quantile(share, [0.025, 0.975])])
    assert row["groups_used"] == 6
    assert_allclose(dyestuff.post.shrinkage_matrices()["Intercept"], share.mean())


def test_rises_with_size_and_with_the_variance_between_groups(hsb: pd.DataFrame) -> None:
    """High ICC, large group: less shrinkage. n/(n + sigma2/tau2), in the real sizes and in two data sets."""
    found = {}
    for name, frame in {
        "as it is": hsb,
        "noisier": hsb.assign(math=hsb["math"] + 9 * np.cos(np.arange(7185.0))),
    }.items():
        fit = bx.Model("math ~ 1 + (1 | school)", frame).reml()
        table = fit.shrinkage().droplevel("effect")
        tau2 = float(fit.covariances()["school"].iloc[0, 0])
        assert_allclose(table["reliability"], table["n"] / (table["n"] + fit.sigma**2 / tau2), rtol=1e-9)
        by_size = table.sort_values("n")
        assert (by_size["reliability"].diff().dropna() >= 0).all()
        assert by_size["reliability"].iloc[0] < by_size["reliability"].iloc[-1]
        found[name] = float(fit.icc()["estimate"].iloc[0]), table["reliability"]
    assert found["noisier"][0] < found["as it is"][0]
    assert (found["noisier"][1] < found["as it is"][1]).all()


# Least squares of each group


def test_schools_against_least_squares(hsb: pd.DataFrame, hsb_reml: bx.LikelihoodFit) -> None:
    table = hsb_reml.shrinkage("school")
    for school, rows in hsb.groupby("school", observed=True):
        X = np.column_stack([np.ones(len(rows)), rows["ses"]])
        own = np.linalg.lstsq(X, rows["math"], rcond=None)[0]
        assert_allclose(table.loc[school, "no_pooling"], own, rtol=1e-9)
        errors = hsb_reml.sigma * np.sqrt(np.diag(np.linalg.inv(X.T @ X)))
        assert_allclose(table.loc[school, "se"], errors, rtol=1e-9)
        assert (table.loc[school, "n"] == len(rows)).all()
    assert_allclose(table["partial_pooling"], hsb_reml.coefficients()["estimate"], rtol=1e-12)


def test_complete_pooling_is_the_regression_of_all_rows(hsb_reml: bx.LikelihoodFit) -> None:
    """lm(math ~ ses): 12.74740, 3.18387 (Zieffler); what the schools are pulled to is the fixed effects."""
    table = hsb_reml.shrinkage()
    assert_allclose(table.loc["1224", "complete_pooling"], [12.74740, 3.18387], atol=5e-6)
    assert_allclose(table.loc["1224", "fixed"], [12.665023, 2.393813], atol=5e-7)


def test_a_school_of_two(dataset: Callable[[str], pd.DataFrame]) -> None:
    """London schools: 48 has two pupils and a slope of -6.90; without it slopes are .539 on average, sd .177."""
    exam = dataset("exam")
    fit = bx.Model("normexam ~ standLRT + (standLRT | school)", exam).reml()
    table = fit.shrinkage()
    slopes = table.xs("standLRT", level="effect")
    assert slopes["no_pooling"].idxmin() == "48"
    assert slopes.loc["48", "n"] == 2
    assert_allclose(slopes.loc["48", "no_pooling"], -6.90, atol=5e-3)
    assert_allclose([slopes["no_pooling"].mean(), slopes["no_pooling"].std()], [0.424583, 0.939371], atol=5e-7)
    assert_allclose(slopes["no_pooling"].drop("48").agg(["mean", "std"]), [0.539, 0.177], atol=5e-4)
    intercepts = table.xs("Intercept", level="effect")["no_pooling"]
    assert_allclose([intercepts.mean(), intercepts.std()], [-0.068118, 0.519174], atol=5e-7)
    assert_allclose(table.loc["28", "no_pooling"], [-0.773, 0.282], atol=5e-4)
    # Its own slope is all but ignored.
    assert slopes["reliability"].idxmin() == "48"
    assert abs(slopes.loc["48", "partial_pooling"] - slopes.loc["48", "fixed"]) < 0.2


# Several effects and levels


@pytest.mark.parametrize(
    "formula",
    [
        "math ~ year + (year | schoolid/childid)",
        "math ~ year + (year || schoolid/childid)",
        "math ~ year + retained + (year | schoolid) + (1 | schoolid:childid)",
    ],
)
def test_partial_pooling_is_the_matrix_times_no_pooling(formula: str, dataset: Callable[[str], pd.DataFrame]) -> None:
    """At each of two nested levels, beside the other's effects."""
    fit = bx.Model(formula, dataset("egsingle")).reml()
    table = fit.shrinkage()
    assert table.index.names == ["level", "group", "effect"]
    assert (table.groupby("level")["n"].sum() == 7230 * table.groupby("level")["n"].size() / fit_sizes(fit)).all()
    check_identity(fit, 50)


def test_labels_in_another_order_than_the_tree() -> None:
    """Codes of the groups in the middle know nothing of their order among those above."""
    frame = shuffled_frame(np.random.default_rng(4), n=400)
    frame["cell"] = frame["code"].astype(str) + frame["f"]
    fit = bx.Model("y ~ x + (1 | top) + (x | code) + (1 | cell)", frame).reml()
    assert [level.name for level in fit.design.levels] == ["cell", "code", "top"]
    assert fit.design.tree is not None
    assert (np.diff(fit.design.tree.order[1]) < 0).any()
    check_identity(fit, 8)


def check_identity(fit: bx.LikelihoodFit, groups: int) -> None:
    """The matrix times what the groups say, where enough of them say it."""
    table = fit.shrinkage()
    for level in fit.design.levels:
        part = table.loc[level.name]
        pd.testing.assert_frame_equal(part, fit.shrinkage(level.name), check_index_type=False)
        assert_allclose(part["partial_pooling"], fit.coefficients(level.name)["estimate"], rtol=1e-12)
        matrices = kept(fit, level.name)
        q = matrices.shape[1]
        own = (part["no_pooling"] - part["fixed"]).to_numpy().reshape(-1, q)
        pulled = (part["partial_pooling"] - part["fixed"]).to_numpy().reshape(-1, q)
        determined = np.isfinite(own).all(axis=1)
        assert determined.sum() >= groups
        expected = np.einsum("jab,jb->ja", matrices, np.where(np.isfinite(own), own, 0.0))
        assert_allclose(pulled[determined], expected[determined], rtol=0, atol=1e-9)


def fit_sizes(fit: bx.LikelihoodFit) -> pd.Series:
    """Groups of each level, by name."""
    return pd.Series({level.name: len(level.grouping.labels) for level in fit.design.levels}).rename_axis("level")


def test_reliability_as_in_the_printout_of_hlm(egsingle_reml: bx.LikelihoodFit, hsb_reml: bx.LikelihoodFit) -> None:
    """The mean over the groups of the table, which is what the layout of HLM shows."""
    for fit in (egsingle_reml, hsb_reml):
        table = fit.reliability()
        assert list(table.columns) == ["estimate", "groups_used"]
        shown = homogeneity_table(fit.design, fit.products, fit.solution)
        pd.testing.assert_index_equal(table.index, shown.index)
        assert_allclose(table["estimate"], shown["reliability"], rtol=1e-9)
        assert table["groups_used"].tolist() == shown["groups_used"].tolist()
        for level in fit.design.levels:
            mean = fit.shrinkage(level.name)["reliability"].groupby("effect").mean()
            assert_allclose(table.loc[level.name, "estimate"], mean.loc[list(level.effect_names)], rtol=1e-9)


def test_posterior_of_two_levels(pastes: Fits) -> None:
    """Balanced, three levels: casks tau2/(tau2 + sigma2/2), batches b2/(b2 + (tau2 + sigma2/2)/3), draw by draw."""
    posterior = pastes.post.idata["posterior"]
    cask2, batch2 = (posterior[f"1|{name}_sigma"].to_numpy() ** 2 for name in ("batch:cask", "batch"))
    residual = posterior["sigma"].to_numpy() ** 2 / 2
    expected = {"batch:cask": cask2 / (cask2 + residual), "batch": batch2 / (batch2 + (cask2 + residual) / 3)}
    table = pastes.post.reliability()
    for level, share in expected.items():
        row = table.loc[level, "Intercept"]
        assert_allclose(row[["mean", "ci_low", "ci_high"]], [share.mean(), *np.quantile(share, [0.025, 0.975])])
        own = pastes.post.shrinkage(level)
        assert_allclose(own["reliability"], share.mean())
        assert_allclose(own["reliability_ci_low"], np.quantile(share, 0.025))
    frame = bx.load_dataset("pastes")
    casks = pastes.post.shrinkage("batch:cask").droplevel("effect")["no_pooling"]
    means = frame.groupby([frame["batch"].astype(str) + ":" + frame["cask"].astype(str)])["strength"].mean()
    batch = pastes.post.group_effects("batch")["mean"].droplevel("effect")
    assert_allclose(casks, means.loc[casks.index] - batch.loc[casks.index.str[0]].to_numpy(), rtol=1e-9)


def test_no_variance(dyestuff2: Fits) -> None:
    """tau = 0: complete pooling of what the groups say."""
    table = dyestuff2.reml.shrinkage()
    assert_allclose(table["reliability"], 0.0)
    assert_allclose(table["partial_pooling"], table["fixed"])
    assert_allclose(table["fixed"], table["complete_pooling"], rtol=1e-10)
    assert table["no_pooling"].std() > 0


def test_an_effect_without_a_fixed_counterpart(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Pulled towards 0, and 0 if the groups are one."""
    frame = dataset("sleepstudy")
    table = bx.Model("Reaction ~ 1 + (Days | Subject)", frame).reml().shrinkage().xs("Days", level="effect")
    assert (table[["fixed", "complete_pooling"]] == 0.0).all(axis=None)
    for subject, rows in frame.groupby("Subject", observed=True):
        assert_allclose(table.loc[subject, "no_pooling"], np.polyfit(rows["Days"], rows["Reaction"], 1)[0], rtol=1e-8)


# Refusals


def test_wrong_use(
    dyestuff: Fits, hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame, dataset: Callable[[str], pd.DataFrame]
) -> None:
    crossed = bx.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", dataset("penicillin")).reml()
    plain = bx.Model("math ~ ses", hsb).reml()
    for name in ("shrinkage", "shrinkage_matrices", "reliability"):
        with pytest.raises(ArgumentError, match=r"'sample' cross the others.*group_effects"):
            getattr(crossed, name)()
        with pytest.raises(ArgumentError, match="no levels"):
            getattr(plain, name)()
        with pytest.raises(ArgumentError, match=f"{name} has no keyword 'df'"):
            getattr(hsb_reml, name)(df="z")
    with pytest.raises(ArgumentError, match="without an interval"):
        hsb_reml.shrinkage(prob=0.9)
    with pytest.raises(ArgumentError, match="Did you mean 'school'"):
        hsb_reml.shrinkage("schol")
    for call in (dyestuff.post.shrinkage, dyestuff.post.reliability):
        with pytest.raises(ArgumentError, match="prob="):
            call(prob=95)


def test_without_draws_of_the_effects(dyestuff: Fits) -> None:
    """What needs no effects is still there."""
    post, found = dyestuff.post, dyestuff.post.effects
    short = bx.BayesFit(
        post.design, post.products, post.priors, post.idata, EffectDraws(found.beta, None, found.means, found.sds)
    )
    with pytest.raises(ArgumentError, match="group_effects=True"):
        short.shrinkage()
    pd.testing.assert_frame_equal(short.reliability(), post.reliability())
    pd.testing.assert_frame_equal(short.shrinkage_matrices(), post.shrinkage_matrices())
