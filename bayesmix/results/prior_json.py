"""Priors as JSON and back: numbers at full precision, by the name of their parameter."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from bayesmix.design import Design
from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Beta, Flat
from bayesmix.inference.prior_text import FAMILIES
from bayesmix.inference.priors import (
    LKJ,
    NO_CORRELATION,
    R2D2,
    Decov,
    IccPrior,
    LevelPriors,
    Priors,
    Sources,
    UniformPartials,
)
from bayesmix.results.prior_table import prior_rows

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (*FAMILIES, Flat, LKJ, UniformPartials, Decov, IccPrior, R2D2)
}


def priors_as_json(design: Design, priors: Priors) -> str:
    """Every prior by the name of its parameter, with its numbers and its source; ``""`` holds the preset."""
    named: dict[str, Any] = {"": {"preset": priors.preset}}
    for row in prior_rows(design, priors):
        named[row.name] = {"distribution": type(row.prior).__name__, **asdict(row.prior), "source": row.source}
    return json.dumps(named)


def priors_from_json(text: str, design: Design) -> Priors:
    """The priors :func:`priors_as_json` wrote, for the same design.

    Raises
    ------
    PriorError
        The text is of something else.
    """
    try:
        named = json.loads(text)
        blank = {name: entry for name, entry in named.items() if name}
        found = {name: (_read(entry), str(entry.get("source", ""))) for name, entry in blank.items()}
        names = [row.name for row in prior_rows(design, _skeleton(design))]
        rows = [found[name] for name in names]
        preset = str(named.get("", {}).get("preset", "default"))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PriorError(
            "The priors of the file can not be read, or are of another model.",
            "Expected what this package wrote.",
            "Save the posterior again.",
        ) from None
    at = len(design.fixed)
    beta = rows[:at]
    levels, sd_sources, correlation_sources = [], [], []
    for level in design.levels:
        own = rows[at : at + len(level.effects)]
        at += len(own)
        correlation: tuple[Any, str] = (NO_CORRELATION, "")
        if level.pairs:
            correlation, at = rows[at], at + 1
        levels.append(LevelPriors(tuple(prior for prior, _ in own), correlation[0]))
        sd_sources.append(tuple(source for _, source in own))
        correlation_sources.append(correlation[1])
    intercept = design.fixed_names.index("Intercept") if "Intercept" in design.fixed_names else None
    sources = Sources(tuple(source for _, source in beta), tuple(sd_sources), tuple(correlation_sources), rows[at][1])
    return Priors(preset, tuple(prior for prior, _ in beta), tuple(levels), rows[at][0], intercept, sources)


def _read(entry: dict[str, Any]) -> Any:
    """One prior from its numbers."""
    kind = _KINDS[entry["distribution"]]
    numbers = {field.name: entry[field.name] for field in fields(kind)}
    if "share" in numbers:
        numbers["share"] = Beta(**numbers["share"])
    if "spreads" in numbers:
        numbers["spreads"] = tuple(float(x) for x in numbers["spreads"])
    return kind(**numbers)


def _skeleton(design: Design) -> Priors:
    """Priors of the right shape, for the names of the rows."""
    levels = tuple(LevelPriors(tuple(Flat() for _ in level.effects), UniformPartials()) for level in design.levels)
    intercept = design.fixed_names.index("Intercept") if "Intercept" in design.fixed_names else None
    return Priors("", tuple(Flat() for _ in design.fixed), levels, Flat(), intercept)
