"""Specification and data meet: coded columns, groups, and the cross-products that every fit reads."""

from bayesmix.design.coding import ModelColumn
from bayesmix.design.design import Design, Encoded, build_design
from bayesmix.design.levels import Level
from bayesmix.design.products import CrossProducts, LevelProducts
from bayesmix.design.reduction import cross_products

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
