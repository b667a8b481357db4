"""What can go wrong, said in three parts: what was found, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Mapping


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


class FileError(BayesmixError):
    """A file can not be written, or does not hold what it should."""


class BayesmixWarning(UserWarning):
    """Something in the model or the data that changes what is fitted, and that you should know."""


# What other programs call our keywords.
_ELSEWHERE = {
    "random_seed": "seed",
    "rng": "seed",
    "progressbar": "progress",
    "nuts_sampler": "sampler",
    "inference_method": "sampler",
    "method": "sampler",
    "n_chains": "chains",
    "iter": "draws",
    "warmup": "tune",
    "adapt_delta": "target_accept",
    "prior": "priors",
    "data": "new",
    "nsim": "n",
    "level": "prob",
    "samples": "draws",
    "n_samples": "draws",
    "newdata": "new",
    "parm": "parameters",
}


def refuse_unknown(
    function: str, unknown: Mapping[str, object], offered: tuple[str, ...], elsewhere: Mapping[str, str] | None = None
) -> None:
    """Answer a keyword that is not offered with the one that is.

    Parameters
    ----------
    function : str
        What was called.
    unknown : dict
        Keywords it does not know, with their values.
    offered : tuple of str
        Those it knows.
    elsewhere : mapping of str to str, optional
        Keywords that belong to something else, each with what to do instead.

    Raises
    ------
    ArgumentError
        If there is any.
    """
    for name, value in unknown.items():
        expected = f"Expected one of {', '.join(offered)}." if offered else "Expected none."
        if name == "REML":
            raise ArgumentError(
                f"{function} was given REML={value!r}.",
                expected,
                "Call .reml() for REML and .ml() for maximum likelihood.",
            )
        if elsewhere is not None and name in elsewhere:
            raise ArgumentError(f"{function} has no keyword '{name}' here.", expected, elsewhere[name])
        ours = f"{name}s" if isinstance(value, str) and f"{name}s" in offered else _ELSEWHERE.get(name)
        if ours == "prob" and isinstance(value, str):
            ours = None  # the name of a level, not one of confidence
        elif ours not in offered:
            near = difflib.get_close_matches(name, offered, n=1)
            ours = near[0] if near else None
        shown = repr(value)
        remedy = f"Write {ours}={shown if len(shown) <= 60 else '...'}." if ours else "Remove it."
        expected = expected if offered else "Expected no keywords."
        raise ArgumentError(f"{function} has no keyword '{name}'.", expected, remedy)


def require_coverage(prob: float) -> None:
    """Refuse a coverage that no interval has.

    Raises
    ------
    ArgumentError
        Not a number between 0 and 1.
    """
    if isinstance(prob, bool) or not isinstance(prob, int | float) or not 0 < prob < 1:
        raise ArgumentError(f"prob={prob!r}.", "Expected a number between 0 and 1.", "For 95 % write prob=0.95.")
