"""A model as the equations of textbooks."""

from bayesmix.results.equations.page import Equations, model_equations

__all__ = ["Equations", "model_equations"]
