"""Text of tables with two levels of columns."""

import numpy as np
import pandas as pd

from bayesmix.tables import format_wide


def test_layout() -> None:
    index = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "y")], names=["part", "parameter"])
    columns = pd.MultiIndex.from_tuples([("one", "estimate"), ("one", "n"), ("a longer name", "n")])
    frame = pd.DataFrame([[1.0, 2.5, np.nan], [20.0, 3.0, 4.0], [-3.0, 1.0, 7.0]], index=index, columns=columns)
    assert format_wide(frame, {"n": 0, "estimate": 2}).splitlines() == [
        "  part  parameter  one          a longer name",
        "                   estimate  n  n",
        "  a     x              1.00  2",
        "        y             20.00  3  4",
        "  b     y             -3.00  1  7",
    ]
