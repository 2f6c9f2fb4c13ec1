"""Fronts of searches compared: what each has within so many points of the baseline's error.

Keys of [fronts]: `within`, errors as points over the baseline's ("+1"), as they are ("14 %") or those of uniform bits
("8 bit"); `at`, the one of them that the answer is about; `tells`, what it tells ("best", "shares", "winners" or
"saved"), and `of`, the uniform bits that shares are of ("4 bit").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from dse.design.objective import OBJECTIVES, error_name
from dse.experiments.answers import read_answer
from dse.experiments.bounds import Bound, read_bounds
from dse.experiments.description import Experiment, own_of
from dse.experiments.findings import Findings
from dse.experiments.searches import Searched, SettingsOf, search, settings_of_all, with_uniform
from dse.reports.labels import describe
from dse.reports.pictures.facets import facets
from dse.study.choose import best
from dse.study.references import uniform_references
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

DEFAULTS = {"within": ["8 bit", "+0.5", "+1", "+3"], "at": "+1", "tells": "best", "of": ""}
COST = "Networks retrained, minutes that took, evaluations and points of the front with their weights, and the front"


def fronts(experiment: Experiment, settings_of: SettingsOf) -> Findings:
    """Run the searches and compare them. Raises InputError on keys that are none, and a search without any result."""
    own = own_of(experiment, DEFAULTS)
    if own["at"] not in own["within"]:
        raise InputError(
            f"{experiment.source} [fronts]: at is '{own['at']}', none of within: {', '.join(map(str, own['within']))}"
        )
    bounds = read_bounds(own["within"], experiment.source)
    answer = read_answer(own["tells"], own["of"], experiment.vary, experiment.source)
    found = [
        Searched(variation, with_uniform(search(settings, str(variation)), settings))
        for variation, settings in settings_of_all(experiment, settings_of)
    ]
    rows = [row for each in found for row in _rows(each, bounds)]
    points = [row for each in found for row in _points(each)]
    axes, objectives = list(experiment.vary), found[0].others
    text, more = answer(found, bounds, bounds[own["within"].index(own["at"])])
    tables, shown = {}, {}
    for name, (head, table) in more.items():
        tables[name], shown[name] = table, head
    for objective in objectives:
        name = f"best_{objective.metric}"
        tables[name] = _across(rows, axes, objective.metric, "within ")
        shown[name] = f"{'Least' if objective.direction == 'minimize' else 'Most'} {objective.label}"
    error = error_name(found[0].study.identity)
    tables["uniform_error_percent"] = _across(rows, axes, "error_percent", "uniform ")
    shown["uniform_error_percent"] = f"{error.capitalize()} of uniform bits ({OBJECTIVES['error'].unit})"
    if any(each.study.beacons for each in found):
        tables["cost"], shown["cost"] = pd.DataFrame(map(_cost, found)), COST
    tables |= {"within": pd.DataFrame(rows), "fronts": pd.DataFrame(points)}
    return Findings(text, tables, {"fronts": _figure(experiment, found)}, shown)


def _rows(searched: Searched, bounds: Sequence[Bound]) -> list[dict[str, Any]]:
    """What uniform bits have, and the best in each objective within each error."""
    study, others = searched.study, searched.others
    rows = []
    for bits, point in uniform_references(study).items():
        values = {o.metric: point.metrics.get(o.metric) for o in others}
        rows.append({"of": f"uniform {bits} bit", "error_percent": point.metrics["error_percent"], **values})
    for bound in bounds:
        if bound.percent(study) is None:
            continue
        kept = bound.keeps(study)
        values = {o.metric: best(kept, o).metrics[o.metric] if kept else None for o in others}
        error = {"error_percent": best(kept, others[0]).metrics["error_percent"]} if kept and len(others) == 1 else {}
        rows.append({"of": bound.head, **error, **values})
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
    return {
        **searched.variation.values,
        "retrained": len(study.beacons),
        "minutes": sum(beacon.seconds for beacon in study.beacons) / 60,
        "evaluations_by_them": sum(evaluation.beacon is not None for evaluation in study.evaluations),
        "front_by_them": sum(point.beacon is not None for point in study.front),
        "front": len(study.front),
        "hypervolume": study.hypervolume(),
    }


def _figure(experiment: Experiment, found: Sequence[Searched]) -> go.Figure:
    """A panel for each value of the first axis and each objective, a line for each of what else varies."""
    return facets(
        experiment.title,
        [(list(each.variation.values.values()), each.study) for each in found],
        found[0].others,
    )
