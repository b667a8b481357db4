"""Posteriors, each sampled once for all rooms."""

from tests.bayes import dyestuff, dyestuff2, hsb_fits, pastes, sleepstudy

__all__ = ["dyestuff", "dyestuff2", "hsb_fits", "pastes", "sleepstudy"]
