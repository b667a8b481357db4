"""What only a posterior can be asked: hypotheses, what its priors did, replicated data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmix.errors import refuse_unknown
from bayesmix.results.pointwise import add_log_likelihood
from bayesmix.results.posterior_hypotheses import hypothesis_table
from bayesmix.results.prior_posterior import prior_posterior_data
from bayesmix.results.prior_table import PriorTable
from bayesmix.results.sensitivity import prior_sensitivity
from bayesmix.results.surface.core import Core

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class PosteriorChecks(Core):
    """Hypotheses, priors against data, and replications."""

    priors: PriorTable
    idata: xr.DataTree

    def hypothesis(
        self, hypothesis: str | Sequence[str], *, prob: float | None = None, draws: bool = False, **unknown: Any
    ) -> pd.DataFrame | xr.DataArray:
        """Probability and evidence of hypotheses about the parameters.

        Text is read, never run. Parameters: fixed effects as in :meth:`fixed_effects` (a term with one coefficient by
        its label), ``sigma``, ``sd(ses|school)``, ``var(...)``, ``cov(Intercept,ses|school)``, ``corr(...)`` and
        ``icc(school)``; the level may be left out where there is one. Between them numbers, ``+ - * / ^ ( )``, and
        ``sqrt``, ``exp``, ``log``, ``abs``.

        Parameters
        ----------
        hypothesis : str or list of str
            ``"ses > 2"``, ``"ses > 2*minority"``, ``"sd(ses) = 0"``; several may stand in one text, between commas.
        prob : float, optional
            Coverage of the intervals, 0.95 by itself.
        draws : bool
            Return the draws of left minus right in place of the table.

        Returns
        -------
        DataFrame or DataArray
            Index hypothesis; mean, sd, ci_low, ci_high of left minus right; probability, evidence_ratio, mcse, method.
            For ``<`` and ``>`` the evidence ratio is the posterior odds, counted over draws. For ``=`` it is the Bayes
            factor for equality, posterior over prior density (Savage and Dickey), and the probability the one that
            goes with prior odds of 1; the method says whether exact conditional densities were averaged
            (``rao-blackwell``), a kernel was used (``kernel``), or, where too few draws count for either, prior times
            likelihood was integrated with the value held, by importance sampling, and divided by p(y)
            (``importance``). Where that can not be done, as of crossed effects that were sampled for their number,
            ``(few draws)`` leaves the order of magnitude, and ``(too far)`` nothing. mcse is the Monte Carlo error of
            the evidence ratio (of a kernel without its bias), nan where there is none to be trusted.

        Raises
        ------
        ArgumentError
            Text that is no hypothesis, unknown names, equality of what has no prior density in closed form.
        PriorError
            Equality under an improper prior.

        References
        ----------
        Dickey (1971), Ann. Math. Statist. 42:204-223; Geweke (1989), Econometrica 57:1317-1339, section 5.

        Examples
        --------
        >>> import bayesmix as bx
        >>> post = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).sample()  # doctest: +SKIP
        >>> post.hypothesis(["ses > 2", "sd(ses) = 0"])  # doctest: +SKIP
        """
        refuse_unknown("hypothesis", unknown, ("prob", "draws"))
        return hypothesis_table(self, hypothesis, prob, draws)

    def prior_sensitivity(self, **unknown: Any) -> pd.DataFrame:
        """How sensitive each parameter is to its priors and to the data, by power-scaling.

        In summaries it is said in words where a level has fewer than 20 groups.

        Returns
        -------
        DataFrame
            Index parameter; prior, likelihood (above 0.05 is sensitive), diagnosis. Kallioinen et al. (2024), Stat.
            Comput. 34:57.
        """
        refuse_unknown("prior_sensitivity", unknown, ())
        return self._sensitivity.copy()

    @cached_property
    def _sensitivity(self) -> pd.DataFrame:
        return prior_sensitivity(self.design, self.products, self.priors.numbers, self.idata, self.parameters)

    def prior_posterior(self, *, points: int = 200, **unknown: Any) -> pd.DataFrame:
        """Prior and posterior density of every parameter, for a plot of the two.

        Parameters
        ----------
        points : int
            Of each curve.

        Returns
        -------
        DataFrame
            Index (parameter, point); x, prior (nan where flat), posterior. The intercept is that at the means of the
            other columns, as its prior is stated.
        """
        refuse_unknown("prior_posterior", unknown, ("points",))
        return prior_posterior_data(self.design, self.products, self.priors.numbers, self.parameters, points)

    def with_log_likelihood(self) -> xr.DataTree:
        """All draws, with the log likelihood of every row beside them, as ``arviz.loo`` reads it.

        Each row is given the effects of its groups, log p(y_i | beta, u, sigma): leaving out a row then asks how well
        other rows of known groups are predicted, not rows of new groups; the group's attributes say so. Importance
        sampling from draws of group effects that have seen the row fails where a group has few rows, and can not
        leave out whole groups: :meth:`loo` integrates the effects out and does both. With weights
        the variance of a row is sigma^2 over its weight. ``idata`` itself is not changed. Takes 8 bytes for each draw
        of each row.

        Returns
        -------
        DataTree
            The groups of ``idata`` and ``log_likelihood``, variable y (chain, draw, row).

        Raises
        ------
        ArgumentError
            The draws of the group effects were not kept.

        References
        ----------
        Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out cross-validation and
        WAIC, Statistics and Computing 27:1413-1432, doi:10.1007/s11222-016-9696-4.

        Examples
        --------
        >>> import arviz as az  # doctest: +SKIP
        >>> az.loo(post.with_log_likelihood())  # doctest: +SKIP
        """
        effects = tuple(self.effect_values(number) for number in range(len(self.design.levels)))
        return add_log_likelihood(self.idata, self.design, self.parameters, effects)
