"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import bayesmix as bx
from benchmarks.processes import r_versions
from benchmarks.tables import table

PACKAGES = ("mixedlm", "bambi", "nutpie", "pymc", "pytensor", "numba", "numpy", "scipy", "pandas")


def facts() -> str:
    """Processor, interpreter and versions as a table."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    rows = [
        ("date", date.today().isoformat()),
        ("processor", f"{_processor()}, {_cores()} cores"),
        ("load average at the start (1, 5, 15 minutes)", load),
        ("system", platform.platform()),
        ("Python", platform.python_version()),
        ("bayesmix", bx.__version__),
        *((name, _installed(name)) for name in PACKAGES),
        *(r_versions().items() or [("R with lme4", "not installed")]),
    ]
    return table(("Machine", ""), rows)


def _processor() -> str:
    """The processor's name, where the system tells."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _installed(name: str) -> str:
    """A package's version."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
