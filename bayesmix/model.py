"""The front door: a formula and data become a model, which is then fitted. No arithmetic here."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, build_design, cross_products
from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.inference.geometry import choose_geometry
from bayesmix.inference.graph import explicit_graph, marginal_graph
from bayesmix.inference.ml import maximise
from bayesmix.inference.optimizer import Optimizer
from bayesmix.inference.posterior import draw_posterior
from bayesmix.inference.priors import Priors, choose_priors
from bayesmix.inference.sampling import Settings
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.model_page import model_html
from bayesmix.results.posterior import build_idata
from bayesmix.results.prior_words import describe_priors, priors_as_json
from bayesmix.results.provenance import now, sampling_attributes
from bayesmix.specification import Specification, parse_formula

if TYPE_CHECKING:
    import pymc

Floats = NDArray[np.float64]

_MOST_DRAWS = 100_000_000


class Model:
    """A multilevel model of one data set.

    Parameters
    ----------
    formula : str or Specification
        ``"math ~ ses + (ses | school)"``: the language of lme4.
    data : data frame
        pandas, Polars, PyArrow, or any eager frame narwhals knows. It is read once and not changed.
    family : {"gaussian"}
        Distribution of the response.
    weights : str or (rows,) array, optional
        Precision weights, positive: the residual variance of row i is sigma^2 / w_i, as in lme4. The name of a column
        (rows without a weight are left out), or one number for each row of the data.
    priors : {"default", "flat"}
        See :func:`bayesmix.inference.priors.choose_priors`. Priors scaled from the data become numbers here, once.

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
        priors: str = "default",
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
        self._priors = choose_priors(priors, self._design)

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
    def priors(self) -> Priors:
        """Prior distributions, as numbers."""
        return self._priors

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
        _require_switch("marginal", marginal)
        if not marginal:
            return explicit_graph(self._design, self._products, self._priors)
        geometry = choose_geometry(self._products, self._reml.solution)
        return marginal_graph(self._design, self._products, self._priors, geometry)

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
            Raise to 0.95 against divergences.
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
        _require_switch("progress", progress)
        if not (group_effects is None or isinstance(group_effects, bool | str)):
            _require_switch("group_effects", group_effects)
        if not isinstance(sampler, str):
            raise ArgumentError(f"sampler={sampler!r}.", "Expected 'nutpie' or 'pymc'.", "Choose one of these.")
        settings = Settings(draws, tune, chains, cores, seed, sampler, target_accept, progress)
        _require_size(settings)
        started = now()
        found = draw_posterior(self._design, self._products, self._priors, self._reml.solution, settings, group_effects)
        attributes = {
            "formula": self.formula,
            **sampling_attributes(settings, started),
            "priors": priors_as_json(self._design, self._priors),
        }
        idata = build_idata(self._design, found.variables, found.raw, found.variances, found.effects, attributes)
        return BayesFit(self._design, self._products, self._priors, idata, found.effects)

    def __repr__(self) -> str:
        groups = ", ".join(f"{count} groups of {name}" for name, count in self.groups.items())
        weights = f", weights: {self._design.weights_name}" if self._design.weights_name else ""
        lines = [f"Model: {self.formula}", f"  {self.n} rows{', ' if groups else ''}{groups}{weights}", "Priors"]
        return "\n".join([*lines, describe_priors(self._design, self._priors)])

    def _repr_html_(self) -> str:
        return model_html(self._design, self._priors)


def _require_switch(name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name}={value!r}.", "Expected True or False.", "Leave it out, or write False.")


def _require_size(settings: Settings) -> None:
    """Refuse numbers beyond what the samplers can count, which end the process."""
    if settings.seed is not None and settings.seed >= 2**64:
        raise ArgumentError(
            f"seed={settings.seed}.", f"Expected a whole number below 2^64, {2**64}.", "Choose a smaller one."
        )
    total = int(settings.chains) * (int(settings.draws) + int(settings.tune))
    if total > _MOST_DRAWS:
        raise ArgumentError(
            f"draws={settings.draws}, tune={settings.tune}, chains={settings.chains}: {total} draws.",
            f"Expected at most {_MOST_DRAWS}.",
            "A few thousand do for most posteriors.",
        )
