"""Priors as JSON, their numbers at full precision, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from bayesmix.design import Design
from bayesmix.errors import FileError
from bayesmix.inference.distributions import Beta, Flat
from bayesmix.inference.prior_text import FAMILIES
from bayesmix.inference.priors import LKJ, R2D2, Decov, IccPrior, LevelPriors, Priors, Sources, UniformPartials
from bayesmix.results.prior_table import prior_rows

_DISTRIBUTIONS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (*FAMILIES, Flat, LKJ, UniformPartials, Decov, IccPrior, R2D2)
}


def priors_as_json(design: Design, priors: Priors) -> str:
    """Every prior by the name of its parameter, with its numbers and its source, for a reader of the draws."""
    return json.dumps({row.name: {**_as_dict(row.prior), "source": row.source} for row in prior_rows(design, priors)})


def priors_to_json(priors: Priors) -> str:
    """Priors in the order of the parameters they are for.

    Examples
    --------
    >>> import bayesmix as bx
    >>> from bayesmix.results.prior_json import priors_to_json
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"), priors="flat")
    >>> print(priors_to_json(model.priors.numbers)[:62])
    {"preset": "flat", "beta": [{"distribution": "Flat"}], "levels
    """
    levels = [
        {"sds": [_as_dict(sd) for sd in level.sds], "correlation": _as_dict(level.correlation)}
        for level in priors.levels
    ]
    found = {
        "preset": priors.preset,
        "beta": [_as_dict(prior) for prior in priors.beta],
        "levels": levels,
        "sigma": _as_dict(priors.sigma),
        "sources": asdict(priors.sources),
    }
    return json.dumps(found)


def priors_from_json(text: str, design: Design) -> Priors:
    """The priors that :func:`priors_to_json` wrote, for the design they were written for.

    Raises
    ------
    FileError
        They are not as many as the design has parameters.
    """
    found = json.loads(text)
    beta = tuple(_from_dict(prior) for prior in found["beta"])
    levels = tuple(
        LevelPriors(tuple(_from_dict(sd) for sd in level["sds"]), _from_dict(level["correlation"]))
        for level in found["levels"]
    )
    names = design.fixed_names
    sizes = len(beta), [len(level.sds) for level in levels]
    if sizes != (len(names), [len(level.effects) for level in design.levels]):
        raise FileError(
            f"There are priors of {sizes[0]} fixed effects and of {sizes[1]} standard deviations.",
            f"Expected those of {len(names)} and of {[len(level.effects) for level in design.levels]}.",
            "Sample again.",
        )
    intercept = names.index("Intercept") if "Intercept" in names else None
    words = found["sources"]
    sources = Sources(
        tuple(map(str, words["beta"])),
        tuple(tuple(map(str, own)) for own in words["sds"]),
        tuple(map(str, words["correlations"])),
        str(words["sigma"]),
    )
    return Priors(str(found["preset"]), beta, levels, _from_dict(found["sigma"]), intercept, sources)


def _as_dict(prior: Any) -> dict[str, Any]:
    """A distribution by its name, with its numbers."""
    return {"distribution": type(prior).__name__, **asdict(prior)}


def _from_dict(found: dict[str, Any]) -> Any:
    """A listed distribution."""
    kind = _DISTRIBUTIONS[found["distribution"]]
    numbers: dict[str, Any] = {field.name: found[field.name] for field in fields(kind)}
    for name, value in numbers.items():
        if name == "share":
            numbers[name] = Beta(**value)
        else:
            numbers[name] = tuple(float(x) for x in value) if name == "spreads" else float(value)
    return kind(**numbers)
