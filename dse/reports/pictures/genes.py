"""What the front is made of: bits of every matvec along it, and what thresholds eliminate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dse.reports.labels import group_of, label
from dse.reports.pictures.style import COLOURS, DASHES, HEIGHT_PX, SYMBOLS, name_of, styled
from dse.study.result import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROW_PX, MOST_ROWS = 20, 11  # of a heat map of bits; rows from which it is taller
JITTER = 0.15  # of the distance between two thresholds, so that dots do not hide each other


def groups_of(study: Study) -> dict[str, str]:
    """Groups of matvecs that share genes, in order, each with the first of its matvecs."""
    found: dict[str, str] = {}
    for matvec, _ in study.baseline.configuration:
        found.setdefault(group_of(matvec), matvec)
    return found


def bits_along_front(study: Study) -> go.Figure | None:
    """Bits of weights and of activations, a row each matvec, a column each point of the front, least error first."""
    from plotly.subplots import make_subplots

    if not len(study.front):
        return None
    groups = groups_of(study)
    settings = {group: [point.configuration[matvec] for point in study.front] for group, matvec in groups.items()}
    widths = sorted({bits for row in settings.values() for setting in row for bits in setting.operand_bits})
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=("weights", "activations"))
    numbers = list(range(1, len(study.front) + 1))
    for row in (1, 2):
        figure.add_heatmap(
            x=numbers,
            y=list(groups),
            z=[[widths.index(setting.operand_bits[row - 1]) for setting in settings[group]] for group in groups],
            text=[[label(setting) for setting in settings[group]] for group in groups],
            hovertemplate="point %{x}, %{y}: %{text}<extra></extra>",
            colorscale=_steps(len(widths)),
            zmin=-0.5,
            zmax=len(widths) - 0.5,
            colorbar={"title": "bits", "tickvals": list(range(len(widths))), "ticktext": widths, "thickness": 14},
            showscale=row == 1,
            xgap=0.3,
            ygap=1,
            row=row,
            col=1,
        )
    figure.update_yaxes(autorange="reversed", tickmode="array", tickvals=list(groups), tickfont={"size": 12})
    figure.update_xaxes(title_text="point of the front, least error first", row=2, col=1)
    subtitle = f"{len(study.front)} points; error {_span(study)} from left to right"
    margin = {"l": 110, "r": 30, "t": 110, "b": 60}
    height = HEIGHT_PX + 2 * ROW_PX * max(0, len(groups) - MOST_ROWS)
    figure = styled(figure, f"{name_of(study)}: bits along the front", subtitle, margin=margin, height=height)
    return figure.update_xaxes(showgrid=False).update_yaxes(showgrid=False, ticks="")


def delta_against_eliminated(study: Study) -> go.Figure | None:
    """Operations that each matvec's delta gate eliminates, by its threshold, a panel each width of activations.

    Thresholds in steps of the activation, over all measured evaluations. None for a study without thresholds.
    """
    from plotly.subplots import make_subplots

    measured = [evaluation for evaluation in study.evaluations if evaluation.measured]
    rows = [
        (setting.operand_bits[1], setting.delta, group, 100 * (1 - evaluation.computed[matvec]))
        for evaluation in measured
        for group, matvec in groups_of(study).items()
        for setting in (evaluation.configuration[matvec],)
    ]
    if not any(delta for _, delta, _, _ in rows):
        return None
    by_panel: dict[tuple[int, str], list[tuple[int, float]]] = {}
    for bits, delta, group, eliminated in rows:
        by_panel.setdefault((bits, group), []).append((delta, eliminated))
    widths = sorted({bits for bits, _, _, _ in rows})
    titles = [f"{bits}-bit activations" for bits in widths]
    figure = make_subplots(1, len(widths), shared_yaxes=True, horizontal_spacing=0.02, subplot_titles=titles)
    rng = np.random.default_rng(0)
    first = {group: min(bits for bits, mine in by_panel if mine == group) for _, group in by_panel}
    for column, bits in enumerate(widths, start=1):
        thresholds = sorted({delta for width, delta, _, _ in rows if width == bits})
        place = {delta: k for k, delta in enumerate(thresholds)}
        for k, group in enumerate(groups_of(study)):
            mine = [(place[delta], e) for delta, e in by_panel.get((bits, group), ())]
            by_place: dict[int, list[float]] = {}
            for x, e in mine:
                by_place.setdefault(x, []).append(e)
            middles = {x: float(np.median(by_place[x])) for x in sorted(by_place)}
            turn, look = divmod(k, len(COLOURS))  # matvecs of one colour are told apart by dashes and marks
            colour, dash, mark = COLOURS[look], DASHES[turn % len(DASHES)], SYMBOLS[turn % len(SYMBOLS)]
            dots = [round(x + JITTER * rng.uniform(-1, 1), 2) for x, _ in mine]
            figure.add_scatter(
                x=dots, y=[round(e, 1) for _, e in mine], mode="markers", showlegend=False, legendgroup=group,
                marker={"color": colour, "size": 4, "opacity": 0.25}, hoverinfo="skip", row=1, col=column,
            )  # fmt: skip
            figure.add_scatter(
                x=list(middles), y=list(middles.values()), name=group, legendgroup=group,
                showlegend=bits == first[group],
                mode="lines+markers", line={"color": colour, "width": 2, "dash": dash},
                marker={"size": 7, "symbol": mark},
                hovertemplate=f"{group}: %{{y:.1f}} % in the middle<extra></extra>", row=1, col=column,
            )  # fmt: skip
        names = [f"{delta // 1024}k" if delta >= 1024 else str(delta) for delta in place]
        ticks = {"tickvals": list(place.values()), "ticktext": names, "tickangle": 0, "tickfont": {"size": 11}}
        figure.update_xaxes(range=[-0.4, len(place) - 0.6], **ticks, row=1, col=column)
    figure.update_xaxes(title="threshold (steps of the activation)", row=1, col=(len(widths) + 1) // 2)
    figure.update_yaxes(title="eliminated operations of the matvec (%)", range=[-2, 102], row=1, col=1)
    title = f"{name_of(study)}: what delta gates eliminate"
    subtitle = "dots: evaluations; lines: their medians. Coarse activations hold back small changes even at threshold 0"
    return styled(figure, title, subtitle, margin={"l": 70, "r": 20, "t": 110, "b": 60})


def _steps(count: int) -> list[tuple[float, str]]:
    """Colour scale of so many plain colours, light for few bits and dark for many."""
    from plotly.colors import sample_colorscale

    colours = sample_colorscale("Blues", [0.15 + 0.85 * k / max(1, count - 1) for k in range(count)])
    return [(edge / count, colour) for k, colour in enumerate(colours) for edge in (k, k + 1)]


def _span(study: Study) -> str:
    errors = [point.metrics["error_percent"] for point in study.front]
    low, high = min(errors, default=math.nan), max(errors, default=math.nan)
    return f"{low:.2f} to {high:.2f} %"
