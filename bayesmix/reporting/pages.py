"""One page that says what was fitted, to what, with which result: nothing outside of it is needed to read it."""

from __future__ import annotations

import base64
import io
import platform
from collections.abc import Callable, Iterator
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bayesmix import __version__
from bayesmix.errors import ArgumentError, FileError, refuse_unknown
from bayesmix.inference.presets import choose_priors
from bayesmix.reporting.caterpillars import plot_caterpillar
from bayesmix.reporting.partition import plot_variance_partition
from bayesmix.reporting.pooling_arrows import plot_shrinkage
from bayesmix.reporting.residual_plots import plot_residuals
from bayesmix.reporting.side_by_side import plot_agreement
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.comparison import compare
from bayesmix.results.fit import Fit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.model_page import model_html
from bayesmix.tables import html_table

# Readable on a phone and on paper, by day and by night.
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, h4 { line-height: 1.2; }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0; font-size: .9rem; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8886; white-space: nowrap; }
tbody th { text-align: left; font-weight: normal; }
dl { display: grid; grid-template-columns: max-content auto; gap: 0 1rem; }
dd { margin: 0; }
pre { overflow-x: auto; }
img { max-width: 100%; height: auto; background: white; }
nav a { margin-right: 1rem; }
@media print { body { max-width: none; } h2 { break-before: page; } nav { display: none; } }
"""

_CITE = (
    "Model: Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed. REML with Satterthwaite degrees of freedom: "
    "Bates et al. (2015), J. Stat. Softw. 67(1); Kuznetsova et al. (2017), J. Stat. Softw. 82(13). Posterior by NUTS: "
    "Hoffman & Gelman (2014), J. Mach. Learn. Res. 15:1593-1623; R-hat and effective sample sizes: Vehtari et al. "
    "(2021), Bayesian Anal. 16:667-718."
)


def report(*fits: Fit, path: Any, title: str | None = None, **unknown: Any) -> Path:
    """Write one HTML page about fits of one model, from data and equations to pictures and how to repeat it.

    The page holds everything it shows: no network, no scripts, images inside.

    Parameters
    ----------
    *fits : LikelihoodFit and BayesFit
        One or more, of one model and the same rows.
    path : str or Path
        Where to, ending in .html; an existing file is replaced.
    title : str, optional

    Returns
    -------
    Path

    Raises
    ------
    ArgumentError, FileError
        No fit, fits of different models, or a path that can not be written.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"))
    >>> bx.report(model.reml(), path="hsb.html")  # doctest: +SKIP
    """
    refuse_unknown("report", unknown, ("path", "title"))
    target = _target(path)
    if not fits or not all(isinstance(fit, Fit) for fit in fits):
        raise ArgumentError(
            f"report was given {', '.join(type(fit).__name__ for fit in fits) or 'no fit'}.",
            "Expected fits of one model, estimated or sampled.",
            "Write bx.report(reml, post, path='report.html').",
        )
    comparison = compare(*fits)._repr_html_() if len(fits) > 1 else ""  # refuses what does not belong together
    name = title or f"Multilevel model: {fits[0].design.specification.formula}"
    sections = list(_sections(fits, comparison))
    links = "".join(f'<a href="#{key}">{escape(head)}</a>' for key, head, _ in sections)
    body = "\n".join(f'<h2 id="{key}">{escape(head)}</h2>\n{html}' for key, head, html in sections)
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(name)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(name)}</h1>\n<nav>{links}</nav>\n{body}\n</body>\n</html>\n"
    )
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as problem:
        raise FileError(
            f"'{target}' can not be written: {problem.strerror}.", "Expected a writable place.", "Choose another path."
        ) from None
    return target


def _target(path: Any) -> Path:
    """A path of an HTML file in a directory that exists."""
    if not isinstance(path, str | Path) or Path(path).suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"path={path!r}.", "Expected the path of an .html file.", "Write path='report.html'.")
    if not Path(path).parent.is_dir():
        raise FileError(f"There is no directory '{Path(path).parent}'.", "Expected one.", "Make it first.")
    return Path(path)


def _sections(fits: tuple[Fit, ...], comparison: str) -> Iterator[tuple[str, str, str]]:
    """Key, title and HTML of every section."""
    first = fits[0]
    post = next((fit for fit in fits if isinstance(fit, BayesFit)), None)
    likelihood = next((fit for fit in fits if isinstance(fit, LikelihoodFit)), None)
    if post is not None:
        yield "model", "Model and data", model_html(first.design, post.priors.numbers)
    else:
        yield "model", "Model and data", _without_priors(first)
    for number, fit in enumerate(fits):
        label = "Posterior" if isinstance(fit, BayesFit) else getattr(fit, "method", "Estimates")
        yield f"fit{number}", label, fit._repr_html_()
    yield "diagnostics", "Diagnostics", _diagnostics(fits, post, likelihood)
    if comparison:
        yield "agreement", "Agreement", comparison + _picture("Intervals side by side", lambda: plot_agreement(*fits))
    if first.design.levels:
        yield "variance", "Where the variance lies", _variance(first)
        yield "groups", "Groups", _groups(likelihood or first)
    if likelihood is not None:
        yield "residuals", "Residuals", _picture("Residuals", lambda: plot_residuals(likelihood))
    yield "repeat", "How to cite and to repeat", _provenance(first, post)


def _diagnostics(fits: tuple[Fit, ...], post: BayesFit | None, likelihood: LikelihoodFit | None) -> str:
    """Whether to trust each fit; a posterior is compared with the estimates beside it."""
    found = [fit.diagnose(likelihood) for fit in fits if isinstance(fit, BayesFit)]
    if post is None:
        found = [fit.diagnose() for fit in fits if isinstance(fit, LikelihoodFit)]
    return "\n".join(one._repr_html_() for one in found)


def _without_priors(fit: Fit) -> str:
    """The model card of estimates."""
    page = model_html(fit.design, choose_priors("flat", fit.design))
    start, end = page.index("<h4>Priors</h4>"), page.rindex("</section>")
    notes = "".join(f"<p>{escape(note)}</p>" for note in fit.design.notes)
    return page[:start] + notes + page[end:]


def _variance(fit: Fit) -> str:
    """ICC and R2, and the picture of the parts."""
    parts = [html_table(fit.icc()), html_table(fit.r2())]
    return "\n".join([*parts, _picture("Parts of the variance", lambda: plot_variance_partition(fit))])


def _groups(fit: Fit) -> str:
    """Shrinkage, and the groups in order."""
    pictures = []
    for level in fit.design.levels:
        name = level.name
        pictures.append(_picture(f"Shrinkage of {name}", lambda name=name: plot_shrinkage(fit, name)))  # type: ignore[misc]
        pictures.append(_picture(f"Effects of {name}", lambda name=name: plot_caterpillar(fit, name)))  # type: ignore[misc]
    return "\n".join(pictures)


def _picture(words: str, draw: Callable[[], Any]) -> str:
    """A plot inside the page; the reason where it can not be drawn."""
    import matplotlib.pyplot as plt

    try:
        drawn = draw()
    except ArgumentError as reason:
        return f"<p>{escape(words)}: not drawn. {escape(str(reason))}</p>"
    figure = np.ravel(drawn)[0].figure
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<figure><img alt="{escape(words)}" src="data:image/png;base64,{data}"></figure>'


def _provenance(fit: Fit, post: BayesFit | None) -> str:
    """Versions, settings and the commands that make the page again."""
    design = fit.design
    versions = {"bayesmix": __version__, "Python": platform.python_version()}
    versions |= {name: version(name) for name in ("numpy", "scipy", "pymc", "nutpie", "arviz")}
    lines = [f'model = bx.Model("{design.specification.formula}", data)', "reml = model.reml()"]
    if post is not None:
        asked = post.idata["posterior"].attrs
        settings = [f"{key}={asked[key]}" for key in ("draws", "tune", "chains", "seed") if key in asked]
        lines.append(f"post = model.sample({', '.join(settings)})")
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in versions.items())
    code = escape("\n".join(["import bayesmix as bx", "", *lines]))
    return f"<p>{escape(_CITE)}</p>\n<dl>{items}</dl>\n<pre>{code}</pre>"
