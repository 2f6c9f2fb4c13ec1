"""Objectives and genes of every point side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES, TEST_ERROR
from dse.design.space import DELTA_BITS
from dse.reports.pictures.genes import groups_of
from dse.reports.pictures.style import SCALE, axis_title, name_of, styled, unit_of, values
from dse.study.result import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

LABEL_DEGREES = -50  # so steep that labels of many axes do not overlap
TICK_PX = 10
THOUSANDS = 1e4  # from which ticks are written as 200k


def parallel(study: Study) -> go.Figure | None:
    """A line for each point of the front through its metrics, then the bits and thresholds of every matvec.

    What is dragged along an axis chooses the lines that go through there. Axes that never vary are left out.
    """
    import plotly.graph_objects as go

    points = list(study.front)
    if len(points) < 2:
        return None
    left_out = {TEST_ERROR, OBJECTIVES["compression"]} - {*study.objectives}  # compression is size once more
    shown = [objective for objective in study.shown if objective not in left_out]
    dimensions: list[dict[str, Any]] = [
        {"label": f"{o.name} ({unit_of(o)})", "values": column, "tickformat": _ticks(column)}
        for o in shown
        if None not in (column := values(points, o)) and len({*column}) > 1
    ]
    for group, matvec in groups_of(study).items():
        for short, place in (("W", 0), ("A", 1)):
            bits = [point.configuration[matvec].operand_bits[place] for point in points]
            if len({*bits}) > 1:
                logs: dict[float, float] = {width: math.log2(width) for width in sorted({*bits})}
                dimensions.append(_stepped(f"{group} {short}", [logs[width] for width in bits], logs))
        dimensions += _delta(group, matvec, points)
    line = {"color": values(points, study.objectives[0]), "colorscale": SCALE, "showscale": True}
    line["colorbar"] = {"title": {"text": axis_title(study.objectives[0]), "side": "right"}, "thickness": 14}
    fonts = {"labelfont": {"size": 12}, "tickfont": {"size": TICK_PX}}
    ends = {"rangefont": {"size": 1, "color": "rgba(0,0,0,0)"}}  # wider than an axis has room; ticks tell them
    figure = go.Figure(go.Parcoords(line=line, dimensions=dimensions, labelangle=LABEL_DEGREES, **fonts, **ends))
    return styled(
        figure,
        f"{name_of(study)}: objectives and genes",
        "W, A: bits of weights and activations; d: delta threshold in steps of an 8-bit activation",
        height=650,
        margin={"l": 70, "r": 60, "t": 230, "b": 40},
    )


def _ticks(column: Sequence[float | None]) -> str:
    return "~s" if max(value for value in column if value is not None) >= THOUSANDS else ""


def _delta(group: str, matvec: str, points: Sequence[Evaluation]) -> list[dict[str, Any]]:
    settings = [point.configuration[matvec] for point in points]
    steps = [setting.delta * 2.0 ** (DELTA_BITS - setting.operand_bits[1]) for setting in settings]
    places = {step: float(k) for k, step in enumerate(sorted({*steps}))}
    return [_stepped(f"{group} d", [places[step] for step in steps], places)] if len(places) > 1 else []


def _stepped(label: str, column: list[float], places: Mapping[float, float]) -> dict[str, Any]:
    names = [f"{value:g}" for value in places]
    return {"label": label, "values": column, "tickvals": [*places.values()], "ticktext": names}
