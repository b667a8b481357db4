"""The front door: a formula and data become a model, which is then fitted. No arithmetic here."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design, build_design, cross_products
from bayesmix.errors import ArgumentError
from bayesmix.inference.ml import Optimizer, maximise
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.specification import Specification, parse_formula

Floats = NDArray[np.float64]


class Model:
    """A multilevel model of one data set.

    Parameters
    ----------
    formula : str or Specification
        ``"math ~ ses + (ses | school)"``: the language of lme4.
    data : data frame
        pandas, Polars, PyArrow, or any eager frame narwhals knows. It is read once and not changed.
    family : {"gaussian"}
        Distribution of the response.

    Raises
    ------
    BayesmixError
        Anything wrong with formula or data, before any fitting.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    >>> model.n, model.groups
    (7185, {'school': 160})
    """

    def __init__(self, formula: str | Specification, data: Any, *, family: str = "gaussian") -> None:
        if family != "gaussian":
            raise ArgumentError(
                f"family={family!r} is not offered.", "Expected 'gaussian'.", "Leave it out, or use another program."
            )
        self._specification = formula if isinstance(formula, Specification) else parse_formula(formula)
        self._design = build_design(self._specification, data)
        self._products = cross_products(self._design)

    @property
    def specification(self) -> Specification:
        """What the formula says."""
        return self._specification

    @property
    def design(self) -> Design:
        """Formula and data together."""
        return self._design

    @property
    def products(self) -> CrossProducts:
        """The cross-products every fit reads."""
        return self._products

    @property
    def formula(self) -> str:
        """The formula, as written."""
        return self._specification.formula

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels, lowest first (the rows themselves not counted)."""
        return tuple(level.name for level in self._design.levels)

    @property
    def n(self) -> int:
        """Rows used."""
        return self._design.n

    @property
    def groups(self) -> dict[str, int]:
        """Number of groups of each level."""
        return {level.name: len(level.grouping.labels) for level in self._design.levels}

    @cached_property
    def _reml(self) -> LikelihoodFit:
        return LikelihoodFit(self._design, self._products, maximise(self._products, reml=True))

    def reml(self, *, optimizer: Optimizer | None = None, start: Floats | None = None) -> LikelihoodFit:
        """Fit by restricted maximum likelihood.

        Parameters
        ----------
        optimizer : Optimizer, optional
            Limits and starting points.
        start : array, optional
            Where to start.

        Returns
        -------
        LikelihoodFit

        Raises
        ------
        ConvergenceError
            No point that passes the optimality certificate was found.
        """
        if optimizer is None and start is None:
            return self._reml
        return LikelihoodFit(self._design, self._products, maximise(self._products, True, start, optimizer))

    def ml(self, *, optimizer: Optimizer | None = None, start: Floats | None = None) -> LikelihoodFit:
        """Fit by maximum likelihood; parameters as :meth:`reml`."""
        return LikelihoodFit(self._design, self._products, maximise(self._products, False, start, optimizer))
