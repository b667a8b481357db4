"""How to cite fits, and the lines that make them again."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from bayesmix import __version__
from bayesmix.errors import PriorError
from bayesmix.inference.priors import Priors
from bayesmix.reporting.blocks import Block, Code, Facts, Heading, Points, Prose
from bayesmix.results.bayes_fit import BayesFit
from bayesmix.results.fit import Fit
from bayesmix.results.likelihood_fit import LikelihoodFit
from bayesmix.results.prior_table import SET, make_priors, prior_rows

_MODEL = "Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., Sage."
_ESTIMATES = (
    "Bates, Maechler, Bolker & Walker (2015), J. Stat. Softw. 67(1), doi:10.18637/jss.v067.i01 (REML by penalised "
    "least squares).",
    "Kuznetsova, Brockhoff & Christensen (2017), J. Stat. Softw. 82(13), doi:10.18637/jss.v082.i13 (Satterthwaite's "
    "degrees of freedom).",
)
_DRAWS = (
    "Hoffman & Gelman (2014), J. Mach. Learn. Res. 15:1593-1623 (NUTS).",
    "Abril-Pla et al. (2023), PeerJ Comput. Sci. 9:e1516, doi:10.7717/peerj-cs.1516 (PyMC).",
    "Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021), Bayesian Anal. 16:667-718, doi:10.1214/20-BA1221 "
    "(R-hat and effective sample size).",
)


def reproduction(fits: Sequence[Fit], command: str | None) -> tuple[Block, ...]:
    """References, versions, and the lines of Python (and of the shell) that give these numbers again.

    Parameters
    ----------
    fits : sequence of LikelihoodFit and BayesFit
    command : str, optional
        The line of a shell that made them.

    Returns
    -------
    tuple of Block
    """
    posts = [fit for fit in fits if isinstance(fit, BayesFit)]
    estimates = [fit for fit in fits if isinstance(fit, LikelihoodFit)]
    cited = [f"bayesmix {__version__}, Bayesian and REML multilevel models from one likelihood.", _MODEL]
    cited += [*(_ESTIMATES if estimates else ()), *(_DRAWS if posts else ())]
    found: list[Block] = [Heading("To cite"), Points(tuple(cited)), Heading("To repeat")]
    found.append(Code("\n".join(_lines(fits)), "python"))
    if command is not None:
        found += [Prose("From a shell:"), Code(command, "sh")]
    if any("seed" not in post.idata["posterior"].attrs for post in posts):
        found.append(
            Prose("No seed was given: repeated draws differ from these, within the Monte Carlo error of the means.")
        )
    found += [Heading("Versions"), Facts(tuple(_versions(posts)))]
    return tuple(found)


def _versions(posts: Sequence[BayesFit]) -> Iterator[tuple[str, str]]:
    """What wrote the page, and what drew where that was another version."""
    yield "bayesmix", __version__
    yield "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in ("numpy", "scipy", "pandas", *(("pymc", "nutpie", "arviz") if posts else ())):
        yield name, version(name)
    for number, post in enumerate(posts, start=1):
        attrs = post.idata["posterior"].attrs
        parts = [f"{name} {attrs[f'{name}_version']}" for name in ("bayesmix", "pymc") if f"{name}_version" in attrs]
        if "inference_library" in attrs:
            parts.append(f"{attrs['inference_library']} {attrs.get('inference_library_version', '')}".strip())
        when = f"{attrs['created_at']}, by " if "created_at" in attrs else ""
        yield "Sampled" if len(posts) == 1 else f"Sampled, posterior {number}", when + ", ".join(parts)


def _lines(fits: Sequence[Fit]) -> Iterator[str]:
    """The lines of Python."""
    design = fits[0].design
    posts = [fit for fit in fits if isinstance(fit, BayesFit)]
    yield "import bayesmix as bx"
    yield ""
    rows = design.n + design.n_missing
    given, weights = design.weights_name == "given", design.weights_name
    columns = [*design.columns_read, *([] if weights is None or given else [weights])]
    yield f"data = ...  # the {rows} rows with {', '.join(dict.fromkeys(columns))}"
    if given:
        yield f"weights = ...  # a number for each of the {rows} rows"
    options = []
    if weights is not None:
        options.append("weights=weights" if given else f"weights={_quoted(weights)}")
    formula = _quoted(design.specification.formula)
    called: list[str] = []
    for number, post in enumerate(posts):
        # A posterior has priors of its own; estimates have none, and any of these models gives them.
        own = [*options, *_priors(post)]
        model = "model" if number == 0 else f"model_{number + 1}"
        yield f"{model} = bx.Model({', '.join([formula, 'data', *own])})"
    if not posts:
        yield f"model = bx.Model({', '.join([formula, 'data', *options])})"
    number = 0
    for place, fit in enumerate(fits, start=1):
        if isinstance(fit, BayesFit):
            model = "model" if number == 0 else f"model_{number + 1}"
            number += 1
            name = _free("post", called, place)
            yield f"{name} = {model}.sample({', '.join(_settings(fit))})"
        else:
            method = fit.method.lower() if isinstance(fit, LikelihoodFit) else "reml"
            name = _free(method, called, place)
            yield f"{name} = model.{method}()"
        called.append(name)
    yield f'bx.report({", ".join(called)}, path="report.html")'


def _free(name: str, taken: Sequence[str], place: int) -> str:
    """A name that is not taken yet."""
    return name if name not in taken else f"{name}_{place}"


def _settings(post: BayesFit) -> list[str]:
    """What the sampler was asked."""
    attrs = post.idata["posterior"].attrs
    keys = ("draws", "tune", "chains", "seed", "sampler", "target_accept")
    values = {key: attrs[key] for key in keys if key in attrs}
    found = [f"{key}={_quoted(value) if isinstance(value, str) else value:}" for key, value in values.items()]
    return found if post.effects.effects is not None or not post.design.levels else [*found, "group_effects=False"]


def _priors(post: BayesFit) -> list[str]:
    """The option that gives its priors again."""
    numbers: Priors = post.priors.numbers
    design = post.design
    changes = {row.name: str(row.prior) for row in prior_rows(design, numbers) if row.source == SET}
    preset = {} if numbers.preset == "default" else {"preset": numbers.preset}
    if not changes:
        return [f"priors={_quoted(numbers.preset)}"] if preset else []
    wanted = {**preset, **changes}
    try:
        same = make_priors(design, wanted) == numbers
    except PriorError:
        same = False  # priors of a share of variance or of R2 are not set parameter by parameter
    return [f"priors={json.dumps(wanted, ensure_ascii=False)}" if same else "priors=...  # as in the table of priors"]


def _quoted(text: str) -> str:
    """Text as Python writes it, between double quotes."""
    return json.dumps(text, ensure_ascii=False)
