"""Priors in words."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from bayesmix.design import Design
from bayesmix.inference.naming import correlation_name, sd_name
from bayesmix.inference.priors import Priors


def priors_as_json(design: Design, priors: Priors) -> str:
    """Every prior by the name of its parameter, with its numbers at full precision."""
    named: dict[str, Any] = dict(zip(design.fixed_names, priors.beta, strict=True))
    for level, prior in zip(design.levels, priors.levels, strict=True):
        named |= {sd_name(name, level.name): sd for name, sd in zip(level.effect_names, prior.sds, strict=True)}
        if level.pairs:
            named[correlation_name(level.name)] = prior.correlation
    named["sigma"] = priors.sigma
    return json.dumps({name: {"distribution": type(prior).__name__, **asdict(prior)} for name, prior in named.items()})


def describe_priors(design: Design, priors: Priors) -> str:
    """One line for each parameter, indented."""
    rows = []
    for name, beta in zip(design.fixed_names, priors.beta, strict=True):
        where = " (at the means of the other columns)" if name == "Intercept" and len(priors.beta) > 1 else ""
        rows.append((name, f"{beta}{where}"))
    for level, prior in zip(design.levels, priors.levels, strict=True):
        rows += [(sd_name(name, level.name), str(sd)) for name, sd in zip(level.effect_names, prior.sds, strict=True)]
        if level.pairs:
            rows.append((f"{level.name} correlations", str(prior.correlation)))
    rows.append(("sigma", str(priors.sigma)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name.ljust(width)}  {text}" for name, text in rows)
