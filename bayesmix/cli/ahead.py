"""``bayesmix warmup``: everything compiled once, so that the first fit does not wait."""

from __future__ import annotations

from importlib import import_module

import click

import bayesmix as bx
from bayesmix.cli.console import told

_EXAMPLES = """\b
Examples:
  bayesmix warmup     after an installation, or in the recipe of a container

\b
What is compiled is kept on disk; a second call takes some seconds. Exit status: 0, or 130 after Ctrl-C.
"""

# A nested and a crossed model: their likelihoods are compiled apart.
_MODELS = {
    "nested": ("hsb", "math ~ ses + (ses | school)"),
    "crossed": ("penicillin", "diameter ~ 1 + (1|plate) + (1|sample)"),
}


@click.command(epilog=_EXAMPLES)
def warmup() -> int:
    """Compile ahead what fits need, so that the first one does not wait."""
    for kind, (dataset, formula) in _MODELS.items():
        with told(f"Likelihood of {kind} levels"):
            fit = bx.Model(formula, bx.load_dataset(dataset)).reml()
            fit.summary()
            fit.group_effects()
    with told("Sampler"):
        # The demonstration fills the caches of the sampler; loaded only here, as it loads everything.
        import_module("bayesmix.demonstration").fill_caches()
    return 0
