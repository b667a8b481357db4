"""Lines and sections of equations, broken where they are too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bayesmix.results.equations.marks import Node, Symbol, as_latex, as_text, latex_name, signed

_WIDTH = 98


@dataclass(frozen=True)
class Line:
    """Left side = a sum.

    Parameters
    ----------
    left : Node
    terms : tuple of Node
    enclosed : int, optional
        The terms from this one on stand in square brackets.
    """

    left: Node
    terms: tuple[Node, ...]
    enclosed: int | None = None

    def text(self) -> list[str]:
        """The line, or several."""
        head = f"{as_text(self.left)} = "
        rows = self._rows(len(head))
        pieces = self._pieces(latex=False)
        return [(head if row == 0 else " " * len(head)) + " ".join(pieces[a:b]) for row, (a, b) in enumerate(rows)]

    def latex(self) -> list[str]:
        """The same, with the mark that aligns it."""
        pieces = self._pieces(latex=True)
        rows = self._rows(len(as_text(self.left)) + 3)
        return [
            (f"{as_latex(self.left)} &= " if row == 0 else r"&\quad ") + " ".join(pieces[a:b])
            for row, (a, b) in enumerate(rows)
        ]

    def alone(self) -> list[str]:
        """LaTeX of one row, for a formula by itself."""
        return [" ".join([as_latex(self.left), "=", *self._pieces(latex=True)])]

    def _pieces(self, latex: bool) -> list[str]:
        """Terms with their signs and the square brackets."""
        if self.enclosed is None:
            return signed(self.terms, latex)
        outside, inside = self.terms[: self.enclosed], self.terms[self.enclosed :]
        within = signed(inside, latex)
        within[0], within[-1] = f"[{within[0]}", f"{within[-1]}]"
        if not outside:
            return within
        return [*signed(outside, latex), f"+ {within[0]}", *within[1:]]

    def _rows(self, indent: int) -> list[tuple[int, int]]:
        """Where each row begins and ends among the terms; both scripts break at the same places."""
        rows, start, width = [], 0, indent
        pieces = self._pieces(latex=False)
        long = indent + len(" ".join(pieces)) > _WIDTH
        for place, piece in enumerate(pieces):
            # A bracket that does not fit into the row begins one of its own.
            if place > start and (width + len(piece) > _WIDTH or (long and place == self.enclosed)):
                rows.append((start, place))
                start, width = place, indent
            width += len(piece) + 1
        return [*rows, (start, len(self.terms))]


@dataclass(frozen=True)
class Distribution:
    """Residuals that are normal together.

    Parameters
    ----------
    symbols : tuple of Symbol
    matrix : tuple of tuple of Node
        Their variances and covariances.
    weight : str, optional
        What the variance is divided by.
    """

    symbols: tuple[Symbol, ...]
    matrix: tuple[tuple[Node, ...], ...]
    weight: str | None = None

    def text(self) -> list[str]:
        """One line, or as many as the matrix has rows."""
        if len(self.symbols) == 1:
            divided = f" / {self.weight}" if self.weight else ""
            return [f"{as_text(self.symbols[0])} ~ N(0, {as_text(self.matrix[0][0])}{divided})"]
        head = f"({', '.join(map(as_text, self.symbols))}) ~ N(0, "
        cells = [[as_text(entry) for entry in row] for row in self.matrix]
        widths = [max(len(row[column]) for row in cells) for column in range(len(cells))]
        edges = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(cells) - 2), ("⎣", "⎦")]
        rows = [
            f"{left}{' '.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))}{right}"
            for row, (left, right) in zip(cells, edges, strict=True)
        ]
        first = f"{head}{rows[0]}"
        return [first, *(" " * len(head) + row for row in rows[1:-1]), f"{' ' * len(head)}{rows[-1]})"]

    def latex(self) -> list[str]:
        """One line, with the mark that aligns it."""
        if len(self.symbols) == 1:
            divided = f" / {latex_name(self.weight)}" if self.weight else ""
            return [f"{as_latex(self.symbols[0])} &\\sim N(0, \\, {as_latex(self.matrix[0][0])}{divided})"]
        left = _stacked([[as_latex(symbol)] for symbol in self.symbols])
        return [f"{left} &\\sim N\\left(0, \\, {_stacked([list(map(as_latex, row)) for row in self.matrix])}\\right)"]

    def alone(self) -> list[str]:
        """The same without a matrix, variances and covariances one by one, each a formula of one row."""
        if len(self.symbols) == 1:
            return [self.latex()[0].replace(" &\\sim", r" \sim")]
        names = list(map(as_latex, self.symbols))
        found = [f"({', '.join(names)}) \\sim N(0, \\, \\Sigma)"]
        for row, name in enumerate(names):
            found.append(f"\\mathrm{{Var}}({name}) = {as_latex(self.matrix[row][row])}")
            others = list(enumerate(names))[:row]
            found += [f"\\mathrm{{Cov}}({o}, {name}) = {as_latex(self.matrix[column][row])}" for column, o in others]
        return found


def _stacked(rows: Sequence[Sequence[str]]) -> str:
    """A matrix of LaTeX."""
    return "\\begin{pmatrix} " + r" \\ ".join(" & ".join(row) for row in rows) + " \\end{pmatrix}"


@dataclass(frozen=True)
class Section:
    """Lines under a title.

    Parameters
    ----------
    heading : str
    lines : tuple of Line or Distribution
    name : str
        Of a level, after the title.
    step : bool
        Whether it is a step on the way, that a short form leaves out.
    """

    heading: str
    lines: tuple[Line, ...] | tuple[Distribution, ...]
    name: str = ""
    step: bool = False

    @property
    def title(self) -> str:
        """As text."""
        return f"{self.heading}: {self.name}" if self.name else self.heading

    def text(self) -> list[str]:
        """Rows of text."""
        return [row for line in self.lines for row in line.text()]

    def alone(self) -> list[str]:
        """LaTeX of every formula by itself, where nothing can be aligned."""
        return [formula for line in self.lines for formula in line.alone()]

    def block(self) -> str:
        """Title and rows."""
        return "\n".join([self.title, *(f"  {row}" for row in self.text())])

    def latex_title(self) -> str:
        """The title as LaTeX of mathematics; no name of a user stands in its text mode."""
        name = f"\\text{{: }}{latex_name(self.name)}" if self.name else ""
        return f"\\textbf{{{self.heading}}}{name}"

    def latex(self) -> str:
        """An aligned block."""
        rows = [row for line in self.lines for row in line.latex()]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"
