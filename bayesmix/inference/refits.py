"""The posterior without some rows: the same priors, to the number, and the same graph with other data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.subset import emptied, without_rows
from bayesmix.inference.leave_out import Hyperparameters
from bayesmix.inference.ml import maximise
from bayesmix.inference.posterior import draw_posterior
from bayesmix.inference.priors import Priors, given_shift, stated_on
from bayesmix.inference.sampling import Settings

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def given_of(products: CrossProducts, priors: Priors, beta: Floats) -> Floats:
    """Those of D draws (D, p) of the fixed effects that are sampled, as the likelihood takes them, (D, k)."""
    stated = beta @ stated_on(priors, products).T
    return np.ascontiguousarray(stated[:, list(priors.given)] - given_shift(priors, products))


def sample_without(
    design: Design, products: CrossProducts, priors: Priors, kept: Flags, settings: Settings
) -> Hyperparameters:
    """Draws from the posterior of the rows kept.

    Parameters
    ----------
    design, products : Design, CrossProducts
        Of all rows: centres of columns, and with them what priors mean, stay as they are.
    priors : Priors
    kept : (n,) bool array
    settings : Settings

    Raises
    ------
    PriorError
        Without the rows the posterior is improper.
    """
    rest = without_rows(design, products, kept)
    found = draw_posterior(emptied(design, kept), rest, priors, maximise(rest, reml=True), settings, "summary")
    given = given_of(rest, priors, found.effects.beta)
    return Hyperparameters(found.variances.covariances, found.variances.sigma, given)
