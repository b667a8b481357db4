"""Make the look-alike of the treatment-centre data: four centres, ten clients each.

The original data were published as figures and estimates only, which do not determine them. These values have the same
story: clustered in four lines, one of which rises; their lines, their pooled line and the mixed model come out close to
the printed numbers, not equal to them. The constants were found by least squares on the printed estimates.

    python scripts/make_centres.py bayesmix/datasets/data/centres.csv.gz
"""

import gzip
import sys
from pathlib import Path

import numpy as np

EACH = 10
# Use in each centre: ten equally spaced values about a middle, not below 0.
MIDDLE, HALF = np.array([8.0, 11.4, 11.2, 7.5]), np.array([6.3, 11.4, 11.2, 2.6])
# Least-squares lines of each centre.
INTERCEPTS, SLOPES = np.array([79.82, 78.66, 72.44, 35.94]), np.array([-1.844, -2.030, -1.982, 1.966])
# Residual variance about each line, on 8 degrees of freedom; printed 4.0.
RESIDUAL = 4.0


def rows() -> np.ndarray:
    """Use and outcome, (4 centres, 10, 2): residuals with the line of their centre taken out, and of exact size."""
    # The legacy generator: its stream is the same in every version of NumPy.
    random = np.random.RandomState(2007)
    found = np.empty((len(MIDDLE), EACH, 2))
    for centre, noise in enumerate(random.standard_normal((len(MIDDLE), EACH))):
        use = np.round(MIDDLE[centre] + HALF[centre] * np.linspace(-1, 1, EACH), 1)
        X = np.column_stack([np.ones(EACH), use])
        rest = noise - X @ np.linalg.lstsq(X, noise, rcond=None)[0]
        rest *= np.sqrt(RESIDUAL * (EACH - 2) / (rest @ rest))
        found[centre] = np.column_stack([use, INTERCEPTS[centre] + SLOPES[centre] * use + rest])
    return found


def table() -> str:
    """The data as CSV, outcomes with two decimals."""
    lines = ['"centre","use","outcome"']
    for centre, values in enumerate(rows(), start=1):
        lines += [f'"{centre}",{use:.1f},{outcome:.2f}' for use, outcome in values]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(gzip.compress(table().encode(), mtime=0))
