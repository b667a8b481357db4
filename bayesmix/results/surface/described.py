"""What a model can be asked before any fit: equations, matrices, and a covariance that may be negative."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.design.level_form import level_equations
from bayesmix.errors import refuse_unknown
from bayesmix.results.compound_symmetry import CompoundSymmetry, symmetric_fit
from bayesmix.results.equations import Equations, model_equations
from bayesmix.results.intercept import intercept_meaning
from bayesmix.results.matrices import Matrices, build_matrices
from bayesmix.specification import LevelEquations

Floats = NDArray[np.float64]


class Described(ABC):
    """A specification met with its data, in equations and in matrices."""

    @property
    @abstractmethod
    def design(self) -> Design:
        """Formula and data together."""

    @property
    @abstractmethod
    def products(self) -> CrossProducts:
        """The cross-products every fit reads."""

    def level_equations(self) -> LevelEquations:
        """The model level by level, as :func:`bayesmix.levels` takes it; the data say where each predictor varies.

        Returns
        -------
        LevelEquations
            ``.equation``, ``.levels``, ``.fixed``, ``.correlated``, ``.nested``, and ``.specification``, the model they
            make, which is this one with its terms in the order of substitution.

        Raises
        ------
        DesignError
            There is no level form, and why: no levels, crossed ones, or an effect that varies between groups within
            which its predictor does not.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("math ~ ses * sector + (ses | school)", bx.load_dataset("hsb"))
        >>> model.level_equations().levels
        {'school': {'Intercept': 'sector', 'ses': 'sector'}}
        """
        return level_equations(self.design)

    def equations(self, *, notation: str = "gamma", values: Any = None, **unknown: Any) -> Equations:
        r"""The model as textbooks write it: level by level, substituted step by step, and combined.

        Parameters
        ----------
        notation : {"gamma", "beta", "mu"}
            A letter for each level (beta, gamma, delta) with residuals u, or R, U, V; fixed effects beta with residuals
            v, groups first in the indices; or fixed effects mu with residuals eta.
        values : LikelihoodFit or BayesFit, optional
            A fit of this model, whose estimates (posterior means) take the places of fixed effects and variances.

        Returns
        -------
        Equations
            Shown as mathematics in a notebook and as text elsewhere; ``.text``, ``.latex``, ``.short`` (text without
            the steps). Models without levels, with crossed ones, or with effects of predictors that have one value in
            each group have a combined equation only, and say so.

        Raises
        ------
        ArgumentError
            Another notation, or a fit of another model.

        References
        ----------
        Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., chapters 2 and 8; Hedeker & Gibbons (2006),
        Longitudinal Data Analysis, chapter 4, for v.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
        >>> print(model.equations(values=model.reml()).short.split("\n\n")[1])
        Level 2 (groups j): school
          β₀ⱼ = 12.665 + u₀ⱼ
          β₁ⱼ = 2.3938 + u₁ⱼ
        """
        refuse_unknown("equations", unknown, ("notation", "values"))
        return model_equations(self.design, notation, values)

    def intercept_meaning(self) -> str:
        """What the intercept is the mean of, under the coding and centring of the predictors.

        Returns
        -------
        str

        Examples
        --------
        >>> import bayesmix as bx
        >>> bx.Model("math ~ ses + sector", bx.load_dataset("hsb")).intercept_meaning()
        'The intercept is the mean of math where ses is 0 and sector is Public.'
        """
        return intercept_meaning(self.design)

    def matrices(self, fit: Any, *, groups: Any = None, level: str | None = None, **unknown: Any) -> Matrices:
        """The matrices of y ~ N(X beta, V), V = Z G Z' + R, at the values of a fit.

        Parameters
        ----------
        fit : LikelihoodFit, BayesFit, CompoundSymmetry or mapping
            A fit of this model: estimates, or means of the draws of the covariances (of which V is a linear function,
            so that it is the posterior mean of V). Or values of your own by level, variances and not sds:
            ``{"school": [[4, 0], [0, 1]], "residual": 36}``.
        groups : label or list of labels, optional
            The rows of these groups only, with the effects that bear on them.
        level : str, optional
            The level of ``groups``; may be left out where there is one.

        Returns
        -------
        Matrices
            ``.X .Z .G .R .V``, each a labelled sparse matrix with ``.values`` and ``.to_frame()``; ``.y``;
            ``.V_of(group)`` as a DataFrame.

        Raises
        ------
        ArgumentError
            A fit of another model, an unknown group, values that are no covariance matrices.

        References
        ----------
        Laird & Ware (1982), Biometrics 38:963-974.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("Reaction ~ Days + (Days | Subject)", bx.load_dataset("sleepstudy"))
        >>> found = model.matrices(model.reml())
        >>> found.V.structure
        '18 blocks of 10 x 10'
        >>> found.V_of("308").iloc[:2, :2].round(1).values.tolist()
        [[1267.0, 621.7], [621.7, 1321.3]]
        """
        return build_matrices(self.design, fit, groups, level, **unknown)

    def compound_symmetry(self, *, method: str = "REML", prob: float = 0.95, **unknown: Any) -> CompoundSymmetry:
        """Fit one correlation within groups, which may be negative, in place of a varying intercept.

        V_g = sigma^2 (I + omega 11') with omega > -1/n for the largest group of n rows. Where the estimate is positive
        it is that of :meth:`reml` or :meth:`ml`, omega the variance of the intercept over sigma^2; else the variance
        there is 0 and the correlation here negative. This is R's ``gls`` with ``corCompSymm``, SAS's ``type=cs``.

        Parameters
        ----------
        method : {"REML", "ML"}
        prob : float
            Coverage of the intervals.

        Returns
        -------
        CompoundSymmetry
            ``.table`` (rho, covariance, variance, residual), ``.chisq`` and ``.p`` of the two-sided likelihood ratio
            against independent rows, ``.fixed_effects()``.

        Raises
        ------
        DesignError
            Anything but one grouping with a varying intercept; fixed effects of the groups themselves.
        ArgumentError
            Weights, or an unknown method.
        ConvergenceError
            The likelihood has no maximum inside its range.

        References
        ----------
        Searle, Casella & McCulloch (1992), Variance Components, section 3.8; Nelder (1954), Biometrika 41:544-548, for
        negative components.

        Examples
        --------
        >>> import bayesmix as bx
        >>> model = bx.Model("Yield ~ 1 + (1 | Batch)", bx.load_dataset("dyestuff2"))
        >>> found = model.compound_symmetry()
        >>> round(found.rho, 4), round(found.chisq, 4)
        (-0.097, 0.6191)
        """
        return symmetric_fit(self.design, self.products, method, prob, **unknown)
