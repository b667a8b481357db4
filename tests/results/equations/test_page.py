"""Equations of models, against those of textbooks."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesmix as bx
from bayesmix.errors import ArgumentError
from bayesmix.results.equations import Equations
from bayesmix.results.equations.marks import (
    Amount,
    Bracket,
    Node,
    Product,
    Symbol,
    Variable,
    as_latex,
    as_text,
    latex_name,
)
from tests.fabricated import fabricated
from tests.generated import FORMULAS, generate


def growth_frame() -> pd.DataFrame:
    """Times in children in schools."""
    rng = np.random.default_rng(2)
    child = np.repeat(np.arange(40), 4)
    frame = pd.DataFrame({"school": child // 4, "child": child, "t": np.tile(np.arange(4.0), 40)})
    return frame.assign(
        TX=rng.integers(2, size=40)[child], Y=rng.normal(size=160), size=rng.normal(size=10)[child // 4]
    )


GROWTH = growth_frame()


def lines(equations: Equations) -> list[str]:
    """Lines of text, continuations joined, titles left out."""
    text = re.sub(r"\n {4,}(?=[+−\[])", " ", equations.text)
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def test_three_level_growth_model() -> None:
    """The level form as it is printed for pupils' growth in schools: Y, t and TX, residuals R, U and V."""
    model = bx.Model("Y ~ t*TX + (t | school:child) + (t*TX | school)", GROWTH)
    assert lines(model.equations())[:7] == [
        "Yᵢⱼₖ = β₀ⱼₖ + β₁ⱼₖ tᵢⱼₖ + Rᵢⱼₖ",
        "β₀ⱼₖ = γ₀₀ₖ + γ₀₁ₖ TXⱼₖ + U₀ⱼₖ",
        "β₁ⱼₖ = γ₁₀ₖ + γ₁₁ₖ TXⱼₖ + U₁ⱼₖ",
        "γ₀₀ₖ = δ₀₀₀ + V₀ₖ",
        "γ₁₀ₖ = δ₁₀₀ + V₁ₖ",
        "γ₀₁ₖ = δ₀₁₀ + V₂ₖ",
        "γ₁₁ₖ = δ₁₁₀ + V₃ₖ",
    ]
    assert lines(model.equations())[7:10] == [
        "Yᵢⱼₖ = (γ₀₀ₖ + γ₀₁ₖ TXⱼₖ + U₀ⱼₖ) + (γ₁₀ₖ + γ₁₁ₖ TXⱼₖ + U₁ⱼₖ) tᵢⱼₖ + Rᵢⱼₖ",
        "Yᵢⱼₖ = ((δ₀₀₀ + V₀ₖ) + (δ₀₁₀ + V₂ₖ) TXⱼₖ + U₀ⱼₖ) + ((δ₁₀₀ + V₁ₖ) + (δ₁₁₀ + V₃ₖ) TXⱼₖ + U₁ⱼₖ) tᵢⱼₖ + Rᵢⱼₖ",
        "Yᵢⱼₖ = δ₀₀₀ + δ₁₀₀ tᵢⱼₖ + δ₀₁₀ TXⱼₖ + δ₁₁₀ tᵢⱼₖ·TXⱼₖ"
        " + [V₀ₖ + V₁ₖ tᵢⱼₖ + V₂ₖ TXⱼₖ + V₃ₖ tᵢⱼₖ·TXⱼₖ + U₀ⱼₖ + U₁ⱼₖ tᵢⱼₖ + Rᵢⱼₖ]",
    ]
    latex = model.equations().latex
    assert r"\beta_{0jk} &= \gamma_{00k} + \gamma_{01k} \, \mathrm{TX}_{jk} + U_{0jk}" in latex
    assert r"\gamma_{11k} &= \delta_{110} + V_{3k}" in latex


NOTATIONS = {
    "gamma": [
        "mathᵢⱼ = β₀ⱼ + β₁ⱼ sesᵢⱼ + εᵢⱼ", "β₀ⱼ = γ₀₀ + u₀ⱼ", "β₁ⱼ = γ₁₀ + u₁ⱼ",
        "mathᵢⱼ = (γ₀₀ + u₀ⱼ) + (γ₁₀ + u₁ⱼ) sesᵢⱼ + εᵢⱼ", "mathᵢⱼ = γ₀₀ + γ₁₀ sesᵢⱼ + [u₀ⱼ + u₁ⱼ sesᵢⱼ + εᵢⱼ]",
    ],
    "beta": [
        "mathᵢⱼ = b₀ᵢ + b₁ᵢ sesᵢⱼ + εᵢⱼ", "b₀ᵢ = β₀ + v₀ᵢ", "b₁ᵢ = β₁ + v₁ᵢ",
        "mathᵢⱼ = (β₀ + v₀ᵢ) + (β₁ + v₁ᵢ) sesᵢⱼ + εᵢⱼ", "mathᵢⱼ = β₀ + β₁ sesᵢⱼ + [v₀ᵢ + v₁ᵢ sesᵢⱼ + εᵢⱼ]",
    ],
    "mu": [
        "mathᵢⱼ = β₀ⱼ + β₁ⱼ(sesᵢⱼ) + εᵢⱼ", "β₀ⱼ = μ₀ + η₀ⱼ", "β₁ⱼ = μ₁ + η₁ⱼ",
        "mathᵢⱼ = (μ₀ + η₀ⱼ) + (μ₁ + η₁ⱼ)(sesᵢⱼ) + εᵢⱼ", "mathᵢⱼ = μ₀ + μ₁(sesᵢⱼ) + [η₀ⱼ + η₁ⱼ(sesᵢⱼ) + εᵢⱼ]",
    ],
}  # fmt: skip


@pytest.mark.parametrize("notation", NOTATIONS)
def test_notations(notation: str, hsb_model: bx.Model) -> None:
    """Slopes of ses that vary between schools, each as one set of course notes writes it, substitution included."""
    found = hsb_model.equations(notation=notation)
    assert lines(found)[:5] == NOTATIONS[notation]
    assert lines(found)[-1] == "εᵢⱼ ~ N(0, σ²)"
    assert found.text.count("τ₀₁") == 2


# The level form, or the combined equation where there is none, and the residuals.
FORMS: dict[str, list[str]] = {
    "Y ~ t + (t || child)": [
        "Yᵢⱼ = β₀ⱼ + β₁ⱼ tᵢⱼ + εᵢⱼ", "β₀ⱼ = γ₀₀ + u₀ⱼ", "β₁ⱼ = γ₁₀ + u₁ⱼ",
        "Yᵢⱼ = γ₀₀ + γ₁₀ tᵢⱼ + [u₀ⱼ + u₁ⱼ tᵢⱼ + εᵢⱼ]", "u₀ⱼ ~ N(0, τ₀₀)", "u₁ⱼ ~ N(0, τ₁₁)", "εᵢⱼ ~ N(0, σ²)",
    ],
    "Y ~ t*TX + (1 | child)": [  # a slope with a predictor and no residual
        "Yᵢⱼ = β₀ⱼ + β₁ⱼ tᵢⱼ + εᵢⱼ", "β₀ⱼ = γ₀₀ + γ₀₁ TXⱼ + u₀ⱼ", "β₁ⱼ = γ₁₀ + γ₁₁ TXⱼ",
        "Yᵢⱼ = γ₀₀ + γ₁₀ tᵢⱼ + γ₀₁ TXⱼ + γ₁₁ tᵢⱼ·TXⱼ + [u₀ⱼ + εᵢⱼ]", "u₀ⱼ ~ N(0, τ₀₀)", "εᵢⱼ ~ N(0, σ²)",
    ],
    "Y ~ t + (1 | child)": [  # a slope that is the same in all groups has no index
        "Yᵢⱼ = β₀ⱼ + β₁ tᵢⱼ + εᵢⱼ", "β₀ⱼ = γ₀₀ + u₀ⱼ", "β₁ = γ₁₀", "Yᵢⱼ = γ₀₀ + γ₁₀ tᵢⱼ + [u₀ⱼ + εᵢⱼ]",
        "u₀ⱼ ~ N(0, τ₀₀)", "εᵢⱼ ~ N(0, σ²)",
    ],
    "Y ~ 1 + (0 + t | child)": [  # a slope that varies about 0
        "Yᵢⱼ = β₀ + β₁ⱼ tᵢⱼ + εᵢⱼ", "β₀ = γ₀₀", "β₁ⱼ = u₁ⱼ", "Yᵢⱼ = γ₀₀ + [u₁ⱼ tᵢⱼ + εᵢⱼ]",
        "u₁ⱼ ~ N(0, τ₁₁)", "εᵢⱼ ~ N(0, σ²)",
    ],
    "Y ~ t + size + (1 | school/child)": [  # nested; the slope passes through both levels
        "Yᵢⱼₖ = β₀ⱼₖ + β₁ tᵢⱼₖ + Rᵢⱼₖ", "β₀ⱼₖ = γ₀₀ₖ + U₀ⱼₖ", "β₁ = γ₁₀", "γ₀₀ₖ = δ₀₀₀ + δ₀₀₁ sizeₖ + V₀ₖ",
        "γ₁₀ = δ₁₀₀",
        "Yᵢⱼₖ = δ₀₀₀ + δ₁₀₀ tᵢⱼₖ + δ₀₀₁ sizeₖ + [V₀ₖ + U₀ⱼₖ + Rᵢⱼₖ]",
        "U₀ⱼₖ ~ N(0, τ⁽²⁾₀₀)", "V₀ₖ ~ N(0, τ⁽³⁾₀₀)", "Rᵢⱼₖ ~ N(0, σ²)",
    ],
    "log(Y + 9) ~ 0 + t + offset(size) + (0 + t | child)": [
        "log(Y+9)ᵢⱼ = β₁ⱼ tᵢⱼ + sizeᵢⱼ + εᵢⱼ", "β₁ⱼ = γ₁₀ + u₁ⱼ", "log(Y+9)ᵢⱼ = γ₁₀ tᵢⱼ + sizeᵢⱼ + [u₁ⱼ tᵢⱼ + εᵢⱼ]",
        "u₁ⱼ ~ N(0, τ₁₁)", "εᵢⱼ ~ N(0, σ²)",
    ],
    "Y ~ t": ["Yᵢ = β₀ + β₁ tᵢ + εᵢ", "εᵢ ~ N(0, σ²)"],
    "Y ~ TX + (0 + TX | child)": [  # no level form
        "Yᵢⱼ = γ₀ + γ₁ TXⱼ + [u₁ⱼ TXⱼ + εᵢⱼ]", "u₁ⱼ ~ N(0, τ₁₁)", "εᵢⱼ ~ N(0, σ²)",
    ],
    "Y ~ t + size + (1 | school) + (t | day)": [  # crossed; t has one value on each day
        "Yᵢⱼₖ = γ₀ + γ₁ tₖ + γ₂ sizeⱼ + [V₀ₖ + V₁ₖ tₖ + U₀ⱼ + Rᵢⱼₖ]", "U₀ⱼ ~ N(0, τ⁽²⁾₀₀)",
    ],
}  # fmt: skip


@pytest.mark.parametrize("formula", FORMS)
def test_short_forms(formula: str) -> None:
    model = bx.Model(formula, GROWTH.assign(day=[f"day {t:.0f}" for t in GROWTH["t"]]))
    found = [line.strip() for line in model.equations().short.splitlines() if line.startswith("  ")]
    assert found[: len(FORMS[formula])] == FORMS[formula]
    assert ("combined equation is all there is" in model.equations().text) == ("day" in formula or "0 + TX" in formula)


def test_three_levels_with_other_letters() -> None:
    model = bx.Model("Y ~ t*size + (t | school/child)", GROWTH)
    assert lines(model.equations(notation="beta"))[:5] == [
        "Yᵢⱼₖ = b₀ᵢⱼ + b₁ᵢⱼ tᵢⱼₖ + εᵢⱼₖ",
        "b₀ᵢⱼ = c₀₀ᵢ + v⁽²⁾₀ᵢⱼ",
        "b₁ᵢⱼ = c₁₀ᵢ + v⁽²⁾₁ᵢⱼ",
        "c₀₀ᵢ = β₀ + β₂ sizeᵢ + v⁽³⁾₀ᵢ",
        "c₁₀ᵢ = β₁ + β₃ sizeᵢ + v⁽³⁾₁ᵢ",
    ]
    assert lines(model.equations(notation="mu"))[3:5] == [
        "π₀₀ₖ = μ₀ + μ₂(sizeₖ) + η⁽³⁾₀ₖ",
        "π₁₀ₖ = μ₁ + μ₃(sizeₖ) + η⁽³⁾₁ₖ",
    ]


NUMBER = re.compile(r"−?\d+\.\d+(?:e[+-]\d+)?")


def numbers(text: str) -> list[float]:
    return [float(found.replace("−", "-")) for found in NUMBER.findall(text)]


def combined(equations: Equations) -> str:
    """The combined equation, a minus sign joined to its number."""
    return next(line for line in lines(equations) if "[" in line).replace("− ", "−")


def test_estimates(egsingle_model: bx.Model, egsingle_reml: bx.LikelihoodFit) -> None:
    """The numbers of the tables to five digits, in the level form, the combined form and the matrices."""
    found = egsingle_model.equations(values=egsingle_reml)
    assert_allclose(numbers(combined(found)), egsingle_reml.fixed_effects()["estimate"], rtol=5e-5)
    assert numbers(" ".join(lines(found)[3:5])) == numbers(combined(found))
    matrix = numbers(found.text[found.text.index("(V₀ₖ") :])
    wanted = egsingle_reml.covariances()["schoolid"].to_numpy().ravel()
    assert_allclose(matrix[:4], wanted, rtol=5e-5)
    assert_allclose(matrix[4], egsingle_reml.sigma**2, rtol=5e-5)
    assert "β₀ⱼₖ = γ₀₀ₖ + U₀ⱼₖ" in found.text and "Numbers are estimates" in found.text


def test_posterior_means(rng: np.random.Generator) -> None:
    model = bx.Model("Y ~ t + (t | child)", GROWTH)
    post = fabricated(model, rng)
    found = model.equations(values=post)
    assert_allclose(numbers(combined(found)), post.fixed_effects()["mean"], rtol=5e-5)
    wanted = post.variance_components()["mean"]
    matrix = numbers(found.text[found.text.index("(u₀ⱼ") :])
    names = [("child", "var(Intercept)"), ("child", "cov(Intercept,t)"), ("child", "var(t)"), ("residual", "var")]
    assert_allclose([matrix[0], matrix[1], matrix[3], matrix[4]], wanted[names], rtol=5e-5)


def test_signs() -> None:
    """A negative number takes the place of the sign before it."""
    terms = (Amount(-2.0), Product((Amount(-0.5), Variable("x", "i"))), Symbol("eta", (0,), "j"))
    assert as_text(Bracket(terms)) == "(−2.0000 − 0.50000 xᵢ + η₀ⱼ)"
    assert as_latex(Bracket(terms)) == r"(-2.0000 - 0.50000 \, \mathrm{x}_{i} + \eta_{0j})"
    assert as_latex(Amount(-123456.0)) == r"-1.2346 \times 10^{5}"
    assert as_latex(Symbol("gamma", (0, 10))) == r"\gamma_{0,10}" and as_text(Symbol("gamma", (0, 10))) == "γ₀,₁₀"


def test_weights(rng: np.random.Generator) -> None:
    found = bx.Model("Y ~ t + (1 | child)", GROWTH.assign(w_1=2.0), weights="w_1").equations()
    assert lines(found)[-1] == "εᵢⱼ ~ N(0, σ² / w_1)"
    assert r"N(0, \, \sigma^{2} / \mathrm{w\_1})" in found.latex


def check_latex(latex: str) -> None:
    """Braces and environments close in order; in names no sign that LaTeX would take for its own; & once a row."""
    depth = 0
    for sign in re.sub(r"\\[{}\\]", "", latex):
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", latex):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    assert latex.count(r"\left") == latex.count(r"\right")
    for block in re.findall(r"\\begin\{aligned\}\n(.*?)\n\\end\{aligned\}", latex, flags=re.DOTALL):
        plain = re.sub(r"\\begin\{pmatrix\}.*?\\end\{pmatrix\}", "", block)
        assert all(len(re.findall(r"(?<!\\)&", row)) == 1 for row in plain.split(" \\\\\n"))
    for name in re.findall(r"\\mathrm\{((?:[^{}]|\\[{}]|\{[^{}]*\})*)\}", latex):
        assert not re.search(r"(?<!\\)[_#$%&]", name), name
    assert not re.search(r"\\(?:textbf|text)\{[^}]*[_#$%&^\\]", latex)


STRANGE = [
    "my_var",
    "100%",
    "a & b",
    "x^y",
    "p{q}",
    "back\\slash",
    "näïve",
    "$cost",
    "#1",
    "~tilde",
    "with-dash",
    "a*b",
]


@pytest.mark.parametrize("notation", NOTATIONS)
def test_latex_is_well_formed(notation: str) -> None:
    """Names of every sign, long sums, matrices, exponents."""
    frame = GROWTH.assign(**{name: np.random.default_rng(i).normal(size=160) for i, name in enumerate(STRANGE)})
    frame["school_id"] = frame["school"]
    columns = " + ".join(f"`{name}`" for name in STRANGE)
    model = bx.Model(f"Y ~ {columns} + I(t^2) + I(2^t) + C(TX) + (`my_var` + `100%` | school_id)", frame)
    latex = model.equations(notation=notation).latex
    check_latex(latex)
    assert r"\mathrm{my\_var}" in latex and r"\mathrm{school\_id}" in latex and r"\mathrm{I(t^{2})}" in latex
    check_latex(bx.Model("Y ~ t*TX + (t | school:child) + (t*TX | school)", GROWTH).equations(notation=notation).latex)
    check_latex(bx.Model("Y ~ t", GROWTH).equations(notation=notation).latex)


def value(node: Node, known: dict[Node, float], rng: np.random.Generator) -> float:
    """A number for an expression; a symbol that has none yet gets one at random."""
    match node:
        case Amount(number):
            return number
        case Product(factors):
            return float(np.prod([value(factor, known, rng) for factor in factors]))
        case Bracket(terms):
            return sum(value(term, known, rng) for term in terms)
    return known.setdefault(node, rng.normal())


@pytest.mark.filterwarnings("ignore::bayesmix.errors.BayesmixWarning")
@pytest.mark.parametrize("number", range(len(FORMULAS)))
def test_every_form_says_the_same(number: int, rng: np.random.Generator) -> None:
    """Random numbers for fixed effects, residuals and columns: each step of substitution gives the same response."""
    case = generate(number)
    model = bx.Model(case.formula, case.frame, weights=case.weights)
    for notation in NOTATIONS:
        found = model.equations(notation=notation)
        check_latex(found.latex)
        known: dict[Node, float] = {}
        levels = [section for section in found.sections if section.heading.startswith("Level")]
        assert bool(levels) == (not model.design.crossed and bool(model.levels))
        for section in reversed(levels[1:]):
            for line in section.lines:
                known[line.left] = sum(value(term, known, rng) for term in line.terms)
        rows = [
            line for section in found.sections for line in section.lines if section.name == "" and hasattr(line, "left")
        ]
        sums = [sum(value(term, known, rng) for term in line.terms) for line in rows]
        assert len(sums) == (len(levels) + 1 if levels else 1)
        assert_allclose(sums, sums[0], rtol=1e-9, atol=1e-9)
        effects = sum(len(level.effects) for level in model.design.levels)
        assert len(rows[-1].terms) == len(model.design.fixed) + effects + 1 + ("offset" in case.formula)


def test_names_in_latex() -> None:
    """LaTeX has no double superscript."""
    assert latex_name("a^b^2") == r"\mathrm{a{\wedge}b^{2}}"
    assert latex_name("x^") == r"\mathrm{x{\wedge}}"


def test_lines_fit_and_break_alike() -> None:
    columns = [f"predictor_{number}" for number in range(12)]
    frame = GROWTH.assign(**{name: np.random.default_rng(i).normal(size=160) for i, name in enumerate(columns)})
    found = bx.Model(f"Y ~ {' + '.join(columns)} + (1 | school)", frame).equations()
    assert max(map(len, found.short.splitlines())) <= 100
    text = [row for section in found.sections for row in section.text()]
    latex = [row for section in found.sections for line in section.lines for row in line.latex()]
    assert len(text) == len(latex) > 10


def test_shown_in_a_notebook(hsb_model: bx.Model) -> None:
    found = hsb_model.equations()
    assert found._repr_latex_() == f"$$\n{found.latex}\n$$" and repr(found) == found.text
    assert "The intercept is the mean of math where ses is 0" in found.text


MISTAKES: dict[str, tuple[Callable[[bx.Model], object], str]] = {
    "notation": (lambda model: model.equations(notation="delta"), "notation='delta'"),
    "number": (lambda model: model.equations(notation=3), "notation=3"),
    "no fit": (lambda model: model.equations(values={"ses": 1}), "'dict'"),
    "keyword": (lambda model: model.equations(latex=True), "'latex'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, hsb_model: bx.Model) -> None:
    act, found = MISTAKES[name]
    with pytest.raises(ArgumentError) as caught:
        act(hsb_model)
    assert found in caught.value.found


def test_fit_of_another_model(hsb_model: bx.Model, egsingle_reml: bx.LikelihoodFit) -> None:
    with pytest.raises(ArgumentError, match=r"math ~ year .* Expected one of 'math ~ ses"):
        hsb_model.equations(values=egsingle_reml)
