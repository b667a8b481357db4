"""Parametric bootstrap: new responses from the estimate, and the model fitted again to each."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts
from bayesmix.errors import ArgumentError, BayesmixWarning, ConvergenceError
from bayesmix.inference.ml import FEW_GROUPS, MlSolution, maximise
from bayesmix.inference.simulation import Draw

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Replicates:
    """Estimates from simulated responses, one row for each that could be fitted.

    Parameters
    ----------
    beta : (R, p) array
        Fixed effects.
    covariances : tuple of (R, q, q) arrays
        Sigma of each level.
    sigma : (R,) array
        Residual standard deviation.
    criterion : (R,) array
        -2 log (restricted) likelihood.
    singular : (R,) bool array
    n_failed : int
        Responses for which no optimum was found.
    complete : bool
        False where it was interrupted.
    """

    beta: Floats
    covariances: tuple[Floats, ...]
    sigma: Floats
    criterion: Floats
    singular: NDArray[np.bool_]
    n_failed: int
    complete: bool = True


def bootstrap(solution: MlSolution, draw: Draw, n: int, seed: int | None = None, progress: bool = False) -> Replicates:
    """Fit the model to n simulated responses.

    Parameters
    ----------
    solution : MlSolution
        What the responses are simulated from; each fit starts there.
    draw : callable
        From :func:`bayesmix.inference.simulation.products_drawer` or ``rows_drawer``.
    n : int
        Number of responses.
    seed : int, optional
        The same seed gives the same replicates.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Replicates
        What was finished, where it was interrupted.

    Raises
    ------
    ArgumentError
        ``n`` or ``seed`` is no such number.
    ConvergenceError
        No fit succeeded.
    """
    require_counts(n, seed)
    rng = np.random.default_rng(seed)

    def replicate() -> MlSolution:
        return refit(draw(rng), solution)

    fits, failed, complete = repeat(replicate, n, progress)
    beta, sigma = np.array([fit.beta for fit in fits]), np.array([fit.sigma for fit in fits])
    covariances = tuple(np.array(stack) for stack in zip(*(fit.covariances for fit in fits), strict=True))
    criterion, singular = np.array([fit.criterion for fit in fits]), np.array([fit.singular for fit in fits])
    for array in (beta, sigma, *covariances, criterion, singular):
        array.flags.writeable = False
    return Replicates(beta, covariances, sigma, criterion, singular, failed, complete)


def refit(products: CrossProducts, near: MlSolution) -> MlSolution:
    """The optimum for another response: from the estimate, and from other starts where a second one is likely."""
    if any(level.n_groups < FEW_GROUPS for level in products.levels):
        return maximise(products, near.reml)
    try:
        found = maximise(products, near.reml, start=near.inner_theta)
    except ConvergenceError:
        return maximise(products, near.reml)
    if found.singular:
        other = maximise(products, near.reml)
        found = other if other.criterion < found.criterion else found
    return found


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, asked between replicates: inside compiled code an interrupt becomes another error."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def repeat[Found](
    replicate: Callable[[], Found], n: int, progress: bool, title: str = "Bootstrap"
) -> tuple[list[Found], int, bool]:
    """Run n times; what was found, how many failed, and whether all were run.

    Raises
    ------
    ConvergenceError
        All failed.
    """
    found: list[Found] = []
    failed = 0
    with progress_bar(n, progress, title) as advance, asked_to_stop() as stop:
        try:
            while len(found) + failed < n and not stop():
                try:
                    found.append(replicate())
                except ConvergenceError:
                    failed += 1
                advance()
        except KeyboardInterrupt:  # in a thread that has no signals
            pass
    complete = len(found) + failed == n
    if not complete:
        if not found:
            raise KeyboardInterrupt
        warnings.warn(
            f"Interrupted: {len(found)} of {n} replicates were finished and are kept.", BayesmixWarning, stacklevel=5
        )
    if not found:
        raise ConvergenceError(
            f"None of {n} simulated responses could be fitted.",
            "Expected most of them to have an optimum.",
            "Simplify the random part.",
        )
    return found, failed, complete


def require_counts(n: int, seed: int | None) -> None:
    """Refuse numbers of replicates and seeds that are none.

    Raises
    ------
    ArgumentError
    """
    for name, value, least in (("n", n, 1), ("seed", seed, 0)):
        if value is None and name == "seed":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ArgumentError(
                f"{name}={value!r}.", f"Expected a whole number of at least {least}.", f"Correct {name}."
            )


@contextmanager
def progress_bar(n: int, progress: bool, title: str) -> Iterator[Callable[[], None]]:
    """A progress bar, as a function that moves it on by one."""
    if not progress:
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as shown:
        task = shown.add_task(title, total=n)
        yield lambda: shown.advance(task)
