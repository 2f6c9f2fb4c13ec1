"""Several studies on one plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dse.design.objective import OBJECTIVES, Objective
from dse.design.pareto import front as front_of
from dse.reports.pictures.style import COLOURS, name_of, styled, told, values
from dse.study.result import Study
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")


def compared(studies: Sequence[Study], names: Sequence[str] | None = None, over: str = "size") -> go.Figure:
    """Fronts of several studies: error over another metric, which a menu chooses among those that all of them have.

    `over` is the one to begin with. Each line joins the best points for the two visible axes. Source of the idea: the
    papers' comparison of four models. Raises InputError without a study, and where they do not all have `over`.
    """
    import plotly.graph_objects as go

    if not studies:
        raise InputError("no study to compare")
    error = OBJECTIVES["error"]
    axes = [o for o in studies[0].shown if o != error and all(o.metric in s.baseline.metrics for s in studies)]
    if over not in [axis.name for axis in axes]:
        raise InputError(f"not all have '{over}' to draw over; they have {', '.join(axis.name for axis in axes)}")
    axes.sort(key=lambda axis: axis.name != over)
    called = list(names or map(name_of, studies))
    figure = go.Figure()
    for k, trace in enumerate(_traces(studies, axes[0])):
        colour = COLOURS[k % len(COLOURS)]
        marker = {"size": 8, "symbol": SYMBOLS[k % len(SYMBOLS)], "color": colour}
        figure.add_scatter(
            **trace, name=called[k], mode="lines+markers", line={"color": colour, "shape": "vh"}, marker=marker
        )
    buttons = []
    for x in axes:
        data = _traces(studies, x)
        update = {key: [trace[key] for trace in data] for key in ("x", "y", "customdata")}
        buttons.append(
            {"label": f"error over {x.name}", "method": "update", "args": [update, {"xaxis.title.text": x.label}]}
        )
    menu = {"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
    return styled(
        figure,
        " · ".join(called),
        "best points for the visible axes, of each study",
        xaxis={"title": axes[0].label},
        yaxis={"title": error.label},
        updatemenus=[menu],
    )


def _traces(studies: Sequence[Study], x: Objective) -> list[dict[str, Any]]:
    traces = []
    for study in studies:
        known = [point for point in study.front if x.metric in point.metrics]
        best = front_of(known, [OBJECTIVES["error"], x])
        numbers = [study.front.number(point) for point in best]
        axes = {"x": values(best, x), "y": values(best, OBJECTIVES["error"])}
        traces.append({**axes, **told(study, best, numbers)})
    return traces
