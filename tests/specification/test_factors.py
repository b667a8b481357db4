"""One factor: its expression, its text, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmix.errors import FormulaError
from bayesmix.specification import Arithmetic, Call, Factor, Name, Number, Word, columns_of
from bayesmix.specification.factors import TRANSFORMS, read_factor, read_offset, render
from bayesmix.specification.scanner import scan

AGE, X, Y, Z = Name("age"), Name("x"), Name("y"), Name("z")

READ = [
    ("age", "age", AGE),
    ("`age`", "age", AGE),
    ("`my var`", "my var", Name("my var")),
    ("my.var", "my.var", Name("my.var")),
    ("log( x )", "log(x)", Call("log", (X,))),
    ("log (x)", "log(x)", Call("log", (X,))),
    ("log(`my var` + 1)", "log(`my var`+1)", Call("log", (Arithmetic("+", (Name("my var"), Number(1.0))),))),
    ("log(`x`)", "log(x)", Call("log", (X,))),
    ("I(age ^ 2)", "I(age^2)", Call("I", (Arithmetic("**", (AGE, Number(2.0))),))),
    ("I(age**2.0)", "I(age^2)", Call("I", (Arithmetic("**", (AGE, Number(2.0))),))),
    ("I( ((age)) ^\n2 )", "I(age^2)", Call("I", (Arithmetic("**", (AGE, Number(2.0))),))),
    ("I(-x)", "I(-x)", Call("I", (Arithmetic("-", (X,)),))),
    ("I(+x)", "I(x)", Call("I", (X,))),
    # the sign is weaker than the power, as in R, and the power groups from the right
    ("I(-x^2)", "I(-x^2)", Call("I", (Arithmetic("-", (Arithmetic("**", (X, Number(2.0))),)),))),
    ("I((-x)^2)", "I((-x)^2)", Call("I", (Arithmetic("**", (Arithmetic("-", (X,)), Number(2.0))),))),
    ("I(x^y^z)", "I(x^y^z)", Call("I", (Arithmetic("**", (X, Arithmetic("**", (Y, Z)))),))),
    ("I(x-y-z)", "I(x-y-z)", Call("I", (Arithmetic("-", (Arithmetic("-", (X, Y)), Z)),))),
    ("I(x-(y-z))", "I(x-(y-z))", Call("I", (Arithmetic("-", (X, Arithmetic("-", (Y, Z)))),))),
    ("I((x+y)*z)", "I((x+y)*z)", Call("I", (Arithmetic("*", (Arithmetic("+", (X, Y)), Z)),))),
    ("I(x+y*z)", "I(x+y*z)", Call("I", (Arithmetic("+", (X, Arithmetic("*", (Y, Z)))),))),
    ("I(x/y)", "I(x/y)", Call("I", (Arithmetic("/", (X, Y)),))),
    ("I(1.50*x)", "I(1.5*x)", Call("I", (Arithmetic("*", (Number(1.5), X)),))),
    ("I(.5*x)", "I(0.5*x)", Call("I", (Arithmetic("*", (Number(0.5), X)),))),
    ("I(1e-3*x)", "I(0.001*x)", Call("I", (Arithmetic("*", (Number(0.001), X)),))),
    ("I(1e300*x)", "I(1e+300*x)", Call("I", (Arithmetic("*", (Number(1e300), X)),))),
    ("I(007*x)", "I(7*x)", Call("I", (Arithmetic("*", (Number(7.0), X)),))),
    ("sqrt(exp(abs(x)))", "sqrt(exp(abs(x)))", Call("sqrt", (Call("exp", (Call("abs", (X,)),)),))),
    ("center(x)", "center(x)", Call("centre", (X,))),
    ("centre(x)", "centre(x)", Call("centre", (X,))),
    ("within(x,school)", "within(x, school)", Call("within", (X, Name("school")))),
    ("between( log(x) )", "between(log(x))", Call("between", (Call("log", (X,)),))),
    ("C(x)", "C(x)", Call("C", (X,))),
    ("C(`class`)", "C(class)", Call("C", (Name("class"),))),
    ("poly(x,2)", "poly(x, 2)", Call("poly", (X, Number(2.0)))),
    ("poly(x)", "poly(x, 1)", Call("poly", (X, Number(1.0)))),
    ("poly(log(x), 3)", "poly(log(x), 3)", Call("poly", (Call("log", (X,)), Number(3.0)))),
    ("poly(x, 2, raw)", "poly(x, 2, raw)", Call("poly", (X, Number(2.0), Word("raw")))),
    ("poly(x, raw = TRUE, degree=2)", "poly(x, 2, raw)", Call("poly", (X, Number(2.0), Word("raw")))),
    ("poly(x, 2, raw=F)", "poly(x, 2)", Call("poly", (X, Number(2.0)))),
    ("poly(raw, 2, raw)", "poly(raw, 2, raw)", Call("poly", (Name("raw"), Number(2.0), Word("raw")))),
    ("C(x, Sum)", "C(x, Sum)", Call("C", (X, Word("Sum")))),
    ("C(x, contr.SUM)", "C(x, Sum)", Call("C", (X, Word("Sum")))),
    ("C(x, contr=helmert)", "C(x, Helmert)", Call("C", (X, Word("Helmert")))),
    ("C(Sum, contr.poly)", "C(Sum, Poly)", Call("C", (Name("Sum"), Word("Poly")))),
    ("C(x, treatment)", "C(x, Treatment)", Call("C", (X, Word("Treatment")))),
    ("C(x, Treatment, `my b`)", "C(x, Treatment, `my b`)", Call("C", (X, Word("Treatment"), Word("my b")))),
    ("C(x, reference=b)", "C(x, Treatment, b)", Call("C", (X, Word("Treatment"), Word("b")))),
    ("C(x, Treatment, -1.50)", "C(x, Treatment, -1.5)", Call("C", (X, Word("Treatment"), Number(-1.5)))),
    ("log(lambda)", "log(lambda)", Call("log", (Name("lambda"),))),
    ("log(log)", "log(log)", Call("log", (Name("log"),))),
    ("I(class + in + None)", "I(class+in+None)", None),
]


@pytest.mark.parametrize(("text", "canonical", "expression"), READ)
def test_factor_is_read(text: str, canonical: str, expression: object) -> None:
    factor = read_factor(scan(text))
    assert factor.text == canonical
    if expression is not None:
        assert factor.expression == expression


def test_python_keywords_are_columns() -> None:
    assert columns_of(read_factor(scan("I(class + in + None + lambda)")).expression) == (
        "class",
        "in",
        "None",
        "lambda",
    )


@pytest.mark.parametrize("text", ["C(x, Treatment, b)", "C(x, Sum)", "poly(x, 2, raw)", "poly(x, degree=2, raw=TRUE)"])
def test_words_are_no_columns(text: str) -> None:
    assert columns_of(read_factor(scan(text)).expression) == ("x",)


def test_names_are_not_normalised() -> None:
    # MICRO SIGN and GREEK MU are one identifier to Python and two columns to us
    factor = read_factor(scan("I(\u00b5 + \u03bc + \ufb01)"))
    assert columns_of(factor.expression) == ("\u00b5", "\u03bc", "\ufb01")
    assert factor.text == "I(\u00b5+\u03bc+\ufb01)"


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_every_listed_transform_is_read(name: str) -> None:
    factor = read_factor(scan(f"{name}(x)"))
    degree = (Number(1.0),) if name == "poly" else ()  # what is left out is written down
    assert factor == Factor("poly(x, 1)" if degree else f"{name}(x)", X)
    assert factor.expression == Call(TRANSFORMS[name].name, (X, *degree))


def test_listed_transforms() -> None:
    listed = "I log log2 log10 log1p exp sqrt abs centre center scale within between C poly"
    assert set(TRANSFORMS) == set(listed.split())
    with pytest.raises(TypeError):
        TRANSFORMS["spline"] = TRANSFORMS["log"]  # type: ignore[index]


def test_offset_is_its_argument() -> None:
    assert read_offset(scan("offset(log( e ))")) == Factor("log(e)", X)
    assert read_offset(scan("offset(2 * e)")).expression == Arithmetic("*", (Number(2.0), Name("e")))
    assert read_offset(scan("offset(`my e`)")) == Factor("my e", X)


def extend(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(
        st.builds(lambda o, a, b: Arithmetic(o, (a, b)), st.sampled_from(["+", "-", "*", "/", "**"]), inner, inner),
        st.builds(lambda a: Arithmetic("-", (a,)), inner),
        st.builds(lambda f, a: Call(f, (a,)), st.sampled_from(["log", "I", "centre"]), inner),
        st.builds(lambda a, g: Call("within", (a, g)), inner, st.sampled_from([X, Name("my g")])),
    )


EXPRESSIONS = st.recursive(
    st.one_of(
        st.sampled_from([X, Y, Name("my var"), Name("a:b"), Name("1"), Name("."), Name(".5"), Name("\u00b5")]),
        st.builds(Number, st.sampled_from([0.0, 1.0, 2.5, 1e-7, 1e16, 1e300, 123456789.0])),
    ),
    extend,
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS)
def test_text_reads_back_as_the_same_expression(expression) -> None:  # type: ignore[no-untyped-def]
    whole = Call("I", (Arithmetic("+", (X, expression)),))
    text = render(whole)
    factor = read_factor(scan(text))
    assert factor.expression == whole
    assert factor.text == text


LISTED = (
    "not a listed transform",
    "C, I, abs, between, center, centre, exp, log, log10, log1p, log2, poly, scale, sqrt",
)

REFUSED = [
    ("np.log(x)", ("'np.log' at position 1", *LISTED, "Write 'log'")),
    ("Log(x)", ("'Log' at position 1", *LISTED, "Write 'log'")),
    ("ln(x)", ("'ln' at position 1", "Write 'log'")),
    ("factor(x)", ("'factor' at position 1", "Write 'C'")),
    ("sqr(x)", ("'sqr' at position 1", "Write 'sqrt'")),
    ("spline(x, 2)", ("'spline' at position 1", *LISTED, "Compute the column")),
    ("log(eval(x))", ("'eval' at position 5", *LISTED)),
    ("__import__('os')", ("'__import__' at position 1", *LISTED)),
    ("pd.read_pickle('f')", ("'pd.read_pickle' at position 1", *LISTED)),
    ("log(x, 2)", ("'log' at position 1 has 2 arguments.", "takes 1 argument")),
    ("I()", ("'I' at position 1 has 0 arguments.", "takes 1 argument")),
    ("exp(log(x, y))", ("'log' at position 5 has 2 arguments.",)),
    ("within(x, a, b, c, d)", ("'within' at position 1 has 5 arguments.", "takes 1 to 4 arguments")),
    ("within(x, a:b)", ("':' at position 12", "parted by commas", "'within(x, school, class)'")),
    ("between(x, a/b)", ("Argument 2 of 'between' at position 1 is 'a/b'", "several are parted by commas")),
    ("within(x, log(g))", ("Argument 2 of 'within' at position 1 is 'log(g)'", "name of a column")),
    ("between(x, 2)", ("Argument 2 of 'between' at position 1 is '2'", "name of a column")),
    ("C(log(x))", ("Argument 1 of 'C' at position 1 is 'log(x)'", "name of a column")),
    ("C(2)", ("Argument 1 of 'C' at position 1 is '2'",)),
    ("log(C(x))", ("'C(x)' stands inside 'log(C(x))' at position 1", "does not give numbers")),
    ("I(C(x) + 1)", ("'C(x)' stands inside 'I(C(x) + 1)'",)),
    ("poly(x, 0)", ("degree of 'poly' at position 1 is '0'", "whole number from 1 to 100", "'poly(x, 2)'")),
    ("poly(x, -1)", ("degree of 'poly' at position 1 is an expression", "whole number")),
    ("poly(x, 1.5)", ("degree of 'poly' at position 1 is '1.5'", "whole number")),
    ("poly(x, 101)", ("degree of 'poly' at position 1 is '101'", "to 100")),
    ("poly(x, k)", ("degree of 'poly' at position 1 is 'k'", "whole number")),
    ("poly(x, 2, rw)", ("option of 'poly' at position 1 is 'rw'", "the word raw", "'poly(x, 2, raw)'")),
    ("poly(x, 2, raw, 3)", ("'poly' at position 1 has 4 arguments.", "takes 1 to 3 arguments")),
    ("poly(degree=2)", ("'poly' at position 1 has 1 argument.", "takes 1 to 3 arguments")),
    ("poly(x, 2, degree=3)", ("option 'degree' at position 12 is given a second time",)),
    ("poly(x, 2, simple=TRUE)", ("keyword argument", "'=' at position 18")),
    ("poly(2, 2)", ("'poly(2, 2)' at position 1 reads no column",)),
    ("poly(C(x), 2)", ("'C(x)' stands inside 'poly(C(x), 2)'", "does not give numbers")),
    ("I(poly(x, 2)^2)", ("'poly(x, 2)' stands inside 'I(poly(x, 2)^2)'", "does not give numbers")),
    ("I(raw=x)", ("keyword argument", "'=' at position 6")),
    ("log(poly=x)", ("keyword argument", "'=' at position 9")),
    ("C(x, Summ)", ("contrast of 'C' at position 1 is 'Summ'", "Treatment, Sum, Helmert, Poly", "Write 'Sum'")),
    ("C(x, contr.helmet)", ("contrast of 'C' at position 1 is 'contr.helmet'", "Write 'Helmert'")),
    ("C(x, dummy)", ("contrast of 'C' at position 1 is 'dummy'", "Treatment, Sum, Helmert, Poly", "'C(x, Sum)'")),
    ("C(x, 2)", ("contrast of 'C' at position 1 is '2'", "Treatment, Sum, Helmert, Poly")),
    ("C(x, Sum, b)", ("contrast 'Sum' of 'C' at position 1 is given a reference", "Only Treatment")),
    ("C(x, Treatment, a + b)", ("reference of 'C' at position 1 is an expression", "a label of the column")),
    ("C(x, Treatment(b))", ("contrast 'Treatment' at position 6 is called", "one word", "'C(x, Treatment, b)'")),
    ("C(x, contr.sum())", ("contrast 'contr.sum' at position 6 is called", "'C(x, Sum)'")),
    ("C(x, 'Sum')", ("string ''Sum'' at position 6", "no strings")),
    ("C(x, base=2)", ("keyword argument", "'=' at position 10")),
    ("scale(x, center=False)", ("keyword argument", "'=' at position 16", "by their place")),
    ("I(a > 1)", ("comparison '>' at position 5", "not arithmetic")),
    ("I(a <= 1)", ("comparison '<=' at position 5",)),
    ("I(a == 1)", ("comparison '==' at position 5",)),
    ("I(a<-1)", ("comparison '<' at position 4",)),
    ("I('a')", ("string ''a'' at position 3", "no strings")),
    (r"I('a\'b' + x)", (r"string ''a\'b'' at position 3",)),
    ('log("x" + y)', ("string '\"x\"' at position 5",)),
    ("I(x[0])", ("subscript '[' at position 4", "whole columns")),
    ("I(df$x)", ("subscript '$' at position 5",)),
    ("I(log(x).real)", ("attribute '.real' at position 9", "no attributes or methods")),
    ("I(`x`.real)", ("attribute '.real' at position 6",)),
    ("I(lambda x: x)", ("function is defined by 'lambda' at position 3",)),
    ("I(lambda: x)", ("function is defined by 'lambda' at position 3",)),
    ("I(x if y else z)", ("No operator stands between 'x' at position 3 and 'if' at position 5",)),
    ("I(x for x in y)", ("No operator stands between 'x' at position 3 and 'for' at position 5",)),
    ("I(not x)", ("No operator stands between 'not' at position 3",)),
    ("I(2 x)", ("No operator stands between '2' at position 3 and 'x' at position 5",)),
    ("I((x)(y))", ("No operator stands between ')' at position 5 and '(' at position 6",)),
    ("I(`log`(x))", ("No operator stands between '`log`' at position 3",)),
    ("I((x, y))", ("'I((x, y))' at position 1 holds more than arithmetic",)),
    ("I(*x)", ("'I(*x)' at position 1 holds more than arithmetic",)),
    ("I(**x)", ("'I(**x)' at position 1 holds more than arithmetic",)),
    ("I(x +)", ("'I(x +)' at position 1 is not complete",)),
    ("I(x,, y)", ("'I(x,, y)' at position 1 is not complete",)),
    ("I(x // y)", ("'I(x // y)' at position 1 is not complete",)),
    ("I(())", ("'I(())' at position 1 holds more than arithmetic",)),
    ("I(a:b)", ("operator ':' at position 4 stands inside a transform",)),
    ("log(x | g)", ("operator '|' at position 7 stands inside a transform",)),
    ("I(a %in% b)", ("operator '%in%' at position 5 stands inside a transform",)),
    ("I(a := b)", ("operator ':' at position 5 stands inside a transform",)),
    ("I(a % b)", ("character '%' at position 5 has no meaning",)),
    ("I(a; b)", ("character ';' at position 4 has no meaning",)),
    ("I(a @ b)", ("character '@' at position 5 has no meaning",)),
    ("I({x})", ("character '{' at position 3 has no meaning",)),
    ("I(\u202ex)", ("character '\\u202e' at position 3 has no meaning",)),
    ("I(x\x00)", ("character '\\x00' at position 4 has no meaning",)),
    ("I(.)", ("A dot alone, '.' at position 3",)),
    (".", ("A dot alone, '.' at position 1", "names each column")),
    ("log(offset(x))", ("offset 'offset' at position 5 is not a term of its own",)),
    ("log(2)", ("'log(2)' at position 1 reads no column",)),
    ("I(1e999*x)", ("number '1e999' at position 3 is infinite",)),
    ("x(1 | g)", ("'x' at position 1 runs into a bracket with a bar", "Write 'x +'")),
    ("I(" + "-" * 300 + "x)", ("operator '-' at position 203 is number 201", "at most 200 operators")),
    ("I(" + "x+" * 300 + "x)", ("operator '+' at position 404 is number 201", "at most 200 operators")),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_factor_is_refused(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(FormulaError) as caught:
        read_factor(scan(text))
    for word in words:
        assert word in str(caught.value)
    for part in (caught.value.found, caught.value.expected, caught.value.remedy):
        assert part.endswith(".")
    assert "at position" in caught.value.found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("offset()", "'offset()' at position 1 does not have one argument"),
        ("offset(a, b)", "'offset(a, b)' at position 1 does not have one argument"),
        ("offset(a,)", "'offset(a,)' at position 1 does not have one argument"),
        ("offset(C(x))", "'C(x)' stands inside"),
        ("offset(poly(x, 2))", "'poly(x, 2)' stands inside"),
        ("offset(offset(x))", "offset 'offset' at position 8"),
        ("offset(2)", "'2' at position 8 reads no column"),
    ],
)
def test_offset_is_refused(text: str, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        read_offset(scan(text))
    assert words in caught.value.found


def test_long_sum_within_the_limit_is_read_and_hashed() -> None:
    factor = read_factor(scan("I(" + "+".join(f"x{index}" for index in range(201)) + ")"))
    assert len(columns_of(factor.expression)) == 201
    assert isinstance(hash(factor.expression), int)
