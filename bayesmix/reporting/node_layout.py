"""Where nodes, plates and arrows of a graph go, in inches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bayesmix.reporting.canvas import BLACK, GREY, single_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = "rows"
# Nodes of one kind beyond this are counted, names beyond this are cut, in the picture only.
MOST_NODES, MOST_LETTERS = 8, 34
# Inches: heights of a node and of its place, of a plate's name, gaps between columns and around plates.
HEIGHT, SLOT, HEADER, GAP, MARGIN = 0.42, 0.56, 0.26, 0.75, 0.12
LEAST_WIDTH = 6.2
NAME_SIZE, TEXT_SIZE = 9.0, 7.5


@dataclass(frozen=True)
class Node:
    """One node.

    Parameters
    ----------
    name, kind, plate, distribution, role, parents
        See :func:`bayesmix.graph_data`.
    level : str
        To which level it belongs, on its plate or beside it.
    """

    name: str
    kind: str
    plate: str
    distribution: str
    role: str
    parents: tuple[str, ...] = ()
    level: str = ""

    @property
    def shown(self) -> str:
        """The name, cut where it is long."""
        return self.name if len(self.name) <= MOST_LETTERS else f"{self.name[: MOST_LETTERS - 1]}…"

    @property
    def width(self) -> float:
        """In inches, for the longer of the two lines."""
        return 0.25 + max(0.6 * NAME_SIZE * len(self.shown), 0.58 * TEXT_SIZE * len(self.distribution)) / 72


@dataclass(frozen=True)
class Placed:
    """A node and its centre."""

    node: Node
    x: float
    y: float


@dataclass(frozen=True)
class Plate:
    """A box and its name."""

    label: str
    left: float
    bottom: float
    right: float
    top: float


def draw_graph(nodes: Sequence[Node], within: Mapping[str, str], labels: Mapping[str, str], ax: Axes | None) -> Axes:
    """Draw nodes of priors, levels and rows.

    Parameters
    ----------
    nodes : sequence of Node
    within : mapping of level to level
        In whose plate that of each level lies; nothing for those that lie in none.
    labels : mapping
        What is written on each plate.
    """
    placed, plates = layout(_counted(nodes), within, labels)
    right = max([place.x + place.node.width / 2 for place in placed], default=1.0) + MARGIN
    low = min([plate.bottom for plate in plates] + [place.y - SLOT / 2 for place in placed]) - MARGIN
    high = max([plate.top for plate in plates] + [place.y + SLOT / 2 for place in placed]) + MARGIN
    given = ax is not None
    # Room for the legend.
    spare = max(0.0, LEAST_WIDTH - right - MARGIN) / 2
    ax = single_axes(ax, right + MARGIN + 2 * spare, high - low + 0.45)
    ax.set_xlim(-MARGIN - spare, right + spare)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.set_axis_off()
    scale = _scale(ax, right + MARGIN, high - low) if given else 1.0
    for plate in plates:
        _draw_plate(ax, plate, scale)
    at = {place.node.name: place for place in placed}
    for place in placed:
        for parent in place.node.parents:
            if parent in at:
                _arrow(ax, at[parent], place)
    for place in placed:
        _draw_node(ax, place, scale)
    _legend(ax, {place.node.role for place in placed}, scale)
    return ax


def _counted(nodes: Sequence[Node]) -> list[Node]:
    """The same, many of one kind and level put together in the last of those that are shown."""
    found: list[Node] = []
    for node in nodes:
        alike = [other for other in nodes if (other.kind, other.level) == (node.kind, node.level)]
        rank = alike.index(node)
        if len(alike) <= MOST_NODES or rank < MOST_NODES - 1:
            found.append(node)
        elif rank == MOST_NODES - 1:
            found.append(replace(node, name=f"{len(alike) - rank} more: {node.name}, …", distribution="", parents=()))
    return [
        replace(node, parents=tuple(dict.fromkeys(_present(parent, nodes, found) for parent in node.parents)))
        for node in found
    ]


def _present(parent: str, nodes: Sequence[Node], found: Sequence[Node]) -> str:
    """The node itself, or that which stands for it."""
    if any(node.name == parent for node in found):
        return parent
    own = next(node for node in nodes if node.name == parent)
    return next(node.name for node in reversed(found) if (node.kind, node.level) == (own.kind, own.level))


def layout(
    nodes: Sequence[Node], within: Mapping[str, str], labels: Mapping[str, str]
) -> tuple[list[Placed], list[Plate]]:
    """Centres of nodes and edges of plates, from x = 0 to the right and from y = 0 downward.

    Four columns: parameters of the levels, group effects, the response, and the other parameters. Arrows go between
    columns only, so that none runs through a node. The rows lie in the lowest plate where each of the others lies in
    the next, and by themselves otherwise.
    """
    response = next(node for node in nodes if node.kind == "response")
    others = [node for node in nodes if not node.level and node is not response]
    levels = _depth_first(within)
    left = {name: [n for n in nodes if n.level == name and n.kind != "effects"] for name in levels}
    middle = {name: [n for n in nodes if n.level == name and n.kind == "effects"] for name in levels}
    first = max([node.width for own in left.values() for node in own], default=0.0)
    second = max([node.width for own in middle.values() for node in own], default=0.0)
    margins = {name: MARGIN * _height(name, within) for name in levels}
    inset = max(margins.values(), default=MARGIN)
    effects_at = first + GAP + inset if levels else 0.0
    response_at = effects_at + second + (GAP if levels else 0.0) + MARGIN
    others_at = response_at + response.width + GAP + inset + MARGIN

    placed, tops, bottoms, y = [], {}, {}, 0.0
    for number, name in enumerate(levels):
        tops[name] = y
        y -= HEADER
        band = y - SLOT * max(len(left[name]), len(middle[name]))
        for nodes_here, x in ((left[name], first / 2), (middle[name], effects_at + second / 2)):
            placed += _column(nodes_here, x, (y + band) / 2, SLOT)
        y = band
        follower = levels[number + 1] if number + 1 < len(levels) else None
        # This plate ends, and with it those around it, until one that holds the next.
        while name and (follower is None or within[follower] != name):
            y -= MARGIN
            bottoms[name] = y
            name = within[name]
        y -= MARGIN if name else 2 * MARGIN
    chain = bool(levels) and list(within[name] for name in levels) == ["", *levels[:-1]]
    if chain:
        y = band
    middle_of_rows = (tops[levels[-1]] - HEADER + y) / 2 if chain else y - HEADER - SLOT
    placed.append(Placed(response, response_at + response.width / 2, middle_of_rows))
    rows = _around(placed[-1], labels[ROWS])
    deepest = min(rows.bottom, y)
    centre = max(middle_of_rows, deepest + SLOT * len(others) / 2)
    placed += _column(others, others_at + max(n.width for n in others) / 2, centre, SLOT)
    plates = [rows]
    for name in levels:
        margin = margins[name]
        if chain:
            edges = (effects_at - margin, deepest - margin, rows.right + margin, max(tops[name], rows.top + margin))
        else:
            edges = (effects_at - margin, bottoms[name], effects_at + second + margin, tops[name])
        plates.append(Plate(labels[name], *edges))
    return placed, plates


def _depth_first(within: Mapping[str, str], root: str = "") -> list[str]:
    """Every level before those that lie in its plate."""
    inner = [name for name, outer in within.items() if outer == root]
    return [each for name in inner for each in (name, *_depth_first(within, name))]


def _height(level: str, within: Mapping[str, str]) -> int:
    """How many plates lie in each other, from this one on."""
    return 1 + max((_height(name, within) for name, outer in within.items() if outer == level), default=0)


def _column(nodes: Sequence[Node], x: float, middle: float, slot: float) -> list[Placed]:
    """Nodes one below the other around a height."""
    return [Placed(node, x, middle + slot * ((len(nodes) - 1) / 2 - place)) for place, node in enumerate(nodes)]


def _around(place: Placed, label: str) -> Plate:
    """A plate of one node."""
    half = max(place.node.width / 2, 0.04 * len(label)) + MARGIN
    return Plate(label, place.x - half, place.y - HEIGHT / 2 - MARGIN, place.x + half, place.y + HEIGHT / 2 + HEADER)


def _scale(ax: Axes, width: float, height: float) -> float:
    """How much smaller than in a figure of its own the graph will be."""
    box = ax.get_window_extent()
    figure = ax.get_figure(root=True)
    dpi = figure.dpi if figure is not None else 100.0
    return min(1.0, box.width / dpi / width, box.height / dpi / height)


def _draw_plate(ax: Axes, plate: Plate, scale: float) -> None:
    """A box with its name in the upper left corner."""
    from matplotlib.patches import FancyBboxPatch

    width, height = plate.right - plate.left, plate.top - plate.bottom
    style = "round,pad=0,rounding_size=0.08"
    ax.add_patch(FancyBboxPatch((plate.left, plate.bottom), width, height, boxstyle=style, fc="none", ec=GREY, lw=1.0))
    ax.text(plate.left + 0.07, plate.top - 0.05, plate.label, va="top", fontsize=8 * scale, style="italic")


_LOOKS: dict[str, dict[str, Any]] = {
    "sampled": {"facecolor": "white", "edgecolor": BLACK, "lw": 1.3, "ls": "-"},
    "drawn": {"facecolor": "white", "edgecolor": BLACK, "lw": 1.0, "ls": (0, (4, 2))},
    "observed": {"facecolor": "0.75", "edgecolor": BLACK, "lw": 1.3, "ls": "-"},
}
_WORDS = {
    "sampled": "sampled",
    "drawn": "integrated out, drawn exactly afterwards",
    "observed": "observed",
}


def _draw_node(ax: Axes, place: Placed, scale: float) -> None:
    """An ellipse-like box with the name and the distribution."""
    from matplotlib.patches import FancyBboxPatch

    node = place.node
    corner = (place.x - node.width / 2, place.y - HEIGHT / 2)
    style = f"round,pad=0,rounding_size={HEIGHT / 2}"
    ax.add_patch(FancyBboxPatch(corner, node.width, HEIGHT, boxstyle=style, zorder=3, **_LOOKS[node.role]))
    shift = 0.075 if node.distribution else 0.0
    text: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 4}
    ax.text(place.x, place.y + shift, node.shown, fontsize=NAME_SIZE * scale, **text)
    if node.distribution:
        ax.text(place.x, place.y - 0.1, node.distribution, fontsize=TEXT_SIZE * scale, **text)


def _arrow(ax: Axes, parent: Placed, child: Placed) -> None:
    """From the side of the parent that faces the child to that of the child."""
    toward = 1 if child.x > parent.x else -1
    start = (parent.x + toward * parent.node.width / 2, parent.y)
    end = (child.x - toward * child.node.width / 2, child.y)
    arrow = {"arrowstyle": "-|>", "color": "0.35", "lw": 0.9, "shrinkA": 0, "shrinkB": 1, "mutation_scale": 9}
    ax.annotate("", end, start, arrowprops=arrow, zorder=2)


def _legend(ax: Axes, roles: set[str], scale: float) -> None:
    """What the outlines mean."""
    from matplotlib.patches import Patch

    handles = [Patch(label=_WORDS[role], **look) for role, look in _LOOKS.items() if role in roles]
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=len(handles),
        fontsize=8 * scale,
        frameon=False,
    )
