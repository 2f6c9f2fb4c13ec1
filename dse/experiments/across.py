"""Fronts that were found for one platform, used on another.

An axis "platform" varies them, each value with its option `platform`; the objectives are the same for all, as in
error,speedup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from dse.design.objective import Objective, valid_objectives
from dse.design.pareto import hypervolume
from dse.experiments.description import Experiment, own_of
from dse.experiments.findings import Findings
from dse.experiments.searches import SettingsOf, search, settings_of_all
from dse.reports.pictures.style import SCALE, styled
from dse.study.result import Study
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

AXIS = "platform"


def across(experiment: Experiment, settings_of: SettingsOf) -> Findings:
    """Run a search for each platform and price its front for the others.

    What a platform cannot run of another's front is lost. Raises InputError without the axis, or with others.
    """
    own_of(experiment, {})
    if list(experiment.vary) != [AXIS] or len(experiment.variations) < 2:
        raise InputError(f"{experiment.source}: a kind 'across' varies {AXIS}, in two ways or more, and nothing else")
    for variation in experiment.variations:
        if (count := len(settings_of(variation.options).platforms)) != 1:
            raise InputError(f"{experiment.source}: '{variation}' has {count} platforms, not one")
    found: dict[str, tuple[str, Study]] = {}
    for variation, settings in settings_of_all(experiment, settings_of):
        found[str(variation)] = settings.platforms[0], (study := search(settings, str(variation)))
        if not study.hypervolume():
            raise InputError(
                f"nothing that was evaluated is better on {variation} than 16 bit: nothing to compare there"
            )
    rows: list[dict[str, Any]] = []
    for used, (spec, native) in found.items():
        for searched, (_, study) in found.items():
            priced = native if study is native else study.on(spec)
            objectives = tuple(_priced_by(native, objective) for objective in native.objectives)
            points = [e for e in priced.evaluations if e.genome in {point.genome for point in study.front}]
            share = hypervolume(points, objectives, native.reference) / native.hypervolume()
            runs = sum(point.status == "ok" for point in points)
            row = {"searched for": searched, "used on": used, "share_percent": 100 * share}
            rows.append({**row, "points_that_run": runs, "points": len(study.front)})
    foreign = sorted(
        (row for row in rows if row["searched for"] != row["used on"]), key=lambda row: -float(row["share_percent"])
    )
    alike = sum(row["share_percent"] == foreign[-1]["share_percent"] for row in foreign)
    worst = f"; at worst, as in {alike} cases, " if alike > 1 else "; at worst "
    told = worst.join(
        f"a front for {row['searched for']} has {row['share_percent']:.0f} % on {row['used on']} of what a search for "
        f"it finds ({row['points_that_run']} of {row['points']} points run)"
        for row in (foreign[0], foreign[-1])
    )
    table, figure = pd.DataFrame(rows), _figure(experiment.title, list(found), rows)
    head = "Hypervolume that a front has on another platform, of that of the platform's own search (%)"
    return Findings(f"at best {told}", {"shares": table}, {"shares": figure}, shown={"shares": head})


def _priced_by(native: Study, objective: Objective) -> Objective:
    """The objective under its full name, whatever the platform's variant is called."""
    return next(o for o in valid_objectives(native.platforms).values() if o.metric == objective.metric)


def _figure(title: str, names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> go.Figure:
    """The shares as a heat map."""
    import plotly.graph_objects as go

    shares = {(row["searched for"], row["used on"]): row["share_percent"] for row in rows}
    figure = go.Figure(
        go.Heatmap(
            x=names,
            y=names,
            z=[[shares[searched, used] for used in names] for searched in names],
            zmin=0,
            zmax=100,
            colorscale=SCALE,
            texttemplate="%{z:.0f} %",
            colorbar={"title": "%"},
            hovertemplate="searched for %{y}, used on %{x}: %{z:.1f} %<extra></extra>",
        )
    )
    return styled(
        figure,
        title,
        "hypervolume that a front has on another platform, of that of the platform's own search",
        xaxis={"title": "used on"},
        yaxis={"title": "searched for", "autorange": "reversed"},
        margin={"l": 140},
    )
