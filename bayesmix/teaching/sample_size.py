"""Power of a planned study by simulation: draw it, fit it by REML, test it, count."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bayesmix.design import Design, cross_products
from bayesmix.errors import ArgumentError, BayesmixWarning, refuse_unknown
from bayesmix.inference.bootstrap import repeat, require_counts
from bayesmix.inference.ml import maximise
from bayesmix.inference.simulation import is_nested, products_drawer, rows_drawer
from bayesmix.results.degrees import COUNTED, ESTIMATED, check_method
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.specification import Specification
from bayesmix.teaching.arguments import require_flag, require_several, require_share, shown
from bayesmix.teaching.nested_frames import nested_frame, read_predictors, read_sizes
from bayesmix.teaching.responses import draw_rows, open_design, read_formula
from bayesmix.teaching.truth import read_truth

# One simulated study: estimate, standard error, degrees of freedom, p, and whether the fit is singular.
Study = tuple[float, float, float, float, bool]


def power(
    formula: str | Specification,
    parameters: Mapping[Any, Any],
    effect: str,
    *,
    sizes: Mapping[str, Any] | None = None,
    predictors: Mapping[str, Any] | None = None,
    data: Any = None,
    n: int = 500,
    alpha: float = 0.05,
    df: str = "satterthwaite",
    seed: int | None = None,
    progress: bool = True,
    **unknown: Any,
) -> pd.DataFrame:
    """Power of the test of a fixed effect, by simulation from parameters you choose.

    Each simulated study is drawn as :func:`simulate` does, fitted by REML, and its effect tested against 0 by Wald's t.
    With ``sizes``, groups and predictors are drawn anew for each; with ``data``, its rows are kept. At an effect of 0
    this is the type I error of the test.

    Parameters
    ----------
    formula : str
        What will be fitted to the study, and what it is drawn from.
    parameters : mapping
        Every parameter by name, as in :func:`simulate`.
    effect : str
        The fixed effect that is tested.
    sizes : mapping, optional
        As in :func:`nested_frame`, where a list stands for sizes to be compared: ``{"school": [10, 20, 40], "pupil":
        25}``. Several lists: every combination.
    predictors : mapping, optional
        As in :func:`nested_frame`.
    data : data frame, or mapping of str to data frame, optional
        Predictors and groupings, in place of ``sizes``; several frames are compared under their names.
    n : int
        Simulated studies for each size.
    alpha : float
        Level of the test, two-sided.
    df : str
        Degrees of freedom, as in :meth:`LikelihoodFit.fixed_effects`.
    seed : int, optional
        The same seed gives the same studies.
    progress : bool
        Show a bar for each size. Interrupted, the table has what was finished.

    Returns
    -------
    DataFrame
        Index: the sizes, or ``data``. power, mc_se (its Monte Carlo error), ci_low and ci_high (Wilson's 95 %
        interval), estimate and sd (mean and spread of the estimates), se (mean of the reported standard errors), df
        (their median degrees of freedom), n (studies fitted), failed, singular.

    Raises
    ------
    ArgumentError
        A size, a parameter or an effect that is none.

    See Also
    --------
    coverage : Intervals of every parameter, by REML and by NUTS, for a model and its data.

    References
    ----------
    Wilson (1927), JASA 22:209-212.

    Examples
    --------
    >>> import bayesmix as bx
    >>> truth = {"Intercept": 0, "treated": 0.5, "sd(Intercept | school)": 0.4, "sigma": 1}
    >>> arms = {"treated": ("school", "binary")}
    >>> sizes = {"school": [10, 30], "pupil": 20}
    >>> formula = "score ~ treated + (1 | school)"
    >>> table = bx.power(formula, truth, "treated", sizes=sizes, predictors=arms, n=50, seed=1, progress=False)
    >>> table["power"].tolist()
    [0.36, 0.74]
    """
    offered = ("sizes", "predictors", "data", "n", "alpha", "df", "seed", "progress")
    refuse_unknown("power", unknown, offered, {"groups": 'Write sizes={"school": [10, 20], "pupil": 25}.'})
    specification = read_formula(formula)
    require_counts(n, seed)
    level, show = require_share("alpha", alpha), require_flag("progress", progress)
    check_method(df, (*ESTIMATED, *COUNTED, "z"), reml=True)
    plans = _plans(specification, sizes, predictors, data)
    rows = {}
    for number, (place, open_study) in enumerate(plans.items()):
        # A generator of its own for each size: those of one do not move with how many others there are.
        rng = np.random.default_rng(None if seed is None else [seed, number])
        draw = _drawer(open_study, parameters, effect, df, rng, fixed=data is not None)
        found, failed, complete = repeat(draw, n, show, f"Power at {', '.join(map(str, place))}")
        rows[place] = _row(found, failed, level)
        if not complete:  # interrupted: what was finished is kept, the other sizes are left
            break
    names = ["data"] if data is not None else list(sizes or {})
    index = pd.MultiIndex.from_tuples(list(rows), names=names)
    return pd.DataFrame(list(rows.values()), index=index if len(names) > 1 else index.get_level_values(0))


def _plans(
    specification: Specification, sizes: Any, predictors: Any, data: Any
) -> dict[tuple[Any, ...], Callable[[np.random.Generator], Design]]:
    """The designs to be compared, by what they are called; each from a generator."""
    if (sizes is None) == (data is None):
        raise ArgumentError(
            "Neither sizes nor data were given." if data is None else "Both sizes and data were given.",
            "Expected one of them.",
            'Write sizes={"school": [10, 20], "pupil": 25}, or data=frame.',
        )
    if data is not None:
        if predictors is not None:
            raise ArgumentError(
                "data and predictors were given.", "Expected predictors in the data.", "Leave predictors out."
            )
        several = isinstance(data, Mapping) and data and not any(np.ndim(entry) == 1 for entry in data.values())
        frames = dict(data) if several else {"data": data}
        found = {(name,): open_design(specification, frame)[1] for name, frame in frames.items()}
        return {place: lambda rng, design=design: design for place, design in found.items()}  # type: ignore[misc]
    grid = _grid(sizes)
    read_predictors(predictors, list(sizes))

    def opener(chosen: Mapping[str, Any]) -> Callable[[np.random.Generator], Design]:
        def draw(rng: np.random.Generator) -> Design:
            frame = nested_frame(chosen, predictors=predictors, seed=int(rng.integers(2**62)))
            return open_design(specification, frame)[1]

        return draw

    return {place: opener(dict(zip(sizes, place, strict=True))) for place in grid}


def _grid(sizes: Any) -> list[tuple[Any, ...]]:
    """Every combination of the sizes compared."""
    if not isinstance(sizes, Mapping) or not sizes:
        read_sizes(sizes)
    lists = {
        name: [size] if isinstance(size, tuple) else require_several(f"the sizes of '{name}'", size)
        for name, size in sizes.items()
    }
    found = list(product(*lists.values()))
    for place in found:
        read_sizes(dict(zip(sizes, place, strict=True)))
    return list(dict.fromkeys(found))


def _drawer(
    open_study: Callable[[np.random.Generator], Design],
    parameters: Mapping[Any, Any],
    effect: str,
    df: str,
    rng: np.random.Generator,
    fixed: bool,
) -> Callable[[], Study]:
    """Draws of one study and its test."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", BayesmixWarning)
        design = open_study(rng)
    _require_groups(told)
    truth = read_truth(design, parameters)
    _require_effect(design, effect)
    if fixed:
        products = cross_products(design)
        draw = products_drawer(products, truth) if is_nested(products) else rows_drawer(design, products, truth)
        return lambda: _test(LikelihoodFit(design, found := draw(rng), maximise(found)), effect, df)

    def study() -> Study:
        with warnings.catch_warnings():
            # The first design of this size has given its warnings already.
            warnings.simplefilter("ignore", BayesmixWarning)
            opened = open_study(rng)
        drawn = replace(opened, response=draw_rows(opened, read_truth(opened, parameters), rng))
        products = cross_products(drawn)
        return _test(LikelihoodFit(drawn, products, maximise(products)), effect, df)

    return study


def _require_groups(told: list[warnings.WarningMessage]) -> None:
    """Refuse a size at which the fixed effects take all that the groups differ in; give other warnings as they came."""
    for one in told:
        if "fixed effects of its own" in str(one.message):
            raise ArgumentError(
                f"A study of this size can not be analysed. {one.message}",
                "Expected more groups than fixed effects that are constant within them.",
                "Ask for larger sizes.",
            )
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _test(fit: LikelihoodFit, effect: str, df: str) -> Study:
    """Wald's test of the effect."""
    row = fit.fixed_effects(df=df).loc[effect]
    return float(row["estimate"]), float(row["se"]), float(row["df"]), float(row["p"]), fit.singular


def _row(found: list[Study], failed: int, alpha: float) -> dict[str, float]:
    """One row of the table: the studies of one size."""
    estimates, errors, df, p, singular = (np.array(column) for column in zip(*found, strict=True))
    count, share = len(found), float(np.mean(p < alpha))
    z = float(stats.norm.isf(0.025))
    middle, half = share + z**2 / (2 * count), z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return {
        "power": share,
        "mc_se": float(np.sqrt(share * (1 - share) / count)),
        "ci_low": float((middle - half) / (1 + z**2 / count)),
        "ci_high": float((middle + half) / (1 + z**2 / count)),
        "estimate": float(estimates.mean()),
        "sd": float(estimates.std(ddof=1)) if count > 1 else np.nan,
        "se": float(errors.mean()),
        "df": float(np.median(df)),
        "n": count,
        "failed": failed,
        "singular": int(singular.sum()),
    }


def _require_effect(design: Design, effect: Any) -> None:
    """Refuse what is no fixed effect."""
    names = design.fixed_names
    if effect not in names:
        near = difflib.get_close_matches(str(effect), names, n=1, cutoff=0.4)
        raise ArgumentError(
            f"The model has no fixed effect {shown(effect)}.",
            f"Expected one of {', '.join(names)}.",
            f"Did you mean '{near[0]}'?" if near else "Choose one of these.",
        )
