"""X, Z, G, R and V of a model at the values of a fit, with names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.inference.variance_matrices import (
    effect_matrix,
    group_covariance,
    marginal_block_sizes,
    marginal_variance,
)
from bayesmix.results.group_values import find_group
from bayesmix.results.labelled_matrix import SHOWN, LabelledMatrix, blocks_in_words
from bayesmix.results.matrix_values import read_values
from bayesmix.results.naming import pick_level
from bayesmix.tables import Header, format_summary, html_summary

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# V is not made with more entries that are not 0: half a gigabyte.
LARGEST = 40_000_000
_TITLE = "y ~ N(X beta, V), V = Z G Z' + R"


@dataclass(frozen=True, repr=False)
class Matrices:
    """y = X beta + Z u + e with u ~ N(0, G) and e ~ N(0, R), so that y ~ N(X beta, V), V = Z G Z' + R.

    Rows are sorted by group, in the order of the labels, those of a group as in the data: then G and V of nested groups
    are block-diagonal to the eye. ``.order`` says which rows they are. Every matrix is a
    :class:`bayesmix.results.labelled_matrix.LabelledMatrix`: ``.values`` is a sparse array, ``.to_frame()`` a
    DataFrame, and ``np.asarray`` takes it as it is.

    With an intercept and a slope in t that vary, the variance of an observation is s00 + 2 t s01 + t^2 s11 + sigma^2,
    and the covariance of two of one group s00 + (t + t') s01 + t t' s11. Course notes sometimes print sigma^2 in the
    covariances too; with R diagonal it is in the variances only.

    Parameters
    ----------
    X, Z, G, R : LabelledMatrix
        Columns of Z are sorted by level (lowest first), group and effect.
    y : Series
        The response less the offset, rows as in X.
    order : (n,) int array
        Place of each row among the rows the model used.
    source : str
        Where the values are from.
    design : Design
        Names and data.
    """

    X: LabelledMatrix
    Z: LabelledMatrix
    G: LabelledMatrix
    R: LabelledMatrix
    y: pd.Series[float]
    order: Integers
    source: str
    design: Design

    @cached_property
    def V(self) -> LabelledMatrix:  # noqa: N802
        """Variance of y given the fixed part, Z G Z' + R.

        Raises
        ------
        ArgumentError
            It would have more than 40 million entries that are not 0.
        """
        sizes = [np.bincount(level.grouping.codes[self.order]).astype(float) for level in self.design.levels]
        entries = sum(float(size @ size) for size in sizes)
        if entries > LARGEST:
            raise ArgumentError(
                f"V has about {entries:.2g} entries that are not 0.",
                f"Expected at most {LARGEST:,}.",
                "Take the matrices of some groups: model.matrices(fit, groups=[...]).",
            )
        values = marginal_variance(self.Z.values, self.G.values, self.R.values)
        return LabelledMatrix("V", values, self.X.rows, self.X.rows)

    def V_of(self, group: Any, level: str | None = None) -> pd.DataFrame:  # noqa: N802
        """V of the rows of one group.

        Parameters
        ----------
        group : label
        level : str, optional
            Which level; may be left out where there is one.

        Returns
        -------
        DataFrame
            Rows and columns labelled as in V, without the labels that all of them share.
        """
        part = self.of([group], level)
        labels = part.X.rows
        same = [i for i in range(labels.nlevels - 1) if labels.get_level_values(i).nunique() == 1]
        labels = labels.droplevel(same) if same else labels
        return pd.DataFrame(part.V.to_numpy(), index=labels, columns=labels)

    def of(self, groups: Any, level: str | None = None) -> Matrices:
        """The matrices of the rows of some groups, and of the effects that bear on them.

        Parameters
        ----------
        groups : label or list of labels
        level : str, optional
            Which level; may be left out where there is one.

        Returns
        -------
        Matrices
        """
        rows = np.flatnonzero(_members(self.design, groups, level)[self.order])
        Z = self.Z.values[rows]
        used = np.flatnonzero(_used_columns(self.design, self.order[rows], self.Z.columns))
        effects = self.Z.columns[used]
        labels = self.X.rows[rows]
        return Matrices(
            LabelledMatrix("X", self.X.values[rows], labels, self.X.columns),
            LabelledMatrix("Z", Z[:, used], labels, effects),
            LabelledMatrix("G", self.G.values[used][:, used], effects, effects),
            LabelledMatrix("R", self.R.values[rows][:, rows], labels, labels),
            self.y.iloc[rows],
            self.order[rows],
            self.source,
            self.design,
        )

    def _facts(self) -> list[tuple[str, str]]:
        facts = [("Formula", self.design.specification.formula), ("Values", self.source)]
        facts += [(each.name, f"{each.size}, {each.structure}") for each in (self.X, self.Z, self.G, self.R)]
        return [*facts, ("V", f"{self.R.size}, {blocks_in_words(marginal_block_sizes(self.Z.values, self.G.values))}")]

    def _first_rows(self) -> tuple[str, LabelledMatrix]:
        """V of the first rows, as many as are shown of a tall matrix."""
        count = min(len(self.order), SHOWN // 2)
        Z = self.Z.values[:count]
        part = marginal_variance(Z, self.G.values, self.R.values[:count, :count])
        title = f"V, its first {count} rows and columns" if count < len(self.order) else "V"
        return title, LabelledMatrix("V", part, self.X.rows[:count], self.X.rows[:count])

    def _notes(self) -> list[str]:
        return ["Each is shown by its name (.X .Z .G .R .V), in numbers by .to_frame(); .V_of(group) is one group's V."]

    def __repr__(self) -> str:
        title, part = self._first_rows()
        return format_summary(Header(_TITLE, self._facts()), [(title, part.text())], self._notes())

    def _repr_html_(self) -> str:
        title, part = self._first_rows()
        return html_summary(Header(_TITLE, self._facts()), [(title, part.html())], self._notes())


def build_matrices(
    design: Design, fit: Any, groups: Any = None, level: str | None = None, **unknown: object
) -> Matrices:
    """See :meth:`bayesmix.model.Model.matrices`."""
    refuse_unknown("matrices", unknown, ("groups", "level"))
    values = read_values(design, fit)
    tree = design.tree
    order = np.arange(design.n) if tree is None else np.argsort(tree.leaf, kind="stable")
    labels = _row_labels(design, order)
    parts, spreads, effects = [], [], []
    for number, (own, sigma) in enumerate(zip(design.levels, values.covariances, strict=True)):
        assert tree is not None
        place, J = tree.order[number], len(own.grouping.labels)
        parts.append(effect_matrix(design.values[order][:, own.places], place[own.grouping.codes[order]], J))
        spreads.append(group_covariance(sigma, J))
        names = [own.grouping.labels[i] for i in np.argsort(place)]
        effects += [(own.name, label, effect) for label in names for effect in own.effect_names]
    n = design.n
    empty = sparse.csr_array((n, 0)), sparse.csr_array((0, 0))
    Z, G = (sparse.hstack(parts, "csr"), sparse.block_diag(spreads, "csr")) if parts else empty
    columns = pd.MultiIndex.from_tuples(effects, names=["level", "group", "effect"]) if effects else pd.Index([])
    weights = np.ones(n) if design.weights is None else design.weights[order]
    X = pd.Index(design.fixed_names, name="term")
    found = Matrices(
        LabelledMatrix("X", sparse.csr_array(design.fixed_values[order]), labels, X),
        LabelledMatrix("Z", sparse.csr_array(Z), labels, columns),
        LabelledMatrix("G", sparse.csr_array(G), columns, columns),
        LabelledMatrix("R", sparse.csr_array(sparse.diags_array(values.residual / weights)), labels, labels),
        pd.Series((design.response - design.offset)[order], index=labels, name="y"),
        order,
        values.source,
        design,
    )
    if groups is None:
        if level is not None:
            raise ArgumentError(f"level={level!r} without groups.", "Expected both, or neither.", "Name groups=[...].")
        return found
    return found.of(groups, level)


def _row_labels(design: Design, order: Integers) -> pd.Index[Any]:
    """Groups of each row, the nested ones from the top, and its label in the data."""
    if design.tree is None:
        return design.row_index.rename("row") if design.row_index.nlevels == 1 else pd.RangeIndex(design.n, name="row")
    depth = design.tree.depth
    levels = [*reversed(design.levels[:depth]), *design.levels[depth:]]
    labels = [pd.Index(level.grouping.labels).take(level.grouping.codes[order]) for level in levels]
    rows = design.row_index[order] if design.row_index.nlevels == 1 else order
    return pd.MultiIndex.from_arrays([*labels, rows], names=[*(level.name for level in levels), "row"])


def _members(design: Design, groups: Any, level: str | None) -> NDArray[np.bool_]:
    """Which of the rows used belong to one of the groups."""
    if not design.levels:
        raise ArgumentError("This model has no levels.", "Expected a formula with a bar.", "Leave groups out.")
    number = pick_level(design, level)
    wanted = list(groups) if isinstance(groups, list | np.ndarray | pd.Index | pd.Series | set) else [groups]
    if not wanted:
        raise ArgumentError("groups is empty.", "Expected at least one group.", "Leave groups out for all of them.")
    places = [find_group(design, number, label) for label in wanted]
    return np.isin(design.levels[number].grouping.codes, places)


def _used_columns(design: Design, rows: Integers, columns: pd.Index[Any]) -> NDArray[np.bool_]:
    """Which effects are those of groups that occur in the rows."""
    names, labels = columns.get_level_values("level"), columns.get_level_values("group")
    used = np.zeros(len(columns), dtype=bool)
    for level in design.levels:
        occur = [level.grouping.labels[i] for i in np.unique(level.grouping.codes[rows])]
        used |= np.asarray(names == level.name) & np.asarray(labels.isin(occur))
    return used
