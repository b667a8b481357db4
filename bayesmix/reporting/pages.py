"""One page that says what was fitted, to what, with which result, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayesmix.errors import ArgumentError, FileError, refuse_unknown
from bayesmix.reporting.html_page import html_page
from bayesmix.reporting.markdown_page import markdown_page
from bayesmix.reporting.sections import report_sections
from bayesmix.results.fit import Fit

HTML, MARKDOWN = (".html", ".htm"), (".md", ".markdown")


def report(*fits: Fit, path: Any = None, title: str | None = None, command: str | None = None, **unknown: Any) -> Path:
    """Write a report about fits of one model: equations, data, results, checks, and how to repeat them.

    An HTML page holds everything it shows: no network, no scripts, images inside. Markdown is for GitHub and pandoc
    (``pandoc hsb.md -o hsb.docx``); its pictures are put in a directory beside it, as GitHub shows no others:
    ``hsb.md`` has ``hsb_files/``.

    Parameters
    ----------
    *fits : LikelihoodFit and BayesFit
        One or more, of one model and the same rows.
    path : str or Path
        Where to, ending in .html or .md; an existing file is replaced.
    title : str, optional
    command : str, optional
        The line of a shell that made the fits, printed under how to repeat them.

    Returns
    -------
    Path

    Raises
    ------
    ArgumentError, FileError
        No fit, the same twice, fits of different models, or a path that can not be written.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    >>> bx.report(model.reml(), path="hsb.html")  # doctest: +SKIP
    """
    refuse_unknown("report", unknown, ("path", "title", "command"))
    target = report_path(path)
    if not fits or not all(isinstance(fit, Fit) for fit in fits):
        raise ArgumentError(
            f"report was given {', '.join(type(fit).__name__ for fit in fits) or 'no fit'}.",
            "Expected fits of one model, estimated or sampled.",
            "Write bx.report(reml, post, path='report.html').",
        )
    if len({id(fit) for fit in fits}) < len(fits):
        raise ArgumentError(
            f"report was given {', '.join(type(fit).__name__ for fit in fits)}, the same fit twice.",
            "Expected every fit once.",
            "Write bx.report(reml, post, path='report.html').",
        )
    for name, text in (("title", title), ("command", command)):
        if text is not None and not isinstance(text, str):
            raise ArgumentError(f"{name}={text!r}.", "Expected text.", "Leave it out, or write one.")
    sections = report_sections(fits, command)
    name = title or f"{'Multilevel' if fits[0].design.levels else 'Linear'} model: {_formula(fits[0])}"
    if target.suffix.lower() in HTML:
        return _write(target, html_page(name, sections), {})
    folder = target.with_name(f"{target.stem}_files")
    text, pictures = markdown_page(name, sections, folder.name)
    return _write(target, text, {folder / own: png for own, png in pictures.items()})


def _formula(fit: Fit) -> str:
    """What was fitted."""
    return fit.design.specification.formula


def report_path(path: Any) -> Path:
    """A path of an HTML or Markdown file in a directory that exists.

    Raises
    ------
    ArgumentError
        Something else than a path, or another ending.
    FileError
        There is no such directory, or a directory in its place.
    """
    if not isinstance(path, str | Path) or "\0" in str(path) or Path(path).suffix.lower() not in HTML + MARKDOWN:
        raise ArgumentError(
            f"path={str(path) if isinstance(path, Path) else path!r}.",
            "Expected the path of an .html or .md file.",
            "Write path='report.html'.",
        )
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise FileError(f"There is no directory '{target.parent}'.", "Expected one.", "Make it first.")
    if target.is_dir():
        raise FileError(f"'{target}' is a directory.", "Expected the path of a file.", "Add a name: 'report.html'.")
    return target


def _write(target: Path, text: str, pictures: Mapping[Path, bytes]) -> Path:
    """The page, and its pictures before it."""
    try:
        for path, png in pictures.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png)
        target.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise FileError(
            f"'{problem.filename or target}' can not be written: {problem.strerror}.",
            "Expected a writable place.",
            "Choose another path.",
        ) from None
    return target
