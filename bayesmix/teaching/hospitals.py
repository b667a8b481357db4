"""Patients of physicians in hospitals, with outcomes of yes and no: data in the shape of large studies of care."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from bayesmix.errors import ArgumentError, refuse_unknown
from bayesmix.results.naming import require_count
from bayesmix.teaching.arguments import require_number, require_seed

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PATIENT = ("age", "female", "severity")
PHYSICIAN = ("specialist", "experience")
HOSPITAL = ("teaching", "urban", "cardiac_unit", "volume")
# Outcomes by kind, with the share of patients that have them.
OUTCOMES = {
    "fatal_1": 0.12, "fatal_2": 0.20, "fatal_3": 0.30,
    "nonfatal_1": 0.10, "nonfatal_2": 0.15, "nonfatal_3": 0.25,
    "process_1": 0.40, "process_2": 0.55, "process_3": 0.70,
}  # fmt: skip
# Log odds ratios: those of patients and physicians in all outcomes, of hospitals in one kind each, and two in none.
EFFECTS = {
    "age": 0.4, "female": 0.15, "severity": 0.6, "specialist": 0.3, "experience": -0.1,
    "teaching": 0.0, "urban": 0.0, "cardiac_unit": 0.0, "volume": 0.0,
}  # fmt: skip
OF_KIND = {"process": {"cardiac_unit": 0.25}, "fatal": {"volume": -0.1}}
MOST_PATIENTS = 5_000_000


def simulate_hospitals(
    *,
    patients: int = 100_000,
    physicians: int = 5_000,
    hospitals: int = 200,
    hospital_sd: float = 0.5,
    physician_sd: float = 0.3,
    seed: int | None = None,
    **unknown: Any,
) -> pd.DataFrame:
    """Draw nine outcomes of patients, who have physicians, who work in hospitals: three levels, logistic.

    The shape, not the data, of the study of myocardial infarction in Ontario (Austin, Tu & Alter 2003): unequal groups,
    factors at each level, and normal effects of hospitals and physicians on the log odds of each outcome, drawn anew
    for each. Of the factors of hospitals, teaching and urban have no effect on anything. What an analysis of patients
    alone makes of it: :func:`compare_conclusions`.

    Parameters
    ----------
    patients, physicians, hospitals : int
        How many; every physician has a patient, every hospital a physician.
    hospital_sd, physician_sd : float
        Standard deviations of their effects, in log odds.
    seed : int, optional
        The same seed gives the same data.

    Returns
    -------
    DataFrame
        One row for each patient: hospital, physician; of hospitals teaching, urban, cardiac_unit (0 or 1) and volume
        (log patients, standardised over hospitals); of physicians specialist (0 or 1) and experience; of patients age,
        female (0 or 1) and severity, where numbers are standard normal; and the outcomes, 0 or 1, three each of fatal,
        nonfatal and process. ``attrs["truth"]`` has the log odds ratios, by outcome and factor.

    References
    ----------
    Austin, Tu & Alter (2003), American Heart Journal 145:27-35.

    Examples
    --------
    >>> import bayesmix as bx
    >>> frame = bx.simulate_hospitals(patients=5000, physicians=400, hospitals=40, seed=1)
    >>> frame[["hospital", "physician"]].nunique().tolist(), round(float(frame["process_1"].mean()), 2)
    ([40, 400], 0.41)
    """
    names = ("patients", "physicians", "hospitals", "hospital_sd", "physician_sd", "seed")
    refuse_unknown("simulate_hospitals", unknown, names)
    H = require_count("hospitals", hospitals, 2)
    P = require_count("physicians", physicians, H)
    n = require_count("patients", patients, P)
    spreads = [
        require_number(*pair, least=0) for pair in (("hospital_sd", hospital_sd), ("physician_sd", physician_sd))
    ]
    rng = require_seed(seed)
    if n > MOST_PATIENTS:
        raise ArgumentError(
            f"patients={n}.", f"Expected at most {MOST_PATIENTS:.0e}.", "Draw fewer, several times, with other seeds."
        )
    works_in = np.repeat(np.arange(H), _shares(P, H, 0.6, rng))
    treated_by = np.repeat(np.arange(P), _shares(n, P, 0.8, rng))
    hospital = works_in[treated_by]
    size = np.log(np.bincount(hospital, minlength=H))
    spread = size.std()
    factors: dict[str, NDArray[Any]] = {
        "teaching": (rng.random(H) < 0.2).astype(np.int64)[hospital],
        "urban": (rng.random(H) < 0.6).astype(np.int64)[hospital],
        "cardiac_unit": (rng.random(H) < 0.3).astype(np.int64)[hospital],
        "volume": ((size - size.mean()) / (spread if spread > 0 else 1.0))[hospital],
        "specialist": (rng.random(P) < 0.3).astype(np.int64)[treated_by],
        "experience": rng.standard_normal(P)[treated_by],
        "age": rng.standard_normal(n),
        "female": rng.integers(0, 2, n),
        "severity": rng.standard_normal(n),
    }
    columns: dict[str, NDArray[Any]] = {"hospital": hospital + 1, "physician": treated_by + 1, **factors}
    truth = {name: EFFECTS | OF_KIND.get(name.split("_")[0], {}) for name in OUTCOMES}
    for name, share in OUTCOMES.items():
        # Factors of 0 and 1 about their shares, so that the usual patient has the usual odds.
        eta = sum(effect * (factors[factor] - factors[factor].mean()) for factor, effect in truth[name].items())
        eta += logit(share) + spreads[0] * rng.standard_normal(H)[hospital]
        eta += spreads[1] * rng.standard_normal(P)[treated_by]
        columns[name] = (rng.random(n) < expit(eta)).astype(np.int64)
    frame = pd.DataFrame(columns)
    frame.attrs["truth"] = truth
    return frame


def _shares(total: int, parts: int, spread: float, rng: np.random.Generator) -> Integers:
    """Sizes that add up to a total, at least 1 each, log-normal in expectation."""
    weights = np.exp(spread * rng.standard_normal(parts))
    return 1 + rng.multinomial(total - parts, weights / weights.sum())
