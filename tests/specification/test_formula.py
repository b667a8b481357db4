"""Formulas and their specifications, and formulas that are refused."""

import ast
import doctest
import importlib
import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmix.errors import FormulaError
from bayesmix.specification import INTERCEPT, Factor, GroupTerm, Name, Specification, Term, parse_formula

ROOM = Path(__file__).parents[2] / "bayesmix" / "specification"


def labels(terms: tuple[Term, ...]) -> str:
    return " + ".join("1" if term == INTERCEPT else term.label for term in terms)


# Fixed part, as R's terms() gives it: intercept, then by degree, then as they appear.
FIXED = [
    ("y ~ x", "1 + x"),
    ("y~x", "1 + x"),
    ("y ~\n  x\n\t+ z  ", "1 + x + z"),
    ("y ~ 1", "1"),
    ("y ~ 0", ""),
    ("y ~ -1", ""),
    ("y ~ 0 + x", "x"),
    ("y ~ x + 0", "x"),
    ("y ~ x - 1", "x"),
    ("y ~ -1 + x", "x"),
    ("y ~ x + -1", "x"),
    ("y ~ x - 0", "1 + x"),
    ("y ~ x - -1", "1 + x"),
    ("y ~ +x", "1 + x"),
    ("y ~ 1 + x - 1", "x"),
    ("y ~ 0 + x + 1", "1 + x"),
    ("y ~ (x - 1)", "x"),
    ("y ~ (0 + x) + z", "x + z"),
    ("y ~ x + z - (1 + z)", "x"),
    ("y ~ x - (0 + z)", "1 + x"),
    ("y ~ x - x", "1"),
    ("y ~ -x + z", "1 + z"),
    ("y ~ sector*cses", "1 + sector + cses + sector:cses"),
    ("y ~ cses*sector", "1 + cses + sector + cses:sector"),
    ("y ~ a:b + c", "1 + c + a:b"),
    ("y ~ c:b:a + b:c + a", "1 + a + b:c + c:b:a"),
    ("y ~ a:b + b:a", "1 + a:b"),
    ("y ~ a + a + a:a", "1 + a"),
    ("y ~ a*b*c", "1 + a + b + c + a:b + a:c + b:c + a:b:c"),
    ("y ~ a*b*c - a:b:c", "1 + a + b + c + a:b + a:c + b:c"),
    ("y ~ a*b - b:a", "1 + a + b"),
    ("y ~ (a + b + c)^2", "1 + a + b + c + a:b + a:c + b:c"),
    ("y ~ a/b/c", "1 + a + a:b + a:b:c"),
    ("y ~ (a + b)/c", "1 + a + b + a:b:c"),
    ("mAch ~ meanses*cses + sector*cses", "1 + meanses + cses + sector + meanses:cses + sector:cses"),
    ("y ~ my.var + .hidden + _u + ..x", "1 + my.var + .hidden + _u + ..x"),
    ("y ~ `my var`*z + `x`", "1 + my var + z + x + my var:z"),
    ("y ~ `a:b` + `1` + `y ~ x`", "1 + a:b + 1 + y ~ x"),
    ("y ~ `(` + `'` + `|`", "1 + ( + ' + |"),
    ("y ~ class + lambda + in + None + f0 + constant", "1 + class + lambda + in + None + f0 + constant"),
    ("y ~ lambda:x", "1 + lambda:x"),
    ("y ~ \u00b5 + \u03bc", "1 + \u00b5 + \u03bc"),
    ("y ~ e\u0301t\u00e9 + \u5b66\u6821 + \uff58 + x", "1 + e\u0301t\u00e9 + \u5b66\u6821 + \uff58 + x"),
    ("y ~ x1 + x_2 + m\u00b2", "1 + x1 + x_2 + m\u00b2"),
    ("y ~ age + I(age ^ 2) + I(age**2)", "1 + age + I(age^2)"),
    ("y ~ I(age ^ 2)*log(x)", "1 + I(age^2) + log(x) + I(age^2):log(x)"),
    ("y ~ center(x) + centre( x )", "1 + center(x)"),
    ("y ~ within(ses,school)*C(sector)", "1 + within(ses, school) + C(sector) + within(ses, school):C(sector)"),
    ("y ~ I(x)^2", "1 + I(x)"),
    ("y ~ poly(x,2)*C(f,contr.sum)", "1 + poly(x, 2) + C(f, Sum) + poly(x, 2):C(f, Sum)"),
    ("y ~ poly(x, 2) + poly( x, degree=2 )", "1 + poly(x, 2)"),
    ("y ~ log(y)", "1 + log(y)"),
    ("y ~ 0 + Intercept", "Intercept"),
]


@pytest.mark.parametrize(("text", "expected"), FIXED)
def test_fixed_part(text: str, expected: str) -> None:
    specification = parse_formula(text)
    assert labels(specification.fixed) == expected
    assert specification.formula == text
    assert specification.groups == () and specification.offsets == ()


# Bars: effects, level, correlated.
BARS = [
    ("(1 | g)", [("1", "g", True)]),
    ("(x|g)", [("1 + x", "g", True)]),
    ("(x || g)", [("1 + x", "g", False)]),
    ("(0 + x | g)", [("x", "g", True)]),
    ("(x - 1 | g)", [("x", "g", True)]),
    ("(-1 + x | g)", [("x", "g", True)]),
    ("(x + 0 || g)", [("x", "g", False)]),
    ("(a*b | g)", [("1 + a + b + a:b", "g", True)]),
    ("(a:b + c | g)", [("1 + c + a:b", "g", True)]),
    ("(I(t^2) + log(t) | g)", [("1 + I(t^2) + log(t)", "g", True)]),
    ("((x) | (g))", [("1 + x", "g", True)]),
    ("((x | g))", [("1 + x", "g", True)]),
    ("(1 | a:b)", [("1", "a:b", True)]),
    ("(1 | b:a)", [("1", "b:a", True)]),
    ("(1 | a/b)", [("1", "a", True), ("1", "a:b", True)]),
    ("(1 | (a/b))", [("1", "a", True), ("1", "a:b", True)]),
    ("(x || a/b)", [("1 + x", "a", False), ("1 + x", "a:b", False)]),
    ("(1 | a/b/c)", [("1", "a", True), ("1", "a:b", True), ("1", "a:b:c", True)]),
    ("(1 | a/(b/c))", [("1", "a", True), ("1", "a:b", True), ("1", "a:b:c", True)]),
    ("(1 | a:b/c)", [("1", "a:b", True), ("1", "a:b:c", True)]),
    ("(1 | a/b:c)", [("1", "a", True), ("1", "a:b:c", True)]),
    ("(1 | `my group`/my.class)", [("1", "my group", True), ("1", "my group:my.class", True)]),
    ("(1 | g) + (0 + x | g) + (1 | h)", [("1", "g", True), ("x", "g", True), ("1", "h", True)]),
    ("(1 | a) + z + (z | b)", [("1", "a", True), ("1 + z", "b", True)]),
]


@pytest.mark.parametrize(("bars", "expected"), BARS)
def test_bars(bars: str, expected: list[tuple[str, str, bool]]) -> None:
    specification = parse_formula(f"y ~ t + {bars}")
    assert [(labels(g.effects), g.level, g.correlated) for g in specification.groups] == expected
    assert labels(specification.fixed) == ("1 + t + z" if " z " in bars else "1 + t")


def test_bar_in_brackets_and_alone() -> None:
    assert labels(parse_formula("y ~ (1 | g)").fixed) == "1"
    assert labels(parse_formula("y ~ 0 + (1 | g)").fixed) == ""
    nested = parse_formula("y ~ x + (z + (1 | g))")
    assert labels(nested.fixed) == "1 + x + z"
    assert [g.level for g in nested.groups] == ["g"]


def test_whole_specification() -> None:
    text = "log(y) ~ offset(log(e)) + x*`my z` + offset(e2) + (0 + x || school/`class room`)"
    x, z = Factor("x", Name("x")), Factor("my z", Name("my z"))
    specification = parse_formula(text)
    assert specification == Specification(
        formula=text,
        response=Factor("log(y)", Name("y")),
        fixed=(INTERCEPT, Term((x,)), Term((z,)), Term((x, z))),
        offsets=(Factor("log(e)", Name("e")), Factor("e2", Name("e2"))),
        groups=(
            GroupTerm((Term((x,)),), ("school",), correlated=False),
            GroupTerm((Term((x,)),), ("school", "class room"), correlated=False),
        ),
    )
    assert specification.columns == ("y", "x", "my z", "e", "e2", "school", "class room")
    assert specification.fixed[1].factors[0].expression == Name("x")
    assert pickle.loads(pickle.dumps(specification)) == specification
    assert hash(specification) == hash(parse_formula(text))


@pytest.mark.parametrize(
    "text", ["y ~ offset(e) + x", "y ~ x + offset( e )", "y ~ (x + offset(e)) + offset(e)", "y ~ x + (1|g) + offset(e)"]
)
def test_offset_stands_anywhere_in_the_fixed_part(text: str) -> None:
    specification = parse_formula(text)
    assert specification.offsets == (Factor("e", Name("e")),)
    assert labels(specification.fixed) == "1 + x"


# What is refused: the words of the message tell one kind from the others.
REFUSED = [
    ("", ("The formula is empty.",)),
    (" \n\t", ("The formula is empty.",)),
    ("y", ("'y' has no '~'",)),
    ("y = x", ("'y = x' has no '~'",)),
    ("`y ~ x`", ("has no '~'",)),
    ("y ~ x ~ z", ("second '~' at position 7", "one at position 3")),
    ("(y ~ x)", ("'~' at position 4 stands inside brackets",)),
    ("~ x", ("Nothing stands left of '~' at position 1",)),
    ("  ~ x", ("Nothing stands left of '~' at position 3",)),
    ("y ~ ", ("Nothing stands right of '~' at position 3", "'~ 1'")),
    ("y ~ x + (z", ("bracket '(' at position 9 is not closed", "Add ')'")),
    ("y ~ log(x", ("bracket '(' at position 8 is not closed",)),
    ("y ~ x)", ("bracket ')' at position 6 closes nothing",)),
    ("y ~ log(x]", ("bracket ']' at position 10", "'(' at position 8 is open", "Put ')'")),
    ("y ~ x[0", ("bracket '[' at position 6 is not closed",)),
    ("y ~ " + "(" * 60 + "x" + ")" * 60, ("bracket '(' at position 55 is number 51", "At most 50")),
    ("y ~ `my x + z", ("backtick", "'`my x + z' at position 5 is not closed")),
    ("y ~ ``", ("backticks '``' at position 5 hold no name",)),
    ("y ~ 'x", ("quote", "at position 5 is not closed", "no strings")),
    ("y ~ x + x | g", ("bar '|' at position 11 is not in brackets", "Write 'y ~ x + (x | g)'.")),
    ("y ~ x || g", ("bar '||' at position 7 is not in brackets", "Write 'y ~ (x || g)'.")),
    ("y ~ x + 0 + x | g + z", ("not in brackets", "Write 'y ~ x + (0 + x | g) + z'.")),
    ("y ~ 1 | a + 1 | b", ("not in brackets", "Write 'y ~ (1 | a) + (1 | b)'.")),
    ("y ~ x + (1 | a) + 1 | b", ("not in brackets", "Write 'y ~ x + (1 | a) + (1 | b)'.")),
    ("y ~ x | g | h", ("not in brackets", "in brackets of its own")),
    ("y ~ | g", ("not in brackets", "in brackets of its own")),
    ("y ~ ((x | g) | h)", ("'|' at position 9 stands inside the bar '((x | g) | h)' at position 5",)),
    ("y ~ (x | (1 | h))", ("'|' at position 13 stands inside the bar",)),
    ("y ~ (x | g | h)", ("second bar sign, '|' at position 12",)),
    ("y ~ ( | g)", ("Nothing stands left of '|' at position 7", "vary by group")),
    ("y ~ (x || )", ("Nothing stands right of '||' at position 8", "names the groups")),
    ("y ~ (0 | g)", ("No effect is left in the bar '(0 | g)' at position 5",)),
    ("y ~ x*(1 | g)", ("bar '(1 | g)' at position 7 is subtracted or multiplied",)),
    ("y ~ x - (1 | g)", ("bar '(1 | g)' at position 9 is subtracted or multiplied",)),
    ("y ~ (x + (1 | g))^2", ("bar '(1 | g)' at position 10 is subtracted or multiplied",)),
    ("y ~ x (1 | g)", ("'x' at position 5 runs into a bracket with a bar", "Write 'x +'")),
    ("y ~ (1 | factor(g))", ("grouping 'factor(g)' at position 10 is a call",)),
    ("y ~ (1 | log(g))", ("grouping 'log(g)' at position 10 is a call",)),
    ("y ~ (1 | a:f(b))", ("grouping 'f(b)' at position 12 is a call",)),
    ("y ~ (1 | 1)", ("grouping '1' at position 10 is a number",)),
    ("y ~ (1 | .)", ("A dot alone, '.' at position 10",)),
    ("y ~ (1 | a + b)", ("operator '+' at position 12 stands in a grouping", "(x | a) + (x | b)")),
    ("y ~ (1 | a*b)", ("operator '*' at position 11 stands in a grouping",)),
    ("y ~ (1 | a/(b+c))", ("operator '+' at position 14 stands in a grouping", "(x | a/b) + (x | a:c)")),
    ("y ~ (1 | -a)", ("operator '-' at position 10 stands in a grouping",)),
    ("y ~ (1 | (a/b):c)", ("combined by ':' at position 15",)),
    ("y ~ (1 | a/)", ("Nothing stands right of '/' at position 11 in a grouping",)),
    ("y ~ (1 | ())", ("Nothing stands right of '(' at position 10 in a grouping",)),
    ("y ~ (1 | a b)", ("No operator stands between 'a' at position 10 and 'b' at position 12",)),
    ("y ~ (1 | a/b/a)", ("column 'a' at position 14 stands in its grouping a second time",)),
    ("y ~ (1 | 'g')", ("string ''g'' at position 10",)),
    ("y ~ (1 | g[0])", ("subscript '[' at position 11",)),
    ("y ~ (1 | " + "/".join(f"g{i}" for i in range(30)) + ")", ("'g20'", "number 21 of its grouping")),
    ("y ~ (x + offset(e) | g)", ("offset 'offset(e)' at position 10 is not a term of its own",)),
    ("y ~ x - offset(e)", ("offset 'offset(e)' at position 9 is not a term of its own",)),
    ("y ~ x:offset(e)", ("offset 'offset(e)' at position 7 is not a term of its own",)),
    ("y ~ (x + offset(e))*z", ("offset 'offset(e)' at position 10 is not a term of its own",)),
    ("offset(y) ~ x", ("offset 'offset' at position 1 is not a term of its own",)),
    ("y ~ x +", ("Nothing stands right of '+' at position 7",)),
    ("y ~ * x", ("Nothing stands left of '*' at position 5",)),
    ("y ~ (x + )", ("Nothing stands right of '+' at position 8",)),
    ("y ~ ()", ("Nothing stands right of '(' at position 5",)),
    ("y ~ x * * z", ("operators '*' at position 7 and '*' at position 9 stand side by side",)),
    ("y ~ x + - z", ("operators '+' at position 7 and '-' at position 9 stand side by side",)),
    ("y ~ x * -1", ("operators '*' at position 7 and '-' at position 9 stand side by side",)),
    ("y ~ " + "-" * 5000 + "1", ("operators '-' at position 5 and '-' at position 6",)),
    ("y ~ x z", ("No operator stands between 'x' at position 5 and 'z' at position 7", "`my var`")),
    ("y ~ (a)(b)", ("No operator stands between ')' at position 7 and '(' at position 8",)),
    ("y ~ log(x)(z)", ("No operator stands between 'log(x)' at position 5 and '('",)),
    ("y ~ `log`(x)", ("No operator stands between '`log`' at position 5 and '(' at position 10",)),
    ("y ~ lambda x: x", ("function is defined by 'lambda' at position 5",)),
    ("y ~ 2*x", ("number '2' at position 5 is multiplied", "Write I(2*x)")),
    ("y ~ x*3.5", ("number '3.5' at position 7 is multiplied", "Write I(3.5*x)")),
    ("y ~ 2", ("number '2' at position 5 is neither 0 nor 1", "Write I(2*x)")),
    ("y ~ x:1", ("number '1' at position 7 is multiplied", "outside of products")),
    ("y ~ (0 + a)*b", ("number '0' at position 6 is multiplied", "outside of products")),
    ("y ~ (2 + x | g)", ("number '2' at position 6 is neither 0 nor 1",)),
    ("y ~ 2x", ("name '2x' at position 5 begins with a digit", "`2x`", "I(2*x)")),
    ("y ~ a^b", ("power 'b' at position 7 is not a whole number from 1 to 10",)),
    ("y ~ a^0", ("power '0' at position 7 is not a whole number",)),
    ("y ~ a^1.5", ("power '1.5' at position 7 is not a whole number", "I(x^2)")),
    ("y ~ a^2^2", ("power '2' at position 7 is not a whole number",)),
    ("y ~ (a+b)**20", ("power '20' at position 12 is not a whole number from 1 to 10",)),
    ("y ~ (a - a):b", ("no terms on one side", "at position 5")),
    ("y ~ .", ("A dot alone, '.' at position 5", "names each column")),
    ("y ~ . - x", ("A dot alone, '.' at position 5",)),
    ("y + z ~ x", ("more than one response in 'y + z' at position 1",)),
    ("y, z ~ x", ("more than one response in 'y, z' at position 1",)),
    ("cbind(y, z) ~ x", ("call 'cbind' at position 1 is not a listed transform",)),
    ("y | z ~ x", ("bar '|' at position 3 stands in the response",)),
    ("y*z ~ x", ("response 'y*z' at position 1 is not a single column",)),
    ("poly(y, 2) ~ x", ("response 'poly(y, 2)' at position 1 has several columns", "among the predictors")),
    ("1 ~ x", ("response '1' at position 1 is not a single column",)),
    (". ~ x", ("A dot alone, '.' at position 1",)),
    ("'y' ~ x", ("string ''y'' at position 1",)),
    ("y ~ x + y", ("response 'y' at position 9 stands among the predictors",)),
    ("y ~ (`y` | g)", ("response '`y`' at position 6 stands among the predictors",)),
    ("y ~ log(x) + `log(x)`", ("'`log(x)`' at position 14 is named like another one",)),
    ("y ~ a:b + `a:b`", ("column '`a:b`' at position 11, two terms are named 'a:b'",)),
    ("y ~ Intercept", ("column 'Intercept' at position 5, two terms are named 'Intercept'",)),
    ("y ~ x \u2212 1", ("'\u2212' at position 7 only looks like '-'",)),
    ("y \u223c x", ("'\u223c' at position 3 only looks like '~'",)),
    ("y ~ x; z", ("character ';' at position 6 has no meaning",)),
    ("y ~ x, data", ("character ',' at position 6 has no meaning",)),
    ("y ~ {x}", ("character '{' at position 5 has no meaning",)),
    ("y ~ a %o% b", ("character '%' at position 7 has no meaning",)),
    ("y ~ x\u200b", ("character '\\u200b' at position 6 has no meaning",)),
    ("y ~ df$x", ("subscript '$' at position 7",)),
    ("y ~ x[0]", ("subscript '[' at position 6",)),
    ("y ~ df['x']", ("subscript '[' at position 7",)),
    ("y ~ x == 1", ("comparison '==' at position 7",)),
    ("y ~ x < z", ("comparison '<' at position 7",)),
    ("y ~ x = z", ("keyword argument or assignment '=' at position 7",)),
    ("y ~ x" + " + x" * 3000, ("12005 characters", "at most 10000")),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_formula_is_refused(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    for word in words:
        assert word in str(caught.value)
    for part in (caught.value.found, caught.value.expected, caught.value.remedy):
        assert part.endswith(".") and len(part) > 10
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("text", [None, 3, b"y ~ x", ["y ~ x"]])
def test_what_is_not_text_is_refused(text: object) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)  # type: ignore[arg-type]
    assert f"of type '{type(text).__name__}'" in caught.value.found


HOSTILE = [
    ("y ~ __import__('os').system('touch {}')", "attribute '.system(", "at position 21"),
    ("y ~ __import__('pathlib')", "call '__import__' at position 5", "not a listed transform"),
    ("y ~ np.log(x)", "call 'np.log' at position 5", "Write 'log'"),
    ("y ~ pd.read_pickle('{}')", "call 'pd.read_pickle' at position 5", "not a listed transform"),
    ("y ~ open('{}', 'w')", "call 'open' at position 5", "not a listed transform"),
    ("y ~ spline(x, 2)", "call 'spline' at position 5", "C, I, abs, between"),
    ("y ~ eval('1')", "call 'eval' at position 5", "not a listed transform"),
    ("y ~ I(open('{}', 'w'))", "call 'open' at position 7", "not a listed transform"),
    ("y ~ I((lambda: open('{}', 'w'))())", "function is defined by 'lambda'", "at position 8"),
    ("y ~ I([open for _ in x])", "subscript '[' at position 7", "whole columns"),
    ("y ~ I(f'{{open(0)}}')", "string ''{", "no strings"),
    ("y ~ x.__class__.__base__()", "call 'x.__class__.__base__' at position 5", "not a listed transform"),
    ("y ~ log(x).__class__", "attribute '.__class__' at position 11", "no attributes"),
    ("y ~ {{open('{}', 'w')}}", "character '{' at position 5", "no meaning"),
    ("y ~ `x`.__class__", "attribute '.__class__' at position 8", "no attributes"),
    ("__import__('os') ~ x", "call '__import__' at position 1", "not a listed transform"),
    ("y ~ (1 | open('{}', 'w'))", "is a call", "at position 10"),
    ("y ~ offset(open('{}', 'w'))", "call 'open' at position 12", "not a listed transform"),
    ("y ~ (open('{}', 'w') | g)", "call 'open' at position 6", "not a listed transform"),
    ("y ~ I(x)\nimport os", "No operator stands between 'I(x)' at position 5", "'import' at position 10"),
]


@pytest.mark.parametrize(("text", "what", "why"), HOSTILE)
def test_hostile_formula_runs_nothing(
    text: str, what: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> None:
        raise AssertionError("something was run")

    target = tmp_path / "t"
    for name in ("os.system", "builtins.eval", "builtins.exec", "builtins.open"):
        monkeypatch.setattr(name, run)
    with pytest.raises(FormulaError) as caught:
        parse_formula(text.format(target))
    monkeypatch.undo()
    assert what in str(caught.value) and why in str(caught.value)
    assert not target.exists()


def test_no_module_of_the_room_can_evaluate() -> None:
    forbidden = {"eval", "exec", "compile", "getattr", "__import__", "globals", "locals", "import_module", "formulae"}
    for path in ROOM.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} - {"compile"}  # re.compile
        names |= {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not names & forbidden, path.name


def test_recursion_is_an_error_of_the_formula() -> None:
    text = "y ~ I(" + "-" * 190 + "x)"
    assert len(parse_formula(text).fixed) == 2

    def descend(levels: int) -> Specification:
        return parse_formula(text) if levels == 0 else descend(levels - 1)

    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    with pytest.raises(FormulaError, match="nested too deep"):
        descend(sys.getrecursionlimit() - used - 100)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["y", "x", "g", "~", "+", "-", "*", ":", "/", "^", "**", "|", "||", "(", ")", "%in%", "0", "1"])
        | st.sampled_from(
            ["2", "`a b`", "log(", "I(", "offset(", ",", "'", '"', "[", "]", ".", "lambda", "=", ">", " "]
        ),
        max_size=14,
    )
)
def test_any_text_is_read_or_refused(words: list[str]) -> None:
    for text in ("".join(words), "y ~ " + " ".join(words)):
        try:
            specification = parse_formula(text)
        except FormulaError as error:
            assert all(part.endswith(".") for part in (error.found, error.expected, error.remedy))
        else:
            assert specification.fixed or specification.groups or "0" in text or "1" in text


@pytest.mark.parametrize("module", ["scanner", "factors", "bars", "algebra", "sums", "formula"])
def test_examples_in_the_docstrings(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"bayesmix.specification.{module}"))
    assert result.failed == 0
