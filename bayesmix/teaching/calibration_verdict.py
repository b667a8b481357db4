"""What a calibration found: ranks, their test quantity by quantity, and a verdict in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmix.errors import ArgumentError
from bayesmix.inference.uniformity import holm, rank_coverage, rank_ecdf, simultaneous_band, uniform_p
from bayesmix.results.naming import require_count
from bayesmix.tables import format_table, html_table

if TYPE_CHECKING:
    from bayesmix.teaching.calibration import Replication, Study

Integers = NDArray[np.int64]

# Of the smallest p-value, adjusted for the number of quantities.
ALERT, FAIL = 0.05, 0.001
# More failed fits than this share leave the ranks of the others in doubt: which data fail is not left to chance.
MANY_FAILED = 0.02
INTERVALS = (0.5, 0.8, 0.95)
_DECIMALS = {"p": 4, "p_adjusted": 4, "z": 2}


@dataclass(frozen=True, repr=False, eq=False)
class Calibration:
    """Ranks of true values among draws of their posteriors.

    Parameters
    ----------
    study : Study
        Model, seed and settings.
    replications : tuple of Replication
        Finished ones, in order.
    requested : int
        How many were asked for.
    seconds : float
        Wall time.
    complete : bool
        False where it was interrupted.
    """

    study: Study
    replications: tuple[Replication, ...]
    requested: int
    seconds: float
    complete: bool

    @property
    def ranks(self) -> pd.DataFrame:
        """Rank of the truth among :attr:`draws` draws, 0 to that number; index replication, a column per quantity."""
        kept = [each for each in self.replications if each.draws is not None]
        values = np.array([each.ranks for each in kept], dtype=np.int64).reshape(len(kept), len(self.study.names))
        return pd.DataFrame(values, columns=self.study.names, index=self._index(kept))

    @property
    def truths(self) -> pd.DataFrame:
        """True values of the quantities; index replication."""
        values = np.array([each.truth for each in self.replications])
        return pd.DataFrame(values, columns=self.study.names, index=self._index(self.replications))

    @property
    def runs(self) -> pd.DataFrame:
        """Of each replication: draws, ess (the smallest over the parameters), divergences, problem."""
        rows = [
            (0, np.nan, 0, each.problem)
            if each.draws is None
            else (each.draws.total, each.draws.effective, each.draws.divergences, "")
            for each in self.replications
        ]
        columns = ["draws", "ess", "divergences", "problem"]
        return pd.DataFrame(rows, columns=columns, index=self._index(self.replications))

    @property
    def failures(self) -> pd.DataFrame:
        """Replications whose fit failed, with the problem; :meth:`replay` repeats one."""
        runs = self.runs
        return runs.loc[runs["problem"] != "", ["problem"]]

    @property
    def draws(self) -> int:
        """L, the draws among which each truth is ranked."""
        return self.study.keep

    @property
    def seed(self) -> int:
        """The seed, also where none was given."""
        return self.study.entropy

    @property
    def fits_per_second(self) -> float:
        """Replications over wall time, compilation counted."""
        return len(self.replications) / self.seconds

    @staticmethod
    def _index(replications: Any) -> pd.Index[Any]:
        return pd.Index([each.number for each in replications], name="replication")

    @property
    def table(self) -> pd.DataFrame:
        """Test of uniform ranks, and coverage, of each quantity.

        Returns
        -------
        DataFrame
            Index quantity; difference (the largest of the empirical distribution from uniform, in absolute value), p
            (exact, see :func:`bayesmix.inference.uniformity.uniform_p`), p_adjusted (Holm, over the quantities), z
            (mean rank less L/2 in standard errors), coverage_50, coverage_80, coverage_95 (shares of truths inside
            central intervals), each with its Monte Carlo error ``mc_se_50``, ..., ok (p_adjusted of at least .05).
        """
        return self._table.copy()

    @cached_property
    def _table(self) -> pd.DataFrame:
        ranks, L = self.ranks, self.draws
        if ranks.empty:
            raise ArgumentError(
                "No replication could be fitted.", "Expected ranks to test.", "See .failures for the problems."
            )
        rows = []
        for name in ranks:
            own = ranks[name].to_numpy()
            spread = np.sqrt(((L + 1) ** 2 - 1) / 12 / len(own))
            row = {
                "difference": float(np.abs(rank_ecdf(own, L).difference).max()),
                "p": uniform_p(own, L),
                "z": float((own.mean() - L / 2) / spread),
            }
            for prob in INTERVALS:
                share, error = rank_coverage(own, L, prob)
                row |= {f"coverage_{100 * prob:.0f}": share, f"mc_se_{100 * prob:.0f}": error}
            rows.append(row)
        table = pd.DataFrame(rows, index=pd.Index(ranks.columns, name="quantity"))
        table.insert(2, "p_adjusted", holm(table["p"].to_numpy()))
        table["ok"] = table["p_adjusted"] >= ALERT
        return table

    @property
    def ecdf(self) -> pd.DataFrame:
        """Empirical distribution of the ranks less the uniform one, with simultaneous bands.

        Returns
        -------
        DataFrame
            quantity, x (share of the ranks), difference, lower, upper. Uniform ranks of all quantities stay inside
            their bands with a probability of at least 95 %.
        """
        ranks, L = self.ranks, self.draws
        if ranks.empty:
            return pd.DataFrame(columns=["quantity", "x", "difference", "lower", "upper"])
        low, high = simultaneous_band(len(ranks), L, 1 - ALERT / len(ranks.columns))
        frames = []
        for name in ranks:
            found = rank_ecdf(ranks[name].to_numpy(), L)
            columns = {"quantity": name, "x": found.points, "difference": found.difference}
            frames.append(pd.DataFrame(columns | {"lower": low - found.points, "upper": high - found.points}))
        return pd.concat(frames, ignore_index=True)

    @property
    def verdict(self) -> str:
        """What the ranks say, with the thresholds, and what stands against believing it."""
        runs, table = self.runs, self._table
        worst = str(table["p"].idxmin())
        p = float(table["p_adjusted"].min())
        count = len(self.ranks)
        found = f"{count} replications, {len(table)} quantities; smallest p {p:.3g} ({worst}, adjusted by Holm)"
        if p < FAIL:
            away = ", ".join(table.index[table["p_adjusted"] < FAIL])
            sentence = f"Not calibrated: ranks of {away} are not uniform. {found}, below {FAIL:g}."
        elif p < ALERT:
            sentence = (
                f"In doubt: {found}, between {FAIL:g} and {ALERT:g}. Run it again with another seed and more "
                "replications."
            )
        else:
            sentence = f"No sign of miscalibration: {found}, at least {ALERT:g}."
        return " ".join([sentence, *self._remarks(runs)])

    def _remarks(self, runs: pd.DataFrame) -> list[str]:
        """Interruption, failures, divergences, slow mixing."""
        remarks, n = [], len(runs)
        if not self.complete:
            remarks.append(f"Interrupted: {n} of {self.requested} replications were finished.")
        failed = int((runs["problem"] != "").sum())
        if failed:
            much = " Which data fail is not left to chance: the verdict is in doubt." * (failed > MANY_FAILED * n)
            remarks.append(f"{failed} fits failed (see .failures).{much}")
        diverged = int((runs["divergences"] > 0).sum())
        if diverged:
            remarks.append(f"{diverged} posteriors had divergent transitions, {runs['divergences'].sum()} in all.")
        slow = int((runs["ess"] < self.draws).sum())
        if slow:
            remarks.append(f"{slow} posteriors had fewer than {self.draws} effective draws.")
        return remarks

    def replay(self, number: int) -> pd.DataFrame:
        """Run one replication again.

        Parameters
        ----------
        number : int
            As in the index of :attr:`runs`.

        Returns
        -------
        DataFrame
            The L draws, a column per quantity; ``.attrs`` has the truth, the rank and the problem of the fit.

        Raises
        ------
        ArgumentError
            No such replication.
        """
        if require_count("number", number, 0) >= self.requested:
            raise ArgumentError(
                f"number={number}.",
                f"Expected a replication, 0 to {self.requested - 1}.",
                "Choose one of the index of .runs.",
            )
        found = self.study.replication(int(number))
        values = np.zeros((0, len(found.truth))) if found.draws is None else found.draws.values
        frame = pd.DataFrame(values, columns=self.study.names)
        frame.index.name = "draw"
        frame.attrs["truth"] = dict(zip(self.study.names, found.truth.tolist(), strict=True))
        frame.attrs["rank"] = dict(zip(self.study.names, found.ranks.tolist(), strict=True))
        frame.attrs["problem"] = found.problem
        return frame

    def __repr__(self) -> str:
        title = f"Simulation-based calibration: {self.study.model.formula}"
        speed = f"{len(self.replications)} replications in {self.seconds:.0f} s ({self.fits_per_second:.1f} a second)"
        if self.ranks.empty:
            return f"{title}\n  {speed}\nNo fit succeeded; see .failures."
        return f"{title}\n  {speed}\n{self.verdict}\n\n{format_table(self._shown(), _DECIMALS)}"

    def _repr_html_(self) -> str:
        if self.ranks.empty:
            return f"<pre>{self!r}</pre>"
        return f"<p>{self.verdict}</p>{html_table(self._shown(), _DECIMALS)}"

    def _shown(self) -> pd.DataFrame:
        """The table without Monte Carlo errors, which are the same in every row."""
        shown = self._table.drop(columns=[name for name in self._table if name.startswith("mc_se")])
        return shown.assign(ok=np.where(shown["ok"], "yes", "no"))
