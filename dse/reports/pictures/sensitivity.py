"""What each gene does alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.reports.pictures.style import COLOURS, FAINT, SYMBOLS, amount, name_of, styled, unit_of
from dse.reports.sensitivity import Move, known_moves
from dse.study.bootstrap import ErrorBars
from dse.study.result import Study
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

GENE_PX, HEAD_PX, LEGEND_PX = 26, 13, 40
SPREAD = 0.55  # of the distance between two genes, over which a gene's choices lie
EDGE_FACTOR = 3.0
USUAL = ("2", "4", "8", "16")  # bits that have the same mark in every picture


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
    """The same of evaluations at hand. Choices of a gene lie a little below one another, so that all are seen."""
    from plotly.subplots import make_subplots

    bars = ErrorBars((point, *measured.values()), study.speakers)
    panels = [o for o in study.shown if o.name in ("error", "size", "ops") or "." in o.name]
    panels = [o for o in panels if o.metric in point.metrics and all(o.metric in e.metrics for e in measured.values())]
    titles = [f"Δ {o.name.replace('.', '<br>')}<br>({'points' if o.unit == '%' else unit_of(o)})" for o in panels]
    figure = make_subplots(1, len(panels), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    choices = sorted({str(move.after) for move in measured}, key=lambda text: (len(text), text))
    looks = [*USUAL, *(choice for choice in choices if choice not in USUAL)]
    genes = list(dict.fromkeys(move.gene for move in measured))
    scored = [move for move, e in measured.items() if e in bars and point in bars]
    cut = False
    for column, objective in enumerate(panels, start=1):
        start = point.metrics[objective.metric]
        changes = {m: amount(e.metrics[objective.metric] - start, objective) for m, e in measured.items()}
        edge = _edge([*changes.values()]) if objective.relative_limits else max(changes.values())
        if objective.name == "error":  # bars may go farther
            edge = max([edge, *(bars.difference(measured[m], point).high for m in scored if changes[m] <= edge)])
        cut |= edge < max(changes.values())
        for k, choice in enumerate(choices):
            mine, look = [move for move in measured if str(move.after) == choice], looks.index(choice)
            colour, symbol = COLOURS[look % len(COLOURS)], SYMBOLS[look % len(SYMBOLS)]
            lower = SPREAD * (k / (len(choices) - 1) - 0.5) if len(choices) > 1 else 0.0
            symbols = ["triangle-right" if changes[move] > edge else symbol for move in mine]
            error = objective.name == "error" and all(move in scored for move in mine)
            figure.add_scatter(
                x=[min(changes[move], edge) for move in mine], y=[genes.index(move.gene) + lower for move in mine],
                mode="markers", legendgroup=choice, showlegend=False,
                marker={"color": colour, "size": 8, "opacity": 0.85, "symbol": symbols},
                hovertext=[f"{move.label}: {changes[move]:+.3g}" for move in mine], hoverinfo="text",
                error_x=_interval(bars, point, measured, [(m, changes[m] > edge) for m in mine]) if error else None,
                row=1, col=column,
            )  # fmt: skip
            if column == 1:  # a mark of its own in the legend, since that of a gene may be a triangle
                figure.add_scatter(x=[None], y=[None], mode="markers", name=choice, legendgroup=choice, showlegend=True,
                                   marker={"color": colour, "size": 8, "symbol": symbol}, row=1, col=1)  # fmt: skip
    figure.update_xaxes(nticks=4, tickangle=0)
    figure.update_annotations(font_size=HEAD_PX)
    figure.update_yaxes(tickvals=[*range(len(genes))], ticktext=genes, range=[len(genes) - 0.3, -0.7])
    subtitle = f"each gene alone, from {_start(study, point)}; marks: its bits, or steps of a threshold"
    figure = styled(
        figure,
        f"{name_of(study)}: sensitivity",
        subtitle + "; triangles: farther than the axis" * cut,
        height=220 + GENE_PX * len(genes),
        margin={"l": 160, "t": 130},
        legend_px=LEGEND_PX,
    )
    return figure.update_xaxes(zeroline=True, zerolinecolor=FAINT)


def _start(study: Study, point: Evaluation) -> str:
    """What the genes are moved from, in words."""
    if point.configuration == study.baseline.configuration:
        return "16 bit"
    told = f"({point.metrics['error_percent']:.2f} %, {point.metrics['size_mib']:.3f} MiB)"
    return f"point {study.front.number(point)} {told}" if point in study.front else f"a point beside the front {told}"


def _interval(
    bars: ErrorBars, point: Evaluation, measured: Mapping[Move, Evaluation], moves: list[tuple[Move, bool]]
) -> dict[str, Any]:
    """Error bars of the change of each of these moves, none of those that lie beyond the axis."""
    ends = [(measured[m], bars.difference(measured[m], point), beyond) for m, beyond in moves]
    start = point.metrics["error_percent"]
    return {
        "type": "data", "symmetric": False, "color": FAINT, "thickness": 1.2, "width": 0,
        "array": [0 if out else end.high - e.metrics["error_percent"] + start for e, end, out in ends],
        "arrayminus": [0 if out else e.metrics["error_percent"] - start - end.low for e, end, out in ends],
    }  # fmt: skip


def _edge(changes: list[float]) -> float:
    """Where an error's axis ends: what is far beyond three quarters of the changes would press them together."""
    quarter = sorted(changes)[len(changes) * 3 // 4]
    return EDGE_FACTOR * quarter if 0 < EDGE_FACTOR * quarter < max(changes) else max(changes)
