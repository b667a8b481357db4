"""What every fit can be asked, estimated or drawn: one reading surface, one formula for each quantity."""

from __future__ import annotations

from bayesmix.results.surface.context import Context
from bayesmix.results.surface.groups import Groups
from bayesmix.results.surface.papers import Papers
from bayesmix.results.surface.prediction import Predictions
from bayesmix.results.surface.shares import SharesOfVariance


class Fit(SharesOfVariance, Groups, Predictions, Context, Papers):
    """Base of :class:`LikelihoodFit` and :class:`BayesFit`."""
