"""A posterior as one file: draws, the data its design is made from, and the model as JSON; nothing in it is run."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmix import __version__
from bayesmix.design import Design
from bayesmix.errors import FileError
from bayesmix.results.netcdf_file import read_path, require_writable, write_tree
from bayesmix.results.netcdf_names import netcdf_names, rename_all
from bayesmix.results.prior_json import priors_to_json
from bayesmix.results.saved_columns import describe_columns, describe_index
from bayesmix.specification import parse_formula

if TYPE_CHECKING:
    from bayesmix.results.bayes_fit import BayesFit

# The group that holds what is not draws.
OWN = "bayesmix"


def save_fit(fit: BayesFit, path: Any) -> Path:
    """Write a posterior to one netCDF file; see :meth:`BayesFit.save`."""
    given = read_path(path)
    require_writable(given)
    design = fit.design
    if repr(parse_formula(design.specification.formula)) != repr(design.specification):
        raise FileError(
            f"The model is not what its formula '{design.specification.formula}' says.",
            "Expected a specification made from its formula.",
            "Build the model from a formula.",
        )
    names = netcdf_names(fit.idata)
    columns, arrays = describe_columns(design.columns_read)
    labels, own = describe_index(design.row_index)
    arrays |= own
    tables: dict[str, Any] = {variable: (("row",), values) for variable, values in arrays.items()}
    if design.weights is not None:
        tables["weights"] = (("row",), design.weights)
    for number, (means, sds) in enumerate(zip(fit.effects.means, fit.effects.sds, strict=True)):
        dims = (f"group_{number}", f"effect_{number}")
        tables |= {f"means_{number}": (dims, means), f"sds_{number}": (dims, sds)}
    model = {
        "formula": design.specification.formula,
        "weights": design.weights_name,
        "columns": columns,
        "row_labels": labels,
        "n_missing": design.n_missing,
        "notes": list(design.notes),
        "priors": json.loads(priors_to_json(fit.priors.numbers)),
        "group_effects": fit.effects.effects is not None,
        "names": names,
        "design": outline(design),
    }
    tables["model"] = ((), json.dumps(model))
    groups = {**rename_all(fit.idata, names), f"/{OWN}": xr.Dataset(tables)}
    write_tree(groups, given, __version__)
    return given


def outline(design: Design) -> dict[str, Any]:
    """What must be the same again: names, sizes, labels, and the size of every column to six digits."""
    levels = [
        {
            "name": level.name,
            "effects": list(level.effect_names),
            "blocks": [list(block) for block in level.blocks],
            "groups": len(level.grouping.labels),
            "labels": blake2b(json.dumps(list(map(str, level.grouping.labels))).encode(), digest_size=8).hexdigest(),
        }
        for level in design.levels
    ]
    columns = np.column_stack([design.values, design.response, design.offset])
    return {
        "rows": design.n,
        "columns": [column.name for column in design.columns],
        "sizes": [f"{size:.6g}" for size in np.sqrt(np.mean(columns**2, axis=0))],
        "fixed": list(design.fixed_names),
        "dropped": list(design.dropped),
        "levels": levels,
    }
