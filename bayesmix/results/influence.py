"""Groups by their influence on the estimates, and their standardised residuals, with names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.subset import inner_rows, without_rows
from bayesmix.errors import ArgumentError, BayesmixWarning
from bayesmix.inference.conditional import ConditionalEffects
from bayesmix.inference.influence import WithoutGroup, distances, influence_measures, without_groups
from bayesmix.inference.ml import MlSolution
from bayesmix.results.components import component_index, component_values
from bayesmix.results.group_values import find_group
from bayesmix.results.naming import group_frame, group_order, pick_level
from bayesmix.tables import Header, format_summary, format_table, html_summary, html_table

Floats = NDArray[np.float64]

# Groups in the printed table.
_SHOWN = 10
_HELD = "variances held at the estimates of all rows"
_REFITTED = "variances estimated anew without each group"


@dataclass(frozen=True, repr=False)
class GroupInfluence:
    """What the estimates would be without each group of a level.

    Parameters
    ----------
    level : str
    refit : bool
        Whether the variances were estimated anew without each group, or held.
    table : DataFrame
        Index group; n (rows), cooks_distance, mdffits, covratio, covtrace.
    coefficients : DataFrame
        Index (group, term); estimate and se without the group, change (estimate without the group less with it),
        dfbetas (change over that se; the sign is lme4's, opposite to that of Belsley, Kuh & Welsch).
    components : DataFrame or None
        Index (group, level, parameter); estimate (without the group), change; None where the variances were held.
    note : str
        What was done, and which groups could not be left out and why.
    """

    level: str
    refit: bool
    table: pd.DataFrame
    coefficients: pd.DataFrame
    components: pd.DataFrame | None
    note: str

    def _shown(self) -> pd.DataFrame:
        """The most influential groups, with the change of every coefficient."""
        if len(self.coefficients) == 0 and self.components is not None:  # only variances can change
            names = self.components.index.droplevel("group")
            rows = self.components["change"].set_axis(
                pd.MultiIndex.from_arrays(
                    [self.components.index.get_level_values("group"), [" ".join(name) for name in names]]
                )
            )
            moved = rows.unstack(sort=False).add_prefix("change in ")
            order = moved.iloc[:, 0].abs().sort_values(ascending=False).index
            return self.table[["n"]].join(moved).loc[order].head(_SHOWN)
        wide = self.coefficients["change"].unstack("term", sort=False).add_prefix("change in ")
        return self.table.join(wide).sort_values("cooks_distance", ascending=False).head(_SHOWN)

    @property
    def _header(self) -> Header:
        how = _REFITTED if self.refit else _HELD
        return Header(f"Influence of each {self.level}", [("Method", f"left out one by one, {how}")])

    def __repr__(self) -> str:
        title = f"The {min(_SHOWN, len(self.table))} most influential of {len(self.table)}"
        return format_summary(self._header, [(title, format_table(self._shown()))], self.note.split("\n"))

    def _repr_html_(self) -> str:
        return html_summary(self._header, [("", html_table(self._shown()))], self.note.split("\n"))


def group_influence(
    design: Design,
    products: CrossProducts,
    solution: MlSolution,
    level: str | None,
    refit: Any,
    groups: Any,
    progress: Any = False,
) -> GroupInfluence:
    """Leave out every group of a level, or those named.

    Raises
    ------
    ArgumentError
        No fixed effects, an unknown level or group.
    """
    number = pick_level(design, level)
    if not isinstance(progress, bool | np.bool_):
        raise ArgumentError(f"progress={progress!r}.", "Expected True or False.", "Write progress=False for no bar.")
    if not isinstance(refit, bool | np.bool_):
        raise ArgumentError(f"refit={refit!r}.", "Expected True or False.", "Write refit=True to estimate anew.")
    if not design.fixed_names and not refit:
        raise ArgumentError(
            "The model has no fixed effects, and the variances are held.",
            "Expected something that leaving out a group could change.",
            "Write refit=True.",
        )
    chosen = _chosen(design, number, groups)
    places = group_order(design, number)[chosen]
    rest = _rest(design, products, number) if design.crossed else None
    without = without_groups(products, solution, number, places, bool(refit), rest, bool(progress))
    done = len(without.groups)
    if done < len(chosen):
        warnings.warn(
            f"Interrupted: {done} of {len(chosen)} groups were left out and are kept.", BayesmixWarning, stacklevel=3
        )
    labels = [design.levels[number].grouping.labels[i] for i in chosen[:done]]
    return _named(design, solution, number, labels, without)


def _rest(design: Design, products: CrossProducts, number: int) -> Callable[[int], CrossProducts]:
    """From the place of a group to the products of the rows outside it."""
    W = inner_rows(design)
    places = group_order(design, number)[design.levels[number].grouping.codes]
    return lambda group: without_rows(design, products, places != group, W)


def _chosen(design: Design, number: int, groups: Any) -> list[int]:
    """Places of the groups among the labels."""
    if groups is None:
        return list(range(len(design.levels[number].grouping.labels)))
    if isinstance(groups, str) or not isinstance(groups, Sequence | np.ndarray | pd.Index | pd.Series):
        raise ArgumentError(f"groups={groups!r}.", "Expected a list of labels.", f"Write groups=[{groups!r}].")
    found = list(dict.fromkeys(find_group(design, number, label) for label in groups))
    if not found:
        raise ArgumentError("groups is empty.", "Expected at least one label.", "Leave it out for all groups.")
    return found


def _named(
    design: Design, solution: MlSolution, number: int, labels: list[Any], without: WithoutGroup
) -> GroupInfluence:
    """Names on the arrays."""
    found = influence_measures(solution.beta, solution.vcov, without)
    index = pd.Index(labels, name="group")
    table = pd.DataFrame(
        {
            "n": without.sizes.round().astype(int),
            "cooks_distance": found.cooks_distance,
            "mdffits": found.mdffits,
            "covratio": found.covratio,
            "covtrace": found.covtrace,
        },
        index=index,
    )
    se = np.sqrt(np.einsum("gaa->ga", without.vcov))
    columns = {
        "estimate": without.beta,
        "se": se,
        "change": without.beta - solution.beta,
        "dfbetas": found.dfbetas,
    }
    terms = pd.MultiIndex.from_product([labels, list(design.fixed_names)], names=["group", "term"])
    coefficients = pd.DataFrame({name: np.ravel(part) for name, part in columns.items()}, index=terms)
    note = _note(design, number, labels, without)
    for frame in (table, coefficients):
        frame.attrs["note"] = note
    components = _components(design, solution, labels, without) if without.refitted else None
    name = design.levels[number].name
    return GroupInfluence(name, without.refitted, table, coefficients, components, note)


def _components(design: Design, solution: MlSolution, labels: list[Any], without: WithoutGroup) -> pd.DataFrame:
    """Variance components without each group."""
    values = component_values(design.levels, without.covariances, without.sigma**2)
    whole = component_values(design.levels, solution.covariances, np.array(solution.sigma**2))
    rows = component_index(design.levels)
    index = pd.MultiIndex.from_tuples(
        [(label, *row) for label in labels for row in rows], names=["group", "level", "parameter"]
    )
    return pd.DataFrame({"estimate": values.ravel(), "change": (values - whole).ravel()}, index=index)


def _note(design: Design, number: int, labels: list[Any], without: WithoutGroup) -> str:
    """What was done; and each group without which something can not be estimated."""
    name = design.levels[number].name
    lines = [f"Each {name} was left out by itself, {_REFITTED if without.refitted else _HELD}."]
    for i, label in enumerate(labels):
        if without.vanished[i].any():
            gone = ", ".join(f"'{t}'" for t, out in zip(design.fixed_names, without.vanished[i], strict=True) if out)
            lines.append(f"Without {name} {label!r} the other rows do not determine {gone}.")
        elif without.refitted and without.alone[i] >= 0:
            alone = design.levels[int(without.alone[i])].name
            lines.append(f"Without {name} {label!r} level '{alone}' would have one group.")
        elif without.failed[i]:
            lines.append(f"Without {name} {label!r} no optimum was found.")
    return "\n".join(lines)


def level_residuals(design: Design, solution: MlSolution, conditional: ConditionalEffects, number: int) -> pd.DataFrame:
    """Shrunken residuals of a level over their own sds, and how far each group lies out over all its effects."""
    order = group_order(design, number)
    means = conditional.means[number][order]
    # The variance of the prediction itself, fixed effects estimated: Sigma less the prediction error variance.
    spread = solution.covariances[number] - conditional.prediction[number][order]
    sd = np.sqrt(np.maximum(np.einsum("jaa->ja", spread), 0.0))
    size = np.sqrt(np.diag(solution.covariances[number]))
    varies = sd > 1e-6 * np.where(size > 0, size, 1.0)
    standardised = np.where(varies, means / np.where(varies, sd, 1.0), np.nan)
    far = np.repeat(distances(means, spread)[:, None], means.shape[1], axis=1)
    columns = {"residual": means, "sd": sd, "standardised": standardised, "mahalanobis": far}
    return group_frame(design, number, design.levels[number].effect_names, columns)
