"""One parameter under the spellings of several programs."""

from __future__ import annotations

import re

_CALL = re.compile(r"^(var|sd|cov|corr)\((.*)\)$")


def row_key(part: str, parameter: str, kind: str) -> tuple[object, ...]:
    """What does not depend on the spelling of a program: order within a name, brackets, how an intercept is called."""
    level = tuple(sorted(part.split(":")))
    if kind == "fixed":
        return level, _effect_key(parameter)
    call = _CALL.match(parameter)
    if call is None:
        return level, parameter
    return level, call[1], tuple(sorted(map(_effect_key, _arguments(call[2]))))


def _effect_key(name: str) -> tuple[str, ...]:
    """An effect by its factors: ``sector[Catholic]:ses`` is lme4's ``ses:sectorCatholic``."""
    plain = "Intercept" if name.strip() in ("(Intercept)", "intercept", "_cons", "1") else name.strip()
    return tuple(sorted(re.sub(r"[\[\] ]", "", factor) for factor in plain.split(":")))


def _arguments(text: str) -> list[str]:
    """The effects of ``cov(a,b)``: split at commas outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
