"""No, partial and complete pooling of groups, and reliabilities: closed forms, published numbers, least squares."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.inference.draws import EffectDraws
from bayesmix.inference.own_coefficients import VarianceParameters
from bayesmix.results.homogeneity_table import homogeneity_table
from bayesmix.results.own_levels import coefficients_beside, own_levels
from tests.bayes import Fits, shuffled_frame
from tests.fabricated import fabricated

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


# Crossed levels


def test_balanced_and_crossed(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Every plate has every sample: means of rows are no pooling, and the others' effects drop out of comparisons."""
    frame = dataset("penicillin")
    fit = bx.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", frame).reml()
    for level, n in (("plate", 6), ("sample", 24)):
        table = fit.shrinkage(level).droplevel("effect")
        assert list(table.columns) == COLUMNS
        tau2 = float(fit.covariances()[level].iloc[0, 0])
        assert_allclose(table["no_pooling"], frame.groupby(level)["diameter"].mean(), rtol=1e-10)
        assert_allclose(table["se"], fit.sigma / np.sqrt(n), rtol=1e-12)
        assert_allclose(table["reliability"], tau2 / (tau2 + fit.sigma**2 / n), rtol=1e-12)
        assert_allclose(table["partial_pooling"], fit.coefficients(level)["estimate"].droplevel("effect"), rtol=1e-12)
        assert_allclose(fit.reliability().loc[(level, "Intercept"), "estimate"], tau2 / (tau2 + fit.sigma**2 / n))


def test_generalizability(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Relative decisions, Brennan (2001), chapter 2: the variance of the cells is error of what they are nested in."""
    frame = dataset("machines").assign(Machine=lambda d: "machine " + d["Machine"].astype(str))
    fit = bx.Model("score ~ 1 + (1 | Worker) + (1 | Machine) + (1 | Worker:Machine)", frame).reml()
    tau2 = {name: float(sigma.iloc[0, 0]) for name, sigma in fit.covariances().items()}
    cell = tau2["Worker:Machine"] + fit.sigma**2 / 3
    found = fit.reliability()["estimate"].droplevel("effect")
    assert_allclose(found["Worker"], tau2["Worker"] / (tau2["Worker"] + cell / 3), rtol=1e-9)
    assert_allclose(found["Machine"], tau2["Machine"] / (tau2["Machine"] + cell / 6), rtol=1e-9)
    assert_allclose(found["Worker:Machine"], tau2["Worker:Machine"] / cell, rtol=1e-9)
    check_identity(fit, 3)


def crossed_frame(seed: int, n: int = 300) -> pd.DataFrame:
    """A level in the middle whose labels say nothing of their order in the tree, and one that crosses all."""
    rng = np.random.default_rng(seed)
    frame = shuffled_frame(rng, n=n)
    judge = rng.integers(8, size=n)
    y = frame["y"] + rng.normal(size=8)[judge] + rng.normal(size=8)[judge] * frame["x"]
    top = "top " + frame["top"].astype(str)
    return frame.assign(y=y, top=top, judge=[f"judge {j}" for j in judge], w=rng.uniform(0.3, 3, size=n))


CROSSED = [
    ("y ~ x + (x | code) + (x || judge)", None),
    ("y ~ x + offset(z) + (x | judge) + (1 | code) + (1 | top)", "w"),
    ("y ~ 0 + x + (1 | judge) + (x | code)", "w"),
]


@pytest.mark.parametrize(("formula", "weights"), CROSSED)
def test_crossed_levels(formula: str, weights: str | None) -> None:
    """Partial pooling is the matrix times no pooling, at every level; no pooling of the lowest is least squares."""
    frame = crossed_frame(2)
    fit = bx.Model(formula, frame, weights=weights).reml()
    design = fit.design
    assert design.crossed
    check_identity(fit, 4)
    means = [fit.effect_values(number)[0, 0] for number in range(len(design.levels))]
    held = [
        np.einsum("nq,nq->n", design.values[:, level.places], u[level.grouping.codes])
        for level, u in zip(design.levels, means, strict=True)
    ]
    roots = np.ones(len(frame)) if weights is None else np.sqrt(frame["w"].to_numpy())
    for number in (0, len(design.levels) - 1):
        level = design.levels[number]
        rest = design.response - design.offset - design.fixed_values @ fit.solution.beta
        rest -= sum(part for i, part in enumerate(held) if i != number)
        table = fit.shrinkage(level.name)
        for code, label in enumerate(level.grouping.labels):
            rows = level.grouping.codes == code
            Z = design.values[rows][:, level.places] * roots[rows, None]
            if np.linalg.matrix_rank(Z) < Z.shape[1]:
                continue
            own = np.linalg.lstsq(Z, rest[rows] * roots[rows], rcond=None)[0]
            part = table.loc[label]
            assert_allclose(part["no_pooling"] - part["fixed"], own, rtol=1e-7, atol=1e-9)
            assert_allclose(part["se"], fit.sigma * np.sqrt(np.diag(np.linalg.inv(Z.T @ Z))), rtol=1e-7)


@pytest.mark.parametrize("formula", [CROSSED[1][0], "y ~ x + (1 | cell) + (1 | top) + (x | judge)"])
def test_posterior_of_crossed_levels(formula: str, rng: np.random.Generator) -> None:
    """Means over the draws of what an estimate at each of them would say."""
    frame = crossed_frame(6)
    frame["cell"] = frame["judge"] + frame["top"]
    model = bx.Model(formula, frame, weights="w")
    post = fabricated(model, rng)
    parameters, design = post.parameters, model.design
    for number, level in enumerate(design.levels):
        own, rows = own_levels(design, number), []
        for chain, draw in np.ndindex(*parameters.sigma.shape):
            at = VarianceParameters(
                parameters.sigma[chain, draw][None],
                tuple(parameters.covariances[i][chain, draw][None] for i in own.levels),
            )
            effects = {
                i: post.effect_values(i)[chain, draw][None] for i in range(len(design.levels)) if i not in own.levels
            }
            found = coefficients_beside(design, own, at, parameters.beta[chain, draw][None], effects)
            rows.append((found.values[0], np.sqrt(found.variances[0])))
        values, errors = (np.mean(part, axis=0) for part in zip(*rows, strict=True))
        table = post.shrinkage(level.name)
        assert_allclose(table["no_pooling"] - table["fixed"], values.ravel(), rtol=1e-7, atol=1e-9)
        assert_allclose(table["se"], errors.ravel(), rtol=1e-9)
    short = fabricated(model, rng, keep=False)
    assert len(short.reliability()) == sum(len(level.effects) for level in design.levels)
    with pytest.raises(ArgumentError, match="group_effects=True"):
        short.shrinkage("judge")


def test_levels_that_cross_within_another() -> None:
    """Judges and codes within top: neither can be taken out before the other."""
    frame = crossed_frame(8)
    frame["judge"] = frame["top"] + frame["judge"]
    fit = bx.Model("y ~ x + (1 | code) + (1 | judge) + (1 | top)", frame).reml()
    for call in (fit.shrinkage, fit.shrinkage_matrices):
        assert len(call("code")) > 0
        with pytest.raises(ArgumentError, match=r"cross each other within 'top'.*group_effects"):
            call("top")
    with pytest.raises(ArgumentError, match="within 'top'"):
        fit.reliability()


# Refusals


def test_wrong_use(
    dyestuff: Fits, hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame, dataset: Callable[[str], pd.DataFrame]
) -> None:
    plain = bx.Model("math ~ ses", hsb).reml()
    for name in ("shrinkage", "shrinkage_matrices", "reliability"):
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
