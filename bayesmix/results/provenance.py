"""Where draws come from: settings, seed, versions and times, as attributes of a posterior."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from bayesmix import __version__
from bayesmix.inference.sampling import Settings


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def sampling_attributes(settings: Settings, started: datetime) -> dict[str, Any]:
    """Settings by the names of ``Model.sample``; the rest by the names of ArviZ where it has them.

    Parameters
    ----------
    settings : Settings
        What leaves the choice to the sampler (None) is left out, as netCDF has no such value.
    started : datetime
        When sampling began; it ends now.
    """
    asked = {name: getattr(settings, name) for name in ("draws", "tune", "chains", "seed", "target_accept")}
    return {
        "sampler": settings.sampler,
        **{name: value for name, value in asked.items() if value is not None},
        "created_at": started.isoformat(timespec="seconds"),
        "sampling_time": (now() - started).total_seconds(),
        "inference_library": settings.sampler,
        "inference_library_version": version(settings.sampler),
        "bayesmix_version": __version__,
        **{f"{name}_version": version(name) for name in ("pymc", "arviz")},
    }
