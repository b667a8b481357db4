"""What is fitted: formulas, their data, and other data of the same shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import bayesmix as bx

CHEM_SEED = 97
CHEM_SIZES = 31_022, 2_410, 131  # rows, schools, authorities


@dataclass(frozen=True)
class Problem:
    """A formula and its data.

    Parameters
    ----------
    label : str
        How tables call it.
    formula : str
        In the language all programs share.
    load : callable
        Returns the data frame.
    groupings : tuple of str
        Grouping columns, highest first.
    predictors : tuple of str
        The other columns used; the response is the left side of the formula.
    bambi_formula : str, optional
        The same model as near as Bambi comes, where it takes part; ``child`` is the column :func:`for_bambi` adds.
    slow : bool
        Fitted less often, for seconds each.
    """

    label: str
    formula: str
    load: Callable[[], pd.DataFrame]
    groupings: tuple[str, ...]
    predictors: tuple[str, ...]
    bambi_formula: str | None = None
    slow: bool = False

    def frame(self) -> pd.DataFrame:
        """The columns the formula uses, and no others."""
        response = self.formula.split("~")[0].strip()
        return self.load()[[response, *self.predictors, *self.groupings]]


def chem_sized(seed: int = CHEM_SEED) -> pd.DataFrame:
    """Simulate exam scores of Chem97's size: 31,022 pupils in 2,410 schools in 131 authorities, sizes uneven.

    Intercepts vary between authorities (sd 0.4) and schools (0.9), the slope of ``gcse`` between schools (0.3,
    correlated 0.2 with the intercept); the residual sd is 2.4. All comes from ``numpy.random.default_rng(seed)``.

    Returns
    -------
    DataFrame
        score, gcse, school (unique codes), authority.
    """
    rng = np.random.default_rng(seed)
    rows, schools, authorities = CHEM_SIZES
    authority_of = np.repeat(np.arange(authorities), _uneven(schools, authorities, rng))
    school = np.repeat(np.arange(schools), _uneven(rows, schools, rng))
    gcse = (0.5 * rng.standard_normal(schools))[school] + 0.8 * rng.standard_normal(rows)
    covariance = np.array([[0.81, 0.2 * 0.9 * 0.3], [0.2 * 0.9 * 0.3, 0.09]])
    u = rng.multivariate_normal(np.zeros(2), covariance, schools)
    v = 0.4 * rng.standard_normal(authorities)
    mean = 5.6 + v[authority_of[school]] + u[school, 0] + (2.5 + u[school, 1]) * gcse
    return pd.DataFrame(
        {
            "score": mean + 2.4 * rng.standard_normal(rows),
            "gcse": gcse,
            "school": pd.Categorical(school),
            "authority": pd.Categorical(authority_of[school]),
        }
    )


def _uneven(total: int, parts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sizes of ``parts`` groups, at least 1, that sum to ``total``."""
    return np.asarray(1 + rng.multinomial(total - parts, rng.dirichlet(np.full(parts, 2.0))))


PROBLEMS = {
    "hsb": Problem(
        "HSB",
        "math ~ ses + (ses | school)",
        lambda: bx.load_dataset("hsb"),
        ("school",),
        ("ses",),
        "math ~ ses + (ses | school)",
    ),
    "hsb_full": Problem(
        "HSB, full model",
        "math ~ meanses*cses + sector*cses + (cses | school)",
        lambda: bx.load_dataset("hsb"),
        ("school",),
        ("meanses", "cses", "sector"),
    ),
    "exam": Problem(
        "Exam",
        "normexam ~ standLRT + (standLRT | school)",
        lambda: bx.load_dataset("exam"),
        ("school",),
        ("standLRT",),
    ),
    "egsingle": Problem(
        "egsingle",
        "math ~ year + (year | schoolid/childid)",
        lambda: bx.load_dataset("egsingle"),
        ("schoolid", "childid"),
        ("year",),
        "math ~ year + (year | schoolid) + (year | child)",
    ),
    "chem": Problem(
        "Chem97-size, simulated",
        "score ~ gcse + (gcse | school) + (1 | authority)",
        chem_sized,
        ("authority", "school"),
        ("gcse",),
    ),
    "chem_intercepts": Problem(
        "Chem97-size, intercepts only",
        "score ~ gcse + (1 | school) + (1 | authority)",
        chem_sized,
        ("authority", "school"),
        ("gcse",),
    ),
    "insteval": Problem(
        "InstEval, crossed",
        "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
        lambda: bx.load_dataset("insteval"),
        ("dept", "d", "s"),
        ("service",),
        slow=True,
    ),
}


def for_bambi(problem: Problem, frame: pd.DataFrame) -> pd.DataFrame:
    """Add the nested grouping as a column; in Bambi ``a/b`` would be every combination of the two, seen or not."""
    if len(problem.groupings) == 1:
        return frame
    high, low = (frame[name].astype(str) for name in problem.groupings)
    return frame.assign(child=pd.Categorical(high + ":" + low))


def bootstrap(problem: Problem, frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw the highest groups with replacement, each draw a group of its own: other data of the same shape."""
    rng = np.random.default_rng(seed)
    top = problem.groupings[0]
    members = list(frame.groupby(top, observed=True).indices.values())
    drawn = rng.integers(len(members), size=len(members))
    new = frame.iloc[np.concatenate([members[g] for g in drawn])].reset_index(drop=True)
    copy = np.repeat(np.arange(len(drawn)), [len(members[g]) for g in drawn])
    relabelled = {top: pd.Categorical(copy)}
    for low in problem.groupings[1:]:
        relabelled[low] = pd.Categorical([f"{c}.{label}" for c, label in zip(copy, new[low], strict=True)])
    return new.assign(**relabelled)
