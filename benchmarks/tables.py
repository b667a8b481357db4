"""Layout: Markdown tables and numbers as they are printed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left and the others to the right."""
    lines = [list(header), ["---", *["---:"] * (len(header) - 1)], *map(list, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, never in scientific notation."""
    if not np.isfinite(value) or value == 0:
        return str(value)
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{decimals}f}"


def spread(values: Sequence[float], scale: float = 1.0) -> str:
    """Median and, of several values, the quartiles: ``4.9 (4.8 to 5.2)``."""
    low, middle, high = (significant(float(q) * scale) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def times(ratio: float) -> str:
    """A ratio, in bold because it comes first: ``**2.1x**``."""
    return f"**{significant(ratio, 2)}x**"
