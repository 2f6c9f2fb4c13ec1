"""The front as pictures: an interactive page and a still image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES, Objective
from dse.reports.labels import describe
from dse.study.result import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAINT = "#b8bec6"
INK = "#222b36"
BASELINE = "#c2410c"
COLOURS = "viridis"
MARGIN_FRACTION = 0.15
LIMIT_REACH = 0.5  # limits are drawn within this share of the front's extent


def axes_of(objectives: Sequence[Objective]) -> list[tuple[Objective, Objective]]:
    """Pairs (x, y) to draw: the first objective over each other one; a single one over size, or over error."""
    first, *others = objectives
    if not others:
        others = [OBJECTIVES["error" if first.name == "size" else "size"]]
    return [(other, first) for other in others]


def colour_of(x: Objective, y: Objective, objectives: Sequence[Objective]) -> Objective:
    """A third metric to colour by: a third objective if there is one, else the first metric not on an axis."""
    candidates = [*objectives, OBJECTIVES["ops"], OBJECTIVES["size"], OBJECTIVES["error"]]
    return next(objective for objective in candidates if objective not in (x, y))


def interactive(study: Study) -> go.Figure:
    """Draw every measured evaluation faint, the front bold with its configuration on hover.

    With three or more objectives a menu chooses the axes.
    """
    import plotly.graph_objects as go

    pairs = axes_of(study.objectives)
    if len(study.objectives) > 2:
        pairs += [pair for pair in permutations(study.objectives, 2) if pair not in pairs]
    x, y = pairs[0]
    colour = colour_of(x, y, study.objectives)
    others = _others(study)
    figure = go.Figure()
    faint = {"color": FAINT, "size": 6, "opacity": 0.6}
    bold = {
        "color": _values(study.front, colour),
        "colorscale": COLOURS,
        "size": 11,
        "line": {"color": INK, "width": 1},
        "colorbar": {"title": {"text": colour.label, "side": "right"}},
    }
    cross = {"color": BASELINE, "size": 16, "symbol": "x"}
    line = {"color": INK, "width": 1, "shape": "vh"}
    mode = "lines+markers" if len(study.objectives) == 2 else "markers"
    for name, points, style in (
        ("evaluated", others, {"mode": "markers", "marker": faint}),
        ("16-bit baseline", [study.baseline], {"mode": "markers", "marker": cross}),
        ("front", study.front, {"mode": mode, "marker": bold, "line": line}),
    ):
        figure.add_scatter(
            x=_values(points, x),
            y=_values(points, y),
            text=[_hover(point, study.shown) for point in points],
            hovertemplate="%{text}<extra>" + name + "</extra>",
            name=name,
            **style,
        )
    figure.update_layout(
        template="plotly_white",
        title=f"{study.identity['model']} {study.identity['preset']}: {y.description} over {x.description}",
        xaxis_title=x.label,
        xaxis_range=_view(study, x),
        yaxis_title=y.label,
        yaxis_range=_view(study, y),
        shapes=_limit_lines(study, x, y),
        legend={"orientation": "h", "y": 1.02, "x": 1, "xanchor": "right", "yanchor": "bottom"},
        hoverlabel={"align": "left"},
        height=640,
    )
    if len(pairs) > 1:
        buttons = [_button(study, others, x, y) for x, y in pairs]
        menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
        figure.update_layout(updatemenus=[menu])
    return figure


def still(study: Study) -> Figure:
    """Draw the same as an image, one panel for each pair of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pairs = axes_of(study.objectives)
    figure = Figure(figsize=(7.2 * len(pairs), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for panel, (x, y) in zip(panels, pairs, strict=True):
        _draw(panel, study, x, y)
    panels[0].legend(frameon=False)
    figure.suptitle(f"{study.identity['model']} {study.identity['preset']}: {len(study.evaluations)} evaluations")
    return figure


def write_html(study: Study, path: Path) -> None:
    """Write the interactive picture as one file that needs nothing else, no network either."""
    interactive(study).write_html(path, include_plotlyjs=True)


def write_png(study: Study, path: Path) -> None:
    still(study).savefig(path, dpi=150)


def _draw(panel: Axes, study: Study, x: Objective, y: Objective) -> None:
    colour = colour_of(x, y, study.objectives)
    others = _others(study)
    panel.scatter(_values(others, x), _values(others, y), s=16, color=FAINT, alpha=0.6, lw=0, label="evaluated")
    front_x, front_y = _values(study.front, x), _values(study.front, y)
    if len(study.objectives) == 2:
        panel.step(front_x, front_y, where="pre", color=INK, lw=1, zorder=2)
    marks = panel.scatter(
        front_x, front_y, c=_values(study.front, colour), cmap=COLOURS, s=56, edgecolor=INK, lw=0.8, zorder=3,
        label="front",
    )  # fmt: skip
    panel.get_figure().colorbar(marks, ax=panel, label=colour.label)  # type: ignore[union-attr]
    baseline = [study.baseline]
    panel.scatter(
        _values(baseline, x), _values(baseline, y), s=110, marker="X", color=BASELINE, zorder=2, label="16-bit baseline"
    )
    for limit in study.limits:
        if limit.objective == x.name:
            panel.axvline(limit.bound, color=INK, ls="--", lw=0.9)
        if limit.objective == y.name:
            panel.axhline(limit.bound, color=INK, ls="--", lw=0.9)
    panel.set_xlabel(x.label)
    panel.set_ylabel(y.label)
    panel.set_xlim(_view(study, x))
    panel.set_ylim(_view(study, y))
    panel.grid(color="#e7eaee", lw=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _others(study: Study) -> list[Evaluation]:
    on_front = {evaluation.genome for evaluation in study.front}
    wanted = {objective.metric for objective in (*OBJECTIVES.values(), *study.objectives)}
    return [e for e in study.evaluations if e.measured and wanted <= set(e.metrics) and e.genome not in on_front]


def _values(evaluations: Sequence[Evaluation], objective: Objective) -> list[float]:
    return [evaluation.metrics[objective.metric] for evaluation in evaluations]


def _view(study: Study, objective: Objective) -> tuple[float, float]:
    """Range of an axis: front, baseline and near limits with a margin. What is far off would squeeze them."""
    shown = _values([*study.front, study.baseline], objective)
    reach = LIMIT_REACH * (max(shown) - min(shown))
    low, high = min(shown) - reach, max(shown) + reach
    bounds = [limit.bound for limit in study.limits if limit.objective == objective.name]
    shown += [bound for bound in bounds if low <= bound <= high]
    margin = MARGIN_FRACTION * ((max(shown) - min(shown)) or 1.0)
    return min(shown) - margin, max(shown) + margin


def _hover(evaluation: Evaluation, shown: Sequence[Objective]) -> str:
    metrics = [f"{o.name} {evaluation.metrics[o.metric]:.4g} {o.unit}" for o in shown if o.metric in evaluation.metrics]
    return "<br>".join([*metrics, *describe(evaluation.configuration).split(" · "), *evaluation.reasons])


def _limit_lines(study: Study, x: Objective, y: Objective) -> list[dict[str, Any]]:
    line = {"color": INK, "width": 1, "dash": "dash"}
    shapes: list[dict[str, Any]] = []
    for limit in study.limits:
        if limit.objective == x.name:
            shapes.append({"type": "line", "x0": limit.bound, "x1": limit.bound, "yref": "paper", "y0": 0, "y1": 1})
        if limit.objective == y.name:
            shapes.append({"type": "line", "y0": limit.bound, "y1": limit.bound, "xref": "paper", "x0": 0, "x1": 1})
    return [{**shape, "line": line} for shape in shapes]


def _button(study: Study, others: list[Evaluation], x: Objective, y: Objective) -> dict[str, Any]:
    traces = (others, [study.baseline], study.front)
    data = {"x": [_values(points, x) for points in traces], "y": [_values(points, y) for points in traces]}
    layout = {
        "xaxis.title.text": x.label,
        "xaxis.range": _view(study, x),
        "yaxis.title.text": y.label,
        "yaxis.range": _view(study, y),
        "shapes": _limit_lines(study, x, y),
        "title.text": f"{study.identity['model']} {study.identity['preset']}: {y.description} over {x.description}",
    }
    return {"label": f"{y.name} over {x.name}", "method": "update", "args": [data, layout]}
