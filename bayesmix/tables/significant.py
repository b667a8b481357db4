"""Numbers in the formats of other programs: R's significant digits, Stata's general format, SAS's, SPSS's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

# 2^-52: R prints smaller p-values as "< 2e-16".
_EPSILON = float(np.finfo(float).eps)


def format_jointly(values: Iterable[float], digits: int, least: int = 0) -> list[str]:
    """Numbers with one count of decimals, the fewest that show ``digits`` significant ones of each, as R's format().

    Parameters
    ----------
    values : iterable of float
        Missing ones become "NaN".
    digits : int
    least : int
        Decimals at least.

    Returns
    -------
    list of str
        Of one width; in scientific form where that is shorter.

    Examples
    --------
    >>> format_jointly([4.82864, 0.41293, 36.83016], 4)
    [' 4.8286', ' 0.4129', '36.8302']
    """
    values = [float(value) for value in values]
    finite = [value for value in values if np.isfinite(value)]
    parts = [_significant(value, digits) for value in finite if value != 0]
    decimals = max([least, *(max(0, count - 1 - power) for count, power in parts)])
    longest = max((power for _, power in parts), default=0)
    fixed = max(longest, 0) + 1 + (decimals + 1 if decimals else 0)
    mantissa = max((count for count, _ in parts), default=1)
    scientific = mantissa + (1 if mantissa > 1 else 0) + (5 if any(abs(power) > 99 for _, power in parts) else 4)
    pattern = f".{decimals}f" if fixed <= scientific else f".{mantissa - 1}e"
    texts = [f"{value:{pattern}}" if np.isfinite(value) else _unbounded(value) for value in values]
    width = max(map(len, texts), default=0)
    return [text.rjust(width) for text in texts]


def _unbounded(value: float) -> str:
    """What is no finite number."""
    return "NaN" if np.isnan(value) else "Inf" if value > 0 else "-Inf"


def _significant(value: float, digits: int) -> tuple[int, int]:
    """Significant digits of a number, trailing zeros not counted, and its power of ten."""
    mantissa, power = f"{abs(value):.{digits - 1}e}".split("e")
    return len(mantissa.replace(".", "").rstrip("0")) or 1, int(power)


def round_jointly(values: Sequence[float], digits: int) -> list[float]:
    """Numbers rounded to the decimals that show ``digits`` significant ones of the largest, as R's zapsmall()."""
    largest = max((abs(value) for value in values if np.isfinite(value)), default=0.0)
    decimals = max(0, int(np.floor(digits - np.log10(largest) + 0.5))) if largest > 0 else digits
    return [float(np.round(value, decimals)) for value in values]


def format_probabilities(values: Sequence[float], digits: int = 3) -> list[str]:
    """P-values as R's format.pval() writes them.

    Examples
    --------
    >>> format_probabilities([1e-30, 3.264e-06, 0.2204])
    ['< 2e-16', '3.26e-06', '0.22']
    """
    tiny = [value < _EPSILON for value in values]
    small = [not zero and 0 < value < 1e-4 for zero, value in zip(tiny, values, strict=True)]
    plain = [not zero and not low for zero, low in zip(tiny, small, strict=True)]
    texts = [""] * len(values)
    for chosen in (small, plain):
        places = [i for i, hit in enumerate(chosen) if hit]
        for i, text in zip(places, format_jointly([values[i] for i in places], digits), strict=True):
            texts[i] = text.strip()
    longest = max(map(len, texts), default=0)
    return [("<2e-16" if longest <= 6 else "< 2e-16") if zero else text for zero, text in zip(tiny, texts, strict=True)]


def format_general(value: float, digits: int = 7, places: int = 7) -> str:
    """Significant digits without trailing zeros or a zero before the point, as Stata's %9.0g.

    Examples
    --------
    >>> format_general(0.118120512), format_general(-12.66502231)
    ('.1181205', '-12.66502')
    """
    if not np.isfinite(value):
        return "."
    size = abs(value)
    if size != 0 and (size < 1e-5 or size >= 1e9):
        return f"{value:.3e}"
    power = int(np.floor(np.log10(size))) if size > 0 else 0
    decimals = min(places, max(0, digits - 1 - power))
    text = f"{value:.{decimals}f}"
    return without_zero(text.rstrip("0").rstrip(".") if "." in text else text)


def without_zero(text: str) -> str:
    """A number without the zero before its point: ``.19``, ``-.19``."""
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def format_eight(value: float) -> str:
    """A number in eight characters: more decimals for smaller ones, as SAS prints estimates.

    Examples
    --------
    >>> [format_eight(value) for value in (251.40510, 12.66502, 0.0853, 0.005203, -0.004502)]
    ['251.41', '12.6650', '0.08530', '0.005203', '-0.00450']
    """
    if not np.isfinite(value):
        return "."
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-5 or size >= 1e8:
        return f"{value:.3E}"
    decimals = 2 if size >= 100 else 4 if size >= 0.1 else 5 if size >= 0.01 else 6
    whole = len(f"{int(size)}") + 1 + (value < 0)
    return f"{value:.{max(0, min(decimals, 8 - whole))}f}"
