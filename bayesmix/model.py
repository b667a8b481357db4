"""The front door: a formula and data become a model, which is then fitted. No arithmetic here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, build_design, cross_products
from bayesmix.errors import ArgumentError, BayesmixWarning, PriorError, refuse_unknown
from bayesmix.inference.geometry import choose_geometry
from bayesmix.inference.graph import explicit_graph, marginal_graph
from bayesmix.inference.ml import maximise
from bayesmix.inference.optimizer import Optimizer
from bayesmix.inference.posterior import draw_posterior
from bayesmix.inference.prior_draws import draw_prior, draw_responses
from bayesmix.inference.sampling import Settings
from bayesmix.interop.from_bambi import read_bambi, require_all_columns
from bayesmix.interop.to_bambi import build_bambi
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.fit import Fit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.model_page import model_html
from bayesmix.results.posterior import build_idata, build_prior
from bayesmix.results.prior_json import priors_as_json
from bayesmix.results.prior_table import PriorTable, describe_priors, make_priors, set_priors
from bayesmix.results.provenance import now, sampling_attributes
from bayesmix.results.surface.described import Described
from bayesmix.specification import Specification, parse_formula

if TYPE_CHECKING:
    import bambi
    import pymc
    import xarray as xr

Floats = NDArray[np.float64]


class Model(Described):
    """A multilevel model of one data set.

    Parameters
    ----------
    formula : str or Specification
        ``"math ~ ses + (ses | school)"``: the language of lme4; or level equations, ``bx.levels(...)``.
    data : data frame
        pandas, Polars, PyArrow, or any eager frame narwhals knows. It is read once and not changed.
    family : {"gaussian"}
        Distribution of the response.
    weights : str or (rows,) array, optional
        Precision weights, positive: the residual variance of row i is sigma^2 / w_i, as in lme4. The name of a column
        (rows without a weight are left out), or one number for each row of the data.
    priors : str or mapping
        A preset, ``"default"``, ``"flat"``, ``"brms"``, ``"rstanarm"`` or ``"bambi"`` (see
        :func:`bayesmix.inference.presets.choose_priors`), or priors by the name of their parameter, the others those
        of the defaults (or of ``"preset"``): ``{"ses": "Normal(0, 5)", "sd(ses | school)": "HalfNormal(2)"}``; see
        :meth:`with_priors`. Priors scaled from the data become numbers here, once.

    Raises
    ------
    BayesmixError
        Anything wrong with formula or data, before any fitting.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    >>> model.n, model.groups
    (7185, {'school': 160})
    """

    def __init__(
        self,
        formula: str | Specification,
        data: Any,
        *,
        family: str = "gaussian",
        weights: Any = None,
        priors: Any = "default",
        **unknown: Any,
    ) -> None:
        refuse_unknown("Model", unknown, ("family", "weights", "priors"))
        if family != "gaussian":
            raise ArgumentError(
                f"family={family!r} is not offered.", "Expected 'gaussian'.", "Leave it out, or use another program."
            )
        self._specification = formula if isinstance(formula, Specification) else parse_formula(formula)
        self._design = build_design(self._specification, data, weights)
        self._products = cross_products(self._design)
        self._priors = make_priors(self._design, priors)

    @classmethod
    def from_fit(cls, fit: Fit) -> Model:
        """The model a fit was made from: formula, rows used and, of a posterior, its priors; of a loaded one too.

        Parameters
        ----------
        fit : LikelihoodFit or BayesFit

        Raises
        ------
        ArgumentError
            Something that is no fit.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
        >>> bx.Model.from_fit(fit).formula
        'Yield ~ 1 + (1 | Batch)'
        """
        if not isinstance(fit, Fit):
            raise ArgumentError(
                f"from_fit was given an object of type {type(fit).__name__}.",
                "Expected a fit, estimated, sampled or loaded.",
                "Write bx.Model.from_fit(bx.load('fit.nc')).",
            )
        model = cls.__new__(cls)
        model._specification = fit.design.specification
        model._design, model._products = fit.design, fit.products
        model._priors = fit.priors.numbers if isinstance(fit, BayesFit) else make_priors(fit.design, "default")
        return model

    @property
    def specification(self) -> Specification:
        """What the formula says."""
        return self._specification

    @property
    def design(self) -> Design:
        """Formula and data together."""
        return self._design

    @property
    def products(self) -> CrossProducts:
        """The cross-products every fit reads."""
        return self._products

    @property
    def priors(self) -> PriorTable:
        """Prior distributions, as numbers: ``.table``, and one of them by ``model.priors["ses"]``."""
        return PriorTable(self._design, self._priors)

    def with_priors(self, changes: Mapping[str, Any]) -> Model:
        """The same model with some priors changed and the others as they are.

        Parameters
        ----------
        changes : mapping
            By name, as in ``model.priors.table``: ``"ses"``, ``"sigma"``, ``"ses|school_sigma"`` (or ``"sd(ses |
            school)"``), ``"school_corr"`` (or ``"cor(school)"``); ``"b"``, ``"sd"`` and ``"cor"`` for all of a class,
            ``"sd(school)"`` for all of a level; ``"icc(school)"`` for a prior of the intercept's share of variance,
            ``"R2"`` for one of W/(1 + W), where the prior variance that the fixed effects give the rows is W sigma^2:
            coefficients are Normal(0, sigma sqrt(phi W)/sd(x)) with uniform shares phi, group effects not counted
            (R2D2; see :class:`bayesmix.inference.priors.R2D2`). Values: ``"Normal(0, 5)"``, ``"student_t(3, 0, 2.5)"``,
            ``"flat"``, ``"LKJ(1)"``, or a distribution of PreliZ. For a standard deviation a distribution centred at 0
            is folded.

        Returns
        -------
        Model

        Raises
        ------
        PriorError
            An unknown name, a prior that can not be read, or one that its parameter can not have.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
        >>> model.with_priors({"sd(ses | school)": "Exponential(1)"}).priors["ses|school_sigma"]
        'Exponential(1)'
        """
        if not isinstance(changes, Mapping):
            raise PriorError(
                f"with_priors was given {changes!r}.", "Expected priors by name.", 'Write {"ses": "Normal(0, 5)"}.'
            )
        changed = copy(self)
        changed._priors = set_priors(self._design, self._priors, changes)
        return changed

    @property
    def formula(self) -> str:
        """The formula, as written."""
        return self._specification.formula

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels, lowest first (the rows themselves not counted)."""
        return tuple(level.name for level in self._design.levels)

    @property
    def n(self) -> int:
        """Rows used."""
        return self._design.n

    @property
    def groups(self) -> dict[str, int]:
        """Number of groups of each level."""
        return {level.name: len(level.grouping.labels) for level in self._design.levels}

    @cached_property
    def _reml(self) -> LikelihoodFit:
        return LikelihoodFit(self._design, self._products, maximise(self._products, reml=True))

    def reml(self, *, optimizer: Optimizer | None = None, start: Floats | None = None, **unknown: Any) -> LikelihoodFit:
        """Fit by restricted maximum likelihood.

        Parameters
        ----------
        optimizer : Optimizer, optional
            Limits and starting points.
        start : array, optional
            Where to start.

        Returns
        -------
        LikelihoodFit

        Raises
        ------
        ConvergenceError
            No point that passes the optimality certificate was found.
        """
        refuse_unknown("reml", unknown, ("optimizer", "start"))
        if optimizer is None and start is None:
            return self._reml
        return LikelihoodFit(self._design, self._products, maximise(self._products, True, start, optimizer))

    def ml(self, *, optimizer: Optimizer | None = None, start: Floats | None = None, **unknown: Any) -> LikelihoodFit:
        """Fit by maximum likelihood; parameters as :meth:`reml`."""
        refuse_unknown("ml", unknown, ("optimizer", "start"))
        return LikelihoodFit(self._design, self._products, maximise(self._products, False, start, optimizer))

    def graph(self, *, marginal: bool = True, **unknown: Any) -> pymc.Model:
        """The model as a PyMC graph.

        Parameters
        ----------
        marginal : bool
            With fixed and group effects integrated out exactly (default; what :meth:`sample` uses), or the textbook
            graph with both as free variables. Their posteriors are the same.

        Returns
        -------
        pymc.Model
        """
        refuse_unknown("graph", unknown, ("marginal",))
        if not isinstance(marginal, bool):
            raise ArgumentError(f"marginal={marginal!r}.", "Expected True or False.", "Leave it out, or write False.")
        if not marginal:
            return explicit_graph(self._design, self._products, self._priors)
        geometry = choose_geometry(self._products, self._reml.solution, self._priors)
        return marginal_graph(self._design, self._products, self._priors, geometry)

    def prior_predictive(self, draws: int = 500, *, seed: int | None = None, **unknown: Any) -> xr.DataTree:
        """Draw parameters, group effects and a response of the rows used from the prior.

        Parameters
        ----------
        draws : int
        seed : int, optional
            The same seed gives the same draws.

        Returns
        -------
        DataTree
            Groups ``prior`` (variables named as in a posterior), ``prior_predictive`` (``y``, (chain, draw, __obs__))
            and ``observed_data``, as ArviZ reads them.

        Raises
        ------
        PriorError
            Some prior is flat.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
        >>> model.prior_predictive(seed=1)["prior_predictive"]["y"].shape
        (1, 500, 30)
        """
        refuse_unknown("prior_predictive", unknown, ("draws", "seed"))
        for name, value, least in (("draws", draws, 1), ("seed", seed, 0)):
            if name == "seed" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ArgumentError(
                    f"{name}={value!r}.", f"Expected a whole number of at least {least}.", f"Correct {name}."
                )
        rng = np.random.default_rng(seed)
        found = draw_prior(self._design, self._products, self._priors, draws, rng)
        y, effects = draw_responses(self._design, found, rng)
        attributes = {"formula": self.formula, "priors": priors_as_json(self._design, self._priors)}
        return build_prior(self._design, found, y, effects, attributes)

    def sample(
        self,
        *,
        draws: int = 1000,
        tune: int = 300,
        chains: int = 4,
        cores: int | None = None,
        seed: int | None = None,
        sampler: str = "nutpie",
        target_accept: float | None = None,
        group_effects: bool | str | None = None,
        progress: bool = True,
        **unknown: Any,
    ) -> BayesFit:
        """Draw from the posterior with NUTS.

        Sigma, sds and correlations are sampled; fixed and group effects are then drawn from their exact conditionals.

        Parameters
        ----------
        draws, tune, chains : int
            Kept and warm-up draws of each chain, and chains.
        cores : int, optional
            Chains run at a time; by default as many as there are processors.
        seed : int, optional
            The same seed gives the same draws.
        sampler : {"nutpie", "pymc"}
        target_accept : float, optional
            By itself 0.8, under a prior of R2 0.95; raise it against divergences.
        group_effects : {True, False, "summary"}, optional
            Keep the draws of the group effects, or only their means and sds; by default kept up to 200 MB.
        progress : bool
            Show progress.

        Returns
        -------
        BayesFit

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
        >>> post = model.sample(seed=1, progress=False)  # doctest: +SKIP
        """
        names = ("draws", "tune", "chains", "cores", "seed", "sampler", "target_accept", "group_effects", "progress")
        refuse_unknown("sample", unknown, names)
        settings = Settings(draws, tune, chains, cores, seed, sampler, target_accept, progress)
        started = now()
        found = draw_posterior(self._design, self._products, self._priors, self._reml.solution, settings, group_effects)
        attributes = {
            "formula": self.formula,
            **sampling_attributes(settings, started),
            "priors": priors_as_json(self._design, self._priors),
        }
        idata = build_idata(self._design, found.variables, found.raw, found.variances, found.effects, attributes)
        return BayesFit(self._design, self._products, self.priors, idata, found.effects)

    def to_bambi(self) -> bambi.Model:
        """The same model, likelihood and priors, in Bambi.

        Predictors become columns of numbers, one for each coded column, computed here and named as here, so that the
        variables of both posteriors have the same names.

        Returns
        -------
        bambi.Model
            Not yet built.

        Raises
        ------
        DesignError
            Bambi has no such model: effects are correlated, or there are weights.
        PriorError
            Bambi has no such prior.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("math ~ ses + (ses || school)", bx.load_dataset("hsb"))
        >>> print(model.to_bambi().formula.main)
        `math` ~ 1 + `ses` + (1 | `school`) + (0 + `ses` | `school`)
        """
        return build_bambi(self._design, self._priors)

    def __repr__(self) -> str:
        groups = ", ".join(f"{count} groups of {name}" for name, count in self.groups.items())
        weights = f", weights: {self._design.weights_name}" if self._design.weights_name else ""
        missing = f" ({self._design.n_missing} left out: values missing)" if self._design.n_missing else ""
        sizes = f"  {self.n} rows{missing}{', ' if groups else ''}{groups}{weights}"
        lines = [f"Model: {self.formula}", sizes, "Priors"]
        return "\n".join([*lines, describe_priors(self._design, self._priors)])

    def _repr_html_(self) -> str:
        return model_html(self._design, self._priors)


def from_bambi(bambi_model: Any) -> Model:
    """The same model, likelihood and priors, as a Bambi model.

    Parameters
    ----------
    bambi_model : bambi.Model
        Gaussian with identity link; its group-specific effects are independent, as all of Bambi's are.

    Returns
    -------
    Model
        Its columns are those that Bambi computed: a categorical term gives one for each level that it codes.

    Raises
    ------
    ArgumentError
        Something that is no Bambi model.
    DesignError, PriorError
        A model or a prior that means something else here, or nothing.

    Examples
    --------
    >>> import bambi
    >>> import bayesmix as bx
    >>> theirs = bambi.Model("math ~ ses + (1 | school)", bx.load_dataset("hsb"))
    >>> model = bx.from_bambi(theirs)
    >>> model.formula, model.priors["ses"]
    ('`math` ~ 1 + `ses` + (1 | `school`)', 'Normal(0, 22.06)')
    """
    found = read_bambi(bambi_model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=BayesmixWarning, message="Fixed effects .* linear combination")
        model = Model(found.formula, found.data)
    require_all_columns(model.design)
    return model.with_priors(found.priors)
