"""Fronts of searches compared: what each has within so many points of the baseline's error.

Keys of [fronts]: `within`, errors as points over the baseline's ("+1") or those of uniform bits ("8 bit"); `at`, the
one of them that the answer tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from dse.design.evaluation import Evaluation
from dse.design.objective import Objective
from dse.experiments.description import FILE, Experiment, Variation, own_of
from dse.experiments.findings import Findings
from dse.experiments.searches import SettingsOf, best_within, search, with_uniform
from dse.reports.labels import describe, short_number
from dse.reports.pictures.facets import facets
from dse.reports.table import SHORT_NAMES
from dse.study.choose import best
from dse.study.references import uniform_references
from dse.study.result import Study
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

DEFAULTS = {"within": ["8 bit", "+0.5", "+1", "+3"], "at": "+1"}
UNIFORM = " bit"


@dataclass(frozen=True)
class Searched:
    variation: Variation
    study: Study

    @property
    def others(self) -> list[Objective]:
        """The objectives beside the error."""
        return [objective for objective in self.study.objectives if not objective.relative_limits]


def fronts(experiment: Experiment, settings_of: SettingsOf) -> Findings:
    """Run the searches and compare them. Raises InputError on keys that are none, and a search without any result."""
    own = own_of(experiment, DEFAULTS)
    if own["at"] not in own["within"]:
        raise InputError(f"{FILE} [fronts]: at is '{own['at']}', none of within")
    found = []
    for variation in experiment.variations:
        settings = settings_of(variation.options)
        found.append(Searched(variation, with_uniform(search(settings, str(variation)), settings)))
    rows = [row for each in found for row in _rows(each, own["within"])]
    points = [row for each in found for row in _points(each)]
    axes, objectives = list(experiment.vary), [o.metric for o in found[0].others]
    tables = {f"best_{metric}": _across(rows, axes, metric, "within ") for metric in objectives}
    tables["uniform_error_percent"] = _across(rows, axes, "error_percent", "uniform ")
    if any(each.study.beacons for each in found):
        tables["cost"] = pd.DataFrame(map(_cost, found))
    shown = tuple(tables)
    tables |= {"within": pd.DataFrame(rows), "fronts": pd.DataFrame(points)}
    return Findings(_answer(found, own["at"]), tables, {"fronts": _figure(experiment, found)}, shown)


def bound_of(study: Study, within: str) -> float | None:
    """The error in percent that a text names; None where uniform bits were not measured. Raises InputError."""
    try:
        if within.endswith(UNIFORM):
            point = uniform_references(study).get(int(within.removesuffix(UNIFORM)))
            return None if point is None else point.metrics["error_percent"]
        return study.baseline.metrics["error_percent"] + float(within)
    except ValueError:
        raise InputError(f"{FILE}: '{within}' is no error, as in '+1' (points over 16 bit) or '8 bit'") from None


def _rows(searched: Searched, withins: Sequence[str]) -> list[dict[str, Any]]:
    """What uniform bits have, and the best in each objective within each error."""
    study, others = searched.study, searched.others
    rows = []
    for bits, point in uniform_references(study).items():
        values = {o.metric: point.metrics.get(o.metric) for o in others}
        rows.append({"of": f"uniform {bits} bit", "error_percent": point.metrics["error_percent"], **values})
    for within in withins:
        bound = bound_of(study, within)
        if bound is None:
            continue
        kept = best_within(study.front, bound)
        text = f"within {within}{' of error' * within.endswith(UNIFORM)}"
        values = {o.metric: best(kept, o).metrics[o.metric] if kept else None for o in others}
        error = {"error_percent": best(kept, others[0]).metrics["error_percent"]} if kept and len(others) == 1 else {}
        rows.append({"of": text, **error, **values})
    return [{**searched.variation.values, **row} for row in rows]


def _across(rows: Sequence[dict[str, Any]], axes: Sequence[str], metric: str, begins: str) -> pd.DataFrame:
    """A row for each variation, a column for each of what begins so."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        if row["of"].startswith(begins):
            values = {axis: row[axis] for axis in axes}
            found.setdefault(tuple(values.values()), values)[row["of"]] = row.get(metric)
    return pd.DataFrame(found.values())


def _points(searched: Searched) -> list[dict[str, Any]]:
    """A row for each point of the front."""
    study = searched.study
    metrics = [objective.metric for objective in study.shown]
    return [
        {
            **searched.variation.values,
            "study": study.name,
            "number": number,
            **{metric: point.metrics.get(metric) for metric in metrics},
            "tied": study.error_bars.tied(point, study.baseline),  # with 16 bit
            **({"beacon": str(point.beacon or "")} if study.beacons else {}),
            "configuration": describe(point.configuration),
        }
        for number, point in enumerate(study.front, start=1)
    ]


def _cost(searched: Searched) -> dict[str, Any]:
    """What a search retrained, how long that took, and what came of it."""
    study = searched.study
    asked = {evaluation.configuration for evaluation in study.evaluations}
    beacons = [beacon for beacon in study.beacons if beacon.configuration in asked]  # not those of a longer search
    return {
        **searched.variation.values,
        "retrained": len(beacons),
        "minutes": sum(beacon.seconds for beacon in beacons) / 60,
        "evaluations_by_them": sum(evaluation.beacon is not None for evaluation in study.evaluations),
        "front_by_them": sum(point.beacon is not None for point in study.front),
        "front": len(study.front),
        "hypervolume": study.hypervolume(),
    }


def _answer(found: Sequence[Searched], at: str) -> str:
    """The best in each objective at one error, for each value of the first axis; with beacons, what the others have."""
    texts = []
    for first, group in groupby(found, key=lambda each: next(iter(each.variation.values.values()), "")):
        each = list(group)
        parts = []
        for objective in each[0].others:
            kept = [(_best(one, objective, at), one) for one in each]
            there = [(point, one) for point, one in kept if point is not None]
            if not there:
                parts.append(f"no {_short(objective)}")
                continue
            point, one = min(there, key=lambda pair: objective.minimised(pair[0].metrics[objective.metric]))
            rest = _rest(one)
            if any(o.study.beacons for o in each):
                rest = "; ".join([rest, *(f"{_value(p, objective)}, {_rest(o)}" for p, o in kept if o is not one)])
            parts.append(f"{_short(objective)} {_value(point, objective)}" + f" ({rest})" * bool(rest))
        texts.append(f"{first} " * bool(first) + ", ".join(parts))
    over = f"within the error of uniform {at}" if at.endswith(UNIFORM) else f"within {at} points of 16 bit"
    return f"{over}: {'; '.join(texts)}"


def _rest(searched: Searched) -> str:
    """Values on all axes but the first."""
    return ", ".join(list(searched.variation.values.values())[1:])


def _value(point: Evaluation | None, objective: Objective) -> str:
    return "no point" if point is None else f"{short_number(point.metrics[objective.metric])} {objective.unit}"


def _short(objective: Objective) -> str:
    return SHORT_NAMES.get(objective.name, objective.name.rpartition(".")[2])


def _best(searched: Searched, objective: Objective, at: str) -> Evaluation | None:
    bound = bound_of(searched.study, at)
    kept = [] if bound is None else best_within(searched.study.front, bound)
    return best(kept, objective) if kept else None


def _figure(experiment: Experiment, found: Sequence[Searched]) -> go.Figure:
    """A panel for each value of the first axis and each objective, a line for each of what else varies."""
    return facets(
        experiment.title,
        [(list(each.variation.values.values()), each.study) for each in found],
        found[0].others,
    )
