"""Products taken apart by level."""

from bayesmix.specification.hierarchy import take_apart, too_high

HEIGHTS = {"t": 0, "x": 0, "tx": 1, "size": 2}


def test_three_levels() -> None:
    """By hand: a cross-level interaction of all three, and a coefficient without a mean."""
    fixed = [(), ("t",), ("size", "tx"), ("t", "tx", "size")]
    form = take_apart(fixed, [[(), ("t",), ("x",)], [("tx",)]], HEIGHTS.__getitem__)
    assert form.first == ((), ("t",), ("x",))
    child, school = form.equations
    assert [(one.coefficient, one.predictors, one.residual) for one in child] == [
        ((), ((), ("tx",)), True), (("t",), ((), ("tx",)), True), (("x",), (), True),
    ]  # fmt: skip
    assert [(one.coefficient, one.predictors, one.residual) for one in school] == [
        ((), ((),), False), (("t",), ((),), False), (("tx",), (("size",),), True), (("t", "tx"), (("size",),), False),
    ]  # fmt: skip
    assert [one.trivial for one in school] == [True, True, False, False]


def test_effect_that_does_not_vary_within_its_groups() -> None:
    assert too_high([[(), ("t",)], [("tx",)]], HEIGHTS.__getitem__) is None
    assert too_high([[("t",), ("t", "tx")]], HEIGHTS.__getitem__) == (1, ("t", "tx"))
