"""What each gene does alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dse.design.evaluation import Evaluation
from dse.reports.pictures.style import COLOURS, FAINT, name_of, styled
from dse.reports.sensitivity import Move, known_moves
from dse.study.bootstrap import ErrorBars
from dse.study.result import Study
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

GENE_PX = 24
EDGE_FACTOR = 3.0


def sensitivity(study: Study, point: Evaluation | None = None) -> go.Figure | None:
    """Change of error, size and eliminated operations for each choice of each gene, from a point, else the baseline.

    None where the study holds no evaluation of any, see `measure_moves`.
    """
    start = point or study.baseline
    try:
        known = known_moves(study, start)
    except (InputError, ValueError):  # a record that tells no genes, or a point outside of them
        return None
    return draw(study, start, known) if len(known) > 1 else None


def draw(study: Study, point: Evaluation, measured: Mapping[Move, Evaluation]) -> go.Figure:
    """The same of evaluations at hand."""
    from plotly.subplots import make_subplots

    bars = ErrorBars((point, *measured.values()), study.speakers)
    panels = [o for o in study.shown if o.name in ("error", "size", "ops") or "." in o.name]
    panels = [o for o in panels if o.metric in point.metrics and all(o.metric in e.metrics for e in measured.values())]
    titles = [f"Δ {o.name} ({'points' if o.unit == '%' else o.unit})" for o in panels]
    figure = make_subplots(1, len(panels), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=titles)
    choices = sorted({str(move.after) for move in measured}, key=lambda text: (len(text), text))
    colours = {choice: COLOURS[k % len(COLOURS)] for k, choice in enumerate(choices)}
    for column, objective in enumerate(panels, start=1):
        edge = _edge([e.metrics[objective.metric] - point.metrics[objective.metric] for e in measured.values()])
        for choice in choices:
            mine = {move: e for move, e in measured.items() if str(move.after) == choice}
            changes = [e.metrics[objective.metric] - point.metrics[objective.metric] for e in mine.values()]
            drawn = [min(change, edge) for change in changes]
            beyond = ["triangle-right" if change > edge else "circle" for change in changes]
            error = objective.name == "error" and all(e in bars for e in (point, *mine.values()))
            ends = [bars.difference(e, point) for e in mine.values()] if error else []
            figure.add_scatter(
                x=drawn, y=[move.gene for move in mine], mode="markers", name=choice, legendgroup=choice,
                showlegend=column == 1, marker={"color": colours[choice], "size": 9, "opacity": 0.85, "symbol": beyond},
                hovertext=[f"{move.label}: {change:+.3g}" for move, change in zip(mine, changes, strict=True)],
                hoverinfo="text",
                error_x={
                    "type": "data", "symmetric": False, "color": FAINT, "thickness": 1.2, "width": 0,
                    "array": [end.high - c if c <= edge else 0 for end, c in zip(ends, changes, strict=True)],
                    "arrayminus": [c - end.low if c <= edge else 0 for end, c in zip(ends, changes, strict=True)],
                } if error else None,
                row=1, col=column,
            )  # fmt: skip
    genes = list(dict.fromkeys(move.gene for move in measured))
    figure.update_yaxes(categoryorder="array", categoryarray=genes[::-1])
    start = "16 bit" if point.configuration == study.baseline.configuration else "a point of the front"
    height = 220 + GENE_PX * len(genes)
    subtitle = f"each gene alone, from {start}; colours: its bits, or steps of a threshold; triangles: farther"
    figure = styled(figure, f"{name_of(study)}: sensitivity", subtitle, height=height, margin={"l": 160, "t": 110})
    return figure.update_xaxes(zeroline=True, zerolinecolor=FAINT)


def _edge(changes: list[float]) -> float:
    """Where an axis ends: what is far beyond three quarters of the changes would press them together."""
    quarter = sorted(changes)[len(changes) * 3 // 4]
    return EDGE_FACTOR * quarter if 0 < EDGE_FACTOR * quarter < max(changes) else max(changes)
