"""Effects and groupings by the names other programs give them."""

from __future__ import annotations

from collections.abc import Sequence

from bayesmix.design import Level
from bayesmix.design.coding import Atom, Contrast, Indicator, Measure, ModelColumn, Power


def _label(atom: Atom) -> str:
    """What distinguishes the columns of one factor; empty for a number."""
    match atom:
        case Indicator(_, label):
            return str(label)
        case Power(_, degree):
            return str(degree)
        case Contrast(_, column, _):
            return column
    return ""


def r_effects(columns: Sequence[ModelColumn]) -> list[str]:
    """``(Intercept)``, ``ses:sectorPublic``: factors in the order in which they first occur, as R names products."""
    order = list(dict.fromkeys(atom.factor.text for column in columns for atom in column.atoms))
    names = []
    for column in columns:
        atoms = sorted(column.atoms, key=lambda atom: order.index(atom.factor.text))
        names.append(":".join(atom.factor.text + _label(atom) for atom in atoms) or "(Intercept)")
    return names


def r_grouping(level: Level) -> str:
    """``cask:batch``: inner grouping first."""
    return ":".join(reversed(level.grouping.columns))


def class_factors(columns: Sequence[ModelColumn]) -> tuple[str, ...]:
    """Factors that have labels, in order of first use."""
    found = [atom.factor.text for column in columns for atom in column.atoms if _is_class(atom)]
    return tuple(dict.fromkeys(found))


def _is_class(atom: Atom) -> bool:
    """Whether an atom is of a factor that has labels."""
    return isinstance(atom, Indicator | Contrast)


def sas_effect(column: ModelColumn) -> str:
    """``Intercept``, ``ses*sector``; labels of factors stand elsewhere."""
    parts = [atom.factor.text if _is_class(atom) else f"{atom.factor.text} {_label(atom)}" for atom in column.atoms]
    return "*".join(map(str.rstrip, parts)) or "Intercept"


def labels_by_factor(column: ModelColumn) -> dict[str, str]:
    """Label of each factor that has labels."""
    return {atom.factor.text: _label(atom) for atom in column.atoms if _is_class(atom)}


def labelled(column: ModelColumn, times: str, constant: str) -> str:
    """The effect with its labels in one name: ``ses*sector Catholic``."""
    parts = [f"{atom.factor.text} {_label(atom)}".rstrip() for atom in column.atoms]
    return times.join(parts) or constant


def sas_subject(level: Level) -> str:
    """``cask(batch)``: inner grouping within the outer ones."""
    *outer, inner = level.grouping.columns
    return f"{inner}({' '.join(outer)})" if outer else inner


def spss_subject(level: Level) -> str:
    """``batch * cask``."""
    return " * ".join(level.grouping.columns)


def stata_effect(column: ModelColumn) -> tuple[str, str]:
    """Heading and label: ``("", "ses")``, ``("sector#c.ses", "Catholic")``, ``("", "_cons")``."""
    if not column.atoms:
        return "", "_cons"
    atoms = sorted(column.atoms, key=lambda atom: isinstance(atom, Measure))
    labels = [_label(atom) for atom in atoms if not isinstance(atom, Measure)]
    single = len(atoms) == 1
    names = [a.factor.text if single or not isinstance(a, Measure) else f"c.{a.factor.text}" for a in atoms]
    return ("#".join(names), "#".join(labels)) if labels else ("", "#".join(names))


def stata_variable(column: ModelColumn) -> str:
    """A column as a variable the user would have to make: ``sector_Catholic``, ``_cons``."""
    parts = [f"{atom.factor.text}_{_label(atom)}".rstrip("_") for atom in column.atoms]
    return "_X_".join(parts) or "_cons"


def upper_name(atoms: Sequence[Atom]) -> str:
    """``SES``, ``SECTOR_CATHOLIC``, as HLM writes variables."""
    return "*".join(f"{atom.factor.text}_{_label(atom)}".rstrip("_") for atom in atoms).upper()


def plain_name(column: ModelColumn, constant: str) -> str:
    """``standlrt``, ``sector_Catholic``, ``ses.sector_Catholic``, as MLwiN writes variables."""
    return ".".join(f"{atom.factor.text}_{_label(atom)}".rstrip("_") for atom in column.atoms) or constant
