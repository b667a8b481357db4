"""One factor of a term: a column, or listed transforms of columns.

Python's ``ast`` finds the structure of the arithmetic. It is given stand-ins for every name and number, so nothing a
user writes reaches Python, and only the node types named in :func:`_read_node` exist. Nothing is evaluated.
"""

from __future__ import annotations

import ast
import math
from types import MappingProxyType
from typing import TYPE_CHECKING

from bayesmix.errors import FormulaError
from bayesmix.specification.refusals import (
    all_columns,
    locate_all,
    misplaced_offset,
    operator_inside,
    side_by_side,
    unexpected,
    unlisted_call,
)
from bayesmix.specification.scanner import Kind, Token, is_plain, locate, quote
from bayesmix.specification.terms import Arithmetic, Call, Factor, Name, Number, Word, columns_of
from bayesmix.specification.transforms import TRANSFORMS, Argument, contrast_word, make_call, read_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bayesmix.specification.terms import Expression

MOST_OPERATORS = 200


OFFSET = "offset"

_BINARY: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 4}
_SIGN_STRENGTH = 3
_ATOM_STRENGTH = 5


def read_factor(tokens: Sequence[Token]) -> Factor:
    """The factor that tokens spell: a name, or a call of a listed transform.

    Parameters
    ----------
    tokens : sequence of Token
        One name, or a call with its brackets.

    Returns
    -------
    Factor
        Its text is the name of the column, or the call without needless spaces and brackets.

    Raises
    ------
    FormulaError
        For anything that is not listed.

    Examples
    --------
    >>> from bayesmix.specification.scanner import scan
    >>> read_factor(scan("I(age ^ 2)")).text
    'I(age^2)'
    """
    expression, text = _read(tokens)
    return Factor(text, expression)


def read_offset(tokens: Sequence[Token]) -> Factor:
    """The argument of ``offset()``, from the tokens of the whole call.

    Parameters
    ----------
    tokens : sequence of Token
        The call, with its brackets.

    Returns
    -------
    Factor
        The column or arithmetic inside.

    Raises
    ------
    FormulaError
        For anything that is not arithmetic of columns, numbers and listed transforms.

    Examples
    --------
    >>> from bayesmix.specification.scanner import scan
    >>> read_offset(scan("offset(log(exposure))")).text
    'log(exposure)'
    """
    inner = tokens[2:-1]
    if not inner or inner[-1].text == "," or sum(_top_level(inner, ",")):
        raise FormulaError(
            f"The offset {locate_all(tokens)} does not have one argument.",
            "'offset' takes one argument, an expression of columns and numbers.",
            "Write it as in 'offset(log(exposure))', and add a second offset as a term of its own.",
        )
    expression, text = _read(inner, numeric=True)
    return Factor(text, expression)


def render(expression: Expression, spelling: Mapping[str, str] = MappingProxyType({})) -> str:
    """An expression as it is written in a formula, with no needless spaces or brackets.

    Parameters
    ----------
    expression : Expression
        What to write.
    spelling : mapping of str to str, optional
        Names to write for transforms in place of their own.

    Examples
    --------
    >>> render(Call("log", (Arithmetic("+", (Name("my var"), Number(1.0))),)))
    'log(`my var`+1)'
    """
    return _render(expression, spelling)[0]


def _read(tokens: Sequence[Token], *, numeric: bool = False) -> tuple[Expression, str]:
    """The expression of some tokens and its text."""
    try:
        tree = ast.parse(_stand_ins(tokens), mode="eval").body
    except (SyntaxError, MemoryError) as error:  # MemoryError: the parser's own stack, not the machine's
        raise FormulaError(
            f"The piece {locate_all(tokens)} is not complete.",
            "Operators stand between two operands, and commas between two arguments.",
            "Add what is missing, or remove the operator or comma too many.",
        ) from error
    expression = _read_numeric(tree, tokens) if numeric else _read_node(tree, tokens)
    if isinstance(expression, Name):
        return expression, expression.column
    if not columns_of(expression):
        raise FormulaError(
            f"The piece {locate_all(tokens)} reads no column.",
            "A factor or an offset has one value for each row of the data.",
            "Name a column in it, or remove it.",
        )
    spelling = {TRANSFORMS[t.value].name: t.value for t in tokens if t.kind is Kind.NAME and t.value in TRANSFORMS}
    return expression, render(expression, spelling)


def _stand_ins(tokens: Sequence[Token]) -> str:
    """Python source in which ``t0, t1, ...`` stand for the names and numbers at these indices."""
    words: list[str] = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        _check_neighbours(before, token)
        match token.kind:
            case Kind.NAME:
                _check_name(tokens, index)
                word = f"t{index}"
            case Kind.NUMBER:
                _check_finite(token)
                word = f"t{index}"
            case Kind.OPERATOR if token.value in _STRENGTH or token.value == "^":
                word = "**" if token.value == "^" else token.text
            case Kind.OPERATOR:
                raise operator_inside(token, _caller(tokens, index))
            case Kind.OPEN | Kind.CLOSE if token.text in "()":
                word = token.text
            case Kind.OTHER if token.text == "," or (token.text == "=" and _names_option(tokens, index)):
                word = token.text
            case _:
                raise unexpected(token)
        words.append(word)
    operators = [token for token in tokens if token.kind is Kind.OPERATOR]
    if len(operators) > MOST_OPERATORS:
        raise FormulaError(
            f"The operator {locate(operators[MOST_OPERATORS])} is number {MOST_OPERATORS + 1} of one factor.",
            f"A factor has at most {MOST_OPERATORS} operators.",
            "Compute this column before fitting.",
        )
    return " ".join(words)


def _caller(tokens: Sequence[Token], index: int) -> str:
    """The name before the innermost bracket that is open at a token, empty where there is none."""
    depth = 0
    for at in range(index - 1, 0, -1):
        depth += (tokens[at].kind is Kind.CLOSE) - (tokens[at].kind is Kind.OPEN)
        if depth < 0:
            return tokens[at - 1].text if tokens[at - 1].kind is Kind.NAME else ""
    return ""


def _names_option(tokens: Sequence[Token], index: int) -> bool:
    """Whether the ``=`` at an index follows the name of an option of the transform around it, as in ``raw=TRUE``."""
    if tokens[index - 2].text not in ("(", ","):
        return False
    transform = TRANSFORMS.get(_caller(tokens, index))
    return transform is not None and tokens[index - 1].text in transform.keywords


def _check_neighbours(before: Token | None, token: Token) -> None:
    """Refuse two operands side by side."""
    if before is None or before.kind not in (Kind.NAME, Kind.NUMBER, Kind.CLOSE):
        return
    called = token.kind is Kind.OPEN and before.kind is Kind.NAME and before.text == before.value
    if token.kind in (Kind.NAME, Kind.NUMBER) or (token.text == "(" and not called):
        raise side_by_side(before, token)
    if before.text == "lambda" and token.text == ":":
        raise side_by_side(before, token)


def _check_name(tokens: Sequence[Token], index: int) -> None:
    """Refuse a dot for all columns, and a call that is not listed."""
    token, after = tokens[index], tokens[index + 1] if index + 1 < len(tokens) else None
    if token.text == token.value and not token.value.strip("."):
        raise all_columns(token)
    if token.text != token.value or after is None or after.text != "(" or token.value in TRANSFORMS:
        return
    name = token.value
    if any(part.value in ("|", "||") and part.kind is Kind.OPERATOR for part in tokens) and tokens[0] is token:
        raise FormulaError(
            f"The column or call {locate(token)} runs into a bracket with a bar.",
            "An operator stands between a term and a bar, as in 'x + (1 | g)'.",
            f"Write '{name} +' before the bracket if {quote(name)} is a column.",
        )
    if name == OFFSET:
        raise misplaced_offset(token)
    if (contrast := contrast_word(name)) and _caller(tokens, index) == "C":
        raise FormulaError(
            f"The contrast {locate(token)} is called like a transform.",
            "A contrast is one word, with the label to compare with as third argument of C().",
            f"Write it as in 'C(x, {contrast})'{" or 'C(x, Treatment, b)'" if contrast == 'Treatment' else ''}.",
        )
    raise unlisted_call(token, TRANSFORMS)


def _check_finite(token: Token) -> None:
    """Refuse a number too large to be one."""
    if not math.isfinite(float(token.value)):
        raise FormulaError(
            f"The number {locate(token)} is infinite.",
            "Numbers are finite.",
            "Write a smaller number.",
        )


def _top_level(tokens: Sequence[Token], text: str) -> list[bool]:
    """For each token, whether it is this text outside of all brackets."""
    depth = 0
    found = []
    for token in tokens:
        depth += (token.kind is Kind.OPEN) - (token.kind is Kind.CLOSE)
        found.append(depth == 0 and token.text == text)
    return found


def _read_node(node: ast.expr, tokens: Sequence[Token]) -> Expression:
    """The expression of a node of Python's tree; the types named here are all there are."""
    match node:
        case ast.Name(id=word):
            token = tokens[int(word[1:])]
            return Number(float(token.value)) if token.kind is Kind.NUMBER else Name(token.value)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
            return Arithmetic(_BINARY[type(operator)], (_read_numeric(left, tokens), _read_numeric(right, tokens)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Arithmetic("-", (_read_numeric(operand, tokens),))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _read_numeric(operand, tokens)
        case ast.Call(func=ast.Name(id=word), args=nodes, keywords=named) if all(option.arg for option in named):
            return _read_call(tokens[int(word[1:])], nodes, named, tokens)
    raise FormulaError(
        f"The piece {locate_all(tokens)} holds more than arithmetic.",
        "Transforms hold columns, numbers, + - * / ^ and listed transforms.",
        "Compute the column before fitting and write its name.",
    )


def _read_numeric(node: ast.expr, tokens: Sequence[Token]) -> Expression:
    """The expression of an operand or argument, which must be numeric."""
    expression = _read_node(node, tokens)
    if isinstance(expression, Call) and not TRANSFORMS[expression.function].numeric:
        raise FormulaError(
            f"The transform {quote(render(expression))} stands inside {locate_all(tokens)}.",
            f"{quote(expression.function)} does not give numbers to compute with, so it is a factor of its own.",
            "Take it out of the arithmetic around it.",
        )
    return expression


def _read_call(
    function: Token, nodes: Sequence[ast.expr], named: Sequence[ast.keyword], tokens: Sequence[Token]
) -> Call:
    """The call of a listed transform, its arguments checked."""
    transform = TRANSFORMS[function.value]
    least, most = transform.required, len(transform.arguments)
    count = len(nodes) + len(named)
    if not least <= count <= most or len(nodes) < least:
        raise FormulaError(
            f"The transform {locate(function)} has {count} argument{'s' * (count != 1)}.",
            f"{quote(function.value)} takes {least if least == most else f'{least} to {most}'} "
            f"argument{'s' * (most > 1)}: {', then '.join(argument.value for argument in transform.arguments)}.",
            "Remove or add arguments.",
        )
    placed: dict[int, ast.expr] = dict(enumerate(nodes))
    for option in named:
        name = tokens[int(str(option.arg)[1:])]
        place = transform.keywords.index(name.text)
        if place in placed:
            raise FormulaError(
                f"The option {locate(name)} is given a second time.",
                "Each argument of a transform is given once.",
                "Remove one of the two.",
            )
        placed[place] = option.value
    read = {place: _read_argument(node, place, function, tokens) for place, node in placed.items()}
    return make_call(transform, [read.get(place) for place in range(most)], function)


def _read_argument(node: ast.expr, place: int, function: Token, tokens: Sequence[Token]) -> Expression | None:
    """One argument of a listed transform, of the kind that its place asks for."""
    kind = TRANSFORMS[function.value].arguments[place]
    argument = _read_numeric(node, tokens)
    if kind is Argument.NUMERIC:
        return argument
    if kind is not Argument.COLUMN:
        return read_option(kind, argument, function)
    if not isinstance(argument, Name):
        raise FormulaError(
            f"Argument {place + 1} of {locate(function)} is {quote(render(argument))}, which is not a column.",
            f"Argument {place + 1} of {quote(function.value)} is {kind.value}.",
            "Write the name of a column of the data in its place"
            + ("; several are parted by commas." if len(TRANSFORMS[function.value].arguments) > place + 1 else "."),
        )
    return argument


def _render(expression: Expression, spelling: Mapping[str, str]) -> tuple[str, int]:
    """The text of an expression and how strongly it holds together."""
    match expression:
        case Name(column):
            return (column if is_plain(column) else f"`{column}`"), _ATOM_STRENGTH
        case Word(text):
            return (text if is_plain(text) else f"`{text}`"), _ATOM_STRENGTH
        case Number(value):
            return (str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)), _ATOM_STRENGTH
        case Call(function, arguments):
            inside = ", ".join(_render(argument, spelling)[0] for argument in arguments)
            return f"{spelling.get(function, function)}({inside})", _ATOM_STRENGTH
        case Arithmetic(operator, (operand,)):
            return operator + _enclose(operand, spelling, _SIGN_STRENGTH), _SIGN_STRENGTH
        case Arithmetic(operator, (left, right)):
            strength = _STRENGTH[operator]
            power = operator == "**"  # a^b^c is a^(b^c), a-b-c is (a-b)-c
            first = _enclose(left, spelling, strength + power)
            signed = isinstance(right, Arithmetic) and len(right.operands) == 1
            second = _render(right, spelling)[0] if signed else _enclose(right, spelling, strength + (not power))
            return first + ("^" if power else operator) + second, strength
    raise TypeError(expression)


def _enclose(expression: Expression, spelling: Mapping[str, str], strength: int) -> str:
    """The text of an operand, in brackets where it holds together less than this."""
    text, own = _render(expression, spelling)
    return text if own >= strength else f"({text})"
