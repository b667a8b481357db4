"""NUTS: its settings, that seeds repeat, that graphs are kept and fed, that two graphs agree, and what stops it."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import nutpie
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, BayesmixWarning
from bayesmix.inference import posterior, sampling
from bayesmix.inference.distributions import HalfStudentT, Normal
from bayesmix.inference.geometry import Geometry
from bayesmix.inference.graph import marginal_graph
from bayesmix.inference.posterior import draw_posterior
from bayesmix.inference.priors import LKJ, LevelPriors
from bayesmix.inference.sampling import Settings
from bayesmix.inference.variables import free_variables, starting_values
from bayesmix.results.bayes_fit import summarise
from tests.bayes import Fits, simulated_sleepstudy

FORMULA = "Reaction ~ Days + (Days | Subject)"
SHORT = {"draws": 200, "tune": 200, "cores": 2, "progress": False}

# Settings


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"draws": 3}, "draws=3"),
        ({"draws": 0}, "draws=0"),
        ({"draws": 100.0}, "draws=100.0"),
        ({"draws": True}, "draws=True"),
        ({"draws": "many"}, "draws='many'"),
        ({"tune": 0}, "tune=0"),
        ({"tune": None}, "tune=None"),
        ({"chains": 0}, "chains=0"),
        ({"chains": -2}, "chains=-2"),
        ({"sampler": "jags"}, "sampler='jags'"),
        ({"sampler": "Nutpie"}, "sampler='Nutpie'"),
        ({"target_accept": 0.0}, "target_accept=0.0"),
        ({"target_accept": 1.0}, "target_accept=1.0"),
        ({"target_accept": 95}, "target_accept=95"),
        ({"target_accept": "high"}, "target_accept='high'"),
        ({"cores": 0}, "cores=0"),
        ({"cores": -1}, "cores=-1"),
        ({"cores": 1.5}, "cores=1.5"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"seed": "today"}, "seed='today'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_are_checked(options: dict[str, Any], named: str) -> None:
    """At the door: what was given, what was expected, what to do."""
    with pytest.raises(ArgumentError) as caught:
        Settings(**options)
    assert named in caught.value.found
    assert caught.value.expected.startswith("Expected")
    assert caught.value.remedy


def test_settings_that_are_fine() -> None:
    settings = Settings()
    assert (settings.draws, settings.tune, settings.chains, settings.sampler) == (1000, 300, 4, "nutpie")
    assert settings.workers >= 1
    assert Settings(cores=1).workers == 1
    assert Settings(chains=1).workers == 1
    assert Settings(draws=np.int64(50), seed=np.int64(3)).draws == 50
    assert Settings(target_accept=0.95, seed=0).seed == 0


# Seeds


def test_the_same_seed_gives_the_same_draws(sleepstudy: Fits) -> None:
    """Whatever the number of cores; another seed gives others."""
    first = sleepstudy.model.sample(seed=7, **SHORT)
    again = sleepstudy.model.sample(seed=7, **SHORT | {"cores": 1})
    other = sleepstudy.model.sample(seed=8, **SHORT)
    for name in first.idata["posterior"].data_vars:
        assert_array_equal(first.idata["posterior"][name], again.idata["posterior"][name])
        assert (first.idata["posterior"][name].to_numpy() != other.idata["posterior"][name].to_numpy()).any()


def test_chains_differ(sleepstudy: Fits) -> None:
    for name in ("sigma", "Days", "Subject_corr"):
        values = sleepstudy.post.idata["posterior"][name].to_numpy().reshape(4, 1000)
        assert all((values[i] != values[j]).any() for i in range(4) for j in range(i))


def test_without_a_seed_draws_differ(dyestuff: Fits) -> None:
    one, two = (dyestuff.model.sample(**SHORT).idata["posterior"]["sigma"].to_numpy() for _ in range(2))
    assert (one != two).any()


def test_sampling_prints_only_when_asked(dyestuff: Fits, capfd: pytest.CaptureFixture[str]) -> None:
    dyestuff.model.sample(seed=1, **SHORT)
    found = capfd.readouterr()
    assert (found.out, found.err) == ("", "")
    dyestuff.model.sample(seed=1, **SHORT | {"progress": True})
    assert "Draw" in "".join(capfd.readouterr())


# R-hat


def test_r_hat_is_seen_to_fail(sleepstudy: Fits) -> None:
    """Real draws are fine; with two chains moved by 3 sds, or frozen apart, R-hat exceeds 1.1."""
    values = sleepstudy.post.idata["posterior"]["1|Subject_sigma"].to_numpy()
    assert values.shape == (4, 1000)
    moved, frozen = values.copy(), values.copy()
    moved[2:] += 3 * values.std()
    frozen[2:] = values[2:, :1]
    table = summarise(np.stack([values, moved, frozen], axis=-1), pd.Index(["real", "moved", "frozen"]), 0.95)
    assert table.loc["real", "r_hat"] < 1.01
    assert table.loc["moved", "r_hat"] > 1.1
    assert table.loc["frozen", "r_hat"] > 1.1
    assert table.loc["moved", "ess_bulk"] < 100 < table.loc["real", "ess_bulk"]


# The marginal and the explicit graph


def explicit_posterior(model: bx.Model, draws: int, tune: int, seed: int) -> xr.Dataset:
    """The textbook graph, sampled by nutpie as anybody would."""
    compiled = nutpie.compile_pymc_model(model.graph(marginal=False))
    tree = nutpie.sample(compiled, draws=draws, tune=tune, chains=4, cores=2, seed=seed, progress_bar=False)
    return tree["posterior"].to_dataset()


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean of (chains, draws) values and its Monte Carlo standard error."""
    row = summarise(values[..., None], pd.Index(["value"]), 0.95).iloc[0]
    return float(row["mean"]), float(row["sd"] / np.sqrt(row["ess_bulk"]))


def distance(one: np.ndarray, two: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> float:
    """Difference of two means in combined Monte Carlo standard errors."""
    (m1, e1), (m2, e2) = (mean_and_error(function(values)) for values in (one, two))
    return float(abs(m1 - m2) / np.hypot(e1, e2))


def agree(ours: xr.Dataset, theirs: xr.Dataset, limit: float = 3.0) -> None:
    """Means of fixed effects, sds and correlations within 3; of everything else, and of shapes, within reason."""
    means: dict[str, float] = {}
    shapes: dict[str, float] = {}
    for name in ours.data_vars:
        one, two = (
            part[name].to_numpy().reshape(part.sizes["chain"], part.sizes["draw"], -1) for part in (ours, theirs)
        )
        for k in range(one.shape[2]):
            label = f"{name}[{k}]"
            difference = distance(one[..., k], two[..., k], lambda x: x)
            (shapes if f"{name}_sigma" in ours else means)[label] = difference
            centre, spread = one[..., k].mean(), one[..., k].std()
            shapes[f"square of {label}"] = distance(one[..., k], two[..., k], lambda x, c=centre: (x - c) ** 2)
            for side in (-1, 1):
                beyond = centre + side * spread
                shapes[f"{label} beyond {beyond:.3g}"] = distance(
                    one[..., k], two[..., k], lambda x, b=beyond, s=side: (s * (x - b) > 0).astype(float)
                )
    assert max(means.values()) < limit, max(means.items(), key=lambda item: item[1])
    # Effects of groups, squares and tails: hundreds of comparisons, of which some pass 3 by chance.
    assert max(shapes.values()) < 5, max(shapes.items(), key=lambda item: item[1])
    assert np.mean([z > 2 for z in shapes.values()]) < 0.15


@pytest.mark.slow
def test_marginal_and_explicit_graphs_agree_on_three_levels(dataset: Callable[[str], pd.DataFrame]) -> None:
    """Ten schools of egsingle, correlated slopes at both levels."""
    frame = dataset("egsingle")
    model = bx.Model(
        "math ~ year + (year | schoolid/childid)", frame[frame["schoolid"].isin(frame["schoolid"].unique()[:10])]
    )
    assert model.groups["schoolid"] == 10
    ours = model.sample(draws=2000, seed=4, cores=2, progress=False)
    assert ours.divergences == 0
    agree(ours.idata["posterior"].to_dataset(), explicit_posterior(model, 2000, 1000, 5))


@pytest.mark.slow  # two graphs each
@pytest.mark.parametrize(
    "priors",
    [
        {"Days": "Laplace(0, 4)", "Intercept": "StudentT(3, 290, 10)"},
        {"icc(Subject)": "Beta(2, 4)", "Days|Subject_sigma": "Gamma(2, 0.2)", "cor": "LKJ(1)"},
        {"R2": "Beta(1, 3)", "sigma": "Uniform(5, 80)"},
        "rstanarm",
        "brms",
    ],
    ids=["coefficients", "icc", "R2", "rstanarm", "brms"],
)
def test_marginal_and_explicit_graphs_agree_under_other_priors(
    priors: Any, dataset: Callable[[str], pd.DataFrame]
) -> None:
    """Sampled effects, shares and splits in our graph against all effects sampled in the textbook's."""
    frame = dataset("sleepstudy")
    model = bx.Model(FORMULA, frame[frame["Subject"].isin(frame["Subject"].unique()[:10])], priors=priors)
    ours = model.sample(draws=2000, seed=4, cores=2, progress=False)
    assert ours.divergences <= 4
    theirs = explicit_posterior(model, 4000, 2000, 5)
    agree(ours.idata["posterior"].to_dataset(), theirs, limit=4.0)


@pytest.mark.slow
def test_geometries_agree(hsb_fits: Fits) -> None:
    """Signed or in logarithms: the posterior is the same."""
    model, solution = hsb_fits.model, hsb_fits.reml.solution
    ours = hsb_fits.post.idata["posterior"].to_dataset()
    geometry = Geometry(((False, False),))
    variables = free_variables(model.design, model.priors.numbers, geometry)
    raw = sampling.sample_graph(
        lambda: marginal_graph(model.design, model.products, model.priors.numbers, geometry),
        "both in logarithms",
        variables,
        starting_values(model.design, model.products, solution, model.priors.numbers, geometry),
        Settings(draws=4000, tune=1000, seed=9, progress=False),
    )
    names = ["sigma", "1|school_sigma", "ses|school_sigma"]
    theirs = xr.Dataset({name: (("chain", "draw"), raw.values[name]) for name in names})
    theirs["school_corr"] = (("chain", "draw", "pair"), 2 * raw.values["school_partial_0"] - 1)
    agree(ours[[*names, "school_corr"]], theirs)


@pytest.mark.slow
def test_pymc_agrees_with_nutpie(sleepstudy: Fits, dyestuff: Fits) -> None:
    for fits in (sleepstudy, dyestuff):
        other = fits.model.sample(sampler="pymc", seed=5, tune=500, cores=2, progress=False)
        assert other.idata["posterior"].attrs["sampler"] == "pymc"
        assert list(other.idata["posterior"].data_vars) == list(fits.post.idata["posterior"].data_vars)
        agree(fits.post.idata["posterior"].to_dataset(), other.idata["posterior"].to_dataset())
        assert other.divergences <= 5
        assert "posterior by NUTS" in other.summary()


@pytest.mark.slow
def test_pymc_repeats_a_seed(dyestuff: Fits) -> None:
    one, two = (
        dyestuff.model.sample(sampler="pymc", seed=5, draws=100, chains=2, cores=1, progress=False) for _ in range(2)
    )
    for name in one.idata["posterior"].data_vars:
        assert_array_equal(one.idata["posterior"][name], two.idata["posterior"][name])


# Kept graphs


@pytest.fixture(scope="module")
def other_model() -> bx.Model:
    """Other data of the same shape under other names."""
    frame = simulated_sleepstudy(11).rename(columns={"Reaction": "speed", "Days": "hours", "Subject": "driver"})
    model = bx.Model("speed ~ hours + (hours | driver)", frame)
    assert model.reml().solution.criterion > 0
    return model


def test_a_kept_graph_is_not_compiled_again(
    sleepstudy: Fits, other_model: bx.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sleepstudy.post.n_draws == 4000  # compiled by now

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(nutpie, "compile_pymc_model", refuse)
    sleepstudy.model.sample(seed=7, **SHORT)
    other_model.sample(seed=7, **SHORT)


def test_a_kept_graph_takes_other_data(
    sleepstudy: Fits, other_model: bx.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fed to the graph of another model, and compiled for itself: the same draws, under its own names."""
    session = dict(sampling._compiled)  # there the graph was compiled for sleepstudy
    monkeypatch.setattr(sampling, "_compiled", {})
    fresh = other_model.sample(seed=7, **SHORT)
    own = sleepstudy.model.sample(seed=7, **SHORT)  # the graph of other_model, fed sleepstudy
    assert len(sampling._compiled) == 1
    assert list(fresh.idata["posterior"].data_vars)[:5] == [
        "Intercept", "hours", "sigma", "1|driver_sigma", "hours|driver_sigma",
    ]  # fmt: skip
    assert list(own.idata["posterior"].data_vars) == list(sleepstudy.post.idata["posterior"].data_vars)
    monkeypatch.setattr(sampling, "_compiled", session)
    for kept, compiled in ((other_model, fresh), (sleepstudy.model, own)):
        again = kept.sample(seed=7, **SHORT)
        assert list(again.idata["posterior"].data_vars) == list(compiled.idata["posterior"].data_vars)
        assert list(again.idata["unconstrained_posterior"].data_vars) == list(
            compiled.idata["unconstrained_posterior"].data_vars
        )
        for name in again.idata["posterior"].data_vars:
            assert_allclose(again.idata["posterior"][name], compiled.idata["posterior"][name], rtol=1e-6)


def test_other_priors_are_fed_too(sleepstudy: Fits) -> None:
    """The same shape with tight priors: a kept graph must not keep the priors it was compiled with."""
    model, priors = sleepstudy.model, sleepstudy.model.priors.numbers
    level = LevelPriors((HalfStudentT(4.0, 1e-3), HalfStudentT(4.0, 1e-4)), priors.levels[0].correlation)
    tight = replace(priors, beta=(priors.beta[0], Normal(0.0, 1e-3)), levels=(level,))
    settings = Settings(draws=200, seed=1, progress=False)
    found = draw_posterior(model.design, model.products, tight, sleepstudy.reml.solution, settings, True)
    assert np.abs(found.effects.beta[:, 1]).max() < 0.01
    assert found.variances.covariances[0][:, 0, 0].mean() < 1.0


def test_degrees_of_freedom_and_eta_make_another_graph(sleepstudy: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a constant in the compiled graph is part of what a kept graph is known by."""
    shapes: list[Any] = []

    def record(build: Any, shape: Any, *rest: Any) -> Any:
        shapes.append(shape)
        raise RuntimeError("not sampled")

    monkeypatch.setattr(posterior, "sample_graph", record)
    model, priors = sleepstudy.model, sleepstudy.model.priors.numbers
    (level,) = priors.levels
    variants = [
        priors,
        replace(priors, sigma=HalfStudentT(3.0, priors.sigma.scale)),
        replace(priors, levels=(LevelPriors((level.sds[0], HalfStudentT(3.0, 1.0)), level.correlation),)),
        replace(priors, levels=(LevelPriors(level.sds, LKJ(1.0)),)),
        bx.Model(FORMULA, bx.load_dataset("sleepstudy"), priors="flat").priors.numbers,
        replace(priors, sigma=HalfStudentT(4.0, 1.0)),  # a scale is data
    ]
    for variant in variants:
        with pytest.raises(RuntimeError, match="not sampled"):
            draw_posterior(model.design, model.products, variant, sleepstudy.reml.solution, Settings(seed=1), None)
    assert len(set(shapes[:5])) == 5
    assert shapes[5] == shapes[0]


# Interrupted


class Interrupted:
    """A running sampler that is interrupted when ``enough`` holds of what it has so far."""

    def __init__(self, running: Any, enough: Callable[[np.ndarray], bool]) -> None:
        self.running, self.enough = running, enough

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            values = self.running.inspect()["posterior"]["sigma"].to_numpy()
            if self.enough(values):
                raise KeyboardInterrupt
            time.sleep(0.02)
        raise AssertionError("never reached the point of interruption")

    def abort(self) -> Any:
        return self.running.abort()


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[np.ndarray], bool]], None]:
    real = nutpie.sample

    def install(enough: Callable[[np.ndarray], bool]) -> None:
        monkeypatch.setattr(nutpie, "sample", lambda *args, **options: Interrupted(real(*args, **options), enough))

    return install


def whole_chains(values: np.ndarray, draws: int) -> int:
    return int((~np.isnan(values)).all(axis=1).sum()) if values.shape[1] == draws else 0


# Looking at an unfinished sampler, as the test does, ArviZ wonders about chains that are longer than their draws.
@pytest.mark.filterwarnings("ignore:Found chain dimension to be longer than draw dimension:UserWarning")
def test_finished_chains_are_kept(dyestuff: Fits, interrupt: Callable[[Callable[[np.ndarray], bool]], None]) -> None:
    """One core, so that chains end one after another; interrupted when the first is whole and the last is not."""
    draws = 20_000
    interrupt(lambda values: 1 <= whole_chains(values, draws) < 4)
    with pytest.warns(BayesmixWarning, match=r"Interrupted: [123] of 4 chains were finished and are kept"):
        post = dyestuff.model.sample(draws=draws, chains=4, cores=1, seed=2, progress=False)
    draws_kept = post.idata["posterior"]
    kept = draws_kept.sizes["chain"]
    assert 1 <= kept < 4
    assert draws_kept.sizes["draw"] == draws
    for name in draws_kept.data_vars:
        assert np.isfinite(draws_kept[name]).all()
    assert post.idata["sample_stats"].sizes["chain"] == kept
    assert_array_equal(post.idata["sample_stats"]["chain"], draws_kept["chain"])
    assert post.divergences < 0.01 * draws * kept
    mean = dyestuff.post.variance_components()["mean"]
    assert_allclose(post.variance_components()["mean"], mean, rtol=0.15)
    assert f"{kept} chains of {draws}" in post.summary()


@pytest.mark.filterwarnings("ignore:Found chain dimension to be longer than draw dimension:UserWarning")
def test_nothing_finished(dyestuff: Fits, interrupt: Callable[[Callable[[np.ndarray], bool]], None]) -> None:
    """In the middle of the first draws: no chain is whole, so the interruption is the user's to handle."""
    interrupt(lambda values: values.shape[1] > 10)
    with pytest.raises(KeyboardInterrupt):
        dyestuff.model.sample(draws=200_000, cores=1, seed=2, progress=False)


def test_interrupted_before_the_first_draw(
    dyestuff: Fits, interrupt: Callable[[Callable[[np.ndarray], bool]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """During warm-up, where there is not one draw: still KeyboardInterrupt, without warnings about empty arrays."""
    monkeypatch.setattr(Interrupted, "wait", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    interrupt(lambda values: True)
    with pytest.raises(KeyboardInterrupt):
        dyestuff.model.sample(draws=2000, tune=200_000, cores=1, seed=2, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True], ids=["once", "in every chain"])
def test_pymc_interrupted(again: bool, dyestuff: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other sampler keeps the same promise: finished chains with a warning, or the interruption."""
    import pymc as pm

    real, seen = pm.sample, [0]

    def interrupt(trace: Any, draw: Any) -> None:
        seen[0] += 1
        if seen[0] == 450 or (again and seen[0] % 50 == 0):  # 300 draws make a chain
            raise KeyboardInterrupt

    monkeypatch.setattr(pm, "sample", lambda **options: real(callback=interrupt, **options))
    options = {"sampler": "pymc", "draws": 200, "tune": 100, "cores": 1, "seed": 2, "progress": False}
    if not again:
        with pytest.warns(BayesmixWarning, match="chains were finished and are kept"):
            post = dyestuff.model.sample(**options)
        assert post.idata["posterior"].sizes["chain"] < 4
        assert post.idata["posterior"].sizes["draw"] == 200
    else:
        with pytest.raises(KeyboardInterrupt):
            dyestuff.model.sample(**options)


# Calibration

GROUPS, ROWS, REPLICATES = 8, 6, 200


@pytest.mark.slow
def test_simulation_based_calibration() -> None:
    """Parameters from the prior, data from them, ranks of the parameters among the draws given these data are uniform.

    Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788. The priors are the numbers of one data set,
    frozen; the sampler is the one a user gets: geometry from each REML fit, nutpie, exact draws of beta and u.
    """
    rng = np.random.default_rng(2024)
    top = np.repeat(np.arange(GROUPS), ROWS)
    frame = pd.DataFrame({"x": 5 + rng.normal(size=len(top)), "top": top})
    x = frame["x"].to_numpy()
    frame["y"] = 10 + 2 * (x - 5) + 3 * rng.normal(size=GROUPS)[top] + rng.normal(size=len(top))
    formula = "y ~ x + (x | top)"
    priors = bx.Model(formula, frame).priors.numbers
    (level,) = priors.levels
    ranks: dict[str, list[int]] = {}
    bins, kept = 20, 199
    divergences, failures = 0, []
    for replicate in range(REPLICATES):
        sigma = priors.sigma.scale * abs(rng.standard_t(4))
        sds = np.array([sd.scale * abs(rng.standard_t(4)) for sd in level.sds])
        rho = 2 * rng.beta(2, 2) - 1
        slope = rng.normal(priors.beta[1].mean, priors.beta[1].sd)
        intercept = rng.normal(priors.beta[0].mean, priors.beta[0].sd) - slope * x.mean()
        root = np.array([[1.0, 0.0], [rho, np.sqrt(1 - rho**2)]])
        u = rng.normal(size=(GROUPS, 2)) @ (sds[:, None] * root).T
        y = intercept + slope * x + u[top, 0] + u[top, 1] * x + sigma * rng.normal(size=len(top))
        model = bx.Model(formula, frame.assign(y=y))
        try:
            solution = model.reml().solution
        except BayesmixError as error:
            failures.append(f"replicate {replicate}: {error}")
            continue
        settings = Settings(draws=500, tune=500, seed=replicate, progress=False)
        found = draw_posterior(model.design, model.products, priors, solution, settings, True)
        divergences += int(found.raw.stats["diverging"].sum())
        covariance = found.variances.covariances[0]
        assert found.effects.effects is not None
        order = model.design.tree.order[0]
        effects = found.effects.effects[0][:, order]
        truth = {
            "Intercept": (found.effects.beta[:, 0], intercept),
            "slope": (found.effects.beta[:, 1], slope),
            "sigma": (found.variances.sigma, sigma),
            "sd of intercepts": (covariance[:, 0, 0], sds[0] ** 2),
            "sd of slopes": (covariance[:, 1, 1], sds[1] ** 2),
            "correlation": (covariance[:, 0, 1] / np.sqrt(covariance[:, 0, 0] * covariance[:, 1, 1]), rho),
            "covariance": (covariance[:, 0, 1], rho * sds[0] * sds[1]),
            "first intercept": (effects[:, 0, 0], u[0, 0]),
            "last slope": (effects[:, -1, 1], u[-1, 1]),
        }
        thin = np.linspace(0, len(found.variances.sigma) - 1, kept).astype(int)
        for name, (draws, value) in truth.items():
            ranks.setdefault(name, []).append(int((draws[thin] < value).sum()))
    assert not failures, failures
    for name, values in ranks.items():
        counts, _ = np.histogram(values, bins=bins, range=(0, kept + 1))
        p = stats.chisquare(counts).pvalue
        assert p > 1e-3, f"{name}: {counts.tolist()}, p = {p:.1e}"
    assert divergences < 1e-3 * 2000 * REPLICATES


# Three posteriors on real data


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("hsb", "math ~ ses + (ses | school)"),
        ("exam", "normexam ~ standLRT + (standLRT | school)"),
        ("egsingle", "math ~ year + (year | schoolid/childid)"),
    ],
)
def test_posteriors_are_sampled_well(name: str, formula: str) -> None:
    """No divergences, R-hat below 1.01, and an effective sample of half the draws, with what a user gets by itself."""
    post = bx.Model(formula, bx.load_dataset(name)).sample(seed=2, progress=False, group_effects="summary")
    table = pd.concat([post.fixed_effects(), post.variance_components()])
    print(f"\n{name}: smallest bulk ESS {table['ess_bulk'].min():.0f} ({table['ess_bulk'].idxmin()})")
    assert post.n_draws == 4000
    assert post.divergences == 0
    assert table["r_hat"].max() < 1.01
    assert table["ess_bulk"].min() >= 0.5 * post.n_draws, table["ess_bulk"]
