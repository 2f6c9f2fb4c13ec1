"""The front over three objectives at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dse.reports.pictures.style import FAINT, INK, MUTED, SCALE, VERMILION, name_of, styled, told, values
from dse.study.references import uniform_references
from dse.study.result import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT_PX = 680
SILENT = {"hoverinfo": "skip"}


def front_3d(study: Study) -> go.Figure | None:
    """The front over its first three objectives, coloured by the first, to be turned; None with fewer than three."""
    import plotly.graph_objects as go

    if len(study.objectives) < 3:
        return None
    z, x, y = study.objectives[:3]
    others = [e for e in study.evaluations if e.measured and e.status == "ok"]
    uniform = uniform_references(study)
    errors = values(study.front, z)
    figure = go.Figure()
    for name, points, numbered, marker in (
        ("evaluated", others, False, {"size": 2, "color": FAINT, "opacity": 0.6}),
        (
            "front",
            list(study.front),
            True,
            {"size": 5, "color": errors, "colorscale": SCALE, "line": {"color": INK, "width": 0.5}},
        ),
        ("uniform", list(uniform.values()), False, {"size": 6, "color": VERMILION, "symbol": "diamond"}),
    ):
        figure.add_scatter3d(
            x=values(points, x),
            y=values(points, y),
            z=values(points, z),
            name=name,
            mode="markers+text" if name == "uniform" else "markers",
            text=[f"{bits} bit" for bits in uniform] if name == "uniform" else None,
            textfont={"color": VERMILION},
            **(told(study, points, range(1, len(points) + 1) if numbered else None) if name != "evaluated" else SILENT),
            marker=marker,
        )
    axes: dict[str, dict[str, Any]] = {
        f"{letter}axis": {"title": {"text": f"{o.name} ({o.unit})"}, "backgroundcolor": "white", "gridcolor": "#d5dae0"}
        for letter, o in (("x", x), ("y", y), ("z", z))
    }
    known = [value for value in errors if value is not None]
    if known:  # evaluations that err much more would press the front flat
        axes["zaxis"]["range"] = [min(known) - 0.5, max(known) + 0.5]
    camera = {"eye": {"x": -1.6, "y": -1.7, "z": 0.85}, "center": {"x": 0, "y": 0, "z": -0.12}}
    scene = {**axes, "camera": camera, "aspectmode": "cube"}
    subtitle = f"<span style='color:{MUTED}'>drag to turn, scroll to come nearer</span>"
    margin = {"l": 10, "r": 10, "t": 80, "b": 40}
    return styled(figure, name_of(study), subtitle, scene=scene, height=HEIGHT_PX, margin=margin)
