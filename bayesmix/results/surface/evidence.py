"""How well a model as a whole, its priors with it, foresaw the data."""

from __future__ import annotations

from typing import Any

import xarray as xr

from bayesmix.errors import refuse_unknown
from bayesmix.results.marginal_likelihood import LogMarginalLikelihood, marginal_likelihood
from bayesmix.results.prior_table import PriorTable
from bayesmix.results.surface.core import Core


class ModelEvidence(Core):
    """The marginal likelihood of a posterior's model."""

    priors: PriorTable
    idata: xr.DataTree

    def log_marginal_likelihood(
        self, *, seed: int | None = None, draws: int | None = None, **unknown: Any
    ) -> LogMarginalLikelihood:
        """log p(y): the likelihood averaged over the priors, by bridge sampling.

        Group effects, and fixed effects with normal priors, are integrated exactly at every draw, crossed ones that
        were sampled too; what remains are sigma, the sds and the correlations, and fixed effects with other priors. A
        normal proposal is fitted to half of each chain, in logarithms and log odds, and bridged to the other half,
        then the other way round.

        Parameters
        ----------
        seed : int, optional
            Of the draws from the proposal; the same seed gives the same number.
        draws : int, optional
            At most so many draws of the posterior, evenly spaced; by itself 20,000, or 1,000 where crossed effects make
            each density slow.

        Returns
        -------
        LogMarginalLikelihood
            A float, with ``.se`` (Monte Carlo error in log units), ``.method``, ``.dimension``, ``.draws`` and
            ``.effective``. Its error is that of this posterior's draws too: another seed of :meth:`Model.sample`
            gives another number, within it.

        Raises
        ------
        PriorError
            A flat prior, by name: the evidence is defined for proper priors only.
        ConvergenceError
            Chains that do not agree.
        ArgumentError
            Draws of the sampler's variables that were removed from ``idata``, or too few.

        References
        ----------
        Meng & Wong (1996), Statistica Sinica 6:831-860; Gronau et al. (2017), J. Math. Psychol. 81:80-97,
        doi:10.1016/j.jmp.2017.09.005; error: Fruehwirth-Schnatter (2004), Econometrics Journal 7:143-167.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
        >>> model.sample(seed=1).log_marginal_likelihood(seed=1)  # doctest: +SKIP
        """
        refuse_unknown("log_marginal_likelihood", unknown, ("seed", "draws"))
        return marginal_likelihood(self, seed, draws)
