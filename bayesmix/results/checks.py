"""One thing that a diagnosis looked at: what was found, against which limit, and what to do where it is beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Warm-up draws to be advised where there were fewer than by default.
LONG_WARMUP = 1000


@dataclass(frozen=True)
class Check:
    """What was looked at, and how it came out.

    Parameters
    ----------
    name : str
        What was looked at: ``R-hat``.
    concerns : str
        The parameter, group, chain or level it is about; the worst of them where all were looked at.
    value, limit : float
    ok : bool
        Whether the value is within the limit.
    about : {"draws", "model"}
        Whether the draws are in doubt, or what a posterior of good draws rests on.
    brief : str
        What was found, as part of a sentence; empty where all is well, unless it is well for a reason to be told.
    found : str
        The same in full.
    actions : tuple of str
        One to three things to do: code, or a comment behind ``#``.
    """

    name: str
    concerns: str
    value: float
    limit: float
    ok: bool
    about: str = "draws"
    brief: str = ""
    found: str = ""
    actions: tuple[str, ...] = ()


def sample_again(asked: Mapping[Any, Any], **changes: Any) -> str:
    """The call that samples again, with the settings there were and some of them changed; never less than by itself.

    Parameters
    ----------
    asked : mapping
        Attributes of the posterior.
    **changes
        Settings of ``Model.sample``; the seed is another than before.
    """
    kept = {name: asked[name] for name in ("draws", "tune", "chains", "target_accept") if name in asked}
    defaults = {"draws": 1000, "tune": 300, "chains": 4}
    wanted = {name: max(value, defaults.get(name, value)) for name, value in (kept | changes).items()}
    if (kept | changes).get("tune", defaults["tune"]) < defaults["tune"]:
        wanted["tune"] = LONG_WARMUP
    settings = {name: value for name, value in wanted.items() if defaults.get(name) != value}
    sampler = str(asked.get("sampler", "nutpie"))
    if sampler == "pymc":
        settings["sampler"] = sampler
    settings["seed"] = int(asked.get("seed", 0)) + 1
    return f"post = model.sample({', '.join(f'{name}={_plain(value)}' for name, value in settings.items())})"


def _plain(value: Any) -> str:
    """A number as Python writes it, also where a file returned one of NumPy's."""
    return repr(value.item() if hasattr(value, "item") else value)


def parameter_label(level: str, parameter: str) -> str:
    """A row of the table of variance components as hypotheses call it: ``var(ses | school)``, ``var(residual)``."""
    return "var(residual)" if level == "residual" else f"{parameter[:-1]} | {level})"
