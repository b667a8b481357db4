"""Names that netCDF takes, tried on the library itself."""

from pathlib import Path

import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmix.results.netcdf_names import netcdf_names, rename_all

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=8)


def tree_of(names: list[str]) -> xr.DataTree:
    return xr.DataTree.from_dict(
        {"posterior": xr.Dataset({name: (("n",), [float(i)]) for i, name in enumerate(names)})}
    )


def test_usual_names_stay() -> None:
    names = ["Intercept", "ses", "1|school_sigma", "sector[Catholic]", "I(acid÷10)", "x:y", "日本", "a b", "_x3C_"]
    assert netcdf_names(tree_of(names)) == {}


def test_dimensions_and_coordinates_are_renamed_together() -> None:
    data = xr.Dataset({"<u>": (("<g>",), [1.0, 2.0])}, coords={"<g>": ["a", "b"]})
    tree = xr.DataTree.from_dict({"posterior": data})
    names = netcdf_names(tree)
    assert names == {"<u>": "_x3C_u>", "<g>": "_x3C_g>"}
    found = rename_all(tree, names)["/posterior"]
    assert found["_x3C_u>"].dims == ("_x3C_g>",) and list(found.coords) == ["_x3C_g>"]
    back = rename_all(xr.DataTree.from_dict({"posterior": found}), {new: old for old, new in names.items()})
    xr.testing.assert_identical(back["/posterior"], data)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["<", "_x3C_"], {"<": "_x3C__2"}),
        (["\xe9", "e\u0301"], {"e\u0301": "\xe9_2"}),
        (["e\u0301", "E\u0301"], {"e\u0301": "\xe9", "E\u0301": "\xc9"}),
        (["", " ", "a "], {"": "_x_", " ": "_x20_", "a ": "a_x20_"}),
        (["_nc4_non_coord_x"], {"_nc4_non_coord_x": "_x5F_nc4_non_coord_x"}),
    ],
)
def test_each_name_is_given_once(names: list[str], expected: dict[str, str]) -> None:
    assert netcdf_names(tree_of(names)) == expected


def test_long_names_stay_apart() -> None:
    names = ["x" * 300 + "a", "x" * 300 + "b", "é" * 150]
    found = netcdf_names(tree_of(names))
    assert len(set(found.values())) == 3
    assert all(len(name.encode()) <= 200 for name in found.values())


@settings(max_examples=60, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=6, unique=True))
def test_any_name(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """The library writes the names given, and reads the same ones."""
    tree = tree_of(names)
    given_names = netcdf_names(tree)
    path: Path = tmp_path_factory.mktemp("names") / "names.nc"
    groups = rename_all(tree, given_names)
    xr.DataTree.from_dict(groups).to_netcdf(path)
    with xr.open_datatree(path) as found:
        found.load()
    back = rename_all(found, {new: old for old, new in given_names.items()})
    xr.testing.assert_identical(back["/posterior"], tree["posterior"].to_dataset())
