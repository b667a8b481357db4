"""A model as a graph: priors on the left, group effects and rows on their plates, fixed effects on the right.

``pymc.model_to_graphviz(model.graph())`` draws what PyMC holds, the likelihood and its data as they are computed; it
needs graphviz. These pictures show the statistical model, and need matplotlib alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayesmix.design import Design
from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.inference.geometry import choose_geometry
from bayesmix.inference.naming import correlation_name, effect_name, sd_name, variable_name
from bayesmix.model import Model
from bayesmix.reporting.node_layout import ROWS, Node, draw_graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def graph_data(model: Model, *, marginal: bool = True, **unknown: Any) -> pd.DataFrame:
    """Nodes of a model with their parents: the frame behind :func:`plot_graph`.

    Parameters
    ----------
    model : Model
    marginal : bool
        What ``model.sample`` does: fixed and group effects are integrated out and drawn afterwards; or the textbook
        graph, in which all parameters are sampled. Both have the same posterior.

    Returns
    -------
    DataFrame
        Index node, named as in the posterior, correlated effects together as in a formula; kind (``"fixed"``,
        ``"sd"``, ``"correlation"``, ``"residual"``, ``"effects"``, ``"response"``), plate (a level, ``"rows"``, or
        nothing), distribution, role (``"sampled"``, ``"drawn"`` afterwards from its exact conditional distribution,
        ``"observed"``), parents (a tuple of nodes).

    Raises
    ------
    ArgumentError
        What is no model.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    >>> bx.graph_data(model)["role"].value_counts().to_dict()
    {'sampled': 4, 'drawn': 3, 'observed': 1}
    """
    refuse_unknown("graph_data", unknown, ("marginal",))
    nodes = list(_nodes("graph_data", model, marginal))
    columns = ("kind", "plate", "distribution", "role", "parents")
    return pd.DataFrame(
        {column: [getattr(node, column) for node in nodes] for column in columns},
        index=pd.Index([node.name for node in nodes], name="node"),
    )


def plot_graph(model: Model, *, marginal: bool = True, ax: Axes | None = None, **unknown: Any) -> Axes:
    """Draw a model as a graph, with a plate for each level.

    Solid nodes are sampled, dashed ones are integrated out of what is sampled and drawn afterwards, the grey one is
    observed. An arrow goes from what is given to what depends on it; the plate of a nested level lies in that of the
    groups above it (where it is nested in several that cross, in one of them), those of crossed levels lie apart, and
    then the rows, which lie in all of them, apart from these. The prior of the intercept is that at the predictors'
    means.

    Parameters
    ----------
    model, marginal
        See :func:`graph_data`.
    ax : matplotlib axes, optional
        Where to draw; by itself a new figure as large as the graph.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        What is no model.

    References
    ----------
    Buntine (1994), J. Artif. Intell. Res. 2:159-225, for plates.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    >>> ax = bx.plot_graph(model)  # doctest: +SKIP
    """
    refuse_unknown("plot_graph", unknown, ("marginal", "ax"))
    nodes = list(_nodes("plot_graph", model, marginal))
    design = model.design
    counts = {name: f"{name}: {count:,}" for name, count in model.groups.items()} | {ROWS: f"{ROWS}: {model.n:,}"}
    return draw_graph(nodes, containers(design), counts, ax)


def containers(design: Design) -> dict[str, str]:
    """In which level each level is nested, crossed ones first; nothing where in none.

    Of several the next of the nested chain, else the one of most groups.
    """
    levels, depth = design.levels, len(design.levels) - len(design.crossed)
    sizes = [len(level.grouping.labels) for level in levels]

    def nested(inner: int, outer: int) -> bool:
        pairs = np.unique(levels[inner].grouping.codes * np.int64(sizes[outer]) + levels[outer].grouping.codes)
        return sizes[outer] < sizes[inner] and len(pairs) == len(np.unique(levels[inner].grouping.codes))

    found = {}
    for number in [*range(depth, len(levels)), *reversed(range(depth))]:
        around = [other for other in range(len(levels)) if nested(number, other)]
        outer = number + 1 if number + 1 < depth else max(around, key=lambda other: sizes[other], default=None)
        found[levels[number].name] = "" if outer is None else levels[outer].name
    return found


def _nodes(function: str, model: Any, marginal: Any) -> Iterator[Node]:
    """Every node, parents before children."""
    if not isinstance(model, Model):
        raise ArgumentError(
            f"{function} was given an object of type {type(model).__name__}.",
            "Expected a model.",
            "Pass bx.Model(formula, data).",
        )
    if not isinstance(marginal, bool):
        raise ArgumentError(f"marginal={marginal!r}.", "Expected True or False.", "Leave it out, or write False.")
    design, numbers = model.design, model.priors.numbers
    priors = model.priors.table["distribution"]
    parents: list[str] = []
    for j, term in enumerate(design.fixed_names):
        name = variable_name(term)
        sampled = not marginal or j in numbers.given
        yield Node(name, "fixed", "", priors[name], "sampled" if sampled else "drawn")
        parents.append(name)
    for number, given in enumerate(_given(model, marginal)):
        for node in _level_nodes(model, number, priors, "sampled" if given else "drawn"):
            yield node
            if node.kind == "effects":
                parents.append(node.name)
    yield Node("sigma", "residual", "", priors["sigma"], "sampled")
    spread = "sigma" if design.weights is None else f"sigma/√{design.weights_name or 'w'}"
    text = f"Normal(mean, {spread})"
    yield Node(design.specification.response.text, "response", ROWS, text, "observed", (*parents, "sigma"))


def _given(model: Model, marginal: bool) -> Sequence[bool]:
    """By level, whether its effects are sampled: all of the textbook graph, of the other those that are too many."""
    if not marginal:
        return [True] * len(model.design.levels)
    if not model.design.crossed:
        return [False] * len(model.design.levels)
    geometry = choose_geometry(model.products, model.reml().solution, model.priors.numbers)
    return [form is not None for form in geometry.given]


def _level_nodes(model: Model, number: int, priors: Any, role: str) -> Iterator[Node]:
    """Standard deviations, correlations and effects of one level."""
    level = model.design.levels[number]
    if level.pairs:
        name = correlation_name(level.name)
        yield Node(name, "correlation", "", priors[name], "sampled", level=level.name)
    for start, stop in level.blocks:
        own = level.effect_names[start:stop]
        sds = [sd_name(effect, level.name) for effect in own]
        for sd in sds:
            yield Node(sd, "sd", "", priors[sd], "sampled", level=level.name)
        several = len(own) > 1
        parents = (*sds, *([correlation_name(level.name)] if several else []))
        name = " + ".join(effect_name(effect, level.name).removesuffix(f"|{level.name}") for effect in own)
        name = f"{name}|{level.name}"
        text = f"Normal(0, {'Sigma' if several else 'sd'})"
        yield Node(name, "effects", level.name, text, role, parents, level.name)
