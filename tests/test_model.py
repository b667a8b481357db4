"""The front door: what a model says of itself, keywords of other programs, and that it leaves its inputs alone."""

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bayesmix as bx
from bayesmix.errors import ArgumentError, BayesmixError, DataError, DesignError
from tests.bayes import fits
from tests.fabricated import fabricated

# Keywords


@pytest.mark.parametrize(
    ("call", "keyword", "value", "remedy"),
    [
        ("sample", "random_seed", 3, "seed=3"),
        ("sample", "rng", 3, "seed=3"),
        ("sample", "progressbar", False, "progress=False"),
        ("sample", "nuts_sampler", "nutpie", "sampler='nutpie'"),
        ("sample", "inference_method", "mcmc", "sampler='mcmc'"),
        ("sample", "n_chains", 2, "chains=2"),
        ("sample", "iter", 500, "draws=500"),
        ("sample", "warmup", 500, "tune=500"),
        ("sample", "adapt_delta", 0.95, "target_accept=0.95"),
        ("sample", "drawz", 500, "draws=500"),
        ("sample", "cors", 2, "cores=2"),
        ("reml", "optimiser", None, "optimizer=None"),
        ("reml", "strat", None, "start=None"),
        ("ml", "optimiser", None, "optimizer=None"),
        ("Model", "prior", "flat", "priors='flat'"),
        ("Model", "familiy", "gaussian", "family='gaussian'"),
    ],
)
def test_keywords_are_answered_with_ours(
    call: str, keyword: str, value: Any, remedy: str, hsb: pd.DataFrame, hsb_model: bx.Model
) -> None:
    with pytest.raises(ArgumentError) as caught:
        if call == "Model":
            bx.Model("math ~ ses + (ses | school)", hsb, **{keyword: value})
        else:
            getattr(hsb_model, call)(**{keyword: value})
    assert caught.value.found == f"{call} has no keyword '{keyword}'."
    assert caught.value.remedy == f"Write {remedy}."


@pytest.mark.parametrize("call", ["Model", "reml", "sample"])
@pytest.mark.parametrize("value", [True, False])
def test_reml_is_a_call(call: str, value: bool, hsb: pd.DataFrame, hsb_model: bx.Model) -> None:
    with pytest.raises(ArgumentError) as caught:
        if call == "Model":
            bx.Model("math ~ ses + (ses | school)", hsb, REML=value)
        else:
            getattr(hsb_model, call)(REML=value)
    assert f"REML={value}" in caught.value.found
    assert ".ml()" in caught.value.remedy and ".reml()" in caught.value.remedy


@pytest.mark.parametrize("call", ["reml", "ml", "sample"])
def test_keywords_nobody_knows(call: str, hsb_model: bx.Model) -> None:
    with pytest.raises(ArgumentError) as caught:
        getattr(hsb_model, call)(zyzzyva=1)
    assert "zyzzyva" in caught.value.found
    assert caught.value.remedy == "Remove it."
    for offered in {"sample": ["draws", "tune", "chains", "seed", "sampler"]}.get(call, ["optimizer", "start"]):
        assert offered in caught.value.expected


def test_options_are_keywords(hsb: pd.DataFrame, hsb_model: bx.Model) -> None:
    for call in (
        lambda: bx.Model("math ~ ses", hsb, "gaussian"),
        lambda: hsb_model.sample(1000),
        lambda: hsb_model.reml(1),
    ):
        with pytest.raises(TypeError):
            call()


def test_other_families(hsb: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="family='binomial'"):
        bx.Model("math ~ ses + (ses | school)", hsb, family="binomial")


@pytest.mark.parametrize("options", [{"draws": 1}, {"chains": 0}, {"sampler": "stan"}, {"group_effects": "all"}])
def test_sampling_options_are_checked_before_any_work(options: dict[str, Any], hsb_model: bx.Model) -> None:
    with pytest.raises(ArgumentError):
        hsb_model.sample(**options)


# What it says of itself


def test_facts(hsb_model: bx.Model, egsingle_model: bx.Model) -> None:
    assert hsb_model.formula == "math ~ ses + (ses | school)"
    assert hsb_model.levels == ("school",)
    assert hsb_model.n == 7185
    assert hsb_model.groups == {"school": 160}
    assert egsingle_model.formula == "math ~ year + (year | schoolid/childid)"
    assert egsingle_model.levels == ("schoolid:childid", "schoolid")
    assert egsingle_model.n == 7230
    assert egsingle_model.groups == {"schoolid:childid": 1721, "schoolid": 60}


def test_facts_without_levels(hsb: pd.DataFrame) -> None:
    model = bx.Model("math ~ ses", hsb)
    assert (model.levels, model.groups, model.n) == ((), {}, 7185)


def test_rows_left_out_are_not_counted(hsb: pd.DataFrame) -> None:
    frame = hsb.iloc[:300].copy()
    frame.loc[frame.index[:5], "ses"] = np.nan
    assert bx.Model("math ~ ses + (1 | school)", frame).n == 295


def test_repr(hsb_model: bx.Model, egsingle_model: bx.Model, hsb: pd.DataFrame) -> None:
    """Formula, sizes and every prior in words."""
    lines = repr(hsb_model).splitlines()
    assert lines[:3] == ["Model: math ~ ses + (ses | school)", "  7185 rows, 160 groups of school", "Priors"]
    assert [re.sub(r"  +\[.*\]$", "", line).split("  ")[-1].strip() for line in lines[3:]] == [
        "Normal(12.75, 17.2) (at the means of the other columns)",
        "Normal(0, 22.06)",
        "HalfStudentT(4, 6.878)",
        "HalfStudentT(4, 8.826)",
        "LKJ(2)",
        "HalfStudentT(4, 6.878)",
    ]
    assert [line.split()[0] for line in lines[3:]] == [
        "Intercept", "ses", "1|school_sigma", "ses|school_sigma", "school_corr", "sigma",
    ]  # fmt: skip
    assert "1721 groups of schoolid:childid, 60 groups of schoolid" in repr(egsingle_model)
    flat = repr(bx.Model("math ~ ses + (ses | school)", hsb, priors="flat"))
    assert flat.count(" flat ") == 5 and "uniform partial correlations" in flat
    assert repr(bx.Model("math ~ ses", hsb)).splitlines()[1] == "  7185 rows"


def test_a_specification_is_a_formula(hsb: pd.DataFrame, hsb_model: bx.Model) -> None:
    from bayesmix.specification import parse_formula

    again = bx.Model(parse_formula(hsb_model.formula), hsb)
    assert again.formula == hsb_model.formula
    assert again.specification == hsb_model.specification


def test_properties_cannot_be_set(hsb_model: bx.Model) -> None:
    for name in ("formula", "levels", "n", "groups", "priors", "design", "products", "specification"):
        with pytest.raises(AttributeError):
            setattr(hsb_model, name, None)


def test_groups_is_a_copy(hsb_model: bx.Model) -> None:
    hsb_model.groups["school"] = 3
    assert hsb_model.groups == {"school": 160}


# Fits


def test_reml_is_fitted_once(hsb_model: bx.Model) -> None:
    assert hsb_model.reml() is hsb_model.reml()
    assert hsb_model.ml().method == "ML"
    assert hsb_model.reml().method == "REML"


def test_optimizer_and_start(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    other = hsb_model.reml(optimizer=bx.Optimizer(scales=(1.5,)))
    assert other is not hsb_reml
    np.testing.assert_allclose(other.criterion, hsb_reml.criterion, rtol=1e-12)
    started = hsb_model.reml(start=hsb_reml.solution.inner_theta)
    np.testing.assert_allclose(started.criterion, hsb_reml.criterion, rtol=1e-12)


@pytest.mark.parametrize("start", [np.zeros(5), "here", [1.0]])
def test_a_start_that_does_not_fit(start: Any, hsb_model: bx.Model) -> None:
    with pytest.raises(BayesmixError, match="start"):
        hsb_model.reml(start=start)


def test_graphs(hsb_model: bx.Model) -> None:
    marginal = hsb_model.graph()
    assert [variable.name for variable in marginal.free_RVs] == [
        "sigma", "1|school_sigma", "ses|school_sigma_signed", "school_partial_0",
    ]  # fmt: skip
    explicit = hsb_model.graph(marginal=False)
    names = [variable.name for variable in explicit.free_RVs]
    assert {"ses", "sigma", "1|school_sigma", "ses|school_sigma"} <= set(names)
    reported = {variable.name for variable in explicit.deterministics} | set(names)
    assert {"Intercept", "1|school", "ses|school", "school_corr"} <= reported


# Fits elsewhere


SENT = (
    "math ~ scale(ses) + within(ses) + (ses | school)", "math ~ poly(ses, 2) + (1 | school)", "math ~ ses",
)  # fmt: skip


@pytest.mark.parametrize("send", [lambda fit: pickle.loads(pickle.dumps(fit)), copy.deepcopy, copy.copy])
@pytest.mark.parametrize("formula", SENT)
def test_fits_can_be_sent(
    formula: str, send: Callable[[Any], Any], hsb: pd.DataFrame, rng: np.random.Generator
) -> None:
    """Likelihood fits, posteriors and models, used before or not, are the same in another process."""
    model = bx.Model(formula, hsb)
    fit, post = model.reml(), fabricated(model, rng)
    assert send(model).reml().summary() == fit.summary()
    for one in (fit, post):
        fresh = send(one)
        assert fresh.summary() == one.summary()
        assert send(one).summary() == one.summary()  # what was computed meanwhile goes along
        new = fresh.design.encode(hsb.iloc[:5])
        assert_array_equal(new.fixed, one.design.encode(hsb.iloc[:5]).fixed)
        with pytest.raises(TypeError):
            fresh.design.memory.constants["more"] = 1


def test_fits_in_processes_of_joblib(hsb_reml: bx.LikelihoodFit) -> None:
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config(backend="multiprocessing"):
        found = joblib.Parallel(n_jobs=2)(joblib.delayed(_criterion)(fit) for fit in (hsb_reml, hsb_reml))
    assert found == [hsb_reml.criterion, hsb_reml.criterion]


def _criterion(fit: bx.LikelihoodFit) -> float:
    return fit.criterion


# Inputs


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("progress", "no"), ("progress", None), ("progress", 1), ("sampler", ["nutpie"]), ("sampler", None),
        ("sampler", np.array(["a", "b"])), ("group_effects", np.array([1, 2])), ("group_effects", 1),
        ("group_effects", "all"), ("target_accept", "high"), ("target_accept", np.array([0.8, 0.9])),
        ("draws", 10.5), ("draws", np.array([10, 20])), ("draws", 2**40), ("cores", "2"), ("seed", "one"),
        ("seed", 2**64),
    ],
)  # fmt: skip
def test_wrong_settings_of_sampling(keyword: str, value: Any, hsb_model: bx.Model) -> None:
    """Answered at the door, with the name of the keyword and what it may be."""
    with pytest.raises(ArgumentError, match=rf"^{keyword}=.* Expected "):
        hsb_model.sample(**{keyword: value})


def test_data_are_left_alone(dataset: Callable[[str], pd.DataFrame]) -> None:
    frame = dataset("dyestuff")
    frame["Batch"] = frame["Batch"].astype(str)
    frame["acid"] = np.where(np.arange(len(frame)) == 3, np.nan, np.arange(len(frame), dtype=float))
    before = frame.copy(deep=True)
    model = bx.Model("Yield ~ scale(acid) + (1 | Batch)", frame)
    model.reml().summary()
    model.sample(draws=50, chains=2, seed=1, progress=False).summary()
    pd.testing.assert_frame_equal(frame, before)


def test_data_changed_afterwards_change_nothing(dataset: Callable[[str], pd.DataFrame]) -> None:
    """A model holds what it read: neither a fit of it nor a later one sees the change."""
    frame = dataset("dyestuff").assign(acid=lambda d: np.arange(len(d), dtype=float))
    formula = "Yield ~ acid + (1 | Batch)"
    expected = bx.Model(formula, frame).reml()
    model = bx.Model(formula, frame)
    values = model.design.values.copy()
    frame["Yield"] = 0.0
    frame.loc[:, "acid"] = 1.0
    frame.iloc[:, 0] = frame.iloc[0, 0]
    assert_array_equal(model.design.values, values)
    pd.testing.assert_frame_equal(model.reml().fixed_effects(), expected.fixed_effects())
    np.testing.assert_allclose(model.reml().fitted(), expected.fitted())


def test_global_random_state_is_left_alone() -> None:
    """And is not read."""
    model = fits("dyestuff").model
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    one = model.sample(draws=50, chains=2, seed=4, progress=False)
    assert_array_equal(np.random.get_state()[1], state)
    np.random.seed(2)
    two = model.sample(draws=50, chains=2, seed=4, progress=False)
    assert_array_equal(one.idata["posterior"]["Intercept"], two.idata["posterior"]["Intercept"])


# Importing

HEAVY = [
    "pymc",
    "pytensor",
    "nutpie",
    "arviz",
    "arviz_plots",
    "matplotlib",
    "bambi",
    "numba",
    "pandas",
    "scipy",
    "xarray",
]


def run(code: str) -> str:
    root = Path(bx.__file__).parents[1]
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=120, check=True
    )
    assert found.stderr == ""
    return found.stdout.strip()


def test_importing_is_lazy() -> None:
    """Nothing heavy is imported, nothing is printed, and every public name is there when asked for."""
    code = f"import sys, bayesmix; print([name for name in {HEAVY} if name in sys.modules])"
    assert run(code) == "[]"


def test_public_names() -> None:
    assert dir(bx) == sorted([*bx.__all__, "__version__"])  # and nothing that is imported
    for name in bx.__all__:
        assert getattr(bx, name).__module__.startswith("bayesmix")
    with pytest.raises(AttributeError, match="no attribute 'Modell'"):
        bx.Modell  # noqa: B018


def test_plots_are_not_imported_by_a_fit() -> None:
    """REML alone needs no plotting and no Bambi."""
    code = (
        "import sys, bayesmix as bx; bx.Model('Yield ~ 1 + (1 | Batch)', bx.load_dataset('dyestuff')).reml();"
        "print([name for name in ['bambi', 'arviz_plots', 'matplotlib', 'nutpie'] if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_level_equations_are_the_model(hsb: pd.DataFrame) -> None:
    """Intercepts and slopes as outcomes: lme4's REML criterion and estimates of the formula (lme4 1.1-31)."""
    outcomes = {"Intercept": "meanses + sector", "cses": "meanses + sector"}
    model = bx.Model(bx.levels("math ~ cses", {"school": outcomes}), hsb)
    assert model.formula == "math ~ cses + meanses + sector + cses:meanses + cses:sector + (cses | school)"
    fit = model.reml()
    assert fit.criterion == pytest.approx(46503.6629, abs=5e-5)
    wanted = [12.12793, 2.94504, 5.33287, 1.22658, 1.03923, -1.64267]
    assert_allclose(fit.fixed_effects()["estimate"], wanted, atol=5.1e-6)
    assert model.level_equations().levels == {"school": outcomes}
    assert model.formula in repr(fit.summary()) and "β₁ⱼ = γ₁₀ + γ₁₁ meansesⱼ" in model._repr_html_()


def test_level_equations_without_a_level_form(hsb: pd.DataFrame) -> None:
    with pytest.raises(DesignError, match="no levels"):
        bx.Model("math ~ ses", hsb).level_equations()


def test_misspelt_level_and_predictor(hsb: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="Did you mean 'school'"):
        bx.Model(bx.levels("math ~ ses", schol={"Intercept": ""}), hsb)
    with pytest.raises(DataError, match="Did you mean 'sector'"):
        bx.Model(bx.levels("math ~ ses", school={"Intercept": "sectr"}), hsb)


def test_the_model_of_a_fit(dataset: Callable[[str], pd.DataFrame], rng: np.random.Generator, tmp_path: Path) -> None:
    """Of a loaded posterior too: its rows, its priors, its estimates."""
    model = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"), priors={"sigma": "HalfNormal(70)"})
    reml = model.reml()
    fabricated(model, rng, draws=50).save(tmp_path / "fit.nc")
    again = bx.Model.from_fit(bx.load(tmp_path / "fit.nc"))
    assert again.formula == model.formula and again.groups == model.groups
    assert again.priors.numbers == model.priors.numbers
    assert again.reml().criterion == reml.criterion
    assert bx.Model.from_fit(reml).priors["sigma"] != "HalfNormal(70)"
    with pytest.raises(ArgumentError, match="from_fit was given an object of type Model"):
        bx.Model.from_fit(model)
    with pytest.raises(AttributeError, match=r"bx.Model.from_fit\(fit\) is the model"):
        reml.model  # noqa: B018
