"""The posterior without some rows: the same priors, to the number, and the same graph with other data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.subset import emptied, without_rows
from bayesmix.inference.leave_out import Hyperparameters
from bayesmix.inference.ml import maximise
from bayesmix.inference.posterior import SamplingPlan, draw_by_plan, plan_sampling
from bayesmix.inference.priors import Priors, given_shift, stated_on
from bayesmix.inference.propriety import require_proper
from bayesmix.inference.sampling import Settings

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def given_of(products: CrossProducts, priors: Priors, beta: Floats) -> Floats:
    """Those of D draws (D, p) of the fixed effects that are sampled, as the likelihood takes them, (D, k)."""
    stated = beta @ stated_on(priors, products).T
    return np.ascontiguousarray(stated[:, list(priors.given)] - given_shift(priors, products))


def plan_refits(design: Design, products: CrossProducts, priors: Priors) -> SamplingPlan:
    """How to sample without some of the rows: as with all of them, starting from their REML estimate.

    The rows that are left need have no REML estimate of their own. A column that is constant in them, or a sum of
    others, has none, and its prior keeps the posterior proper all the same.
    """
    return plan_sampling(design, products, priors, maximise(products, reml=True))


def require_proper_without(design: Design, products: CrossProducts, priors: Priors, kept: Flags) -> None:
    """Refuse flat priors of standard deviations under which the rows kept leave the posterior improper.

    Raises
    ------
    PriorError
    """
    require_proper(priors, emptied(design, kept), products)


def sample_without(
    design: Design, products: CrossProducts, priors: Priors, plan: SamplingPlan, kept: Flags, settings: Settings
) -> Hyperparameters:
    """Draws from the posterior of the rows kept, which must be proper.

    Parameters
    ----------
    design, products : Design, CrossProducts
        Of all rows: centres of columns, and with them what priors mean, stay as they are.
    priors : Priors
    plan : SamplingPlan
        From :func:`plan_refits`.
    kept : (n,) bool array
    settings : Settings
    """
    rest = without_rows(design, products, kept)
    found = draw_by_plan(emptied(design, kept), rest, priors, plan, settings, keep=False)
    given = given_of(rest, priors, found.effects.beta)
    return Hyperparameters(found.variances.covariances, found.variances.sigma, given)
