"""Specification and data meet: coded columns, groups, and the cross-products that every fit reads."""

from bayesmix.design.coding import ModelColumn
from bayesmix.design.design import Design, Encoded, Level, build_design, cross_products
from bayesmix.design.products import CrossProducts, LevelProducts

__all__ = [
    "CrossProducts",
    "Design",
    "Encoded",
    "Level",
    "LevelProducts",
    "ModelColumn",
    "build_design",
    "cross_products",
]
