"""A posterior read back from its file, in another process or on another machine."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmix.design import Design, build_design, cross_products
from bayesmix.design.weights import GIVEN
from bayesmix.errors import BayesmixWarning, FileError, refuse_unknown
from bayesmix.inference.draws import EffectDraws
from bayesmix.inference.naming import effect_name, variable_name
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.naming import group_order
from bayesmix.results.netcdf_file import read_path, read_tree
from bayesmix.results.netcdf_names import rename_all
from bayesmix.results.posterior import draws_of
from bayesmix.results.prior_json import priors_from_json
from bayesmix.results.prior_table import PriorTable
from bayesmix.results.saved_columns import rebuild_frame, rebuild_index
from bayesmix.results.saved_fit import OWN, outline
from bayesmix.specification import parse_formula

Floats = NDArray[np.float64]


def load(path: str | Path, **unknown: Any) -> BayesFit:
    """Read a posterior that :meth:`BayesFit.save` wrote; its tables are the same to the last digit.

    The file is data: its formula is read as any formula is, and nothing in it is run. Nothing is compiled or sampled.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    BayesFit

    Raises
    ------
    FileError
        There is no such file, it is not one of ours, it is damaged or was edited, or a later version wrote it.

    Examples
    --------
    >>> import bayesmix as bx
    >>> post = bx.load("dyestuff.nc")  # doctest: +SKIP
    >>> post.fixed_effects()  # doctest: +SKIP
    """
    refuse_unknown("load", unknown, ())
    file = read_path(path)
    tree = read_tree(file)
    try:
        return _rebuild_fit(tree)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as problem:
        raise FileError(
            f"No fit can be made of '{file}': {type(problem).__name__}: {problem}",
            "Expected the model, the data and the draws of a fit.",
            "Read it with the version of bayesmix that wrote it, which stands at the end of the file.",
        ) from problem


def _rebuild_fit(tree: xr.DataTree) -> BayesFit:
    """The fit from the groups of a file."""
    tables = tree.children[OWN].to_dataset(inherit=False)
    model = json.loads(str(tables["model"].item()))
    design = _rebuild_design(model, tables)
    made, saved = outline(design), model["design"]
    for name in made:
        if made[name] != saved[name]:
            raise ValueError(f"this version makes other {name}, {made[name]} where the fit had {saved[name]}.")
    idata = _restore_draws(tree, model["names"])
    priors = priors_from_json(json.dumps(model["priors"]), design)
    effects = _restore_effects(design, idata, tables, model["group_effects"])
    return BayesFit(design, cross_products(design), PriorTable(design, priors), idata, effects)


def _rebuild_design(model: dict[str, Any], tables: xr.Dataset) -> Design:
    """The design from the columns it read; what was warned of then is not warned of again."""
    arrays = {str(name): variable.to_numpy() for name, variable in tables.data_vars.items()}
    frame = rebuild_frame(model["columns"], arrays)
    weights = model["weights"]
    if weights == GIVEN:
        weights = arrays["weights"]
    elif weights is not None and weights not in frame:
        frame[weights] = arrays["weights"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BayesmixWarning)
        design = build_design(parse_formula(model["formula"]), frame, weights)
    labels = rebuild_index(model["row_labels"], arrays, design.n)
    return replace(design, n_missing=model["n_missing"], notes=tuple(model["notes"]), row_index=labels)


def _restore_draws(tree: xr.DataTree, names: dict[str, str]) -> xr.DataTree:
    """The draws with the names they had, as a tree of their own."""
    back = {new: old for old, new in names.items()}
    groups = rename_all(tree, back)
    del groups[f"/{OWN}"]
    return xr.DataTree.from_dict({path: dataset.drop_encoding() for path, dataset in groups.items()})


def _restore_effects(design: Design, idata: xr.DataTree, tables: xr.Dataset, kept: bool) -> EffectDraws:
    """Draws, means and sds of the group effects, groups in depth-first order."""
    posterior = idata["posterior"].to_dataset()
    beta = draws_of(idata, [variable_name(name) for name in design.fixed_names])
    total = beta.shape[0] * beta.shape[1]
    numbers = range(len(design.levels))
    means, sds = (tuple(tables[f"{name}_{number}"].to_numpy() for number in numbers) for name in ("means", "sds"))
    effects: list[Floats] = []
    for number, level in enumerate(design.levels if kept else ()):
        order = group_order(design, number)
        found = np.empty((total, len(order), len(level.effects)))
        for a, name in enumerate(level.effect_names):
            found[:, order, a] = posterior[effect_name(name, level.name)].to_numpy().reshape(total, -1)
        effects.append(found)
    return EffectDraws(beta.reshape(total, beta.shape[-1]), tuple(effects) if kept else None, means, sds)
