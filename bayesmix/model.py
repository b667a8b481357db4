"""The front door: a formula and data become a model, which is then fitted. No arithmetic here."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, build_design, cross_products
from bayesmix.design.level_form import level_equations
from bayesmix.errors import ArgumentError, PriorError, refuse_unknown
from bayesmix.inference.geometry import choose_geometry
from bayesmix.inference.graph import explicit_graph, marginal_graph
from bayesmix.inference.ml import maximise
from bayesmix.inference.optimizer import Optimizer
from bayesmix.inference.posterior import draw_posterior
from bayesmix.inference.prior_draws import draw_prior, draw_responses
from bayesmix.inference.sampling import Settings
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.compound_symmetry import CompoundSymmetry, symmetric_fit
from bayesmix.results.equations import Equations, model_equations
from bayesmix.results.intercept import intercept_meaning
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.matrices import Matrices, build_matrices
from bayesmix.results.model_page import model_html
from bayesmix.results.posterior import build_idata, build_prior
from bayesmix.results.prior_json import priors_as_json
from bayesmix.results.prior_table import PriorTable, describe_priors, make_priors, set_priors
from bayesmix.results.provenance import now, sampling_attributes
from bayesmix.specification import LevelEquations, Specification, parse_formula

if TYPE_CHECKING:
    import pymc
    import xarray as xr

Floats = NDArray[np.float64]


class Model:
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

    def level_equations(self) -> LevelEquations:
        """The model level by level, as :func:`bayesmix.levels` takes it; the data say where each predictor varies.

        Returns
        -------
        LevelEquations
            ``.equation``, ``.levels``, ``.fixed``, ``.correlated``, ``.nested``, and ``.specification``, the model they
            make, which is this one with its terms in the order of substitution.

        Raises
        ------
        DesignError
            There is no level form, and why: no levels, crossed ones, or an effect that varies between groups within
            which its predictor does not.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("math ~ ses * sector + (ses | school)", bx.load_dataset("hsb"))
        >>> model.level_equations().levels
        {'school': {'Intercept': 'sector', 'ses': 'sector'}}
        """
        return level_equations(self._design)

    def equations(self, *, notation: str = "gamma", values: Any = None, **unknown: Any) -> Equations:
        r"""The model as textbooks write it: level by level, substituted step by step, and combined.

        Parameters
        ----------
        notation : {"gamma", "beta", "mu"}
            A letter for each level (beta, gamma, delta) with residuals u, or R, U, V; fixed effects beta with residuals
            v, groups first in the indices; or fixed effects mu with residuals eta.
        values : LikelihoodFit or BayesFit, optional
            A fit of this model, whose estimates (posterior means) take the places of fixed effects and variances.

        Returns
        -------
        Equations
            Shown as mathematics in a notebook and as text elsewhere; ``.text``, ``.latex``, ``.short`` (text without
            the steps). Models without levels, with crossed ones, or with effects of predictors that have one value in
            each group have a combined equation only, and say so.

        Raises
        ------
        ArgumentError
            Another notation, or a fit of another model.

        References
        ----------
        Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., chapters 2 and 8; Hedeker & Gibbons (2006),
        Longitudinal Data Analysis, chapter 4, for v.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
        >>> print(model.equations(values=model.reml()).short.split("\n\n")[1])
        Level 2 (groups j): school
          β₀ⱼ = 12.665 + u₀ⱼ
          β₁ⱼ = 2.3938 + u₁ⱼ
        """
        refuse_unknown("equations", unknown, ("notation", "values"))
        return model_equations(self._design, notation, values)

    def intercept_meaning(self) -> str:
        """What the intercept is the mean of, under the coding and centring of the predictors.

        Returns
        -------
        str

        Examples
        --------
        >>> import bayesmix as bx
        >>> bx.Model("math ~ ses + sector", bx.load_dataset("hsb")).intercept_meaning()
        'The intercept is the mean of math where ses is 0 and sector is Public.'
        """
        return intercept_meaning(self._design)

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

    def compound_symmetry(self, *, method: str = "REML", prob: float = 0.95, **unknown: Any) -> CompoundSymmetry:
        """Fit one correlation within groups, which may be negative, in place of a varying intercept.

        V_g = sigma^2 (I + omega 11') with omega > -1/n for the largest group of n rows. Where the estimate is positive
        it is that of :meth:`reml` or :meth:`ml`, omega the variance of the intercept over sigma^2; else the variance
        there is 0 and the correlation here negative. This is R's ``gls`` with ``corCompSymm``, SAS's ``type=cs``.

        Parameters
        ----------
        method : {"REML", "ML"}
        prob : float
            Coverage of the intervals.

        Returns
        -------
        CompoundSymmetry
            ``.table`` (rho, covariance, variance, residual), ``.chisq`` and ``.p`` of the two-sided likelihood ratio
            against independent rows, ``.fixed_effects()``.

        Raises
        ------
        DesignError
            Anything but one grouping with a varying intercept; fixed effects of the groups themselves.
        ArgumentError
            Weights, or an unknown method.
        ConvergenceError
            The likelihood has no maximum inside its range.

        References
        ----------
        Searle, Casella & McCulloch (1992), Variance Components, section 3.8; Nelder (1954), Biometrika 41:544-548, for
        negative components.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2"))
        >>> found = model.compound_symmetry()
        >>> round(found.rho, 4), round(found.chisq, 4)
        (-0.097, 0.6191)
        """
        return symmetric_fit(self._design, self._products, method, prob, **unknown)

    def matrices(self, fit: Any, *, groups: Any = None, level: str | None = None, **unknown: Any) -> Matrices:
        """The matrices of y ~ N(X beta, V), V = Z G Z' + R, at the values of a fit.

        Parameters
        ----------
        fit : LikelihoodFit, BayesFit, CompoundSymmetry or mapping
            A fit of this model: estimates, or means of the draws of the covariances (of which V is a linear function,
            so that it is the posterior mean of V). Or values of your own by level, variances and not sds:
            ``{"school": [[4, 0], [0, 1]], "residual": 36}``.
        groups : label or list of labels, optional
            The rows of these groups only, with the effects that bear on them.
        level : str, optional
            The level of ``groups``; may be left out where there is one.

        Returns
        -------
        Matrices
            ``.X .Z .G .R .V``, each a labelled sparse matrix with ``.values`` and ``.to_frame()``; ``.y``;
            ``.V_of(group)`` as a DataFrame.

        Raises
        ------
        ArgumentError
            A fit of another model, an unknown group, values that are no covariance matrices.

        References
        ----------
        Laird & Ware (1982), Biometrics 38:963-974.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy"))
        >>> found = model.matrices(model.reml())
        >>> found.V.structure
        '18 blocks of 10 x 10'
        >>> found.V_of("308").iloc[:2, :2].round(1).values.tolist()
        [[1267.0, 621.7], [621.7, 1321.3]]
        """
        return build_matrices(self._design, fit, groups, level, **unknown)

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

    def __repr__(self) -> str:
        groups = ", ".join(f"{count} groups of {name}" for name, count in self.groups.items())
        weights = f", weights: {self._design.weights_name}" if self._design.weights_name else ""
        missing = f" ({self._design.n_missing} left out: values missing)" if self._design.n_missing else ""
        sizes = f"  {self.n} rows{missing}{', ' if groups else ''}{groups}{weights}"
        lines = [f"Model: {self.formula}", sizes, "Priors"]
        return "\n".join([*lines, describe_priors(self._design, self._priors)])

    def _repr_html_(self) -> str:
        return model_html(self._design, self._priors)
