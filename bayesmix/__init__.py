"""Bayesian multilevel models, beside the exact REML fit that checks them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bayesmix.datasets import list_datasets, load_dataset
    from bayesmix.errors import BayesmixError, BayesmixWarning
    from bayesmix.inference.ml import Optimizer
    from bayesmix.model import Model
    from bayesmix.results.bayes_fit import BayesFit
    from bayesmix.results.comparison import Comparison, compare
    from bayesmix.results.likelihood_fit import LikelihoodFit
    from bayesmix.results.published import Published

# Bound on first use, so that importing costs little and has no effect.
_HOMES = {
    "BayesFit": "bayesmix.results.bayes_fit",
    "BayesmixError": "bayesmix.errors",
    "BayesmixWarning": "bayesmix.errors",
    "Comparison": "bayesmix.results.comparison",
    "LikelihoodFit": "bayesmix.results.likelihood_fit",
    "Model": "bayesmix.model",
    "Optimizer": "bayesmix.inference.ml",
    "Published": "bayesmix.results.published",
    "compare": "bayesmix.results.comparison",
    "list_datasets": "bayesmix.datasets",
    "load_dataset": "bayesmix.datasets",
}

__all__ = [
    "BayesFit",
    "BayesmixError",
    "BayesmixWarning",
    "Comparison",
    "LikelihoodFit",
    "Model",
    "Optimizer",
    "Published",
    "compare",
    "list_datasets",
    "load_dataset",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bayesmix' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
