"""What can go wrong, said in three parts: what was found, what was expected, what to do."""

from __future__ import annotations


class BayesmixError(ValueError):
    """Base of every error a user of bayesmix can cause.

    Parameters
    ----------
    found : str
        What was found, with the name and the value.
    expected : str
        What was expected instead.
    remedy : str
        What to do about it.
    """

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(f"{found} {expected} {remedy}")

    def __reduce__(self) -> tuple[type[BayesmixError], tuple[str, str, str]]:
        return type(self), (self.found, self.expected, self.remedy)


class FormulaError(BayesmixError):
    """The text of a formula can not be read, or says something bayesmix refuses."""


class DataError(BayesmixError):
    """The data do not hold what the formula asks for."""


class DesignError(BayesmixError):
    """Formula and data are each readable, but make no model together."""


class ArgumentError(BayesmixError):
    """A keyword or an option is not one of those offered."""


class ConvergenceError(BayesmixError):
    """An optimiser or a sampler stopped before it reached its goal."""


class PriorError(BayesmixError):
    """A prior is missing, unknown, or would leave the posterior improper."""


class BayesmixWarning(UserWarning):
    """Something in the model or the data that changes what is fitted, and that you should know."""
