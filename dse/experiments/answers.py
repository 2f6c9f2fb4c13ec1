"""What an experiment's answer tells of its fronts, in one line, with the tables that it is drawn from.

To add a way: a function of the searches, all errors and the one the answer is about, and a line in ANSWERS.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import pandas as pd

from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES, Objective
from dse.experiments.bounds import BITS, PERCENT, POINTS, Bound, read_bound
from dse.experiments.searches import Searched
from dse.reports.labels import short_number
from dse.reports.pictures.style import amount, unit_of
from dse.reports.table import SHORT_NAMES
from dse.study.choose import best
from dse.study.references import REFERENCE_BITS, uniform_references
from models.workload import BASELINE_BITS, InputError

Tables = Mapping[str, tuple[str, pd.DataFrame]]  # by the name of the file: a heading, and the table
Answer = Callable[[Sequence[Searched], Sequence[Bound], Bound], tuple[str, Tables]]


def tell_best(found: Sequence[Searched], bounds: Sequence[Bound], at: Bound) -> tuple[str, Tables]:
    """The best in each objective at one error, for each value of the first axis; with beacons, what the others have."""
    texts = []
    for first, group in groupby(found, key=lambda each: next(iter(each.variation.values.values()), "")):
        each = list(group)
        parts = []
        for objective in each[0].others:
            if (winner := _winner(each, objective, at)) is None:
                continue
            point, one = winner
            rest = _rest(one)
            if any(o.study.beacons for o in each):
                others = ((_best(o, objective, at), o) for o in each if o is not one)
                rest = "; ".join([rest, *(f"{_value(p, objective)}, {_rest(o)}" for p, o in others)])
            parts.append(f"{_short(objective)} {_value(point, objective)}" + f" ({rest})" * bool(rest))
        texts.append(f"{first} " * bool(first) + (", ".join(parts) or "no point of the front"))
    return f"{at}: {'; '.join(texts)}", {}


def tell_shares(bits: int, found: Sequence[Searched], bounds: Sequence[Bound], _: Bound) -> tuple[str, Tables]:
    """Which share of what uniform bits have is to be had within each error.

    Of an objective that is maximised, such as speedup, the share of its value; of one that is minimised, such as
    energy, the share of what is saved over 16 bit. Both are the papers' way.
    """
    rows: list[dict[str, Any]] = []
    texts = []
    for each in found:
        points, parts = uniform_references(each.study), []
        for objective in each.others:
            most, base = (points[width].metrics.get(objective.metric) for width in (bits, BASELINE_BITS))
            shares: dict[str, float | None] = {}
            for bound in bounds:
                point = _best(each, objective, bound)
                if most is not None and base is not None:
                    value = None if point is None else point.metrics[objective.metric]
                    shares[bound.head] = None if value is None else 100 * share_of_gain(objective, value, most, base)
            rows.append({**each.variation.values, "objective": _short(objective), **shares})
            told = ", ".join("none" if share is None else f"{share:.0f}" for share in shares.values())
            parts.append(f"{_short(objective)} {told or 'none'} %")
        texts.append(f"{each.variation} ".lstrip() + ", ".join(parts))
    table = f"Share (%) of what uniform {bits} bit gain over {BASELINE_BITS} bit", pd.DataFrame(rows)
    return f"share of what uniform {bits} bit gain, {_within(bounds)}: {'; '.join(texts)}", {"shares": table}


def share_of_gain(objective: Objective, value: float, most: float, base: float) -> float:
    """Share of what `most` has that a value has, or of what `most` saves over `base`, see `tell_shares`."""
    return value / most if objective.direction == "maximize" else (base - value) / (base - most)


def tell_winners(found: Sequence[Searched], bounds: Sequence[Bound], _: Bound) -> tuple[str, Tables]:
    """Which search has the least error of all, and the best of each objective within each error that is the same for
    all of them."""
    error = OBJECTIVES["error"]
    least = min(found, key=lambda each: best(each.study.front, error).metrics[error.metric])
    texts = [f"least error {_value(best(least.study.front, error), error)} ({least.variation})"]
    rows = []
    for bound in bounds:
        if bound.kind != PERCENT:
            continue
        row, parts = {"error": bound.head}, []
        for objective in found[0].others:
            if (winner := _winner(found, objective, bound)) is None:
                continue
            point, each = winner
            row[_short(objective)] = f"{_value(point, objective)}, {each.variation}"
            parts.append(f"{_short(objective)} {_value(point, objective)} ({each.variation})")
        rows.append(row)
        texts.append(f"{bound} {', '.join(parts) or 'none'}")
    return "; ".join(texts), {"winners": ("Best of all within an error", pd.DataFrame(rows))}


def tell_saved(found: Sequence[Searched], bounds: Sequence[Bound], _: Bound) -> tuple[str, Tables]:
    """Which share of time, energy or size each search saves within each error, over the search that has the first
    value of the last axis and the same on all others."""
    rows: list[dict[str, Any]] = []
    texts = []
    for _alike, group in groupby(found, key=lambda each: list(each.variation.values.values())[:-1]):
        first, *more = group
        for each in more:
            parts = []
            for objective in each.others:
                name = INVERSE_OF.get(_short(objective), _short(objective))
                if objective.direction == "maximize" and name == _short(objective):
                    continue  # no share of what such an objective counts is saved
                points = [(_best(first, objective, bound), _best(each, objective, bound)) for bound in bounds]
                shares = [None if a is None or b is None else 100 * _saved(objective, a, b) for a, b in points]
                heads = [bound.head for bound in bounds]
                rows.append({**each.variation.values, "of": name, **dict(zip(heads, shares, strict=True))})
                parts.append(f"{name} {', '.join('none' if s is None else f'{s:.0f}' for s in shares)} %")
            texts.append(f"{each.variation} {', '.join(parts)}")
    reference = list(found[0].variation.values.values())[-1]
    text = f"saved over {reference}, {_within(bounds)}: {'; '.join(texts)}"
    return text, {"saved": (f"Saved over {reference} (%)", pd.DataFrame(rows))}


def _saved(objective: Objective, before: Evaluation, after: Evaluation) -> float:
    ratio = after.metrics[objective.metric] / before.metrics[objective.metric]
    return 1 - (ratio if objective.direction == "minimize" else 1 / ratio)


INVERSE_OF = {"speedup": "time", "energy_saving": "energy", "compression": "size"}  # what goes down as these go up
ANSWERS: dict[str, Answer] = {"best": tell_best, "winners": tell_winners, "saved": tell_saved}
SHARES = "shares"  # of bits that are told with it


def read_answer(name: str, of: str, axes: Collection[str], source: str) -> Answer:
    """The way to answer that a description of these axes names. Raises InputError naming its source."""
    if name == SHARES:
        bits = read_bound(of, source)
        if bits.kind != BITS or bits.value not in REFERENCE_BITS:
            known = ", ".join(f"'{width} bit'" for width in REFERENCE_BITS)
            raise InputError(f"{source} [fronts]: of is '{of}', not uniform bits as in '4 bit': there are {known}")
        return partial(tell_shares, int(bits.value))
    if name not in ANSWERS:
        raise InputError(f"{source} [fronts]: tells is '{name}', none of {', '.join([*ANSWERS, SHARES])}")
    if of:
        raise InputError(f"{source} [fronts]: of is for tells = '{SHARES}'")
    if name == "saved" and not axes:
        raise InputError(f"{source} [fronts]: tells is 'saved', and nothing varies: there is no table [vary.NAME]")
    return ANSWERS[name]


def _best(searched: Searched, objective: Objective, within: Bound) -> Evaluation | None:
    kept = within.keeps(searched.study)
    return best(kept, objective) if kept else None


def _winner(found: Sequence[Searched], objective: Objective, within: Bound) -> tuple[Evaluation, Searched] | None:
    """The best of all searches in an objective within an error, and whose it is; the first of equals."""
    kept = [(point, each) for each in found if (point := _best(each, objective, within)) is not None]
    return min(kept, key=lambda pair: objective.minimised(pair[0].metrics[objective.metric]), default=None)


def _within(bounds: Sequence[Bound]) -> str:
    points = all(bound.kind == POINTS for bound in bounds)
    return f"within {', '.join(bound.text for bound in bounds)}" + " points" * points


def _rest(searched: Searched) -> str:
    """Values on all axes but the first."""
    return ", ".join(list(searched.variation.values.values())[1:])


def _value(point: Evaluation | None, objective: Objective) -> str:
    return (
        "no point"
        if point is None
        else f"{short_number(amount(point.metrics[objective.metric], objective))} {unit_of(objective)}"
    )


def _short(objective: Objective) -> str:
    return SHORT_NAMES.get(objective.name, objective.name.rpartition(".")[2])
