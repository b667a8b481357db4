"""Coverage, power, bias and error of REML and of the posterior, on the same simulated data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.design.response import read_rows, with_response
from bayesmix.errors import ArgumentError, ConvergenceError, DataError, refuse_unknown, require_coverage
from bayesmix.inference.bootstrap import repeat, require_counts
from bayesmix.inference.ml import MlSolution, maximise
from bayesmix.inference.propriety import require_proper
from bayesmix.inference.recycled import posterior_of
from bayesmix.inference.sampling import Settings
from bayesmix.inference.simulation import KnownTruth
from bayesmix.inference.threads import one_blas_thread
from bayesmix.model import Model
from bayesmix.results.degrees import COUNTED, ESTIMATED, check_method
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.teaching.arguments import require_seed, shown
from bayesmix.teaching.calibration import require_model
from bayesmix.teaching.parameter_values import parameter_names, parameter_values
from bayesmix.teaching.responses import draw_rows
from bayesmix.teaching.truth import read_truth

Floats = NDArray[np.float64]

METHODS = ("reml", "bayes")
INTERVALS = ("wald", "profile")


@dataclass(frozen=True)
class Options:
    """How the data sets are fitted.

    Parameters
    ----------
    methods : tuple of str
    prob : float
    df, intervals : str
        Of REML.
    settings : Settings
        Of the posterior; its seed is that of the study.
    """

    methods: tuple[str, ...]
    prob: float
    df: str
    intervals: str
    settings: Settings


# Of one data set, by method: estimate, ci_low and ci_high of every parameter, (3, P); None where the fit failed.
Found = dict[str, Floats | None]


def coverage(
    model: Model,
    parameters: Mapping[Any, Any],
    *,
    n: int = 200,
    methods: str | Sequence[str] = METHODS,
    prob: float = 0.95,
    df: str = "satterthwaite",
    intervals: str = "wald",
    draws: int = 500,
    tune: int = 300,
    chains: int = 2,
    target_accept: float | None = None,
    seed: int | None = None,
    cores: int | None = None,
    progress: bool = True,
    **unknown: Any,
) -> pd.DataFrame:
    """Draw data sets from parameters you choose, fit each by REML and by NUTS, and count what their intervals hold.

    The data sets are those that ``bx.simulate(model, parameters, n=n, seed=seed)`` returns. Every posterior has the
    priors of the model, with its numbers. At parameters that are chosen, a posterior covers what its priors and the
    data together allow: nominal coverage is promised for parameters drawn from the priors, see :func:`sbc`.

    Parameters
    ----------
    model : Model
        Its response is not read.
    parameters : mapping
        Every parameter by name, as in :func:`simulate`.
    n : int
        Data sets.
    methods : str or sequence of str
        ``"reml"``, ``"bayes"`` or both.
    prob : float
        Promised coverage.
    df : str
        Degrees of freedom of REML, as in :meth:`LikelihoodFit.fixed_effects`.
    intervals : {"wald", "profile"}
        Of REML, as in :meth:`LikelihoodFit.intervals`; ``df`` is not used by profiles.
    draws, tune, chains, target_accept
        Of each posterior, as in :meth:`Model.sample`.
    seed : int, optional
        The same seed gives the same data sets and fits.
    cores : int, optional
        Chains run at a time.
    progress : bool
        Show a progress bar. Interrupted, the table has what was finished.

    Returns
    -------
    DataFrame
        Index (method, parameter); truth, mean (of the estimates; a posterior's is its mean), bias and rmse, width
        (median, of the intervals there are), coverage and power: the shares of all fits whose interval holds the truth,
        and leaves out 0 (of fixed effects and correlations, nan for standard deviations); bias_se, rmse_se, coverage_se
        and power_se, Monte Carlo errors; n (fits), no_interval (fits at a boundary, where Wald's interval does not
        exist: it holds nothing), failed.

    Raises
    ------
    ArgumentError
        A parameter is missing, unknown, or has a value that no model can have; an option that is not offered.
    PriorError
        The model's priors leave no proper posterior.

    See Also
    --------
    power : Power of one test for sizes of a study that are compared.
    sbc : Whether a posterior is right, over its priors.

    References
    ----------
    Burton, Altman, Royston & Holder (2006), Statistics in Medicine 25:4279-4292; Morris, White & Crowther (2019),
    Statistics in Medicine 38:2074-2102, table 6, for the Monte Carlo errors.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    >>> truth = {"Intercept": 1500, "sd(Intercept | Batch)": 40, "sigma": 50}
    >>> table = bx.coverage(model, truth, n=100, methods="reml", seed=1, progress=False)
    >>> table.loc[("reml", "Intercept"), "coverage"].item()
    0.97
    """
    names = ("n", "methods", "prob", "df", "intervals", "draws", "tune", "chains", "target_accept")
    refuse_unknown("coverage", unknown, (*names, "seed", "cores", "progress"))
    require_model("coverage", model)
    require_counts(n, seed)
    require_coverage(prob)
    check_method(df, (*ESTIMATED, *COUNTED, "z"), reml=True)
    if not isinstance(intervals, str) or intervals not in INTERVALS:
        raise ArgumentError(
            f"intervals={shown(intervals)} is not offered.", "Expected 'wald' or 'profile'.", "Choose one of these."
        )
    settings = Settings(draws, tune, chains, cores, seed, target_accept=target_accept, progress=progress)
    options = Options(_read_methods(methods), prob, df, intervals, settings)
    truth = read_truth(model.design, parameters)
    if "bayes" in options.methods:
        require_proper(model.priors.numbers, model.design, model.products)
    study = _Study(model, truth, options, require_seed(seed))
    with one_blas_thread():
        found, _, _ = repeat(study.next, n, progress, "Coverage")
    return _table(model, truth, found, options.methods)


def _read_methods(methods: Any) -> tuple[str, ...]:
    """The methods asked for, each once."""
    several = (methods,) if isinstance(methods, str) else methods
    if isinstance(several, Sequence) and several and all(isinstance(m, str) and m in METHODS for m in several):
        return tuple(dict.fromkeys(several))
    raise ArgumentError(
        f"methods={shown(methods)}.", "Expected 'reml', 'bayes' or both.", "Leave it out, or write methods='reml'."
    )


class _Study:
    """Data sets one after the other, each fitted by all methods."""

    def __init__(self, model: Model, truth: KnownTruth, options: Options, rng: np.random.Generator) -> None:
        self._model, self._truth, self._options, self._rng = model, truth, options, rng
        self._rows = read_rows(model.design, model.products)
        self._sampler_seeds = np.random.SeedSequence(options.settings.seed)

    def next(self) -> Found:
        """Draw a data set and fit it."""
        model = self._model
        y = draw_rows(model.design, self._truth, self._rng)
        (stream,) = self._sampler_seeds.spawn(1)
        try:
            products = with_response(model.design, model.products, y, self._rows)
            solution = maximise(products)
        except (ConvergenceError, DataError):  # a posterior starts from REML, so both fail
            return dict.fromkeys(self._options.methods)
        found: Found = {}
        for method in self._options.methods:
            try:
                found[method] = (
                    self._estimated(products, solution)
                    if method == "reml"
                    else self._sampled(products, solution, int(stream.generate_state(1)[0]))
                )
            except (ValueError, RuntimeError, ArithmeticError):  # of a data set, not of the caller: counted
                found[method] = None
        return found

    def _estimated(self, products: CrossProducts, solution: MlSolution) -> Floats:
        """Estimates and intervals of REML."""
        options = self._options
        fit = LikelihoodFit(self._model.design, products, solution)
        own = {"df": options.df} if options.intervals == "wald" else {}
        table = fit.intervals(options.intervals, prob=options.prob, scale="sd", **own)
        return np.asarray(table[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float).T)

    def _sampled(self, products: CrossProducts, solution: MlSolution, seed: int) -> Floats:
        """Means and equal-tailed intervals of the posterior."""
        options, design = self._options, self._model.design
        chosen = options.settings
        settings = Settings(
            chosen.draws,
            chosen.tune,
            chosen.chains,
            chosen.cores,
            seed,
            target_accept=chosen.target_accept,
            progress=False,
        )
        draws = posterior_of(design, self._model.priors.numbers, products, settings, solution, group_effects=False)
        variances = draws.variances
        values = parameter_values(design, draws.effects.beta, variances.sigma, variances.covariances)
        ends = np.quantile(values, [0.5 - options.prob / 2, 0.5 + options.prob / 2], axis=0)
        return np.vstack([values.mean(axis=0), ends])


def _table(model: Model, truth: KnownTruth, found: list[Found], methods: tuple[str, ...]) -> pd.DataFrame:
    """One row for each method and parameter."""
    design = model.design
    covariances = [truth.sigma**2 * (factor @ factor.T)[None] for factor in truth.factors]
    with np.errstate(invalid="ignore"):
        values = parameter_values(design, truth.beta[None], np.array([truth.sigma]), covariances)[0]
    names = parameter_names(design)
    tested = [k < len(design.fixed_names) or name.startswith("corr(") for k, name in enumerate(names)]
    rows, labels = [], []
    for method in methods:
        fits = [each[method] for each in found]
        kept = np.array([fit for fit in fits if fit is not None]).reshape(-1, 3, len(names))
        for k, name in enumerate(names):
            rows.append(_row(kept[:, :, k], float(values[k]), tested[k], len(fits)))
            labels.append((method, name))
    return pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(labels, names=["method", "parameter"]))


def _row(kept: Floats, truth: float, tested: bool, total: int) -> dict[str, float]:
    """Statistics of one parameter from (fits, 3) estimates and ends of intervals."""
    estimate, low, high = kept.T
    count = len(kept)
    error = estimate - truth
    # A correlation at the boundary may not exist.
    error, sure = error[np.isfinite(error)], np.isfinite(low) & np.isfinite(high)
    root = float(np.sqrt(np.mean(error**2))) if len(error) else np.nan
    holds = _share(sure & (low <= truth) & (truth <= high))
    beyond = _share(sure & ((low > 0) | (high < 0))) if tested else (np.nan, np.nan)
    several = len(error) > 1
    return {
        "truth": truth,
        "mean": truth + float(error.mean()) if len(error) else np.nan,
        "bias": float(error.mean()) if len(error) else np.nan,
        "bias_se": float(error.std(ddof=1) / np.sqrt(len(error))) if several else np.nan,
        "rmse": root,
        "rmse_se": float((error**2).std(ddof=1) / (2 * root * np.sqrt(len(error)))) if several and root else np.nan,
        "width": float(np.median((high - low)[sure])) if sure.any() else np.nan,
        "coverage": holds[0],
        "coverage_se": holds[1],
        "power": beyond[0],
        "power_se": beyond[1],
        "n": count,
        "no_interval": int(count - sure.sum()),
        "failed": total - count,
    }


def _share(flags: NDArray[np.bool_]) -> tuple[float, float]:
    """A share of all fits and its Monte Carlo error."""
    if not len(flags):
        return np.nan, np.nan
    share = float(flags.mean())
    return share, float(np.sqrt(share * (1 - share) / len(flags)))
