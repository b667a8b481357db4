"""Posteriors, each sampled once for all rooms."""

from tests.bayes import dyestuff

__all__ = ["dyestuff"]
