"""Pictures of a calibration: how far ranks are from uniform, quantity by quantity."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.reporting.canvas import BLUE, GREY, VERMILLION, several_axes
from bayesmix.teaching.arguments import shown
from bayesmix.teaching.calibration_verdict import Calibration


def plot_sbc(
    calibration: Calibration, quantities: str | Sequence[str] | None = None, **unknown: Any
) -> NDArray[np.object_]:
    """Draw the empirical distribution of ranks less the uniform one, inside its band where all is well.

    A curve above the band at the left and below it at the right is of a posterior too narrow; the other way round, too
    wide; an arch to one side is a shift. The data are ``calibration.ecdf``.

    Parameters
    ----------
    calibration : Calibration
        From :func:`bayesmix.sbc`.
    quantities : str or sequence of str, optional
        Some of them; by default all. The bands are those for all.

    Returns
    -------
    (quantities,) array of matplotlib axes

    Raises
    ------
    ArgumentError
        Something that is no calibration, one without ranks, or a quantity it does not have.

    References
    ----------
    Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32:32.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff"))
    >>> bx.plot_sbc(bx.sbc(model, seed=1))  # doctest: +SKIP
    """
    refuse_unknown("plot_sbc", unknown, ("quantities",))
    if not isinstance(calibration, Calibration):
        raise ArgumentError(
            f"plot_sbc was given {shown(calibration)}.", "Expected a calibration.", "Pass bx.sbc(model)."
        )
    frame = calibration.ecdf
    if frame.empty:
        raise ArgumentError("No replication could be fitted.", "Expected ranks to draw.", "See calibration.failures.")
    names = _chosen(quantities, list(dict.fromkeys(frame["quantity"])))
    axes = several_axes(len(names), 4, 2.9, 2.2, shared=True)
    for ax, name in zip(axes, names, strict=True):
        own = frame[frame["quantity"] == name]
        left = ((own["difference"] < own["lower"] - 1e-12) | (own["difference"] > own["upper"] + 1e-12)).any()
        ax.fill_between(own["x"], own["lower"], own["upper"], step="mid", color=GREY, alpha=0.3, lw=0)
        ax.step(own["x"], own["difference"], where="mid", color=VERMILLION if left else BLUE, lw=1.3)
        ax.axhline(0, color=GREY, lw=0.7)
        ax.set_title(f"{name}, outside its band" if left else name, fontsize=8)
        ax.tick_params(labelsize=7)
    figure = axes[0].get_figure()
    figure.supxlabel("share of the ranks", fontsize=9)
    figure.supylabel("distribution less uniform", fontsize=9)
    return axes


def _chosen(quantities: Any, known: list[str]) -> list[str]:
    """Quantities by name, in the order asked for."""
    if quantities is None:
        return known
    wanted = [quantities] if isinstance(quantities, str) else quantities
    if not isinstance(wanted, Sequence) or not wanted:
        raise ArgumentError(
            f"quantities={shown(quantities)}.", f"Expected names out of {', '.join(known)}.", "Leave it out for all."
        )
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
            raise ArgumentError(
                f"The calibration has no quantity {shown(name)}.",
                f"Expected one of {', '.join(known)}.",
                f"Did you mean '{near[0]}'?" if near else "Choose one of these.",
            )
    return list(wanted)
