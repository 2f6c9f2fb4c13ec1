"""The front over three objectives at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.design.objective import Objective
from dse.reports.pictures.front import Marked
from dse.reports.pictures.style import (
    BLUE,
    INK,
    MUTED,
    PURPLE,
    SCALE,
    VERMILION,
    axis_title,
    name_of,
    reach,
    ring,
    styled,
    told,
    unit_of,
    values,
)
from dse.study.result import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT_PX = 680
SILENT = {"hoverinfo": "skip"}
ENDS = 0.1  # of what an axis shows that it goes on beyond, since what lies on a wall is cut by it


def front_3d(study: Study) -> go.Figure | None:
    """The front over its first three objectives, coloured by the first, to be turned; None with fewer than three.

    Uniform bits are labelled where they were measured; the knee and points tied with the baseline are marked.
    """
    import plotly.graph_objects as go

    if len(study.objectives) < 3:
        return None
    z, x, y = study.objectives[:3]
    marked, points = Marked.of(study), list(study.front)
    ranges = {o: reach(values([*points, study.baseline], o), ENDS) for o in (x, y, z)}
    bar = {"title": {"text": axis_title(z), "side": "right"}, "thickness": 14, "outlinewidth": 0, "len": 0.7}
    front = {"size": 5, "color": values(points, z), "colorscale": SCALE, "line": {"color": INK, "width": 0.5}}
    numbered = told(study, points, range(1, len(points) + 1))
    uniform = [e for e in marked.uniform.values() if _within(e, ranges)]
    words = {"mode": "markers+text", "textfont": {"color": VERMILION}, **told(study, uniform)}
    words["text"] = [f"{bits} bit" for bits, e in marked.uniform.items() if e in uniform]
    figure = go.Figure()
    for name, mine, marker, more in (
        ("evaluated", marked.others, {"size": 3, "color": MUTED, "opacity": 0.4}, SILENT),
        ("front", points, {**front, "colorbar": bar}, numbered),
        ("error tied with 16 bit", marked.tied, ring(11, BLUE, "circle-open"), SILENT),
        ("knee", marked.knee, ring(13, PURPLE, "square-open"), SILENT),
        ("uniform bits", uniform, ring(7, VERMILION, "diamond-open"), words),
    ):
        inside = [e for e in mine if _within(e, ranges)] if more is SILENT else mine
        places = {"x": values(inside, x), "y": values(inside, y), "z": values(inside, z)}
        figure.add_scatter3d(**places, name=name, marker=marker, **{"mode": "markers", **more})
    axes: dict[str, dict[str, Any]] = {
        f"{letter}axis": {
            "title": {"text": f"{o.name} ({unit_of(o)})"},
            "range": ranges[o],
            "backgroundcolor": "white",
            "gridcolor": "#d5dae0",
        }
        for letter, o in (("x", x), ("y", y), ("z", z))
    }
    camera = {"eye": {"x": -1.45, "y": -1.55, "z": 0.75}, "center": {"x": 0, "y": 0, "z": -0.12}}
    scene = {**axes, "camera": camera, "aspectmode": "cube"}
    margin = {"l": 10, "r": 10, "t": 80, "b": 40}
    return styled(
        figure,
        f"{name_of(study)}: three objectives",
        "in the report: drag to turn, scroll to come nearer",
        scene=scene,
        height=HEIGHT_PX,
        margin=margin,
        legend_px=0,
    )


def _within(evaluation: Evaluation, ranges: dict[Objective, list[float]]) -> bool:
    """Whether it lies in the cube that is drawn; far off ones would press the front flat."""
    found = ((values([evaluation], o)[0], ends) for o, ends in ranges.items())
    return all(value is not None and low <= value <= high for value, (low, high) in found)
