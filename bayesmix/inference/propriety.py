"""Whether flat priors leave the posterior proper, from ranks of the design alone."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bayesmix.design import CrossProducts, Design
from bayesmix.errors import PriorError
from bayesmix.inference.distributions import Flat
from bayesmix.inference.priors import Priors, stated_on

Floats = NDArray[np.float64]
# A level and one of its effects.
Place = tuple[int, int]


def require_proper(priors: Priors, design: Design, products: CrossProducts) -> None:
    """Refuse to sample where flat standard deviations leave the posterior improper.

    As the flat sds of a set S grow together, the likelihood, with flat fixed effects integrated out, falls by the power
    rank[X, Z_S] - rank[X] of their size, X the columns of these fixed effects and Z_S the columns of these effects by
    group; the integral over the set converges at infinity where that power exceeds their number. For one varying
    intercept: groups less fixed effects constant within groups, at least 2. Hobert & Casella (1996), JASA 91:1461-1473.

    Raises
    ------
    PriorError
        With the parameters, the power found and the one needed.
    """
    flat: list[Place] = [
        (number, effect)
        for number, own in enumerate(priors.levels)
        for effect, sd in enumerate(own.sds)
        if isinstance(sd, Flat)
    ]
    if not flat:
        return
    unknown = [j for j, prior in enumerate(priors.beta) if isinstance(prior, Flat)]
    X = (design.fixed_values @ np.linalg.inv(stated_on(priors, products)))[:, unknown]
    for places in _doubtful(design, flat, len(unknown)):
        power = _power(design, places, X)
        if power <= len(places):
            named = " and ".join(
                f"{design.levels[number].effect_names[effect]} at '{design.levels[number].name}' "
                f"({len(design.levels[number].grouping.labels)} groups)"
                for number, effect in places
            )
            raise PriorError(
                f"The standard deviation{'s' * (len(places) > 1)} of {named} ha{'ve' if len(places) > 1 else 's'} "
                f"flat priors, and the data leave {power} independent difference(s) between groups to tell of "
                f"{'them' if len(places) > 1 else 'it'} beside {len(unknown)} fixed effect(s) with flat priors.",
                f"Expected at least {len(places) + 1}, or the posterior is improper.",
                "Use priors='default', or set a proper prior for that standard deviation.",
            )


def _doubtful(design: Design, flat: list[Place], n_unknown: int) -> list[tuple[Place, ...]]:
    """Sets of flat sds that are not seen to be fine from the number of groups alone."""
    sizes = {place: _groups(design, place) for place in flat}
    few = [place for place in flat if sizes[place] - n_unknown <= len(flat)]
    return [
        places
        for count in range(1, len(few) + 1)
        for places in combinations(few, count)
        if max(sizes[place] for place in places) - n_unknown <= count
    ] + _alike(design, [place for place in flat if place not in few])


def _alike(design: Design, places: list[Place]) -> list[tuple[Place, ...]]:
    """Pairs of effects that the same column has for the same groups under two names: one variance, not two."""
    found: list[tuple[Place, ...]] = []
    for one, other in combinations(places, 2):
        codes = [design.levels[number].grouping.codes for number, _ in (one, other)]
        columns = [design.levels[number].places[effect] for number, effect in (one, other)]
        together = len(np.unique(np.stack(codes), axis=1).T)
        same = together == codes[0].max() + 1 == codes[1].max() + 1
        if one[0] != other[0] and columns[0] == columns[1] and same:
            found.append((one, other))
    return found


def _groups(design: Design, place: Place) -> int:
    """Groups in which the column of an effect is not 0 throughout."""
    level = design.levels[place[0]]
    column = design.values[:, level.places[place[1]]]
    return int(np.count_nonzero(np.bincount(level.grouping.codes, weights=column**2)))


def _power(design: Design, places: tuple[Place, ...], X: Floats) -> int:
    """rank[X, Z] - rank[X]."""
    parts = [X]
    for number, effect in places:
        level = design.levels[number]
        spread = np.zeros((design.n, len(level.grouping.labels)))
        spread[np.arange(design.n), level.grouping.codes] = design.values[:, level.places[effect]]
        parts.append(spread)
    whole = np.column_stack(parts)
    size = np.sqrt((whole**2).sum(axis=0))
    whole = whole / np.where(size > 0, size, 1.0)
    return _rank(whole) - (_rank(whole[:, : X.shape[1]]) if X.size else 0)


def _rank(columns: Floats) -> int:
    """Rank of columns of length 1, of their triangle."""
    R = np.linalg.qr(columns, mode="r")
    return int(np.linalg.matrix_rank(R, tol=1e-9 * np.sqrt(max(R.shape))))
