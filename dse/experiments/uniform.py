"""Uniform configurations measured, without any search.

Keys of [uniform]: `bits`, as in "8" or "4x8" (weights and activations); `delta`, thresholds in steps of the
activations, of which each is tried with all bits.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from dse.design.objective import OBJECTIVES
from dse.experiments.description import Experiment, own_of
from dse.experiments.findings import Findings
from dse.experiments.searches import SettingsOf, measure, settings_of_all
from dse.reports.labels import label
from dse.reports.pictures.compared import look
from dse.reports.pictures.style import styled
from models.workload import BASELINE_BITS, Configuration, InputError, Setting

if TYPE_CHECKING:
    import plotly.graph_objects as go

DEFAULTS: dict[str, Any] = {"bits": ["16", "8", "4", "2"], "delta": [0]}
SHOWN = ("error", "size", "ops")


def uniform(experiment: Experiment, settings_of: SettingsOf) -> Findings:
    """Measure the configurations in every variation. Raises InputError on keys that are none, and on bad bits."""
    own = own_of(experiment, DEFAULTS)
    settings = [
        Setting(*_widths(bits, experiment.source), delta=delta) for delta in own["delta"] for bits in own["bits"]
    ]
    rows = []
    for variation, searched in settings_of_all(experiment, settings_of):
        names = [matvec.name for matvec in searched.task.workload]
        wanted = [Configuration(tuple((name, setting) for name in names)) for setting in settings]
        baseline = Configuration(tuple((name, Setting(BASELINE_BITS, BASELINE_BITS)) for name in names))
        reference, *found = measure(searched, [baseline, *wanted], str(variation))
        for setting, evaluation in zip(settings, found, strict=True):
            metrics = {OBJECTIVES[name].metric: evaluation.metrics[OBJECTIVES[name].metric] for name in SHOWN}
            more = metrics["error_percent"] - reference.metrics["error_percent"]
            rows.append({**variation.values, "bits": label(setting), "error_more_points": more, **metrics})
    table = pd.DataFrame(rows)
    axes = list(experiment.vary)
    figure = _figure(experiment.title, table, axes)
    head = "Error, error over 16 bit, size of all weights and eliminated operations, every matvec alike"
    return Findings(_answer(rows, axes), {"uniform": table}, {"uniform": figure}, shown={"uniform": head})


def _widths(text: str, source: str) -> tuple[int, int]:
    try:
        weights, _, activations = str(text).partition("x")
        return int(weights), int(activations or weights)
    except ValueError:
        raise InputError(f"{source} [uniform]: bits '{text}' are none, as in 8 or 4x8") from None


def _answer(rows: list[dict[str, Any]], axes: list[str]) -> str:
    """Eliminated operations and errors along the bits, for each variation."""
    texts = []
    for values, group in groupby(rows, key=lambda row: ", ".join(row[axis] for axis in axes)):
        mine = list(group)
        eliminated = " → ".join(f"{row['eliminated_percent']:.0f}" for row in mine)
        points = ", ".join(f"{row['error_more_points']:+.1f}" for row in mine)
        texts.append(f"{values} {eliminated} % ({points} points)")
    bits = " → ".join(dict.fromkeys(row["bits"] for row in rows))
    return f"eliminated at {bits}: {'; '.join(texts)}"


def _figure(title: str, table: pd.DataFrame, axes: list[str]) -> go.Figure:
    """Eliminated operations and points of error over the bits, a line for each variation."""
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, horizontal_spacing=0.12)
    names = table[axes].agg(", ".join, axis=1) if axes else pd.Series("", index=table.index)
    lines = list(dict.fromkeys(names))
    for k, name in enumerate(lines):
        mine = table[names == name]
        for column, metric in enumerate(("eliminated_percent", "error_more_points"), start=1):
            figure.add_scatter(
                x=mine["bits"], y=mine[metric], name=name, legendgroup=name, showlegend=column == 1,
                mode="lines+markers", row=1, col=column, **_straight(look(k, len(lines))),
            )  # fmt: skip
    figure.update_yaxes(title=OBJECTIVES["ops"].label, row=1, col=1)
    figure.update_yaxes(title="points of error over 16 bit", row=1, col=2)
    figure.update_xaxes(title="weights and activations of every matvec", type="category")
    return styled(figure, title, "every matvec alike, nothing skipped")


def _straight(style: dict[str, Any]) -> dict[str, Any]:
    return {**style, "line": {**style["line"], "shape": "linear"}}
