"""Fits as tables for papers, and as the package maketables reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bayesmix.results.maketables import coefficient_table, deviations, statistic
from bayesmix.results.paper_table import table
from bayesmix.results.surface.core import Core


class Papers(Core):
    """One fit in the formats of documents; for several side by side see :func:`bayesmix.table`."""

    def to_latex(self, *, label: str | None = None, **options: Any) -> str:
        r"""The fit as a LaTeX table, for a document that loads ``booktabs``.

        Parameters
        ----------
        label : str, optional
            For ``\ref``.
        **options
            As in :func:`bayesmix.table`.
        """
        return table(self, **options).to_latex(label=label)

    def to_html(self, **options: Any) -> str:
        """The fit as an HTML table; options as in :func:`bayesmix.table`.

        Examples
        --------
        >>> import bayesmix as bx
        >>> fit = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff")).reml()
        >>> fit.to_html().splitlines()[1]
        '<caption>Multilevel model of Yield</caption>'
        """
        return table(self, **options).to_html()

    def to_markdown(self, **options: Any) -> str:
        """The fit as a table of GitHub's Markdown; options as in :func:`bayesmix.table`."""
        return table(self, **options).to_markdown()

    def to_docx(self, path: str | Path, **options: Any) -> Path:
        """Write the fit to a Word file; options as in :func:`bayesmix.table`.

        Raises
        ------
        ArgumentError
            No path, or python-docx (extra ``tables``) is not installed.
        FileError
            The file can not be written.
        """
        return table(self, **options).to_docx(path)

    def to_great_table(self, **options: Any) -> Any:
        """The fit as a ``great_tables.GT``; options as in :func:`bayesmix.table`.

        Raises
        ------
        ArgumentError
            great-tables (extra ``tables``) is not installed.
        """
        return table(self, **options).to_great_table()

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        """Fixed effects: b, se, t, p, ci95l, ci95u; t and p of a posterior are nan."""
        return coefficient_table(self)

    def __maketables_stat__(self, key: str) -> Any:
        """A statistic by its key, None where there is none."""
        return statistic(self, key)

    @property
    def __maketables_depvar__(self) -> str:
        """The response."""
        return self.design.specification.response.text

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        """Statistics that are shown unasked."""
        # The method first: columns of one model are told apart by it alone.
        keys = ["method", "N", "n_groups", *deviations(self), "sigma", "aic", "bic"]
        return [key for key in keys if statistic(self, key) is not None]

    @property
    def __maketables_stat_labels__(self) -> dict[str, str]:
        """Labels of statistics that other models have not."""
        own = {"n_groups": "Groups", "criterion": "-2 log likelihood", "sigma": "Residual SD", "method": "Method"}
        return own | {key: key.replace("sd(", "SD (", 1) for key in deviations(self)}
