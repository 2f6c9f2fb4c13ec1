"""The front over two axes that a menu chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES, TEST_ERROR, Objective, worded
from dse.design.pareto import front as front_of
from dse.reports.pictures.style import (
    BLUE,
    FAINT,
    INK,
    MUTED,
    PURPLE,
    SCALE,
    VERMILION,
    amount,
    axis_title,
    menu,
    name_of,
    reach,
    ring,
    styled,
    told,
    unit_of,
    value_of,
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
LABEL_PX, NEAR_EDGE = 30, 0.12  # from a reference point to its label; share of an axis beside its ends
LIMIT_REACH = 0.5  # limits and reference points are shown within this share of the front's extent


@dataclass(frozen=True)
class Marked:
    """What is drawn beside the front, the same in every view: the rest, points with a mark, uniform bits."""

    others: list[Evaluation]
    tied: list[Evaluation]
    knee: list[Evaluation]
    uniform: dict[int, Evaluation]

    @classmethod
    def of(cls, study: Study) -> Marked:
        on_front = {point.genome for point in study.front}
        bars, baseline = study.error_bars, study.baseline
        return cls(
            others=[e for e in study.evaluations if e.measured and e.genome not in on_front],
            tied=[point for point in scored(study) if bars.tied(point, baseline)],
            knee=[study.pick(knee=True)] if len(study.front) > 2 else [],
            uniform=uniform_references(study),
        )


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
    candidates = (*study.objectives, *worded((OBJECTIVES[name] for name in ("ops", "size", "error")), study.identity))
    return [View(x, y, next(o for o in candidates if o not in (x, y))) for x, y in pairs]


def front(study: Study) -> go.Figure:
    """Every measured evaluation faint, the front on top; its best points for the visible axes joined by a line.

    Points that are on the front only by another objective are faded. Uniform 16, 8, 4 and 2 bit are labelled where they
    were measured; the knee, points tied with the baseline, limits and error bars are marked. A menu chooses the axes.
    """
    import plotly.graph_objects as go

    every, marked = views(study), Marked.of(study)
    traces_of = [_traces(study, view, marked) for view in every]
    axes = [_axes(study, view, marked) for view in every]
    texts = (each or {"hoverinfo": "skip"} for each in _texts(study, marked))
    figure = go.Figure([go.Scatter(**trace, **text) for trace, text in zip(traces_of[0], texts, strict=True)])
    buttons = []
    for view, traces, layout_of in zip(every, traces_of, axes, strict=True):
        update = {key: [trace.get(key) for trace in traces] for key in CHANGING}
        buttons.append({"label": view.label, "method": "update", "args": [update, layout_of]})
    layout: dict[str, Any] = {}
    if len(buttons) > 1:
        layout["updatemenus"] = menu(buttons)
    subtitle = (
        f"{len(study.front)} points on the front of {len(study.evaluations)} evaluations over "
        f"{', '.join(objective.name for objective in study.objectives)}"
        + "; bars: 95 % of the difference to 16 bit"
        * bool(scored(study))
    )
    figure = styled(figure, name_of(study), subtitle, **layout)
    return figure.update_layout(**axes[0])


def _texts(study: Study, marked: Marked) -> list[dict[str, Any]]:
    """What each trace says of its points on hover, the same in every view; of some nothing."""
    numbered = told(study, study.front, range(1, len(study.front) + 1))
    return [told(study, marked.others), {}, numbered, {}, {}, told(study, list(marked.uniform.values()))]


def _traces(study: Study, view: View, marked: Marked) -> list[dict[str, Any]]:
    """The same traces for every view: evaluated, line and bars of the visible front, front, tied, knee, uniform."""
    best = front_of(study.front, [view.y, view.x])
    visible = {point.genome for point in best}

    def trace(name: str, points: Sequence[Evaluation], marker: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
        found = {"name": name, "mode": "markers", "x": values(points, view.x), "y": values(points, view.y), **more}
        return {**found, "marker": marker} if marker else found

    bold = {
        "color": values(study.front, view.colour),
        "colorscale": SCALE,
        "size": [BOLD_PX if point.genome in visible else FADED_PX for point in study.front],
        "opacity": [1.0 if point.genome in visible else FADED_OPACITY for point in study.front],
        "line": {"color": INK, "width": [1.0 if point.genome in visible else 0.0 for point in study.front]},
        "colorbar": {"title": {"text": axis_title(view.colour), "side": "right"}, "thickness": 14, "outlinewidth": 0},
    }
    steps = {"mode": "lines", "line": {"color": MUTED, "width": 1.5, "shape": "vh"}}
    ends = {"error_x": _error_bar(study, best, view.x), "error_y": _error_bar(study, best, view.y)}
    runs = ["circle" if evaluation.status == "ok" else "x-thin-open" for evaluation in marked.others]
    knee = f"knee: point {study.front.number(marked.knee[0])}" if marked.knee else "knee"
    name = "evaluated" + " (crosses: infeasible)" * ("x-thin-open" in runs)
    return [
        trace(name, marked.others, {"color": FAINT, "size": 5, "opacity": 0.5, "symbol": runs}),
        trace("best for these axes", best, None, **steps, **ends),
        trace(FRONT_TRACE, study.front, bold),
        trace("error tied with 16 bit", marked.tied, ring(16, BLUE, "circle-open")),
        trace(knee, marked.knee, ring(19, PURPLE, "square-open")),
        trace("uniform bits", list(marked.uniform.values()), ring(13, VERMILION, "diamond-open")),
    ]


def _uniform_labels(view: View, marked: Marked, ranges: Sequence[list[float]]) -> list[dict[str, Any]]:
    """Labels of uniform bits, each with an arrow to its point, from the side on which axes get worse: the front is on
    the other. A point beyond the axes has its label, with its values, where the axes end.
    """
    labels = []
    for bits, point in marked.uniform.items():
        found: dict[str, Any] = {"text": f"{bits} bit", "font": {"color": VERMILION, "size": 13}, "standoff": 6}
        found |= {"bgcolor": "rgba(255,255,255,0.8)", "arrowcolor": VERMILION, "arrowwidth": 1, "arrowhead": 0}
        x, y = (value_of(point, objective) for objective in (view.x, view.y))
        if x is None or y is None:
            continue
        for axis, value, objective, (low, high) in zip("xy", (x, y), (view.x, view.y), ranges, strict=True):
            found[axis] = min(max(value, low), high)
            share, worse = (found[axis] - low) / (high - low), 1 if objective.direction == "minimize" else -1
            side = 1 if share < NEAR_EDGE else -1 if share > 1 - NEAR_EDGE else worse
            found[f"a{axis}"] = LABEL_PX * side * (1 if axis == "x" else -1)  # pixels count downwards
        if (found["x"], found["y"]) != (x, y):
            found["text"] += f": {y:.4g} {unit_of(view.y)}, {x:.4g} {unit_of(view.x)}"
            found |= {"standoff": 0, "arrowhead": 2}
        labels.append(found)
    return labels


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


def _axes(study: Study, view: View, marked: Marked) -> dict[str, Any]:
    """Titles and ranges of the axes, and lines for the study's limits."""
    line = {"color": VERMILION, "width": 1.5, "dash": "dash"}
    label = {"text": "limit", "textposition": "end", "yanchor": "bottom", "font": {"color": VERMILION, "size": 12}}
    best = front_of(study.front, [view.y, view.x])
    shapes = []
    for limit in study.limits:
        if limit.objective == view.x.name:
            at = amount(limit.bound, view.x)
            shapes.append({"x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1})
        if limit.objective == view.y.name:
            at = amount(limit.bound, view.y)
            shapes.append({"y0": at, "y1": at, "xref": "paper", "x0": 0, "x1": 1})
    across, up = (_range(study, objective, best, marked) for objective in (view.x, view.y))
    return {
        "xaxis.title.text": axis_title(view.x),
        "xaxis.range": across,
        "yaxis.title.text": axis_title(view.y),
        "yaxis.range": up,
        "annotations": _uniform_labels(view, marked, (across, up)),
        "shapes": [{"type": "line", "line": line, "label": label, **shape} for shape in shapes],
    }


def _range(study: Study, objective: Objective, best: Sequence[Evaluation], marked: Marked) -> list[float]:
    """Range of an axis: front, baseline and bars of the best, and what is near; what is far off would squeeze them."""
    shown = [value for value in values([*study.front, study.baseline], objective) if value is not None]
    near = LIMIT_REACH * float(np.ptp(shown))
    others: list[float] = [
        amount(limit.bound, objective) for limit in study.limits if limit.objective == objective.name
    ]
    others += [value for value in values(marked.uniform.values(), objective) if value is not None]
    shown += [value for value in others if min(shown) - near <= value <= max(shown) + near]
    bar = _error_bar(study, best, objective)
    if bar["visible"]:
        for value, above, below in zip(values(best, objective), bar["array"], bar["arrayminus"], strict=True):
            shown += [] if value is None else [value + above, value - below]
    return reach(shown)
