"""Rebuild the batting data from published summary statistics.

The raw averages were not published. What was printed (SAS PROC MIXED and least squares, on one slide) determines the
sufficient statistics of the model ``average ~ time + (1 | player)`` on 20 players with 10 day and 10 night averages
each: the denominator degrees of freedom 19 and 379 give the numbers of players and rows, the means the fixed effects,
the standard errors both variances. Any data with these statistics give every printed number; the rest is drawn.

    python scripts/rebuild_batting.py bayesmix/datasets/data/batting.csv.gz
"""

import gzip
import sys
from pathlib import Path

import numpy as np

PLAYERS, EACH = 20, 10
DAY_MEAN, DIFFERENCE = 0.28499, -0.004502
# Between players and within, from the standard errors of both fits: 1.027e-3 and 5.203e-3, 1.74983e-3 and 2.47463e-3.
BETWEEN, WITHIN = 5.3092e-4, 1.0547e-4
# Observed means of the first four players, by day and by night.
FIRST_FOUR = np.array([[0.24943, 0.24545], [0.26905, 0.26712], [0.29949, 0.29169], [0.26852, 0.26626]])


def player_deviations(random: np.random.RandomState) -> np.ndarray:
    """Player means minus the grand mean, (20,): four printed, the others drawn to meet sum 0 and the sum of squares."""
    first = FIRST_FOUR.mean(axis=1) - (DAY_MEAN + DIFFERENCE / 2)
    rest = random.standard_normal(PLAYERS - 4)
    rest -= rest.mean()
    level = -first.sum() / rest.size
    needed = (PLAYERS - 1) * (BETWEEN + WITHIN / (2 * EACH)) - first @ first - rest.size * level**2
    return np.concatenate([first, level + rest * np.sqrt(needed / (rest @ rest))])


def cell_deviations() -> np.ndarray:
    """Half of each player's night effect beyond the common one, (20,); the first four printed, the others alike."""
    first = (FIRST_FOUR[:, 1] - FIRST_FOUR[:, 0] - DIFFERENCE) / 2
    return np.concatenate([first, np.full(PLAYERS - 4, -first.sum() / (PLAYERS - 4))])


def averages() -> np.ndarray:
    """The rebuilt data, (20 players, day and night, 10)."""
    # The legacy generator: its stream is the same in every version of NumPy.
    random = np.random.RandomState(2007)
    players, cells = player_deviations(random), cell_deviations()
    noise = random.standard_normal((PLAYERS, 2, EACH))
    noise -= noise.mean(axis=2, keepdims=True)
    left = (PLAYERS * (2 * EACH - 1) - 1) * WITHIN - 2 * EACH * (cells @ cells)
    noise *= np.sqrt(left / np.sum(noise**2))
    times = np.array([DAY_MEAN, DAY_MEAN + DIFFERENCE])
    return times[:, None] + players[:, None, None] + np.stack([-cells, cells], axis=1)[:, :, None] + noise


def table() -> str:
    """The data as CSV, with six decimals."""
    lines = ['"player","time","average"']
    for player, both in enumerate(averages(), start=1):
        for time, values in zip(("day", "night"), both, strict=True):
            lines += [f'"{player}","{time}",{value:.6f}' for value in values]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(gzip.compress(table().encode(), mtime=0))
