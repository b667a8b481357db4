"""Fits for other programs: JSON with stable keys and every digit."""

from __future__ import annotations

import json
import math
from typing import Any

import click
import numpy as np
import pandas as pd

import bayesmix as bx


def print_json(command: str, **facts: Any) -> None:
    """One object on standard output; what is not a finite number is null."""
    found = {"bayesmix": bx.__version__, "command": command, **facts}
    click.echo(json.dumps(_plain(found), indent=2, ensure_ascii=False, allow_nan=False))


def fit_record(fit: bx.LikelihoodFit | bx.BayesFit) -> dict[str, Any]:
    """Method, quality and tables of a fit."""
    tables = {
        "fixed_effects": records(fit.fixed_effects().reset_index()),
        "variance_components": records(fit.variance_components().reset_index()),
    }
    if isinstance(fit, bx.BayesFit):
        sizes = fit.idata["posterior"].sizes
        quality = {"chains": sizes["chain"], "draws": sizes["draw"], "divergences": fit.divergences}
        return {"method": "posterior", **quality, **tables}
    criteria = {"criterion": fit.criterion, "loglik": fit.loglik, "aic": fit.aic, "bic": fit.bic}
    return {"method": fit.method, **criteria, "singular": fit.singular, **tables}


def comparison_record(found: bx.Comparison) -> dict[str, Any]:
    """Verdict and table of a comparison."""
    return {"agree": found.agree, "verdict": found.verdict, "table": records(found.long)}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    """What JSON has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return str(value)
