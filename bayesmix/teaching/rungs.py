"""The rungs of the pooling ladder as arrays: the same rows by every regression that is not a multilevel model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bayesmix.design import CrossProducts, Design
from bayesmix.inference.regressions import (
    FixedGroups,
    GroupRegressions,
    Regression,
    group_means,
    regress,
    regress_groups,
    regress_with_groups,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """What every rung reads.

    Parameters
    ----------
    names : tuple of str
        Fixed effects, then effects of the groups that are none of them.
    X : (n, p) array
        Columns of the fixed effects.
    Z : (n, q) array
        Columns that vary by group.
    effects : (q,) int array
        Their places among the names.
    y : (n,) array
        The response less the offset.
    codes : (n,) int array
        Group of each row.
    n_groups : int
    constant : bool
        Whether the first fixed effect is the intercept.
    """

    names: tuple[str, ...]
    X: Floats
    Z: Floats
    effects: Integers
    y: Floats
    codes: Integers
    n_groups: int
    constant: bool

    @property
    def every(self) -> Floats:
        """A column for each name."""
        more = [place for place, name in enumerate(self.effects) if name >= self.X.shape[1]]
        return np.concatenate([self.X, self.Z[:, more]], axis=1)


def read_rows(design: Design) -> Rows:
    """The rows of a model of one level."""
    level, fixed = design.levels[0], design.fixed_names
    names = (*fixed, *(name for name in level.effect_names if name not in fixed))
    return Rows(
        names,
        design.fixed_values,
        design.values[:, level.places],
        np.array([names.index(name) for name in level.effect_names]),
        design.response - design.offset,
        level.grouping.codes,
        len(level.grouping.labels),
        bool(fixed) and fixed[0] == "Intercept",
    )


def without_groups(rows: Rows, places: Integers) -> Rows:
    """The rows of the other groups, which are numbered anew."""
    kept = ~np.isin(rows.codes, places)
    codes = np.unique(rows.codes[kept], return_inverse=True)[1]
    count = rows.n_groups - len(places)
    return replace(rows, X=rows.X[kept], Z=rows.Z[kept], y=rows.y[kept], codes=codes, n_groups=count)


def products_without(products: CrossProducts, places: Integers) -> CrossProducts:
    """Cross-products of one level without some of its groups: what is fitted to the rows of the others."""
    J = len(products.sizes) - len(places)
    return replace(
        products,
        n=products.n - int(products.sizes[places].sum()),
        sums=np.delete(products.sums, places, axis=0),
        sizes=np.delete(products.sizes, places),
        parent=np.full(J, J, np.int64),
        levels=(replace(products.levels[0], n_groups=J),),
    )


@dataclass(frozen=True)
class Ladder:
    """Every regression of the same rows.

    Parameters
    ----------
    rows : Rows
    aggregated, disaggregated : Regression
        Of the means of the groups; of all rows.
    alone : GroupRegressions
        Of each group.
    main, fixed : FixedGroups
        Of all rows with a first coefficient of each group, and with all of them.
    """

    rows: Rows
    aggregated: Regression
    disaggregated: Regression
    alone: GroupRegressions
    main: FixedGroups
    fixed: FixedGroups


def climb(rows: Rows) -> Ladder:
    """Fit every rung."""
    J, codes = rows.n_groups, rows.codes
    means = group_means(np.column_stack([rows.X, rows.y]), codes, J)
    first = rows.effects == 0 if rows.constant and (rows.effects == 0).any() else np.ones(len(rows.effects), bool)
    return Ladder(
        rows,
        regress(means[:, :-1], means[:, -1], rows.constant),
        regress(rows.X, rows.y, rows.constant),
        regress_groups(rows.every, rows.y, codes, J),
        regress_with_groups(rows.X, rows.Z[:, first], rows.y, codes, J),
        regress_with_groups(rows.X, rows.Z, rows.y, codes, J),
    )


def coefficients(ladder: Ladder) -> dict[str, pd.DataFrame]:
    """Of each rung: index term; estimate, se, t, sd (of the coefficients of the groups, where each has its own)."""
    names, alone, fixed = list(ladder.rows.names), ladder.alone, ladder.fixed
    p, k = ladder.rows.X.shape[1], len(names)
    found = {}
    for name, one in (("aggregated", ladder.aggregated), ("disaggregated", ladder.disaggregated)):
        found[name] = _table(names, _padded(one.beta, np.arange(p), k), _padded(one.se, np.arange(p), k))
    used = alone.beta[alone.complete]
    J = len(used)
    mean = used.mean(axis=0) if J else np.full(len(alone.columns), np.nan)
    sd = used.std(axis=0, ddof=1) if J > 1 else np.full(len(alone.columns), np.nan)
    each = [_padded(values, alone.columns, k) for values in (mean, sd / np.sqrt(max(J, 1)), sd)]
    found["per group"] = _table(names, *each)
    determined = ~np.isnan(fixed.groups).any(axis=1)
    spread = np.full(len(ladder.rows.effects), np.nan)
    if determined.sum() > 1:
        spread = fixed.groups[determined].std(axis=0, ddof=1)
    estimate, se = _padded(fixed.beta, np.arange(p), k), _padded(fixed.se, np.arange(p), k)
    estimate[ladder.rows.effects], se[ladder.rows.effects] = fixed.mean, fixed.mean_se
    found["fixed groups"] = _table(names, estimate, se, _padded(spread, ladder.rows.effects, k))
    return found


def summaries(ladder: Ladder) -> pd.DataFrame:
    """Index analysis; units, parameters, df, sigma, r2, adj_r2, F."""
    rows, alone, fixed = ladder.rows, ladder.alone, ladder.fixed
    found = {
        name: [one.n, one.rank, one.df, one.sigma, one.r2, one.adj_r2, one.F]
        for name, one in (("aggregated", ladder.aggregated), ("disaggregated", ladder.disaggregated))
    }
    rank = int(alone.rank[alone.complete].sum())
    inside = int(np.bincount(rows.codes, minlength=rows.n_groups)[alone.complete].sum())
    found["per group"] = [int(alone.complete.sum()), rank, inside - rank, np.nan, np.nan, np.nan, np.nan]
    whole = Regression(
        np.zeros(0), np.zeros(0), fixed.n, fixed.rank, fixed.rss, ladder.disaggregated.tss, rows.constant
    )
    found["fixed groups"] = [fixed.n, fixed.rank, whole.df, whole.sigma, whole.r2, whole.adj_r2, whole.F]
    columns = ["units", "parameters", "df", "sigma", "r2", "adj_r2", "F"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns).rename_axis("analysis")


def group_terms(ladder: Ladder) -> pd.DataFrame:
    """What the groups cost as fixed effects, step by step: main effects, then their interactions with the predictors.

    Returns
    -------
    DataFrame
        Index step; df_extra, df (residual), rss, F (against the residual of the last step, as R's anova), p.
    """
    plain, main, fixed = ladder.disaggregated, ladder.main, ladder.fixed
    steps = [("no groups", plain.rank, plain.rss)]
    names = [ladder.rows.names[i] for i in ladder.rows.effects]
    if main.rank < fixed.rank:
        steps.append(("main effects", main.rank, main.rss))
    last = "interactions" if main.rank < fixed.rank else "main effects" if names == ["Intercept"] else "groups"
    steps.append((last, fixed.rank, fixed.rss))
    table = pd.DataFrame(
        {
            "df_extra": np.diff([rank for _, rank, _ in steps], prepend=plain.rank),
            "df": [plain.n - rank for _, rank, _ in steps],
            "rss": [rss for *_, rss in steps],
        },
        index=pd.Index([name for name, *_ in steps], name="step"),
    )
    gain = -table["rss"].diff() / table["df_extra"].where(table["df_extra"] > 0)
    F = gain / fixed.sigma**2
    return table.assign(F=F, p=stats.f.sf(F, table["df_extra"], max(fixed.df, 1)))


def _table(names: list[str], estimate: Floats, se: Floats, sd: Floats | None = None) -> pd.DataFrame:
    """Coefficients of a rung, t as far as there is a standard error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(se > 0, estimate / se, np.nan)
    spread = np.full(len(names), np.nan) if sd is None else sd
    columns = {"estimate": estimate, "se": se, "t": t, "sd": spread}
    return pd.DataFrame(columns, index=pd.Index(names, name="term"))


def _padded(values: Floats, places: Integers, k: int) -> Floats:
    """Values at their places, nan elsewhere."""
    found = np.full(k, np.nan)
    found[places] = values
    return found
