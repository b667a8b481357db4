"""Mathematical expressions, written as LaTeX or as Unicode text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from bayesmix.tables.greek import GREEK

_GREEK = MappingProxyType(
    {
        "beta": "β", "gamma": "γ", "delta": "δ", "zeta": "ζ", "eta": "η", "kappa": "κ", "lambda": "λ", "mu": "μ",
        "nu": "ν", "pi": "π", "sigma": "σ", "tau": "τ", "varepsilon": "ε",
    }
)  # fmt: skip
_LOW = str.maketrans("0123456789ijklmnopst", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₗₘₙₒₚₛₜ")
_HIGH = str.maketrans("0123456789()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾")
_ESCAPES = MappingProxyType(
    {
        "\\": r"\backslash ", "~": r"{\sim}", " ": r"\ ", "*": r"{*}", "-": r"{-}",
        **{sign: f"\\{sign}" for sign in "_#$%&{}"},
        **{letter: f"{{{command}}}" for letter, command in GREEK.items()},
    }
)  # fmt: skip


@dataclass(frozen=True)
class Symbol:
    """A letter with numbers and indices: ``gamma``, (0, 1), ``k``."""

    letter: str
    numbers: tuple[int, ...] = ()
    indices: str = ""
    superscript: str = ""


@dataclass(frozen=True)
class Variable:
    """A column of the data with its indices; in brackets where a notation wants them."""

    name: str
    indices: str
    bracketed: bool = False


@dataclass(frozen=True)
class Amount:
    """A number in the place of a symbol."""

    value: float


@dataclass(frozen=True)
class Product:
    """Factors side by side."""

    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Bracket:
    """A sum in brackets."""

    terms: tuple[Node, ...]


Node = Symbol | Variable | Amount | Product | Bracket


def multiply(first: Sequence[Node], variables: Sequence[Variable]) -> Node:
    """A sum, in brackets where it has several terms, times variables."""
    head = first[0] if len(first) == 1 else Bracket(tuple(first))
    if not variables:
        return head
    leading = head.factors if isinstance(head, Product) else (head,)
    return Product((*leading, *variables))


def as_text(node: Node) -> str:
    """Unicode, with small letters for subscripts.

    Examples
    --------
    >>> as_text(Product((Symbol("gamma", (1, 0)), Variable("ses", "ij"))))
    'γ₁₀ sesᵢⱼ'
    """
    match node:
        case Symbol(letter, numbers, indices, superscript):
            low = _joined(numbers) + indices
            return _GREEK.get(letter, letter) + superscript.translate(_HIGH) + low.translate(_LOW)
        case Variable(name, indices, bracketed):
            shown = name + indices.translate(_LOW)
            return f"({shown})" if bracketed else shown
        case Amount(value):
            return format_amount(value).replace("-", "−")
        case Product(factors):
            return _spaced([as_text(factor) for factor in factors], factors, " ", "·")
        case Bracket(terms):
            return f"({' '.join(signed(terms, latex=False))})"


def as_latex(node: Node) -> str:
    r"""LaTeX of mathematics, names upright and escaped.

    Examples
    --------
    >>> print(as_latex(Product((Symbol("gamma", (1, 0)), Variable("mean_ses", "j")))))
    \gamma_{10} \, \mathrm{mean\_ses}_{j}
    """
    match node:
        case Symbol(letter, numbers, indices, superscript):
            head = f"\\{letter}" if letter in _GREEK else letter
            low = _joined(numbers) + indices
            return head + (f"^{{{superscript}}}" if superscript else "") + (f"_{{{low}}}" if low else "")
        case Variable(name, indices, bracketed):
            shown = latex_name(name) + (f"_{{{indices}}}" if indices else "")
            return f"({shown})" if bracketed else shown
        case Amount(value):
            mantissa, _, power = format_amount(value).partition("e")
            return f"{mantissa} \\times 10^{{{int(power)}}}" if power else mantissa
        case Product(factors):
            return _spaced([as_latex(factor) for factor in factors], factors, r" \, ", r" \cdot ")
        case Bracket(terms):
            return f"({' '.join(signed(terms, latex=True))})"


def signed(terms: Sequence[Node], latex: bool) -> list[str]:
    """The terms of a sum, each with the sign before it; the first with a sign only where it is negative."""
    write, minus = (as_latex, "-") if latex else (as_text, "−")
    written = [write(term) for term in terms]
    found = written[:1]
    for one in written[1:]:
        found.append(f"{minus} {one[1:].lstrip()}" if one.startswith(minus) else f"+ {one}")
    return found


def latex_name(name: str) -> str:
    r"""A name of the user as upright LaTeX.

    Examples
    --------
    >>> print(latex_name("I(x_1^2)"))
    \mathrm{I(x\_1^{2})}
    >>> print(latex_name("größe"), latex_name("Δt"))
    \mathrm{gr\text{öß}e} \mathrm{{\Delta}t}
    """
    parts = re.split(r"\^(\w++(?!\^)|)", name)  # of a^b^c only the last is a power: LaTeX has no double superscript
    # Letters with accents exist in the fonts of text only.
    escaped = [
        re.sub(r"([^\x00-\x7f]+)", r"\\text{\1}", "".join(_ESCAPES.get(sign, sign) for sign in part)) for part in parts
    ]
    powers = [f"^{{{part}}}" if part else r"{\wedge}" for part in escaped[1::2]]
    return f"\\mathrm{{{''.join(a + b for a, b in zip(escaped[::2], [*powers, ''], strict=True))}}}"


def format_amount(value: float) -> str:
    """Five significant digits.

    Examples
    --------
    >>> format_amount(12.665023), format_amount(-0.4129), format_amount(36.83), format_amount(0.0)
    ('12.665', '-0.41290', '36.830', '0')
    """
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    return f"{value:#.5g}".removesuffix(".")


def _joined(numbers: tuple[int, ...]) -> str:
    """Numbers side by side, parted by commas where one has two digits."""
    return ("," if any(number > 9 for number in numbers) else "").join(map(str, numbers))


def _spaced(written: Sequence[str], factors: Sequence[Node], plain: str, between: str) -> str:
    """Factors side by side; a sign stands between two bare variables."""
    out = written[0]
    for before, node, text in zip(factors, factors[1:], written[1:], strict=False):
        bare = all(isinstance(one, Variable) and not one.bracketed for one in (before, node))
        tight = isinstance(node, Variable) and node.bracketed
        out += (between if bare else "" if tight else plain) + text
    return out
