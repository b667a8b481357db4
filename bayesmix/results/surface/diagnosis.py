"""What is wrong with a fit, and what to do about it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, BayesmixError, refuse_unknown
from bayesmix.inference.draws import EffectDraws
from bayesmix.inference.information import component_covariance, optimum_derivatives
from bayesmix.inference.ml import MlSolution, maximise
from bayesmix.results.boundary import boundary_of_draws, boundary_of_estimates
from bayesmix.results.diagnosis import Diagnosis, diagnose_draws, diagnose_estimates
from bayesmix.results.same_model import require_same_model
from bayesmix.results.surface.likelihood import LikelihoodIntervals
from bayesmix.results.surface.posterior import PosteriorChecks

if TYPE_CHECKING:
    from bayesmix.results.likelihood_fit import LikelihoodFit

Floats = NDArray[np.float64]


class PosteriorDiagnosis(PosteriorChecks):
    """Whether the draws are good, what they rest on, and which variances may be 0."""

    effects: EffectDraws

    @abstractmethod
    def fixed_effects(self, *, prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Posterior of the fixed effects."""

    @abstractmethod
    def variance_components(self, *, prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Posterior of the variance components."""

    @cached_property
    def _optimum(self) -> MlSolution | BayesmixError:
        """The REML optimum of the same data, or why there is none."""
        try:
            return maximise(self.products, reml=True)
        except BayesmixError as problem:
            return problem

    def diagnose(self, reml: LikelihoodFit | None = None, /, **unknown: Any) -> Diagnosis:
        """Whether to trust this posterior, in a sentence, with what to do where not.

        Of the draws: R-hat and effective sample sizes (rank-normalised; of parameters and of group effects), Monte
        Carlo error, chains that stand still or apart, divergences and where they gather, tree depth, E-BFMI. Of what
        they rest on: few groups, priors that decide or that did not expect the data, variances that may be 0,
        correlations near 1, and agreement with REML where a fit is given, by the rule of :func:`bayesmix.compare`; a
        difference that few groups, a prior or a boundary excuse is named in the verdict and leaves ``.ok`` True.

        Parameters
        ----------
        reml : LikelihoodFit, optional
            A REML or ML fit of the same model, to compare with.

        Returns
        -------
        Diagnosis
            ``.verdict``, ``.ok``, ``.table`` (index check; concerns, value, threshold, ok, about), ``.warnings`` (each
            with ``.found`` and ``.actions``, code to paste, in which ``model`` and ``data`` are yours), ``.boundary``
            (as :meth:`boundary`), ``.not_checked``.

        Raises
        ------
        ArgumentError
            Something that is no fit of this model by REML or ML.

        References
        ----------
        Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021), Bayesian Anal. 16:667-718, for R-hat below 1.01 and an
        effective sample size of 400; Betancourt (2016), arXiv:1604.00695, for E-BFMI of 0.3; Kallioinen, Paananen,
        Buerkner & Vehtari (2024), Stat. Comput. 34:57, for power-scaling above 0.05; Evans & Moshonov (2006), Bayesian
        Anal. 1:893-914, for data under the prior; Gelman & Hill (2007), section 11.5, for five groups.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
        >>> post = model.sample(seed=1)  # doctest: +SKIP
        >>> post.diagnose(model.reml()).ok  # doctest: +SKIP
        True
        """
        refuse_unknown("diagnose", unknown, (), dict.fromkeys(("reml", "fit"), "Write post.diagnose(model.reml())."))
        if reml is not None:
            if not isinstance(reml, LikelihoodIntervals):
                raise ArgumentError(
                    f"diagnose was given a {type(reml).__name__}.",
                    "Expected a fit of this model by REML or ML, or nothing.",
                    "Write post.diagnose(model.reml()).",
                )
            require_same_model(self.design, reml.design)
        optimum = self._optimum
        components: Floats | None = None
        if isinstance(optimum, MlSolution):
            derivatives = optimum_derivatives(self.products, optimum)
            components = component_covariance(self.products, optimum, "reml", derivatives)
        return diagnose_draws(self, optimum, components, reml)

    def boundary(self, *, eps: float | Mapping[str, float] | None = None, **unknown: Any) -> pd.DataFrame:
        """Is there a variance at all? The tests of each, and what the posterior says, side by side.

        Parameters
        ----------
        eps : float or mapping of effect to float, optional
            Below which standard deviation an effect counts as nothing, in its own units. By itself a twentieth of the
            residual sd over the sd of the effect's column.

        Returns
        -------
        DataFrame
            Index (level, effect): sd (posterior mean); chisq, df, p, p_mixture, p_low, p_high (REML likelihood ratio
            against the model without the effect and its covariances); br_chi2, br_df, br_p (Bryk and Raudenbush); eps,
            prob_below (P(sd < eps)), bf_zero, bf_mcse (Savage-Dickey factor for sd = 0 and its Monte Carlo error);
            reading: how to take them together. ``attrs["note"]`` says what each is, and why one is missing. With fewer
            than 100 draws of a chain prob_below, bf_zero and bf_mcse are nan, and the reading is that of the tests.

        Raises
        ------
        ArgumentError
            No levels, or an eps that is none.

        References
        ----------
        Stram & Lee (1994), Biometrics 50:1171-1177; Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed.,
        chapter 3; Dickey (1971), Ann. Math. Statist. 42:204-223.

        Examples
        --------
        >>> post.boundary(eps={"ses": 0.3})[["p", "p_mixture", "br_p", "prob_below", "bf_zero"]]  # doctest: +SKIP
        """
        refuse_unknown("boundary", unknown, ("eps",))
        self._need_levels()
        return boundary_of_draws(self, self._optimum, eps)


class LikelihoodDiagnosis(LikelihoodIntervals):
    """Whether a likelihood fit lies on a boundary, and what to do."""

    def diagnose(self, **unknown: Any) -> Diagnosis:
        """Whether this fit lies on a boundary or has few groups, in a sentence, with what to do.

        Returns
        -------
        Diagnosis
            Of the same shape as that of a posterior.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2")).reml()
        >>> print(fit.diagnose().verdict)
        The REML criterion is at its optimum, but it lies on the boundary: no variance of Intercept between the groups \
of Batch.
        """
        refuse_unknown("diagnose", unknown, ())
        return diagnose_estimates(self)

    def boundary(self, **unknown: Any) -> pd.DataFrame:
        """Is there a variance at all? The tests of each, side by side.

        Returns
        -------
        DataFrame
            Index (level, effect): sd; chisq, df, p, p_mixture, p_low, p_high (likelihood ratio by the fit's method,
            against the model without the effect and its covariances); br_chi2, br_df, br_p (Bryk and Raudenbush);
            reading. ``attrs["note"]`` says what each is, and why one is missing.

        Raises
        ------
        ArgumentError
            No levels.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> found = fit.boundary()
        >>> found.loc[("school", "ses"), ["chisq", "p", "p_mixture", "br_p"]].astype(float).round(4).tolist()
        [4.7711, 0.092, 0.0605, 0.0017]
        >>> print(found.loc[("school", "ses"), "reading"])
        They disagree: only the chi-square of the groups sees it vary; the chi-square takes groups one by one, so that \
outlying groups and unequal residual variances count as variation.
        """
        refuse_unknown(
            "boundary", unknown, (), {"eps": "P(sd < eps) needs a posterior: model.sample().boundary(eps=...)."}
        )
        self._need_levels()
        return boundary_of_estimates(self.design, self.products, self.solution)
