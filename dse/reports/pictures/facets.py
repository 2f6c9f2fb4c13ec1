"""Fronts of many studies, in panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES, Objective, error_name
from dse.design.pareto import front as front_of
from dse.reports.pictures.compared import look
from dse.reports.pictures.style import MUTED, axis_title, styled, told, value_of, values
from dse.study.references import uniform_references
from dse.study.result import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

PANEL_PX, MOST_COLUMNS = 330, 2
LABEL_PX = 30  # of a star's label from it
LABEL = {  # on white, with a line to its star: fronts pass below
    "bgcolor": "rgba(255,255,255,0.85)",
    "font": {"size": 12},
    "borderpad": 1,
    "showarrow": True,
    "arrowhead": 0,
    "arrowwidth": 1,
    "arrowcolor": MUTED,
    "standoff": 6,
}


def facets(title: str, found: Sequence[tuple[Sequence[str], Study]], over: Sequence[Objective]) -> go.Figure:
    """Error over other objectives: fronts of studies that are told apart by texts.

    A panel for each first text and objective, in it a line for each of what follows, which joins the best points for
    the panel's axes. A study with one text or none has the panel to itself and others with it.
    """
    from plotly.subplots import make_subplots

    error = OBJECTIVES["error"]
    alone = all(len(texts) <= 1 for texts, _ in found)
    firsts = [""] if alone else list(dict.fromkeys(texts[0] for texts, _ in found))
    lines = list(dict.fromkeys(_line(texts, alone) for texts, _ in found))
    panels = [(first, objective) for first in firsts for objective in over]
    columns = min(len(over) if len(over) > 1 else MOST_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[first for first, _ in panels] if any(firsts) else None,
        vertical_spacing=0.28 / rows,
        horizontal_spacing=0.1,
    )
    for place, (first, x) in enumerate(panels):
        at = {"row": place // columns + 1, "col": place % columns + 1}
        for texts, study in found:
            if not alone and texts[0] != first:
                continue
            line = _line(texts, alone)
            best = front_of(list(study.front), [error, x])
            figure.add_scatter(
                x=values(best, x),
                y=values(best, error),
                **told(study, best, [study.front.number(point) for point in best]),
                name=line or "front",
                legendgroup=line,
                showlegend=place == 0,
                mode="lines+markers",
                **look(lines.index(line), len(lines)),
                **at,
            )
        references = next(study for texts, study in found if alone or texts[0] == first)
        known = {
            bits: point
            for bits, point in uniform_references(references).items()
            if x.metric in point.metrics and _near(point, references)
        }
        figure.add_scatter(
            x=values(known.values(), x),
            y=values(known.values(), error),
            text=[f"{bits} bit" for bits in known],
            name="uniform bits",
            legendgroup="uniform",
            showlegend=place == 0,
            mode="markers",
            marker={"symbol": "star", "size": 11, "color": "#000000"},
            hovertemplate="uniform %{text}<extra></extra>",
            **at,
        )
        for k, (bits, point) in enumerate(known.items()):
            figure.add_annotation(
                x=value_of(point, x), y=value_of(point, error), text=f"{bits} bit", **_beside(k), **LABEL, **at
            )
        figure.update_xaxes(title=axis_title(x), **at)
        figure.update_yaxes(title=f"error ({error.unit})" if at["col"] == 1 else None, **at)
    called = error_name(found[0][1].identity) if found else "error"
    return styled(
        figure,
        title,
        f"{called} of the best points for the visible axes; stars: one width for everything, of the first line, unless "
        "it has a point more than all that is drawn",
        height=PANEL_PX * rows + 160,
    )


def _beside(k: int) -> dict[str, int]:
    """Where the label of the k-th star is, in pixels from it: above and below by turns, that near ones can be read."""
    return {"ax": 0, "ay": LABEL_PX if k % 2 else -LABEL_PX}


def _line(texts: Sequence[str], alone: bool) -> str:
    return ", ".join(texts if alone else texts[1:])


def _near(point: Evaluation, study: Study) -> bool:
    """Whether uniform bits are where the front is, not far above it."""
    worst = max(each.metrics["error_percent"] for each in study.front)
    return point.metrics["error_percent"] <= worst + 1.0
