"""Several studies on one plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dse.design.objective import OBJECTIVES, Objective, worded
from dse.design.pareto import front as front_of
from dse.reports.labels import joined
from dse.reports.pictures.style import COLOURS, DASHES, axis_title, menu, name_of, styled, told, values
from dse.study.result import Study
from dse.study.storage import hide_password
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Hollow, and the later a study the smaller and thinner, with dashes of its own: what coincides is all to be seen.
SYMBOLS = ("circle-open", "square-open", "diamond-open", "triangle-up-open", "x-open", "star-open", "cross-open")
THINNEST_PX, SMALLEST_PX, SIZES = 1.5, 7, 4  # of lines and markers; as many sizes as can be told apart


def compared(studies: Sequence[Study], names: Sequence[str] | None = None, over: str = "size") -> go.Figure:
    """Fronts of several studies: error over another metric, which a menu chooses among those that all of them have.

    `over` is the one to begin with, `names` are those of `names_apart` unless told. Each line joins the best points for
    the two visible axes. Source of the idea: the papers' comparison of four models.
    Raises InputError without a study, on one without a front, on one given twice, and where not all have `over`.
    """
    import plotly.graph_objects as go

    if not studies:
        raise InputError("no study to compare")
    for study in studies:
        if not len(study.front):
            raise InputError(f"study '{study.name}' has no point on its front to compare: {study}")
    error = OBJECTIVES["error"]
    axes = [o for o in studies[0].shown if o != error and all(o.metric in s.baseline.metrics for s in studies)]
    if over not in [axis.name for axis in axes]:
        raise InputError(f"not all have '{over}' to draw over; they have {', '.join(axis.name for axis in axes)}")
    axes.sort(key=lambda axis: axis.name != over)
    called = list(names or names_apart(studies))
    figure = go.Figure()
    for k, trace in enumerate(_traces(studies, axes[0])):
        figure.add_scatter(**trace, name=called[k], mode="lines+markers", **look(k, len(studies)))
    buttons = []
    for x in axes:
        data = _traces(studies, x)
        update = {key: [trace[key] for trace in data] for key in ("x", "y", "customdata")}
        buttons.append(
            {"label": f"error over {x.name}", "method": "update", "args": [update, {"xaxis.title.text": axis_title(x)}]}
        )
    return styled(
        figure,
        "Fronts compared",
        "best points for the visible axes, of each study",
        xaxis={"title": axis_title(axes[0])},
        yaxis={"title": worded((error,), studies[0].identity)[0].label},
        updatemenus=menu(buttons),
    )


def names_apart(studies: Sequence[Study]) -> list[str]:
    """A name for each study, as short as tells it from the others: its network's, else its own, else with more of it.

    Raises InputError on a study that is given twice.
    """
    more: tuple[Callable[[Study], str], ...] = (
        lambda study: f" over {joined(o.name for o in study.objectives)}",
        lambda study: (
            f" on {joined({**study.identity.get('platforms', {}), **study.repriced}.values()) or 'no platform'}"
        ),
        lambda study: f" in {hide_password(str(study.storage))}",
    )
    found = [*map(name_of, studies)]
    found = [study.name if found.count(name) > 1 else name for study, name in zip(studies, found, strict=True)]
    for told_by in more:
        alike = [found.count(name) > 1 for name in found]
        found = [name + told_by(study) * also for study, name, also in zip(studies, found, alike, strict=True)]
    for study, name in zip(studies, found, strict=True):
        if found.count(name) > 1:
            raise InputError(f"study '{study.name}' is given twice")
    return found


def look(k: int, count: int) -> dict[str, Any]:
    """Line and marker of a study, the k-th of so many."""
    colour, larger = COLOURS[k % len(COLOURS)], (count - 1 - k) % SIZES
    return {
        "line": {"color": colour, "shape": "vh", "dash": DASHES[k % len(DASHES)], "width": THINNEST_PX + larger},
        "marker": {
            "color": colour,
            "symbol": SYMBOLS[k % len(SYMBOLS)],
            "size": SMALLEST_PX + 3 * larger,
            "line": {"color": colour, "width": 2},
        },
    }


def _traces(studies: Sequence[Study], x: Objective) -> list[dict[str, Any]]:
    traces = []
    for study in studies:
        known = [point for point in study.front if x.metric in point.metrics]
        best = front_of(known, [OBJECTIVES["error"], x])
        numbers = [study.front.number(point) for point in best]
        axes = {"x": values(best, x), "y": values(best, OBJECTIVES["error"])}
        traces.append({**axes, **told(study, best, numbers)})
    return traces
