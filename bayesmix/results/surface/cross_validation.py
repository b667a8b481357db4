"""How well a posterior predicts rows and groups that it has not seen."""

from __future__ import annotations

from typing import Any

import xarray as xr
from arviz_stats import ELPDData

from bayesmix.errors import refuse_unknown
from bayesmix.results.cross_validation import ELPDDataWAIC, leave_one_out, widely_applicable
from bayesmix.results.folds import k_fold
from bayesmix.results.prior_table import PriorTable
from bayesmix.results.surface.core import Core

# What other programs call it, and what to write here.
_ELSEWHERE = {
    "level": "Write by= with the name of the level.",
    "group": "Write by= with the name of the level.",
    "groups": "Write by= with the name of the level.",
    "refit": "Write reloo=True.",
    "pointwise": "The values of each row or group are always there: .elpd_i and .pareto_k.",
    "K": "Write k=10.",
    "folds": "Write k=10.",
}


class CrossValidation(Core):
    """Leave-one-out, WAIC and k-fold cross-validation."""

    priors: PriorTable
    idata: xr.DataTree

    def loo(
        self,
        by: str | None = None,
        *,
        reloo: bool = False,
        seed: int | None = None,
        progress: bool = True,
        **unknown: Any,
    ) -> ELPDData:
        """Expected log predictive density by leaving out rows, or whole groups, one at a time.

        Each is predicted by p(y_g | y_-g, theta, sigma), all fixed and group effects integrated out given the other
        rows: of a group left out nothing is known but its predictors, and of a row what the other rows of its groups
        say. Only variance parameters (and fixed effects whose prior is neither normal nor flat) are left to importance
        sampling, so that it works for whole groups too. Of ``arviz.loo(post.with_log_likelihood())`` that can not be
        said: conditional on the group effects, a row weighs its own group's draws by itself, which fails in groups of
        few rows, and whole groups can not be left out at all.

        Parameters
        ----------
        by : str, optional
            A level, whose groups are left out, all rows of one jointly; by itself rows are.
        reloo : bool
            Sample the model again without each row or group whose Pareto k is too high, with the same numbers in the
            priors and at least 4,000 draws. The estimate is then exact but for its Monte Carlo error, which
            ``elpd_i["mcse"]`` has, and its k is set to 0: there are no weights any more. Where the error exceeds 0.2,
            or the largest densities over the refit's own draws have too heavy a tail to tell, k is that of these
            densities instead, and a warning says so.
        seed : int, optional
            Of these refits.
        progress : bool
            Show their progress, and say so where the first call on a machine compiles. Ctrl-C keeps the refits that are
            finished, and so does one that fails; of the others the estimate by importance sampling stays.

        Returns
        -------
        ELPDData
            As ``arviz.loo`` returns it, for ``arviz.compare``, ``arviz.plot_khat`` and :func:`bayesmix.loo_compare`;
            ``elpd_i`` and ``pareto_k`` have the labels. Densities are those of the response in its own units. ``p`` is
            the effective number of what was sampled: effects that are integrated out do not count.

        Warns
        -----
        BayesmixWarning
            Estimates with a Pareto k above ``good_k``, with what to do; refits that failed, or are uncertain.

        Raises
        ------
        ArgumentError
            An unknown level or option.
        DesignError
            A fixed effect with a flat prior that the other rows do not determine.

        References
        ----------
        Vehtari, Gelman & Gabry (2017), Stat. Comput. 27:1413-1432; Vehtari, Simpson, Gelman, Yao & Gabry (2024), JMLR
        25(72); Merkle, Furr & Rabe-Hesketh (2019), Psychometrika 84:802-829, on leaving out groups.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy"))
        >>> post = model.sample(seed=1)  # doctest: +SKIP
        >>> post.loo(by="Subject", reloo=True)  # doctest: +SKIP
        """
        refuse_unknown("loo", unknown, ("by", "reloo", "seed", "progress"), _ELSEWHERE)
        return leave_one_out(self, by, reloo, seed, progress)

    def waic(self, by: str | None = None, *, progress: bool = True, **unknown: Any) -> ELPDDataWAIC:
        """WAIC of rows, or of groups, an approximation to :meth:`loo` that does not tell where it fails; prefer that.

        Parameters
        ----------
        by : str, optional
            A level, as in :meth:`loo`.
        progress : bool
            Say so where the first call on a machine compiles.

        Returns
        -------
        ELPDData
            ``p`` is the sum of the variances of the log densities over the draws.

        Warns
        -----
        BayesmixWarning
            Rows or groups for which the variance exceeds 0.4.

        References
        ----------
        Watanabe (2010), JMLR 11:3571-3594; Vehtari, Gelman & Gabry (2017), Stat. Comput. 27:1413-1432.
        """
        refuse_unknown("waic", unknown, ("by", "progress"), _ELSEWHERE)
        return widely_applicable(self, by, progress)

    def kfold(
        self,
        by: str | None = None,
        *,
        k: int = 10,
        seed: int | None = None,
        progress: bool = True,
        **unknown: Any,
    ) -> ELPDData:
        """Expected log predictive density by leaving out groups (or rows) in k folds and sampling without each fold.

        Every group is predicted from the rows outside its fold, its own rows jointly, each group of a fold by itself:
        log of the mean of p(y_g | y_outside, theta, sigma) over the posterior of these rows. With k the number of
        groups that is what :meth:`loo` estimates; with fewer folds less is known, and the estimate is lower.

        Parameters
        ----------
        by : str, optional
            A level, whose groups are divided into folds; by itself rows are.
        k : int
            Folds.
        seed : int, optional
            Of folds and draws. Without it the folds follow from the labels of the groups (rows), the same for the same
            labels, so that models can be compared; draws differ from call to call.
        progress : bool
            Show progress. Ctrl-C keeps the folds that are finished, and so does one that fails; the result is of these.

        Returns
        -------
        ELPDData
            ``elpd_i`` with the labels, the number of the fold as ``fold`` (``fold_i`` where a level has that name) and
            the Monte Carlo error of each value as ``mcse``.

        Warns
        -----
        BayesmixWarning
            Folds that failed, and estimates whose Monte Carlo error exceeds 0.2.

        Raises
        ------
        ArgumentError
            An unknown level or option, more folds than groups.
        DesignError
            A fixed effect with a flat prior that the rows outside a fold do not determine.
        PriorError
            A flat prior of a standard deviation that is improper without a fold.
        """
        refuse_unknown("kfold", unknown, ("by", "k", "seed", "progress"), _ELSEWHERE)
        return k_fold(self, by, k, seed, progress)
