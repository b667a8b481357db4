"""A model of one correlation within groups, of either sign, with names on its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import ArgumentError, DesignError, refuse_unknown, require_coverage
from bayesmix.inference.compound_symmetry import SymmetrySolution, fit_compound_symmetry
from bayesmix.inference.likelihood_ratio import chi_square_tail
from bayesmix.results.derived import require_choice
from bayesmix.tables import Header, format_summary, format_table, html_summary, html_table
from bayesmix.tables.text import format_p

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class CompoundSymmetry:
    """y ~ N(X beta, V): one variance, and one covariance of any two rows of a group, which may be negative.

    A varying intercept says the same with a variance in place of the covariance, and so cannot say that rows of one
    group differ more than rows of different groups, as where they compete for something shared.

    Parameters
    ----------
    design : Design
        Names and data.
    solution : SymmetrySolution
        The optimum.
    prob : float
        Coverage of the intervals.
    """

    design: Design
    solution: SymmetrySolution
    prob: float

    @property
    def method(self) -> str:
        """``"REML"`` or ``"ML"``."""
        return "REML" if self.solution.reml else "ML"

    @property
    def rho(self) -> float:
        """Correlation of two rows of a group, given the fixed part: omega/(1 + omega)."""
        return float(_correlation(self.solution.omega))

    @property
    def lowest_rho(self) -> float:
        """What no correlation of so many rows can be below: -1/(n - 1), n the rows of the largest group."""
        return -1 / (self.solution.largest - 1)

    @property
    def covariance(self) -> float:
        """Of two rows of a group."""
        return self.solution.omega * self.solution.sigma2

    @property
    def variance(self) -> float:
        """Of a row."""
        return (1 + self.solution.omega) * self.solution.sigma2

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
        """Fixed effects, variance and correlation."""
        return len(self.solution.beta) + 2

    @property
    def aic(self) -> float:
        """Akaike's criterion, -2 log likelihood + 2 parameters."""
        return self.criterion + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of rows."""
        return float(self.criterion + np.log(self.design.n) * self.n_parameters)

    @property
    def chisq(self) -> float:
        """Likelihood ratio against independent rows, on 1 degree of freedom."""
        return max(self.solution.independent - self.solution.criterion, 0.0)

    @property
    def p(self) -> float:
        """P-value of the likelihood ratio, two-sided: a correlation of 0 is no boundary here."""
        return chi_square_tail(self.chisq, 1)

    @property
    def table(self) -> pd.DataFrame:
        """Correlation, covariance, variance of a row, and what of it the rows of a group do not share.

        Returns
        -------
        DataFrame
            Index rho, covariance, variance, residual (variance less covariance); estimate, se (observed information),
            ci_low, ci_high: of rho by the profile likelihood, of the covariance as estimate and normal quantiles of se,
            of variances in logarithms.
        """
        found = self.solution
        sigma2, omega = found.sigma2, found.omega
        estimate = np.array([self.rho, self.covariance, self.variance, sigma2])
        # Rows by (omega, log sigma^2).
        slopes = np.array([[(1 + omega) ** -2, 0.0], [sigma2, sigma2 * omega], [sigma2, self.variance], [0.0, sigma2]])
        se = np.sqrt(np.einsum("ia,ab,ib->i", slopes, found.information, slopes))
        half = stats.norm.ppf(0.5 + self.prob / 2) * se
        factor = np.exp(half[2:] / estimate[2:])
        ends = [_correlation(end) for end in found.omega_interval]
        low = [ends[0], estimate[1] - half[1], *(estimate[2:] / factor)]
        high = [ends[1], estimate[1] + half[1], *(estimate[2:] * factor)]
        names = pd.Index(["rho", "covariance", "variance", "residual"], name="parameter")
        return pd.DataFrame({"estimate": estimate, "se": se, "ci_low": low, "ci_high": high}, index=names)

    def fixed_effects(self) -> pd.DataFrame:
        """Generalised least squares at the estimated correlation.

        Returns
        -------
        DataFrame
            Index term; estimate, se, df, t, p, ci_low, ci_high; df is rows less fixed effects, as of R's gls.
        """
        beta, se = self.solution.beta, np.sqrt(np.diag(self.solution.vcov))
        df = float(self.design.n - len(beta))
        t = beta / se
        half = stats.t.ppf(0.5 + self.prob / 2, df) * se
        columns = {"estimate": beta, "se": se, "df": df, "t": t, "p": 2 * stats.t.sf(np.abs(t), df)}
        ends = {"ci_low": beta - half, "ci_high": beta + half}
        return pd.DataFrame(columns | ends, index=pd.Index(self.design.fixed_names, name="term"))

    def _header(self) -> Header:
        level = self.design.levels[0]
        facts = [
            ("Formula", self.design.specification.formula),
            ("Rows", str(self.design.n)),
            ("Groups", f"{level.name} {len(level.grouping.labels)}, of at most {self.solution.largest} rows"),
            ("Criterion", f"{self.criterion:.4f}   AIC {self.aic:.2f}   BIC {self.bic:.2f}"),
        ]
        return Header(f"Compound symmetry, fitted by {self.method}", facts)

    def _notes(self) -> list[str]:
        p = format_p(self.p)
        notes = [
            f"Against independent rows: chi2 = {self.chisq:.4f} on 1 df, p {p if p.startswith('<') else f'= {p}'} "
            f"(two-sided: 0 is no boundary; rho may be as low as {self.lowest_rho:.4f})."
        ]
        if self.rho < 0:
            notes.append(
                "The correlation is negative: rows of one group differ more than rows of different groups. A varying "
                "intercept would have its variance estimated as 0."
            )
        if self.solution.unbounded:
            notes.append(
                "At the lowest rho the likelihood is higher still, because the fixed effects can fit the sums of the "
                "largest groups, which are few; the estimate is the maximum inside the range."
            )
        return notes

    def __repr__(self) -> str:
        parts = [("Correlation and variances", format_table(self.table)), ("Fixed effects", self._printed_effects())]
        return format_summary(self._header(), parts, self._notes())

    def _printed_effects(self) -> str:
        return format_table(self.fixed_effects(), {"df": 0})

    def _repr_html_(self) -> str:
        parts = [
            ("Correlation and variances", html_table(self.table)),
            ("Fixed effects", html_table(self.fixed_effects(), {"df": 0})),
        ]
        return html_summary(self._header(), parts, self._notes())


def symmetric_fit(
    design: Design, products: CrossProducts, method: str = "REML", prob: float = 0.95, **unknown: object
) -> CompoundSymmetry:
    """See :meth:`bayesmix.model.Model.compound_symmetry`."""
    if "REML" in unknown:
        raise ArgumentError(
            f"compound_symmetry was given REML={unknown['REML']!r}.",
            "Expected one of method, prob.",
            "Write method='ML'.",
        )
    refuse_unknown("compound_symmetry", unknown, ("method", "prob"), {"reml": "Write method='ML', or leave it out."})
    require_choice("method", method, ("REML", "ML"))
    require_coverage(prob)
    if len(design.levels) != 1 or design.levels[0].effect_names != ("Intercept",):
        bars = ", ".join(f"({' + '.join(level.effect_names)} | {level.name})" for level in design.levels)
        raise DesignError(
            f"The model has the group effects {bars}." if bars else "This model has no levels.",
            "Expected one grouping with a varying intercept alone: one correlation for all pairs of rows of a group.",
            "Write the model with (1 | group) alone; of other models see fit.within_group_correlation().",
        )
    if design.weights is not None:
        raise ArgumentError(
            f"The model has weights ({design.weights_name}).",
            "Expected rows of one variance, as compound symmetry says.",
            "Leave the weights out.",
        )
    return CompoundSymmetry(design, fit_compound_symmetry(products, method == "REML", prob), prob)


def _correlation(omega: float) -> float:
    """Of omega = covariance over what is not shared; 1 where nothing is unshared."""
    return 1.0 if np.isinf(omega) else omega / (1 + omega)
