"""X, Z, G, R and V by hand for small data, against dense algebra for others, and what they are good for."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import spsolve

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results import labelled_matrix, matrices
from bayesmix.results.matrices import Matrices
from tests.bayes import dense_problem, shuffled_frame
from tests.fabricated import fabricated
from tests.markup import read


def generalised_least_squares(found: Matrices) -> np.ndarray:
    """(X'V^-1X)^-1 X'V^-1 y."""
    X, V = found.X.to_numpy(), found.V.values.tocsc()
    solved = np.column_stack([spsolve(V, column) for column in (*X.T, found.y.to_numpy())])
    return np.linalg.solve(X.T @ solved[:, :-1], X.T @ solved[:, -1])


# Small data by hand


def test_three_subjects_with_intercepts() -> None:
    """Subjects of 3, 2 and 2 observations: Z 7 x 3, G 3 x 3, V three blocks."""
    frame = pd.DataFrame({"id": list("1112233"), "y": [3.0, 3.6, 4.4, 2.5, 2.8, 3.5, 3.9]})
    b2, e2 = 4.0, 1.5
    found = bx.Model("y ~ 1 + (1 | id)", frame).matrices({"id": b2, "residual": e2})
    Z = [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert_array_equal(found.X.to_numpy(), np.ones((7, 1)))
    assert_array_equal(found.Z.to_numpy(), Z)
    assert_array_equal(found.G.to_numpy(), b2 * np.eye(3))
    assert_array_equal(found.R.to_numpy(), e2 * np.eye(7))
    t, c = b2 + e2, b2
    V = [
        [t, c, c, 0, 0, 0, 0],
        [c, t, c, 0, 0, 0, 0],
        [c, c, t, 0, 0, 0, 0],
        [0, 0, 0, t, c, 0, 0],
        [0, 0, 0, c, t, 0, 0],
        [0, 0, 0, 0, 0, t, c],
        [0, 0, 0, 0, 0, c, t],
    ]
    assert_array_equal(found.V.to_numpy(), V)
    assert found.V.structure == "3 blocks, 2 x 2 to 3 x 3"
    assert found.R.structure == found.G.structure == "diagonal"
    assert found.Z.columns.tolist() == [("id", "1", "Intercept"), ("id", "2", "Intercept"), ("id", "3", "Intercept")]


def test_two_subjects_with_slopes() -> None:
    """Subjects of 3 and 2 observations: Z 5 x 4, G two blocks, V_1 with sigma^2 on the diagonal alone."""
    t = np.array([1.0, 2.0, 4.0, 1.0, 3.0])
    frame = pd.DataFrame({"id": list("11122"), "t": t, "y": [3.0, 3.6, 4.4, 2.5, 2.8]})
    s0, s01, s1, e2 = 4.0, 0.5, 1.0, 1.5
    found = bx.Model("y ~ t + (t | id)", frame).matrices({"id": [[s0, s01], [s01, s1]], "residual": e2})
    assert_array_equal(found.Z.to_numpy(), [[1, 1, 0, 0], [1, 2, 0, 0], [1, 4, 0, 0], [0, 0, 1, 1], [0, 0, 1, 3]])
    G = [[s0, s01, 0, 0], [s01, s1, 0, 0], [0, 0, s0, s01], [0, 0, s01, s1]]
    assert_array_equal(found.G.to_numpy(), G)
    assert found.G.structure == "2 blocks of 2 x 2"
    V = [[s0 + (a + b) * s01 + a * b * s1 + e2 * (a == b) for b in t[:3]] for a in t[:3]]
    assert_allclose(found.V_of("1"), V, rtol=1e-15)
    assert_allclose(np.diag(V), s0 + 2 * t[:3] * s01 + t[:3] ** 2 * s1 + e2)
    assert found.V_of("1").index.tolist() == [0, 1, 2]
    assert found.V_of("2").shape == (2, 2)
    assert (found.V.to_frame().iloc[:3, 3:] == 0).all(axis=None)


# Dense algebra


@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        ("y ~ x + f + offset(z) + (x | top) + (1 | top:inner)", None),
        ("y ~ x + (x || top) + (1 | code)", None),
        ("y ~ x + (1 | top) + (0 + z | f)", "w"),
        ("y ~ 0 + x + (1 | code)", "w"),
    ],
)
def test_dense(formula: str, weights: str | None, rng: np.random.Generator) -> None:
    """Rows in no order, nested and crossed levels, independent effects, weights."""
    frame = shuffled_frame(rng)
    frame = frame.assign(w=rng.uniform(0.5, 2, size=120), f="kind " + frame["f"])
    model = bx.Model(formula, frame, weights=weights)
    fit = model.reml()
    found = model.matrices(fit)
    problem = dense_problem(model)
    covariances = [sigma.to_numpy() for sigma in fit.covariances().values()]
    V = problem.variance(covariances, fit.sigma**2)
    assert_allclose(found.V.to_numpy(), V[np.ix_(found.order, found.order)], rtol=1e-12, atol=1e-12)
    product = found.Z.to_numpy() @ found.G.to_numpy() @ found.Z.to_numpy().T + found.R.to_numpy()
    assert_allclose(found.V.to_numpy(), product, rtol=1e-12, atol=1e-12)
    assert_array_equal(found.X.to_numpy(), problem.X[found.order])
    assert_array_equal(found.y, problem.y[found.order])
    assert_allclose(generalised_least_squares(found), fit.solution.beta, rtol=1e-6)
    assert found.X.rows.get_level_values("row").tolist() == found.order.tolist()


def test_labels_name_the_group_of_each_row_and_column(rng: np.random.Generator) -> None:
    """Codes of the inner groups are in no order that the outer ones know."""
    model = bx.Model("y ~ x + (1 | top) + (x | code)", shuffled_frame(rng))
    found = model.matrices(model.reml())
    Z = found.Z.to_frame()
    assert found.Z.rows.names == ["top", "code", "row"]
    assert (np.diff(found.Z.rows.get_level_values("top")) >= 0).all()
    for label, row in zip(found.Z.rows, Z.to_numpy(), strict=True):
        named = {(level, group) for level, group, _ in found.Z.columns[row != 0]}
        assert named == {("top", label[0]), ("code", label[1])}


def test_hsb(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    """7,185 pupils: V stays sparse, and gives the fixed effects of the fit, 12.6650 and 2.3938 on the slides."""
    found = hsb_model.matrices(hsb_reml)
    assert found.V.structure == "160 blocks, 14 x 14 to 67 x 67"
    sizes = np.bincount(hsb_reml.design.levels[0].grouping.codes)
    assert found.V.values.nnz == sizes @ sizes
    beta = generalised_least_squares(found)
    assert_allclose(beta, hsb_reml.solution.beta, rtol=1e-8)
    assert_allclose(beta, [12.6650, 2.3938], atol=5e-5)


def test_variance_and_correlation_as_functions_of_time(dataset: Callable[[str], pd.DataFrame]) -> None:
    """variance_curve is the diagonal of V, within_group_correlation what is beside it."""
    model = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"))
    fit = model.reml()
    V = model.matrices(fit).V_of("308").to_numpy()
    days = list(range(10))
    assert_allclose(np.diag(V), fit.variance_curve("Days", days).loc["total", "estimate"], rtol=1e-12)
    between = ~np.eye(10, dtype=bool)
    for kind, matrix in (
        ("covariance", V),
        ("correlation", V / np.sqrt(np.outer(np.diag(V), np.diag(V)))),
    ):
        curve = fit.within_group_correlation("Days", days, kind=kind)["estimate"].unstack().to_numpy()
        assert_allclose(matrix[between], curve[between], rtol=1e-12)


# Values from elsewhere


def test_posterior_means(rng: np.random.Generator, dataset: Callable[[str], pd.DataFrame]) -> None:
    """V is linear in the variances: that of their means is the mean of V over the draws."""
    model = bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy"))
    post = fabricated(model, rng, keep=False)
    found = model.matrices(post)
    Sigma, sigma = post.parameters.covariances[0], post.parameters.sigma
    Z = np.column_stack([np.ones(10), np.arange(10.0)])
    draws = np.einsum("ma,cdab,nb->cdmn", Z, Sigma, Z) + (sigma**2)[..., None, None] * np.eye(10)
    assert_allclose(found.V_of("309"), draws.mean(axis=(0, 1)), rtol=1e-12)
    assert found.source == "posterior means of the variances"


def test_compound_symmetry(dataset: Callable[[str], pd.DataFrame]) -> None:
    """A covariance below 0, where V is a variance all the same."""
    model = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))
    fit = model.compound_symmetry()
    found = model.matrices(fit)
    V = found.V_of("A").to_numpy()
    assert_allclose(np.diag(V), fit.variance)
    assert_allclose(V[~np.eye(5, dtype=bool)], fit.covariance)
    assert fit.covariance < 0 < np.linalg.eigvalsh(V)[0]
    assert_allclose(generalised_least_squares(found), fit.solution.beta)


def test_no_variance_between_groups(dataset: Callable[[str], pd.DataFrame]) -> None:
    model = bx.Model("Yield ~ 1 + (1 | Batch)", dataset("dyestuff2"))
    found = model.matrices(model.reml())
    assert found.G.structure == "all 0"
    assert found.V.structure == "diagonal"


def test_no_levels(hsb: pd.DataFrame) -> None:
    model = bx.Model("math ~ ses", hsb)
    found = model.matrices(model.reml())
    assert found.Z.shape == (7185, 0)
    assert found.V.structure == "diagonal"
    assert_allclose(found.V.values.diagonal(), model.reml().sigma ** 2)
    assert "Z        7185 x 0, empty" in repr(found)
    assert repr(found.Z) == "Z, 7185 x 0, empty"
    read(found.Z._repr_html_())
    with pytest.raises(ArgumentError, match="no levels"):
        found.V_of("1224")


# Some groups


def test_part_of_the_groups(dataset: Callable[[str], pd.DataFrame]) -> None:
    model = bx.Model("strength ~ 1 + (1 | batch/cask)", dataset("pastes"))
    fit = model.reml()
    whole, part = model.matrices(fit), model.matrices(fit, groups=["C", "A"], level="batch")
    assert part.X.shape == (12, 1)
    assert part.Z.shape == (12, 8)  # six casks and two batches
    frame = whole.V.to_frame()
    kept = frame.index.get_level_values("batch").isin(["A", "C"])
    pd.testing.assert_frame_equal(part.V.to_frame(), frame.loc[kept, kept])
    assert part.y.equals(whole.y[kept])
    cask = whole.V_of("A:a", "batch:cask")
    assert cask.shape == (2, 2) and cask.index.names == ["row"]
    assert whole.V_of("A", "batch").index.names == ["batch:cask", "row"]
    pd.testing.assert_frame_equal(part.of(["C"], "batch").V.to_frame(), whole.of("C", "batch").V.to_frame())
    with pytest.raises(ArgumentError, match="none was named"):
        whole.V_of("A")


def test_group_of_a_crossed_level(dataset: Callable[[str], pd.DataFrame]) -> None:
    """24 plates share one sample; the plates' effects come along."""
    model = bx.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", dataset("penicillin"))
    fit = model.reml()
    found = model.matrices(fit, groups="A", level="sample")
    assert found.Z.shape == (24, 25)
    plate, sample = (float(sigma.iloc[0, 0]) for sigma in fit.covariances().values())
    assert_allclose(found.V.to_numpy(), sample + (plate + fit.sigma**2) * np.eye(24), rtol=1e-12)
    assert model.matrices(fit).V.structure == "one block"


# Display


def test_shown(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit) -> None:
    found = hsb_model.matrices(hsb_reml)
    text = repr(found)
    assert "G        320 x 320, 160 blocks of 2 x 2" in text
    assert "V        7185 x 7185, 160 blocks, 14 x 14 to 67 x 67" in text
    assert "V, its first 6 rows and columns" in text
    picture = repr(found.V).splitlines()
    assert picture[0] == "V, 7185 x 7185, 160 blocks, 14 x 14 to 67 x 67"
    assert len(picture) == 26 and all(len(line) == 48 for line in picture[1:25])
    assert all(line[2 * i : 2 * i + 2].strip(".") for i, line in enumerate(picture[1:25]))
    assert repr(found.X).splitlines()[-1] == "The first 6 rows."
    for matrix in (found, found.X, found.Z, found.V, found.of(["1224"]).G):
        read(matrix._repr_html_())
    assert "V" not in vars(hsb_model.matrices(hsb_reml))  # made when asked for


def test_a_large_v_is_refused(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit, monkeypatch: pytest.MonkeyPatch) -> None:
    found = hsb_model.matrices(hsb_reml)
    monkeypatch.setattr(matrices, "LARGEST", 10_000)
    with pytest.raises(ArgumentError, match=r"V has about 3\.4e\+05 entries.*groups=\[\.\.\.\]"):
        _ = found.V
    assert found.V_of("1224").shape == (47, 47)
    monkeypatch.setattr(labelled_matrix, "LARGEST", 10_000)
    with pytest.raises(ArgumentError, match="Z has 7185 x 320 entries"):
        np.asarray(found.Z)


# Refusals


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (None, "matrices was given NoneType"),
        ({}, "variances of nothing"),
        ({"Subject": 1.0}, "one entry each for 'Subject', 'residual'"),
        ({"Subject": 1.0, "residual": 1.0}, "a matrix of 2 x 2"),
        ({"Subject": [[1, 2], [2, 1]], "residual": 1.0}, "no negative eigenvalue"),
        ({"Subject": [[1, 2], [0, 9]], "residual": 1.0}, "symmetric"),
        ({"Subject": [[1, np.nan], [0, 9]], "residual": 1.0}, "finite numbers"),
        ({"Subject": "large", "residual": 1.0}, "finite numbers"),
        ({"Subject": np.eye(2), "residual": 0.0}, "residual variance is 0.0"),
        ({"Subject": np.eye(2), "residual": "1 kg"}, "'residual' are '1 kg'"),
    ],
)
def test_values_that_are_none(values: object, words: str, dataset: Callable[[str], pd.DataFrame]) -> None:
    with pytest.raises(ArgumentError, match=words):
        bx.Model("Reaction ~ Days + (Days | Subject)", dataset("sleepstudy")).matrices(values)


def test_wrong_use(hsb_model: bx.Model, hsb_reml: bx.LikelihoodFit, hsb: pd.DataFrame) -> None:
    for formula in ("math ~ ses + (1 | school)", "math ~ ses + (ses || school)", "math ~ cses + (cses | school)"):
        with pytest.raises(ArgumentError, match="The fit is of"):
            bx.Model(formula, hsb).matrices(hsb_reml)
    with pytest.raises(ArgumentError, match="The fit is of"):
        bx.Model("math ~ ses + (ses | school)", hsb.assign(math=hsb["math"] + 1)).matrices(hsb_reml)
    again = bx.Model("math ~ ses + (ses | school)", hsb)
    assert again.matrices(hsb_reml).X.shape == (7185, 2)
    with pytest.raises(ArgumentError, match="Did you mean '1224'"):
        hsb_model.matrices(hsb_reml, groups=["12244"])
    with pytest.raises(ArgumentError, match="groups is empty"):
        hsb_model.matrices(hsb_reml, groups=[])
    with pytest.raises(ArgumentError, match="level='school' without groups"):
        hsb_model.matrices(hsb_reml, level="school")
    with pytest.raises(ArgumentError, match="no keyword 'group'"):
        hsb_model.matrices(hsb_reml, group="1224")
    with pytest.raises(ArgumentError, match="vary independently"):
        bx.Model("math ~ ses + (ses || school)", hsb).matrices({"school": [[1, 0.1], [0.1, 1]], "residual": 1})
