"""Names of variables in graphs and posteriors: those of Bambi, so that its users' recipes work."""

from __future__ import annotations

from collections.abc import Sequence

from bayesmix.errors import DesignError

# Names that graphs and posteriors need for themselves.
_RESERVED = ("sigma", "chain", "draw", "y")


def variable_name(term: str) -> str:
    """A term as a variable: "/" is written "÷" (a DataTree refuses it); a name needed elsewhere ends in "_"."""
    return f"{term}_" if term in _RESERVED else term.replace("/", "÷")


def _stem(effect: str) -> str:
    """Bambi writes varying intercepts as 1."""
    return "1" if effect == "Intercept" else effect


def effect_name(effect: str, level: str) -> str:
    """``1|school``, ``ses|school``."""
    return variable_name(f"{_stem(effect)}|{level}")


def sd_name(effect: str, level: str) -> str:
    """``1|school_sigma``."""
    return f"{effect_name(effect, level)}_sigma"


def signed_name(effect: str, level: str) -> str:
    """The same parameter on the whole line."""
    return f"{effect_name(effect, level)}_sigma_signed"


def correlation_name(level: str) -> str:
    """``school_corr``."""
    return f"{variable_name(level)}_corr"


def partial_name(level: str, block: int) -> str:
    """Partial correlations of a block, mapped to (0, 1)."""
    return f"{variable_name(level)}_partial_{block}"


def given_name(level: str) -> str:
    """Effects of a crossed level that are sampled beside the variance parameters."""
    return f"{variable_name(level)}_effects"


def size_name(level: str, block: int) -> str:
    """The size of a block's sds in units of sigma, where they share a prior."""
    return f"{variable_name(level)}_tau_{block}"


def split_name(level: str, block: int) -> str:
    """How a block's sds share their size: the broken-off shares of a stick."""
    return f"{variable_name(level)}_split_{block}"


def icc_name(level: str) -> str:
    """The share of an intercept's variance, where the prior is on that."""
    return f"{variable_name(level)}_icc"


# R2, where the prior is on that, and how the fixed effects share it.
R2_NAME, R2_SPLIT = "fixed_R2", "fixed_split"


def coefficient_name(term: str, alone: bool) -> str:
    """A fixed effect that is sampled; the intercept is that at the means of the other columns, if there are any."""
    return "Intercept_centred" if term == "Intercept" and not alone else variable_name(term)


def offset_name(term: str) -> str:
    """The same in units of its prior sd."""
    return f"{variable_name(term)}_offset"


def groups_dim(level: str) -> str:
    """``school__factor_dim``."""
    return f"{variable_name(level)}__factor_dim"


def pairs_dim(level: str) -> str:
    """``school__effect_pair``."""
    return f"{variable_name(level)}__effect_pair"


def require_distinct(terms: Sequence[str]) -> None:
    """Refuse fixed effects that would share one variable of the posterior.

    Raises
    ------
    DesignError
        With the two terms.
    """
    seen: dict[str, str] = {}
    for term in terms:
        name = variable_name(term)
        if name in seen:
            raise DesignError(
                f"The terms '{seen[name]}' and '{term}' would both be called '{name}' in the posterior.",
                "Expected a name for each: '/' is written '÷' there, and sigma, chain, draw and y end in '_'.",
                "Rename one of the columns.",
            )
        seen[name] = term
