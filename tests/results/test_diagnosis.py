"""Each thing that can be wrong with a fit: the verdict names it, and what to do can be pasted."""

import ast
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.inference.distributions import Gamma, HalfNormal, Normal
from bayesmix.results.chain_checks import chains_apart, worst_effects
from bayesmix.results.checks import Check
from bayesmix.results.diagnosis import Diagnosis
from bayesmix.results.naming import group_order
from bayesmix.results.posterior_checks import density_at_zero, prior_tail
from tests.bayes import Fits, shuffled_frame
from tests.fabricated import fabricated
from tests.frames import random_frame
from tests.markup import read

Frame = Callable[[str], pd.DataFrame]


def changed(post: bx.BayesFit, group: str, name: str, values: np.ndarray) -> bx.BayesFit:
    """The same posterior with other draws of one variable."""
    idata = post.idata.copy(deep=True)
    idata[group][name][...] = values
    return dataclasses.replace(post, idata=idata)


def named(found: Diagnosis, name: str) -> Check:
    """The one warning of a name."""
    (check,) = [check for check in found.warnings if check.name == name]
    return check


def actions(found: Diagnosis) -> list[str]:
    return [line for check in found.warnings for line in check.actions]


@pytest.fixture(scope="module")
def clean(hsb_fits: Fits) -> Diagnosis:
    return hsb_fits.post.diagnose(hsb_fits.reml)


def test_a_clean_fit(clean: Diagnosis, sleepstudy: Fits) -> None:
    for found in (clean, sleepstudy.post.diagnose(sleepstudy.reml)):
        assert found.ok and found.warnings == () and found.table["ok"].all()
        assert found.verdict.startswith("The draws are good (R-hat at most 1.00")
        assert found.verdict.endswith("and nothing speaks against what they say.")
        assert found.not_checked == ()


def test_numbers_are_those_of_the_tables(clean: Diagnosis, hsb_fits: Fits) -> None:
    """The worst of what is reported, by ArviZ."""
    post, table = hsb_fits.post, clean.table
    both = pd.concat([post.fixed_effects(), post.variance_components()])
    assert_allclose(table.loc["R-hat of parameters", "value"], both["r_hat"].max())
    assert_allclose(table.loc["bulk ESS of parameters", "value"], both["ess_bulk"].min())
    assert_allclose(table.loc["tail ESS of parameters", "value"], both["ess_tail"].min())
    posterior = post.idata["posterior"]
    effects = [arviz_stats.rhat(posterior[name]).to_numpy() for name in ("1|school", "ses|school")]
    assert_allclose(table.loc["R-hat of group effects", "value"], np.max(effects))
    label = table.loc["R-hat of group effects", "concerns"]
    school = post.design.levels[0].grouping.labels[int(np.argmax(np.max(effects, axis=0)))]
    assert label == f"{'ses' if np.max(effects[1]) > np.max(effects[0]) else 'Intercept'} | school {school}"
    assert_allclose(table.loc["E-BFMI", "value"], arviz_stats.bfmi(post.idata)["energy"].to_numpy().min(), rtol=2e-3)


def test_shape(clean: Diagnosis) -> None:
    assert list(clean.table.columns) == ["concerns", "value", "threshold", "ok", "about"]
    assert clean.table.index.name == "check" and clean.table["ok"].dtype == bool
    assert clean.boundary.index.tolist() == [("school", "Intercept"), ("school", "ses")]
    with pytest.raises(dataclasses.FrozenInstanceError):
        clean.ok = False  # type: ignore[misc]
    text, page = str(clean), clean._repr_html_()
    assert text.splitlines()[2] == clean.verdict and "ses at school: They disagree" in text
    cells = {cell for _, cell in read(page).found}
    assert {clean.verdict, "Is there a variance at all?", "0.0605", "yes"} <= cells and "NO" not in cells


# Chains


def with_sigma(dyestuff: Fits, rng: np.random.Generator, change: Callable[[np.ndarray], object]) -> Diagnosis:
    """Four chains of 500 draws of dyestuff near its posterior, sigma changed in some of them."""
    sigma = 50 + 5 * rng.normal(size=(4, 500))
    change(sigma)
    return fabricated(dyestuff.model, rng, chains=4, draws=500, sigma=sigma.ravel()).diagnose()


def test_a_frozen_chain(dyestuff: Fits, rng: np.random.Generator) -> None:
    found = with_sigma(dyestuff, rng, lambda sigma: sigma[2].fill(50.0))
    assert not found.ok and found.verdict.startswith("Do not use these draws yet: chain 2 never moved")
    assert found.table.loc["draws without a move", ["concerns", "value"]].tolist() == ["chain 2", 499.0]
    assert named(found, "draws without a move").actions[0] == (
        "post = model.sample(tune=1000, target_accept=0.95, seed=1)"
    )


def test_all_chains_frozen(dyestuff: Fits, rng: np.random.Generator) -> None:
    """Nothing moves: no R-hat, no warning of ours or of NumPy's."""
    found = with_sigma(dyestuff, rng, lambda sigma: sigma.fill(50.0))
    assert found.verdict.count("never moved") == 3 and "and 1 more" in found.verdict


def test_a_chain_that_stood_still_for_a_while(dyestuff: Fits, rng: np.random.Generator) -> None:
    found = with_sigma(dyestuff, rng, lambda sigma: sigma[0, 100:200].fill(50.0))
    assert "stood still for 99 of its 500 draws" in named(found, "draws without a move").found


def test_chains_that_disagree(dyestuff: Fits, rng: np.random.Generator) -> None:
    def apart(sigma: np.ndarray) -> None:
        sigma[1] += 40

    found = with_sigma(dyestuff, rng, apart)
    assert found.verdict.startswith("Do not use these draws yet: chains disagree on var(residual)")
    check = named(found, "R-hat of parameters")
    assert "Chain 1 lies apart (mean" in check.found and "from chains 0, 2 and 3" in check.found
    assert not found.table.loc["bulk ESS of parameters", "ok"]
    assert not any("ESS" in other.name for other in found.warnings)  # said once what to do


def test_which_chains() -> None:
    draws = np.random.default_rng(1).normal(size=(4, 100))
    assert chains_apart(draws).startswith("No chain stands out")
    assert chains_apart(draws + np.array([[0], [9], [0], [9]])).startswith("Chains 0 and 2 lie apart")
    assert chains_apart(draws[:1] + np.linspace(0, 9, 100)).startswith("Its first half")


def test_a_chain_that_drifts(dyestuff: Fits, rng: np.random.Generator) -> None:
    """One chain has no other to disagree with, but itself."""
    sigma = 50 + np.linspace(0, 20, 600) + rng.normal(size=600)
    found = fabricated(dyestuff.model, rng, chains=1, draws=600, sigma=sigma).diagnose()
    assert found.verdict.startswith("Do not use these draws yet: there is one chain only; chains disagree on")
    assert "had not settled" in named(found, "R-hat of parameters").found
    assert named(found, "chains").actions == ("post = model.sample(seed=1)",)


def test_slow_chains(dyestuff: Fits, rng: np.random.Generator) -> None:
    """An autoregression of .98 makes 1,000 draws worth about 10."""
    noise, sigma = rng.normal(size=(4, 2000)), np.zeros((4, 2000))
    for t in range(1, 2000):
        sigma[:, t] = 0.98 * sigma[:, t - 1] + noise[:, t]
    post = fabricated(dyestuff.model, rng, chains=4, draws=2000, sigma=(100 + sigma).ravel())
    found = post.diagnose()
    size = found.table.loc["bulk ESS of parameters", "value"]
    assert 10 < size < 300 and not found.ok
    assert "Note: R-hat exceeds" in str(post) or "Note: The draws of var(residual) are worth" in str(post)
    assert "Note: post.diagnose() says more" in str(post)


def test_a_summary_of_good_draws_says_nothing(hsb_fits: Fits) -> None:
    assert "diagnose" not in str(hsb_fits.post) and len(hsb_fits.post.draws_in_words()) == 1


def test_group_effects_by_name(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws under the labels of their groups, whose order is another; of many those that differ most between chains."""
    model = bx.Model("y ~ x + (1 | top) + (1 | code)", shuffled_frame(rng))
    assert not np.array_equal(group_order(model.design, 0), np.arange(24))
    post = fabricated(model, rng, chains=2, draws=50)
    found = worst_effects(post)
    assert found is not None and len(found.names) == 32
    means = post.group_effects()["mean"]
    expected = {f"{effect} | {level} {group}": mean for (level, group, effect), mean in means.items()}
    assert expected == pytest.approx(dict(zip(found.names, found.draws.mean(axis=(0, 1)), strict=True)))
    post.effects.effects[0][:50, 7] += 5  # one chain of one group
    monkeypatch.setattr("bayesmix.results.chain_checks.MOST_EFFECTS", 3)
    few = worst_effects(post)
    group = model.design.levels[0].grouping.labels[int(np.flatnonzero(group_order(model.design, 0) == 7)[0])]
    assert few is not None and len(few.names) == 3 and few.names[0] == f"Intercept | code {group}"


# The sampler


def test_divergences_that_gather(dyestuff: Fits) -> None:
    """Where the sd is small."""
    sd = dyestuff.post.idata["posterior"]["1|Batch_sigma"].to_numpy()
    found = changed(dyestuff.post, "sample_stats", "diverging", sd < np.quantile(sd, 0.01)).diagnose()
    check = named(found, "divergences")
    assert "40 transitions diverged, where var(Intercept | Batch) is small" in found.verdict
    assert check.concerns == "var(Intercept | Batch)" and check.value == 40 and not found.ok
    assert check.actions[0] == "post = model.sample(tune=1000, target_accept=0.95, seed=21)"


def test_divergences_that_do_not_gather(dyestuff: Fits) -> None:
    diverging = np.zeros((4, 1000), bool)
    diverging[:, ::100] = True
    check = named(changed(dyestuff.post, "sample_stats", "diverging", diverging).diagnose(), "divergences")
    assert check.concerns == "all" and check.found.startswith("40 divergent transitions: ")
    diverging[:] = False
    diverging[0, 0] = True
    check = named(changed(dyestuff.post, "sample_stats", "diverging", diverging).diagnose(), "divergences")
    assert check.found.startswith("1 divergent transition: ")


def test_target_is_raised_further(dyestuff: Fits) -> None:
    post = changed(dyestuff.post, "sample_stats", "diverging", np.ones((4, 1000), bool))
    post.idata["posterior"].attrs["target_accept"] = np.float64(0.95)  # as a file has it
    assert "target_accept=0.99" in named(post.diagnose(), "divergences").actions[0]


def test_trees_and_energies(dyestuff: Fits, rng: np.random.Generator) -> None:
    reached = np.zeros((4, 1000), bool)
    reached[1, :7] = True
    found = changed(dyestuff.post, "sample_stats", "maxdepth_reached", reached).diagnose()
    assert named(found, "trees cut off").value == 7
    energy = rng.normal(size=(4, 1000))
    energy[3] = np.cumsum(energy[3])
    found = changed(dyestuff.post, "sample_stats", "energy", energy).diagnose()
    assert named(found, "E-BFMI").concerns == "chain 3" and "chain 3 hardly changes its energy" in found.verdict


# The model


def test_a_boundary(dyestuff2: Fits) -> None:
    found = dyestuff2.post.diagnose(dyestuff2.reml)
    assert "sd(Intercept | Batch) may be 0" in found.verdict and found.verdict.startswith("The draws are good")
    check = named(found, "density at 0")
    assert check.about == "model" and 'model = bx.Model("Yield ~ 1", data)  # without it' in check.actions
    assert found.boundary.loc[("Batch", "Intercept"), "p_mixture"] == 1
    assert "Not to be told from 0" in str(found)


def test_few_groups(dyestuff: Fits, dataset: Frame) -> None:
    """Four of the batches."""
    frame = dataset("dyestuff")
    model = bx.Model("Yield ~ 1 + (1 | Batch)", frame[frame["Batch"].isin(list("ABCD"))])
    post = fabricated(model, np.random.default_rng(1), chains=4, draws=500)
    found = post.diagnose()
    assert "Batch has 4 groups" in found.verdict and found.verdict.startswith("The draws are good")
    check = named(found, "groups")
    assert (
        check.actions[-1]
        == 'model = bx.Model("Yield ~ 1 + C(Batch)", data)  # or let the groups differ by fixed effects'
    )
    other = model.with_priors({"1|Batch_sigma": "HalfNormal(5)"}).reml()
    assert not other.diagnose().ok and "Batch has 4 groups" in other.diagnose().verdict


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_few_groups_of_estimates(method: str, dataset: Frame) -> None:
    """Estimates have no prior, and what is to be pasted uses no name but model, data and what it makes."""
    frame = dataset("dyestuff")
    frame = frame[frame["Batch"].isin(list("ABCD"))]
    model = bx.Model("Yield ~ 1 + (1 | Batch)", frame)
    check = named(getattr(model, method)().diagnose(), "groups")
    assert check.found == ("4 groups of Batch say little of the variance between groups: its estimate is poorly known.")
    known, other = {"model", "data", "bx"}, check.actions[1]
    for line in check.actions:
        for node in ast.walk(ast.parse(line)):
            assert not isinstance(node, ast.Name) or isinstance(node.ctx, ast.Store) or node.id in known
    found = eval(check.actions[0], {"model": model})
    pd.testing.assert_frame_equal(found, getattr(model, method)().intervals(method="profile"))
    changed = eval(other.removeprefix("post = ").split(".sample(")[0], {"model": model})
    assert changed.priors["1|Batch_sigma"].startswith("HalfNormal(")


@pytest.mark.slow
def test_four_centres(dataset: Frame) -> None:
    """Sampled in earnest: good draws, four groups, and sds that are their priors' as much as the data's."""
    model = bx.Model("outcome ~ use + (use | centre)", dataset("centres"))
    found = model.sample(seed=1, progress=False).diagnose(model.reml())
    assert found.verdict.startswith("The draws are good") and "centre has 4 groups" in found.verdict
    moved = {check.concerns for check in found.warnings if check.name == "prior sensitivity"}
    assert {"1|centre_sigma", "use|centre_sigma"} <= moved
    assert (found.boundary["p_mixture"] < 0.001).all() and (found.boundary["bf_zero"] < 0.001).all()


def test_a_prior_in_conflict(dyestuff: Fits) -> None:
    """The data say 1527 with an error of 19 or so, the prior 1400 with 20."""
    model = dyestuff.model.with_priors({"Intercept": "Normal(1400, 20)"})
    found = model.sample(seed=3, progress=False).diagnose(dyestuff.reml)
    assert "the prior of Intercept is in conflict with the data" in found.verdict
    check = named(found, "data under the prior")
    assert check.value < 1e-4
    assert 'other = model.with_priors({"Intercept": "Normal(1400, 40)"}).sample(seed=1)' in check.actions


def test_a_prior_that_decides(dyestuff: Fits) -> None:
    post = dyestuff.model.with_priors({"Intercept": "Normal(1527, 0.1)"}).sample(seed=3, progress=False)
    found = post.diagnose()
    assert "the priors decide Intercept" in found.verdict and "is in conflict" not in found.verdict


def test_tail_of_a_prior() -> None:
    """A normal prior has its closed form; small estimates are no surprise to a prior that falls from 0 on."""
    assert_allclose(prior_tail(Normal(0.0, 3.0), 10.0, 4.0), 2 * stats.norm.sf(2), rtol=1e-3)
    assert_allclose(prior_tail(Normal(0.0, 3.0), -10.0, 4.0), 2 * stats.norm.sf(2), rtol=1e-3)
    assert prior_tail(HalfNormal(10.0), 0.01, 0.001) > 0.99
    assert_allclose(prior_tail(HalfNormal(1.0), 2.0, 1e-4), 2 * stats.norm.sf(2), rtol=0.02)
    assert prior_tail(Gamma(20.0, 2.0), 0.1, 0.01) < 0.001 < prior_tail(Gamma(20.0, 2.0), 9.0, 0.01)


def test_density_at_zero(rng: np.random.Generator) -> None:
    assert_allclose(density_at_zero(np.abs(rng.normal(size=4000))), 1.0, atol=0.05)
    shifted = np.abs(2 + rng.normal(size=4000))  # at 0 twice exp(-2), of a folded density whose top is near 1
    assert_allclose(density_at_zero(shifted), 2 * np.exp(-2), atol=0.06)
    assert np.isnan(density_at_zero(np.full(100, 2.0)))


def test_a_correlation_near_one(dataset: Frame, rng: np.random.Generator) -> None:
    model = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"))
    post = fabricated(model, rng, chains=4, draws=500)
    values = np.tanh(3 + 0.3 * rng.normal(size=(4, 500, 1)))
    found = changed(post, "posterior", "Subject_corr", values).diagnose()
    check = named(found, "|correlation| > 0.95")
    assert "corr(Intercept,Days | Subject) is near 1" in found.verdict
    assert check.actions[0] == 'model = bx.Model("Reaction ~ Days + (Days || Subject)", data)  # without correlations'
    assert 'model = bx.Model("Reaction ~ Days + (1 | Subject)", data)  # or without the second effect' in check.actions


def test_disagreement_with_reml(hsb_fits: Fits) -> None:
    """Draws moved by 5 standard errors or so."""
    post = hsb_fits.post
    shifted = post.idata["posterior"]["ses"].to_numpy() + 5 * 0.118
    found = changed(post, "posterior", "ses", shifted).diagnose(hsb_fits.reml)
    check = named(found, "difference from REML")
    assert check.concerns == "ses" and "ses lies 4.9 standard errors from REML" in found.verdict
    mean, own = hsb_fits.post.fixed_effects().loc["ses", "mean"], hsb_fits.reml.fixed_effects().loc["ses"]
    assert_allclose(check.value, (mean + 5 * 0.118 - own["estimate"]) / own["se"])
    ml = changed(post, "posterior", "ses", shifted).diagnose(hsb_fits.model.ml())
    assert "from ML" in ml.verdict


def shifted(both: Fits, by: dict[str, float]) -> bx.BayesFit:
    """Draws of fixed effects moved by so many standard errors of REML."""
    post = both.post
    for name, amount in by.items():
        se = both.reml.fixed_effects().loc[name, "se"]
        post = changed(post, "posterior", name, post.idata["posterior"][name].to_numpy() + amount * se)
    return post


@pytest.mark.parametrize("by", [{}, {"Days": 0.6}, {"Intercept": 0.5, "Days": 0.6}, {"Intercept": -0.6, "Days": 0.5}])
def test_a_difference_is_that_of_compare(by: dict[str, float], sleepstudy: Fits) -> None:
    """The parameter that a comparison names, its difference, and whether they agree: 18 groups excuse some of it."""
    post, reml = shifted(sleepstudy, by), sleepstudy.reml
    found, beside = post.diagnose(reml), bx.compare(reml, post)
    row = found.table.loc["difference from REML"]
    gaps = beside.table["difference_in_se"].abs()
    off = gaps[[name in by for _, name in gaps.index]]
    part, parameter = (off if len(off) else gaps).idxmax()
    label = parameter if part == "fixed" else f"{parameter[:-1]} | {part})"
    assert row["concerns"] == label and f"{part} {parameter}" in beside.verdict
    assert_allclose(row["value"], gaps[part, parameter])
    (check,) = [check for check in found.checks if check.name == "difference from REML"]
    assert beside.agree == (not by) == (not check.brief) == (row["value"] <= row["threshold"])
    assert found.verdict.endswith("and nothing speaks against what they say.") == beside.agree
    if by:
        assert check.ok and found.verdict.endswith(
            f"nothing speaks against what they say, except that {label} lies {row['value']:.1f} standard errors from "
            "REML, for a known reason."
        )
        for name in by:
            assert name in check.found
        assert check.found.endswith("standard errors: level Subject has few groups (18).") and check.found in str(found)


def test_a_difference_too_large_for_its_reason(sleepstudy: Fits) -> None:
    found = shifted(sleepstudy, {"Days": 3.0}).diagnose(sleepstudy.reml)
    assert named(found, "difference from REML").found.endswith("Days too far for level Subject has few groups (18).")


def test_few_draws_say_nothing_of_a_boundary(dyestuff: Fits, rng: np.random.Generator) -> None:
    """No number and no reading that rests on them; what is to be pasted asks for as many as by itself, or more."""
    post = fabricated(dyestuff.model, rng, chains=2, draws=20)
    post.idata["posterior"].attrs |= {"draws": 20, "tune": 10, "chains": 2, "seed": 3}
    found = post.diagnose(dyestuff.reml)
    frame = found.boundary
    assert frame[["prob_below", "bf_zero", "bf_mcse"]].isna().all(axis=None)
    assert frame["p_mixture"].notna().all() and frame["eps"].notna().all()
    assert frame["reading"].str.endswith("So say the tests alone; of draws there are too few.").all()
    assert "fewer than 100 draws of a chain say nothing of them" in frame.attrs["note"]
    again = [line for line in actions(found) if line.startswith("post = model.sample(")]
    assert again
    for line in again:
        (call,) = [node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call)]
        asked = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        assert asked.get("draws", 1000) >= 1000 and asked["tune"] >= 1000 and asked.get("chains", 4) >= 4
    many = fabricated(dyestuff.model, rng, chains=2, draws=200).diagnose().boundary
    assert many["prob_below"].notna().all() and not many["reading"].str.contains("tests alone").any()


# Odd fits, and what to paste

FORMULAS = [
    "y ~ x",
    "y ~ 1",
    "y ~ 0 + (1 | top)",
    "y ~ x + (x || top)",
    "y ~ x + I(2 * x) + (x | top/inner)",
    "y ~ x + (1 | top) + (1 | f)",
    "y ~ offset(z) + (f | top)",
]


@pytest.mark.filterwarnings("ignore::bayesmix.BayesmixWarning")
@pytest.mark.parametrize("formula", FORMULAS)
def test_odd_fits(formula: str, rng: np.random.Generator) -> None:
    """No levels, one chain, four draws, no group effects, weights, flat priors: always a verdict, never an error."""
    frame = random_frame(rng).assign(w=rng.uniform(0.5, 2, size=120))
    for priors, weights, keep, chains, draws in (
        ("default", None, False, 1, 4),
        ("default", "w", True, 4, 110),
        ("flat", "w", False, 2, 5),
    ):
        model = bx.Model(formula, frame, priors=priors, weights=weights)
        found = fabricated(model, rng, keep=keep, chains=chains, draws=draws).diagnose(model.reml())
        assert found.verdict.endswith(".")
        assert found.ok == (not found.warnings)
        if draws < 100:
            assert str(found) and found._repr_html_()
            assert (len(found.boundary) == 0) == (not model.levels)
            assert "too few" in found.verdict or "one chain" in found.verdict
            assert any("say nothing of them" in line for line in found.not_checked)
        if model.levels and not keep:
            assert any("group effects were not kept" in line for line in found.not_checked)
        _run_what_is_said(found, model, frame)
        assert model.reml().diagnose().verdict.endswith(".")


def _run_what_is_said(found: Diagnosis, model: bx.Model, frame: pd.DataFrame) -> None:
    """Every action is Python; models and priors that are named can be made."""
    for check in found.warnings:
        assert 1 <= len(check.actions) <= 3 and check.found.endswith((".", ")"))
    for line in actions(found):
        ast.parse(line)
        if "bx.Model(" in line or ".with_priors(" in line:
            code = re.sub(r"\.sample\(.*?\)", "", line)
            names = {"bx": bx, "model": model, "data": frame, "weights": None}
            exec(code, names)
            assert isinstance(names.get("other", names["model"]), bx.Model)
        if "model.sample(" in line:
            (call,) = [node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Call)][:1]
            assert {word.arg for word in call.keywords} <= {
                "draws",
                "tune",
                "chains",
                "target_accept",
                "seed",
                "sampler",
            }


def test_names_that_need_backticks(rng: np.random.Generator) -> None:
    frame = random_frame(rng).rename(columns={"x": "my x", "top": "the top"})
    model = bx.Model("y ~ `my x` + (`my x` | `the top`)", frame)
    found = fabricated(model, rng, chains=4, draws=200).diagnose()
    _run_what_is_said(found, model, frame)
    assert any("bx.Model(" in line for line in actions(found))


def test_a_fit_from_a_file(dyestuff2: Fits, tmp_path: Path) -> None:
    again = bx.load(dyestuff2.post.save(tmp_path / "fit.nc"))
    one, other = again.diagnose(dyestuff2.reml), dyestuff2.post.diagnose(dyestuff2.reml)
    assert one.verdict == other.verdict and one.not_checked == other.not_checked
    assert [check.actions for check in one.checks] == [check.actions for check in other.checks]
    pd.testing.assert_frame_equal(one.table, other.table)


@pytest.mark.parametrize("given", ["reml", 1.0, [], pd.DataFrame()])
def test_wrong_fit(given: object, dyestuff: Fits) -> None:
    with pytest.raises(ArgumentError, match="diagnose was given"):
        dyestuff.post.diagnose(given)  # type: ignore[arg-type]


def test_wrong_use(dyestuff: Fits, dyestuff2: Fits) -> None:
    with pytest.raises(ArgumentError):
        dyestuff.post.diagnose(dyestuff2.reml)
    with pytest.raises(ArgumentError):
        dyestuff.post.diagnose(dyestuff.post)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"Write post.diagnose\(model.reml\(\)\)"):
        dyestuff.post.diagnose(reml=dyestuff.reml)
    with pytest.raises(ArgumentError):
        dyestuff.reml.diagnose(seed=1)


# Estimates


def test_estimates(dyestuff: Fits, dyestuff2: Fits, hsb_reml: bx.LikelihoodFit) -> None:
    assert hsb_reml.diagnose().ok and "inside the parameter space" in hsb_reml.diagnose().verdict
    found = dyestuff2.reml.diagnose()
    assert not found.ok and "it lies on the boundary: no variance of Intercept" in found.verdict
    assert found.warnings[0].actions[0] == 'model = bx.Model("Yield ~ 1", data)  # without the effect Intercept'
    pd.testing.assert_frame_equal(found.boundary, dyestuff2.reml.boundary())
    assert dyestuff.reml.diagnose().ok
