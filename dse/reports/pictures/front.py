"""The front over two axes that a menu chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES, TEST_ERROR, Objective
from dse.design.pareto import front as front_of
from dse.reports.pictures.style import (
    BLUE,
    FAINT,
    INK,
    MUTED,
    PURPLE,
    SCALE,
    VERMILION,
    name_of,
    reach,
    styled,
    told,
    values,
)
from dse.study.references import uniform_references
from dse.study.result import Study
from dse.study.ties import scored

if TYPE_CHECKING:
    import plotly.graph_objects as go

FRONT_TRACE = "front (faded: by another objective)"
CHANGING = ("x", "y", "error_x", "error_y", "line", "marker")  # from view to view
BOLD_PX, FADED_PX, FADED_OPACITY = 11, 6, 0.35
LIMIT_REACH = 0.5  # limits and reference points are shown within this share of the front's extent


@dataclass(frozen=True)
class View:
    """Two axes, and the metric that colours."""

    x: Objective
    y: Objective
    colour: Objective

    @property
    def label(self) -> str:
        return f"{self.y.name} over {self.x.name}"


def views(study: Study) -> list[View]:
    """Views to choose from: the first objective over each other metric that is shown, then each other pair."""
    shown = [objective for objective in study.shown if objective != TEST_ERROR]
    first, *others = study.objectives
    rest = [objective for objective in shown if objective != first and objective not in others]
    pairs = [(other, first) for other in (*others, *rest)]
    pairs += [(x, y) for k, y in enumerate(others) for x in others[k + 1 :]]
    candidates = (*study.objectives, *(OBJECTIVES[name] for name in ("ops", "size", "error")))
    return [View(x, y, next(o for o in candidates if o not in (x, y))) for x, y in pairs]


def front(study: Study) -> go.Figure:
    """Every measured evaluation faint, the front on top; its best points for the visible axes joined by a line.

    Points that are on the front only by another objective are faded. Uniform 16, 8, 4 and 2 bit are labelled where they
    were measured; the knee, points tied with the baseline, limits and error bars are marked. A menu chooses the axes.
    """
    import plotly.graph_objects as go

    every = views(study)
    traces = _traces(study, every[0])
    for trace, texts in zip(traces, _texts(study), strict=True):
        trace |= texts or {"hoverinfo": "skip"}
    figure = go.Figure([go.Scatter(**trace) for trace in traces])
    buttons = []
    for view in every:
        data = _traces(study, view)
        update = {key: [trace.get(key) for trace in data] for key in CHANGING}
        buttons.append({"label": view.label, "method": "update", "args": [update, _axes(study, view)]})
    layout: dict[str, Any] = {}
    if len(buttons) > 1:
        menu = {"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "showactive": True}
        layout["updatemenus"] = [menu]
    subtitle = (
        f"{len(study.front)} points on the front of {len(study.evaluations)} evaluations over "
        f"{', '.join(objective.name for objective in study.objectives)}"
        + "; bars: 95 % of the difference to 16 bit"
        * bool(scored(study))
    )
    figure = styled(figure, name_of(study), subtitle, **layout)
    return figure.update_layout(**_axes(study, every[0]))


def _others(study: Study) -> list[Evaluation]:
    """What was measured and is not on the front."""
    on_front = {point.genome for point in study.front}
    return [evaluation for evaluation in study.evaluations if evaluation.measured and evaluation.genome not in on_front]


def _texts(study: Study) -> list[dict[str, Any]]:
    """What each trace says of its points on hover, the same in every view; of some nothing."""
    numbered = told(study, study.front, range(1, len(study.front) + 1))
    return [told(study, _others(study)), {}, numbered, {}, {}, told(study, list(uniform_references(study).values()))]


def _traces(study: Study, view: View) -> list[dict[str, Any]]:
    """The same traces for every view: evaluated, line and bars of the visible front, front, tied, knee, uniform."""
    best = front_of(study.front, [view.y, view.x])
    visible = {point.genome for point in best}
    bars = study.error_bars
    tied = [p for p in study.front if p in bars and study.baseline in bars and bars.tied(p, study.baseline)]
    knee = [study.pick(knee=True)] if len(study.front) > 2 else []
    uniform = uniform_references(study)

    def trace(name: str, points: Sequence[Evaluation], marker: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
        found = {"name": name, "mode": "markers", "x": values(points, view.x), "y": values(points, view.y), **more}
        return {**found, "marker": marker} if marker else found

    bold = {
        "color": values(study.front, view.colour),
        "colorscale": SCALE,
        "size": [BOLD_PX if point.genome in visible else FADED_PX for point in study.front],
        "opacity": [1.0 if point.genome in visible else FADED_OPACITY for point in study.front],
        "line": {"color": INK, "width": [1.0 if point.genome in visible else 0.0 for point in study.front]},
        "colorbar": {"title": {"text": view.colour.label, "side": "right"}, "thickness": 14, "outlinewidth": 0},
    }
    steps = {"mode": "lines", "line": {"color": MUTED, "width": 1.5, "shape": "vh"}}
    ends = {"error_x": _error_bar(study, best, view.x), "error_y": _error_bar(study, best, view.y)}
    widths = [f"{bits} bit" for bits in uniform]
    labels = {"mode": "markers+text", "text": widths, "textposition": "top center", "textfont": {"color": VERMILION}}
    return [
        trace("evaluated", _others(study), {"color": FAINT, "size": 5, "opacity": 0.5}),
        trace("best for these axes", best, None, **steps, **ends),
        trace(FRONT_TRACE, study.front, bold),
        trace("error tied with 16 bit", tied, _ring(16, BLUE, "circle-open")),
        trace("knee", knee, _ring(19, PURPLE, "square-open")),
        trace("uniform bits", list(uniform.values()), _ring(13, VERMILION, "diamond-open"), **labels),
    ]


def _ring(size: int, colour: str, symbol: str) -> dict[str, Any]:
    return {"size": size, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}}


def _error_bar(study: Study, points: Sequence[Evaluation], objective: Objective) -> dict[str, Any]:
    """Ends of the interval of each point's difference to 16 bit, which tells what speakers have in common."""
    bars, baseline = study.error_bars, study.baseline
    if objective.name != "error" or not all(point in bars for point in (baseline, *points)):
        return {"visible": False}
    start = baseline.metrics[objective.metric]
    ends = [(point.metrics[objective.metric] - start, bars.difference(point, baseline)) for point in points]
    return {
        "visible": True,
        "type": "data",
        "symmetric": False,
        "array": [round(interval.high - difference, 3) for difference, interval in ends],
        "arrayminus": [round(difference - interval.low, 3) for difference, interval in ends],
        "color": MUTED,
        "thickness": 1.2,
        "width": 3,
    }


def _axes(study: Study, view: View) -> dict[str, Any]:
    """Titles and ranges of the axes, and lines for the study's limits."""
    line = {"color": VERMILION, "width": 1.5, "dash": "dash"}
    shapes = []
    for limit in study.limits:
        if limit.objective == view.x.name:
            shapes.append({"x0": limit.bound, "x1": limit.bound, "yref": "paper", "y0": 0, "y1": 1})
        if limit.objective == view.y.name:
            shapes.append({"y0": limit.bound, "y1": limit.bound, "xref": "paper", "x0": 0, "x1": 1})
    return {
        "xaxis.title.text": view.x.label,
        "xaxis.range": _range(study, view.x),
        "yaxis.title.text": view.y.label,
        "yaxis.range": _range(study, view.y),
        "shapes": [{"type": "line", "line": line, **shape} for shape in shapes],
    }


def _range(study: Study, objective: Objective) -> list[float]:
    """Range of an axis: front and baseline, and what else is near; what is far off would squeeze them."""
    shown = [value for value in values([*study.front, study.baseline], objective) if value is not None]
    near = LIMIT_REACH * float(np.ptp(shown))
    others = [limit.bound for limit in study.limits if limit.objective == objective.name]
    others += [value for value in values(uniform_references(study).values(), objective) if value is not None]
    return reach([*shown, *(value for value in others if min(shown) - near <= value <= max(shown) + near)])
