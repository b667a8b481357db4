"""What a (restricted) maximum-likelihood fit says, with names on the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError, refuse_unknown, require_coverage
from bayesmix.inference.at_estimates import draw_at_estimates, prediction_covariance
from bayesmix.inference.conditional import ConditionalEffects, conditional_effects
from bayesmix.inference.information import component_covariance, optimum_derivatives
from bayesmix.inference.ml import MlSolution
from bayesmix.inference.prediction_error import estimation_excess
from bayesmix.inference.small_sample import SmallSample, differentiate_vcov
from bayesmix.likelihood.coordinates import block_entries
from bayesmix.likelihood.derivatives import SecondOrder
from bayesmix.results.anova import anova_table
from bayesmix.results.bootstrap import simulate_responses
from bayesmix.results.components import component_table, parameter_count
from bayesmix.results.contrasts import contrast_table
from bayesmix.results.criteria import corrected_aic, criteria_table
from bayesmix.results.degrees import COUNTED, ESTIMATED, check_method
from bayesmix.results.dialects.explain import Differences, differences
from bayesmix.results.dialects.styles import summarise
from bayesmix.results.fit import Fit
from bayesmix.results.group_tables import coefficient_table, difference_columns, effect_table, fitted_values
from bayesmix.results.group_values import each_level
from bayesmix.results.naming import group_order, require_count
from bayesmix.results.parameters import Parameters
from bayesmix.results.prediction import predict_from_estimates
from bayesmix.results.random_terms import random_terms_table
from bayesmix.results.singular import SingularReport, report_singularity
from bayesmix.results.surface.diagnosis import LikelihoodDiagnosis
from bayesmix.results.surface.influence import GroupDiagnostics
from bayesmix.results.targets import Target
from bayesmix.tables import Summary

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class LikelihoodFit(Fit, LikelihoodDiagnosis, GroupDiagnostics):
    """A REML or ML fit; every table is a pandas DataFrame.

    Parameters
    ----------
    design : Design
        Names and data.
    products : CrossProducts
        What was fitted.
    solution : MlSolution
        The optimum, with its certificate.

    Examples
    --------
    >>> import bayesmix as bx
    >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
    >>> round(float(fit.criterion), 4)
    319.6543
    """

    design: Design
    products: CrossProducts
    solution: MlSolution

    @property
    def method(self) -> str:
        """``"REML"`` or ``"ML"``."""
        return "REML" if self.solution.reml else "ML"

    @property
    def criterion(self) -> float:
        """-2 log (restricted) likelihood at the optimum."""
        return self.solution.criterion

    @property
    def loglik(self) -> float:
        """Log (restricted) likelihood."""
        return -0.5 * self.solution.criterion

    @property
    def n_parameters(self) -> int:
        """Fixed effects, covariance parameters and the residual variance, as lme4 counts them."""
        return parameter_count(self.products)

    @property
    def aic(self) -> float:
        """Akaike's criterion, -2 log likelihood + 2 parameters."""
        return self.criterion + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of rows, as lme4."""
        return float(self.criterion + np.log(self.design.n) * self.n_parameters)

    @property
    def aicc(self) -> float:
        """AIC corrected for few rows, AIC + 2 k (k + 1)/(n - k - 1), counted as :attr:`aic`."""
        return corrected_aic(self.criterion, self.n_parameters, self.products.n)

    def information_criteria(self) -> pd.DataFrame:
        """AIC, AICc and BIC as each program counts parameters and observations.

        Under REML, SAS and SPSS count covariance parameters only and take the fixed effects off n; SAS's BIC takes the
        number of subjects. Compare numbers of one row only.

        Returns
        -------
        DataFrame
            Index program (lme4, sas, spss, stata); aic, aicc, bic, k, n_aicc, n_bic.
        """
        return criteria_table(self.design, self.products, self.solution)

    def random_terms(self) -> pd.DataFrame:
        """Likelihood-ratio test of each random term, the model fitted again without it by the same method.

        Terms are left out as by lmerTest's ranova: ``(ses | school)`` becomes ``(1 | school)``, ``(1 | school)`` goes.

        Returns
        -------
        DataFrame
            Index (level, term); left (the bars that remain at the level), n_par, loglik, aic, chisq, df, p, p_mixture,
            p_low, p_high. ``attrs["note"]`` says what the p-values are.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> fit.random_terms()[["chisq", "df", "p", "p_mixture"]].iloc[0].round(4).tolist()
        [4.7711, 2.0, 0.092, 0.0605]
        """
        self._need_levels()
        return random_terms_table(self.design, self.products, self.solution)

    def singular_report(self) -> SingularReport:
        """In which directions the group effects vary, in which they do not, and what to try.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2")).reml()
        >>> fit.singular_report().directions
        (('Batch', 'Intercept'),)
        """
        self._need_levels()
        return report_singularity(self.design, self.products, self.solution)

    @property
    def sigma(self) -> float:
        """Residual standard deviation, in units of the response."""
        return self.solution.sigma

    @property
    def theta(self) -> Floats:
        """Free entries of the relative covariance factors, level by level (lowest first), column by column."""
        places = [block_entries(level.blocks) for level in self.design.levels]
        parts = [factor[at[:, 0], at[:, 1]] for at, factor in zip(places, self.solution.factors, strict=True)]
        return np.concatenate([np.zeros(0), *parts])

    @property
    def singular(self) -> bool:
        """Whether the estimate lies on the boundary: some combination of effects has no variance."""
        return self.solution.singular

    @cached_property
    def _conditional(self) -> ConditionalEffects:
        return conditional_effects(self.products, self.solution)

    @cached_property
    def _excess(self) -> tuple[Floats, ...]:
        return estimation_excess(self.design, self.products, self.solution, self._derivatives)

    @cached_property
    def _derivatives(self) -> SecondOrder:
        return optimum_derivatives(self.products, self.solution)

    @cached_property
    def _small_sample(self) -> SmallSample:
        return differentiate_vcov(self.products, self.solution, self._derivatives)

    @cached_property
    def parameters(self) -> Parameters:
        """The estimates, as one draw of one chain."""
        covariances = tuple(sigma[None, None] for sigma in self.solution.covariances)
        return Parameters(self.solution.beta[None, None], np.array([[self.sigma]]), covariances)

    def effect_values(self, number: int) -> Floats:
        """Shrunken effects of every group of a level, (1, 1, J, q), groups in the order of their labels."""
        return self._conditional.means[number][group_order(self.design, number)][None, None]

    def tabulate(self, values: Floats, index: pd.Index[Any], prob: float | None = None) -> pd.DataFrame:
        """A table of a derived quantity: the column ``estimate``."""
        if prob is not None:
            raise ArgumentError(
                f"prob={prob!r}, but a quantity derived from estimates is reported without an interval.",
                "Expected no prob.",
                "Leave it out; a posterior or fit.bootstrap() gives intervals.",
            )
        return pd.DataFrame({"estimate": values[0, 0]}, index=index)

    def group_draws(self, number: int, weights: Floats, draws: int | None, seed: int | None) -> Floats:
        """Simulated from the joint distribution of all effects at the estimated variances, (1, draws, J), by label."""
        count = require_count("draws", 4000 if draws is None else draws, least=1)
        rng = np.random.default_rng(None if seed is None else require_count("seed", seed, least=0))
        found = draw_at_estimates(self.products, self.solution, number, weights, count, rng)
        return found[:, group_order(self.design, number)][None]

    def difference_columns(
        self, number: int, weights: Floats, places: list[int], pairs: Integers, prob: float
    ) -> dict[str, Floats]:
        """estimate, se, ci_low, ci_high; the errors of both groups and their covariance counted."""
        values = self.effect_values(number)[0, 0, places] @ weights
        covariance = prediction_covariance(self.design, self.solution, number, weights, places)
        return difference_columns(values, covariance, pairs, prob)

    def contrast_rows(self, contrasts: Floats, index: pd.Index[Any], prob: float, df: str | None) -> pd.DataFrame:
        """estimate, se, df, t, p, ci_low, ci_high of combinations (rows, p) of the fixed effects."""
        method = check_method(df or "satterthwaite", (*ESTIMATED, *COUNTED, "z"), self.solution.reml)
        return contrast_table(self, contrasts, np.zeros(len(contrasts)), list(index), method, prob).set_axis(index)

    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the fixed effects, (p, p)."""
        names = list(self.design.fixed_names)
        return pd.DataFrame(self.solution.vcov, index=names, columns=names)

    def covariances(self) -> dict[str, pd.DataFrame]:
        """Covariance matrix of the effects of each level, by level name."""
        return {
            level.name: pd.DataFrame(sigma, index=list(level.effect_names), columns=list(level.effect_names))
            for level, sigma in zip(self.design.levels, self.solution.covariances, strict=True)
        }

    def fixed_effects(self, *, df: str = "satterthwaite", prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Fixed effects with t tests and intervals.

        Parameters
        ----------
        df : {"satterthwaite", "kenward-roger", "containment", "hlm", "between-within", "residual", "z"}
            Degrees of freedom. ``"satterthwaite"`` is by the observed information, as lmerTest; ``"kenward-roger"``
            (REML only) adjusts the standard errors too; ``"containment"`` is SAS's default and ``"hlm"`` HLM's rule;
            ``"z"`` is the normal distribution.
        prob : float
            Coverage of the intervals.

        Returns
        -------
        DataFrame
            Index term; estimate, se, df, t, p, ci_low, ci_high. A rule that needs explaining is explained in
            ``attrs["note"]``.

        Raises
        ------
        ArgumentError
            Another ``df``, or one that this fit does not allow.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb")).reml()
        >>> fit.fixed_effects()["df"].round(2).tolist()
        [145.55, 157.53]
        >>> fit.fixed_effects(df="hlm")["df"].tolist()
        [159.0, 159.0]
        """
        refuse_unknown("fixed_effects", unknown, ("df", "prob"))
        check_method(df, (*ESTIMATED, *COUNTED, "z"), self.solution.reml)
        require_coverage(prob)
        names = self.design.fixed_names
        table = contrast_table(self, np.eye(len(names)), np.zeros(len(names)), names, df, prob)
        return table.rename_axis("term")

    def anova(self, *, type: int = 3, df: str = "satterthwaite", **unknown: Any) -> pd.DataFrame:
        """F tests of the terms of the fixed part; see :func:`bayesmix.results.anova.anova_table`.

        Parameters
        ----------
        type : {3, 2, 1}
            By sum-to-zero coefficients; each term after all that do not contain it; or after those before it.
        df : {"satterthwaite", "kenward-roger", "containment", "hlm", "between-within", "residual"}
            Degrees of freedom of the denominator.

        Returns
        -------
        DataFrame
            Index term; sum_sq, mean_sq, num_df, den_df, F, p.
        """
        refuse_unknown("anova", unknown, ("type", "df"))
        return anova_table(self, type, df)

    def variance_components(self, *, se: str = "reml", **unknown: Any) -> pd.DataFrame:
        """Variances, covariances and correlations of every level, and the residual variance.

        Parameters
        ----------
        se : {"reml", "ml", "expected-reml", "expected-ml"}
            Information the standard errors come from: observed or expected, restricted or full likelihood, at the
            estimates. On the boundary there are none (nan) where the information is singular.

        Returns
        -------
        DataFrame
            Index (level, parameter); estimate, sd (square root, variances only), se.
        """
        refuse_unknown("variance_components", unknown, ("se",))
        kinds = ("reml", "ml", "expected-reml", "expected-ml")
        if se not in kinds:
            raise ArgumentError(
                f"se={se!r} is not offered.", f"Expected one of {', '.join(kinds)}.", "Choose one of these."
            )
        covariance = component_covariance(self.products, self.solution, se, self._derivatives)
        return component_table(self.design.levels, self.solution.covariances, self.sigma**2, covariance)

    def group_effects(
        self, level: str | None = None, *, variance: str = "conditional", prob: float = 0.95, **unknown: Any
    ) -> pd.DataFrame:
        """Shrunken effects of every group (best linear unbiased predictions).

        Intervals take the estimated variances for known ones and are too short where groups are few: in simulations of
        12 groups of 3 to 13 rows with two effects, 95 % intervals held 80 % of the true effects (84 % by
        ``variance="prediction"``, 94 % by ``variance="corrected"``), with 2,000 groups 95 %. A posterior counts what is
        not known of the variances.

        Parameters
        ----------
        level : str, optional
            Which level; may be left out where there is one. With several, all of them are returned under one more
            index level.
        variance : {"conditional", "prediction", "diagnostic", "corrected"}
            Conditional variance given the estimates (as lme4), prediction error variance (fixed effects estimated), the
            variance of the prediction itself; or the second with what the estimation of the variances adds (REML;
            Kackar & Harville 1984, JASA 79:853-862; Prasad & Rao 1990, JASA 85:163-171; rather too large than too small
            where a variance may be 0).
        prob : float
            Coverage of the intervals.

        Returns
        -------
        DataFrame
            Index (group, effect); estimate, sd, ci_low, ci_high.
        """
        self._need_levels()
        refuse_unknown("group_effects", unknown, ("level", "variance", "prob"))
        design, solution = self.design, self.solution

        def table(number: int) -> pd.DataFrame:
            return effect_table(design, solution, self._conditional, number, variance, prob, lambda: self._excess)

        return each_level(design, level, table)

    def coefficients(self, level: str | None = None, *, prob: float = 0.95, **unknown: Any) -> pd.DataFrame:
        """Fixed effect plus group effect, for every group and every effect of a level.

        The standard deviation counts the error of both and their covariance. An effect without a fixed counterpart is
        reported as it is.

        Parameters
        ----------
        level : str, optional
            Which level; may be left out where there is one. With several, all of them are returned under one more
            index level.
        prob : float
            Coverage of the intervals.

        Returns
        -------
        DataFrame
            Index (group, effect); estimate, sd, ci_low, ci_high.
        """
        self._need_levels()
        refuse_unknown("coefficients", unknown, ("level", "prob"))
        design, solution = self.design, self.solution
        return each_level(design, level, lambda k: coefficient_table(design, solution, self._conditional, k, prob))

    def fitted(self) -> Floats:
        """Fitted values with all group effects, for the rows used, (n,)."""
        return fitted_values(self.design, self.solution.beta, self._conditional.means)

    def predict_target(self, target: Target, prob: float, draws: bool, seed: int | None) -> pd.DataFrame:
        """Predictions from the estimates: mean, se, ci_low, ci_high."""
        return predict_from_estimates(self, target, prob, draws)

    def simulate(self, n: int = 1, *, seed: int | None = None, groups: str = "new", **unknown: Any) -> Floats:
        """Simulate n responses of the rows used, from the estimates, (n, N).

        ``groups="new"`` draws new group effects for each response, ``"known"`` keeps those predicted.
        """
        refuse_unknown("simulate", unknown, ("n", "seed", "groups"))
        return simulate_responses(self.design, self.solution, n, seed, groups, lambda: self._conditional.means)

    def summary(self, *, style: str | None = None, **unknown: Any) -> Summary:
        """The fit as text (HTML in a notebook), in our layout or in that of another program.

        Parameters
        ----------
        style : {"lme4", "sas", "spss", "hlm", "mlwin", "stata"}, optional
            Terms, order and conventions of a program: degrees of freedom, standard errors of variance components,
            information criteria. What it would not print is said in notes.

        Returns
        -------
        Summary
            A str.

        Raises
        ------
        ArgumentError
            Another style.
        """
        refuse_unknown("summary", unknown, ("style",))
        return summarise(self, style)

    def explain_difference(self, one: str, two: str) -> Differences:
        """Why two programs print this fit differently; see :func:`bayesmix.explain_difference`.

        Parameters
        ----------
        one, two : {"lme4", "sas", "spss", "hlm", "mlwin", "stata"}

        Returns
        -------
        Differences
        """
        return differences(one, two, self)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
