"""The priors of a model as an addressable table, and how one of them is exchanged for another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from bayesmix.design import Design
from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Distribution
from bayesmix.inference.naming import correlation_name, sd_name, variable_name
from bayesmix.inference.presets import choose_priors
from bayesmix.inference.prior_text import positive, read_correlation, read_distribution, share
from bayesmix.inference.priors import (
    LKJ,
    R2D2,
    BetaPrior,
    Decov,
    IccPrior,
    LevelPriors,
    Priors,
    SdPrior,
    Sources,
    UniformPartials,
)
from bayesmix.tables import Printout, Rules, Sheet, html_table

SET = "set"


@dataclass(frozen=True)
class PriorRow:
    """One prior: the posterior's name of its parameter, its class, coefficient and level, itself, and its source."""

    name: str
    kind: str
    coefficient: str
    level: str
    prior: Distribution | Decov | IccPrior | R2D2 | LKJ | UniformPartials
    source: str


@dataclass(frozen=True, repr=False)
class PriorTable:
    """The priors of a model, one row for each parameter.

    Parameters
    ----------
    design : Design
        Names.
    numbers : Priors
        What is sampled with.

    Examples
    --------
    >>> import bayesmix as bx
    >>> model = bx.Model("math ~ ses + (ses | school)", bx.load_dataset("hsb"), priors={"ses": "Normal(0, 5)"})
    >>> model.priors["ses"]
    'Normal(0, 5)'
    >>> model.priors.table.loc["ses|school_sigma", "source"]
    'default: sd(y)/sd(x)'
    """

    design: Design = field(compare=False)
    numbers: Priors

    @property
    def table(self) -> pd.DataFrame:
        """Index name; class (Intercept, b, sd, cor, sigma), coefficient, level, distribution, source."""
        rows = list(prior_rows(self.design, self.numbers))
        frame = pd.DataFrame(
            {
                "class": [row.kind for row in rows],
                "coefficient": [row.coefficient for row in rows],
                "level": [row.level for row in rows],
                "distribution": [str(row.prior) for row in rows],
                "source": [row.source for row in rows],
            },
            index=pd.Index([row.name for row in rows], name="name"),
        )
        if self.numbers.intercept is not None and len(self.numbers.beta) > 1:
            frame.attrs["note"] = INTERCEPT_NOTE
        return frame

    def __getitem__(self, name: str) -> str:
        return str(_find(list(prior_rows(self.design, self.numbers)), name).prior)

    def printout(self) -> Printout:
        """The table, for text and HTML."""
        frame = self.table
        rows = tuple((str(name), *map(str, row)) for name, row in zip(frame.index, frame.to_numpy(), strict=True))
        sheet = Sheet("", ("name", *frame.columns), rows, left=(1, 2, 3, 4, 5))
        notes = (frame.attrs["note"],) if "note" in frame.attrs else ()
        return Printout("Priors", (sheet,), notes, Rules(indent=2))

    def __repr__(self) -> str:
        return str(self.printout())

    def html(self) -> str:
        """Names, distributions and sources, for a page that holds more."""
        frame = self.table
        table = html_table(frame[["distribution", "source"]])
        return f"{table}<p>{escape(frame.attrs['note'])}</p>" if "note" in frame.attrs else table

    def _repr_html_(self) -> str:
        return self.printout()._repr_html_()


INTERCEPT_NOTE = "The prior of Intercept is that of the intercept at the means of the other columns."


def prior_rows(design: Design, priors: Priors) -> Iterator[PriorRow]:
    """Every prior by the name of its parameter."""
    sources = priors.sources
    for j, (name, prior) in enumerate(zip(design.fixed_names, priors.beta, strict=True)):
        kind = "Intercept" if j == priors.intercept else "b"
        yield PriorRow(variable_name(name), kind, name, "", prior, sources.beta[j] if sources.beta else "")
    for number, (level, own) in enumerate(zip(design.levels, priors.levels, strict=True)):
        for a, (name, sd) in enumerate(zip(level.effect_names, own.sds, strict=True)):
            source = sources.sds[number][a] if sources.sds else ""
            yield PriorRow(sd_name(name, level.name), "sd", name, level.name, sd, source)
        if level.pairs:
            source = sources.correlations[number] if sources.correlations else ""
            yield PriorRow(correlation_name(level.name), "cor", "", level.name, own.correlation, source)
    yield PriorRow("sigma", "sigma", "", "", priors.sigma, sources.sigma)


def describe_priors(design: Design, priors: Priors) -> str:
    """One line for each parameter, indented."""
    rows = []
    for row in prior_rows(design, priors):
        where = " (at the means of the other columns)" if row.kind == "Intercept" and len(priors.beta) > 1 else ""
        rows.append((row.name, f"{row.prior}{where}", f"[{row.source}]" if row.source else ""))
    wide = [max(len(row[k]) for row in rows) for k in range(2)]
    return "\n".join(f"  {a.ljust(wide[0])}  {b.ljust(wide[1])}  {c}".rstrip() for a, b, c in rows)


def make_priors(design: Design, wanted: Any) -> Priors:
    """Priors from a preset's name, or from changes to one.

    Parameters
    ----------
    design : Design
    wanted : str, mapping or PriorTable
        ``"default"``, ``"flat"``, ``"brms"``, ``"rstanarm"``, ``"bambi"``; priors by name, with ``"preset"`` for the
        set they change (``"default"`` by itself); or the priors of another model of this form, number by number.

    Raises
    ------
    PriorError
        With the name that is not known, or what is wrong with a prior.
    """
    if isinstance(wanted, str):
        return choose_priors(wanted, design)
    if isinstance(wanted, PriorTable):
        _require_same(design, wanted.design)
        return wanted.numbers
    if not isinstance(wanted, Mapping):
        raise PriorError(
            f"priors={wanted!r}.",
            "Expected the name of a preset, or priors by name.",
            'Write for instance {"ses": "Normal(0, 5)"}.',
        )
    changes = dict(wanted)
    preset = changes.pop("preset", "default")
    if not isinstance(preset, str):
        raise PriorError(f"preset={preset!r}.", "Expected the name of a preset.", "Leave it out for the defaults.")
    return set_priors(design, choose_priors(preset, design), changes)


def _require_same(design: Design, other: Design) -> None:
    """Refuse the priors of a model with other parameters."""
    names = [
        (v.fixed_names, [(level.name, level.effect_names, level.blocks) for level in v.levels]) for v in (design, other)
    ]
    if names[0] != names[1]:
        raise PriorError(
            f"The priors are those of '{other.specification.formula}'.",
            "Expected the priors of a model with the same fixed effects, levels and varying effects.",
            "Give priors by name.",
        )


def set_priors(design: Design, priors: Priors, changes: Mapping[Any, Any]) -> Priors:
    """The same priors but for those named.

    Parameters
    ----------
    design : Design
    priors : Priors
    changes : mapping
        A fixed effect, ``"sigma"``, ``"ses|school_sigma"``, ``"school_corr"``; ``"sd(ses | school)"`` and
        ``"cor(school)"`` for the same; ``"b"`` for all fixed effects but the intercept, ``"sd"`` and ``"cor"`` for
        those of all levels, ``"sd(school)"`` for those of one; ``"icc(school)"`` for a prior of the intercept's share
        of variance, ``"R2"`` for one of what the fixed effects explain. Those of a class first, then single ones.

    Raises
    ------
    PriorError
        An unknown name, a prior that can not be read, or one its parameter can not have.
    """
    _refuse_twice(design, priors, changes)
    for name in sorted(changes, key=lambda key: _plain(key).lower() not in ("b", "sd", "cor")):
        priors = _set_one(design, priors, name, changes[name])
    _require_consistent(design, priors)
    return priors


def _refuse_twice(design: Design, priors: Priors, changes: Mapping[Any, Any]) -> None:
    """Refuse two priors of one parameter, unless one of them is of its whole class."""
    rows = list(prior_rows(design, priors))
    seen: dict[str, Any] = {}
    for name in changes:
        plain = _plain(name)
        if plain.lower() == "r2" and "R2" not in design.fixed_names:
            own = [row.name for row in rows if row.kind == "b"]
        elif plain.lower().startswith("icc("):
            own = [row.name for row in rows if (row.kind, row.coefficient) == ("sd", "Intercept")]
            own = [one for one in own if _plain(one).startswith(f"1|{plain[4:-1]}_")]
        else:
            own = [row.name for row in rows if plain in _addresses(row)]
        for one in own:
            if one in seen:
                raise PriorError(
                    f"'{seen[one]}' and '{name}' both set a prior of '{one}'.",
                    "Expected one of them.",
                    "Leave one out.",
                )
            seen[one] = name


def _plain(name: Any) -> str:
    """An address without blanks; lme4's name of the intercept is ours, and corr is cor."""
    text = "".join(str(name).split()).replace("(Intercept)", "Intercept")
    return f"cor{text[4:]}" if text.lower().startswith("corr(") or text.lower() == "corr" else text


def _set_one(design: Design, priors: Priors, name: Any, value: Any) -> Priors:
    """One change."""
    plain = _plain(name)
    lower = plain.lower()
    if lower == "r2" and "R2" not in design.fixed_names:
        return _set_r2(design, priors, value)
    if lower.startswith("icc(") and lower.endswith(")"):
        return _set_icc(design, priors, plain[4:-1], value)
    rows = list(prior_rows(design, priors))
    chosen = [row for row in rows if plain in _addresses(row)] or _class_rows(rows, lower, plain)
    for row in chosen or [_find(rows, str(name))]:
        priors = _exchange(design, priors, row, value)
    return priors


def _addresses(row: PriorRow) -> tuple[str, ...]:
    """The names of one prior, without blanks."""
    found = [row.name, row.coefficient] if row.kind in ("b", "Intercept") else [row.name]
    if row.kind == "sd":
        found += [f"sd({row.coefficient}|{row.level})", f"sd({row.name.split('|')[0]}|{row.level})"]
    if row.kind == "cor":
        found.append(f"cor({row.level})")
    return tuple("".join(name.split()) for name in found)


def _class_rows(rows: list[PriorRow], lower: str, plain: str) -> list[PriorRow]:
    """All priors of a class, or the sds of a level."""
    if lower in ("b", "sd", "cor"):
        return [row for row in rows if row.kind == lower]
    return [row for row in rows if row.kind == "sd" and plain == f"sd({''.join(row.level.split())})"]


def _find(rows: list[PriorRow], name: str) -> PriorRow:
    """The row of a name.

    Raises
    ------
    PriorError
        Unknown name, with the nearest.
    """
    plain = _plain(name)
    if plain == "preset":
        raise PriorError(
            "A preset sets all priors.",
            "Expected the name of a parameter.",
            'Write Model(..., priors={"preset": ...}) with the changes beside it.',
        )
    for row in rows:
        if plain in _addresses(row):
            return row
    names = [address for row in rows for address in _addresses(row)]
    near = difflib.get_close_matches(plain, names, n=1, cutoff=0.5)
    raise PriorError(
        f"The model has no parameter '{name}' to set a prior of.",
        f"Expected one of {', '.join(row.name for row in rows)}.",
        f"Did you mean '{near[0]}'?" if near else "Choose one of these.",
    )


def _exchange(design: Design, priors: Priors, row: PriorRow, value: Any) -> Priors:
    """One parameter's prior replaced, the others and their sources kept."""
    sources = _whole_sources(design, priors)
    if row.kind in ("b", "Intercept"):
        j = design.fixed_names.index(row.coefficient)
        beta = tuple(read_distribution(value) if i == j else prior for i, prior in enumerate(priors.beta))
        sources = replace(sources, beta=_with(sources.beta, j, SET))
        return replace(priors, beta=beta, sources=sources)
    if row.kind == "sigma":
        sigma = positive(read_distribution(value), "sigma")
        return replace(priors, sigma=sigma, sources=replace(sources, sigma=SET))
    number = [level.name for level in design.levels].index(row.level)
    own = priors.levels[number]
    if row.kind == "cor":
        new = LevelPriors(own.sds, LKJ(read_correlation(value)))
        sources = replace(sources, correlations=_with(sources.correlations, number, SET))
    else:
        a = design.levels[number].effect_names.index(row.coefficient)
        sd = positive(read_distribution(value), f"the sd of {row.coefficient} at {row.level}")
        new = LevelPriors(_with(own.sds, a, sd), own.correlation)
        sources = replace(sources, sds=_with(sources.sds, number, _with(sources.sds[number], a, SET)))
    return replace(priors, levels=_with(priors.levels, number, new), sources=sources)


def _set_icc(design: Design, priors: Priors, level: str, value: Any) -> Priors:
    """A prior of the intercept's share of variance at a level."""
    names = ["".join(v.name.split()) for v in design.levels]
    if level not in names or "Intercept" not in design.levels[names.index(level)].effect_names:
        able = [v.name for v in design.levels if "Intercept" in v.effect_names]
        raise PriorError(
            f"icc({level}): there is no level '{level}' with a varying intercept.",
            f"Expected one of {', '.join(able)}." if able else "Expected a level with a varying intercept.",
            "Correct the name.",
        )
    number = names.index(level)
    a = design.levels[number].effect_names.index("Intercept")
    own, sources = priors.levels[number], _whole_sources(design, priors)
    prior = IccPrior(share(read_distribution(value), f"icc({level})"))
    new = LevelPriors(_with(own.sds, a, prior), own.correlation)
    sources = replace(sources, sds=_with(sources.sds, number, _with(sources.sds[number], a, SET)))
    return replace(priors, levels=_with(priors.levels, number, new), sources=sources)


def _set_r2(design: Design, priors: Priors, value: Any) -> Priors:
    """A prior of what the fixed effects explain, in place of those of all but the intercept."""
    places = [j for j in range(len(priors.beta)) if j != priors.intercept]
    if not places:
        raise PriorError("R2: the model has no fixed effect but the intercept.", "Expected one.", "Leave R2 out.")
    spread = np.std(design.fixed_values[:, places], axis=0, ddof=1)
    size = np.sqrt(np.mean(design.fixed_values[:, places] ** 2, axis=0))
    prior = R2D2(share(read_distribution(value), "R2"), 1.0, tuple(np.where(spread > 0, spread, size).tolist()))
    beta: tuple[BetaPrior, ...] = tuple(prior if j in places else own for j, own in enumerate(priors.beta))
    sources = _whole_sources(design, priors)
    kept = tuple(SET if j in places else text for j, text in enumerate(sources.beta))
    return replace(priors, beta=beta, sources=replace(sources, beta=kept))


def _require_consistent(design: Design, priors: Priors) -> None:
    """Refuse sets of priors that do not make one.

    Raises
    ------
    PriorError
        Some sds of a block under decov, two priors of shares of one variance, or of R2 for some coefficients only.
    """
    shares = [v.name for v, own in zip(design.levels, priors.levels, strict=True) if _holds(own, IccPrior)]
    if len(shares) > 1:
        raise PriorError(
            f"There are priors of the intraclass correlation at {' and '.join(shares)}.",
            "Expected one: the shares of one variance can not be free of one another.",
            "Set the sds of the other levels.",
        )
    for level, own in zip(design.levels, priors.levels, strict=True):
        for start, stop in level.blocks:
            block = own.sds[start:stop]
            if any(isinstance(sd, Decov) for sd in block) and not all(isinstance(sd, Decov) for sd in block):
                names = ", ".join(sd_name(name, level.name) for name in level.effect_names[start:stop])
                raise PriorError(
                    f"Some sds of '{level.name}' have a prior of their own and others share decov.",
                    f"Expected one or the other for all of {names}.",
                    f'Set all of them, for instance with "sd({level.name})".',
                )
    governed = [isinstance(prior, R2D2) for j, prior in enumerate(priors.beta) if j != priors.intercept]
    if any(governed) and not all(governed):
        raise PriorError(
            "A prior of R2 governs all fixed effects but the intercept, and one of these has a prior of its own.",
            "Expected one or the other.",
            "Leave out R2 or the prior of the coefficient.",
        )


def _holds(own: LevelPriors, kind: type[SdPrior]) -> bool:
    """Whether some sd of a level has a prior of a kind."""
    return any(isinstance(sd, kind) for sd in own.sds)


def _whole_sources(design: Design, priors: Priors) -> Sources:
    """Sources with a place for every prior."""
    sources = priors.sources
    return Sources(
        sources.beta or ("",) * len(priors.beta),
        sources.sds or tuple(("",) * len(own.sds) for own in priors.levels),
        sources.correlations or ("",) * len(design.levels),
        sources.sigma,
    )


def _with[T](items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    """A tuple with one item replaced."""
    return (*items[:place], item, *items[place + 1 :])
