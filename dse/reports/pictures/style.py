"""Colours, sizes and words that all pictures share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.design.objective import Objective
from dse.reports.labels import labels

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dse.study.result import Study

INK, MUTED, FAINT, GRID = "#222b36", "#5b6672", "#b8bec6", "#e7eaee"
# Told apart by the colour-blind. Source: Okabe and Ito, "Color Universal Design" (2008), less its light yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
BLUE, VERMILION, _, PURPLE = COLOURS[:4]
# Of pixels: plotly's own grow with the line, and then the stairs of a front fall into their gaps.
DASHES = ("solid", "5px,2px", "2px,2px", "7px,2px,2px,2px", "11px,3px")
SYMBOLS = ("circle", "square", "diamond", "cross", "x", "star")  # so that print without colours tells them apart
DRAWN_UNITS = {"pJ/frame": ("µJ/frame", 1e6)}  # and how many of the metric's are one
SCALE = "Viridis"  # even in print and for the colour-blind
HEIGHT_PX, TITLE_PX = 560, 32  # of a figure; of its title's first line below the top
LINE_CHARACTERS, LINE_PX = 112, 18  # of a subtitle, as much as a figure of 700 pixels has room for
MENU_PX = 44  # that a menu takes between subtitle and plot
LEGEND_PX = 65  # from the plot down to the legend, below the axis' title
AXIS = {"gridcolor": GRID, "linecolor": MUTED, "ticks": "outside", "tickcolor": MUTED, "zeroline": False}


def styled(figure: go.Figure, title: str, subtitle: str = "", **layout: Any) -> go.Figure:
    """The figure in the common style, under a title and lines of what is to be seen.

    The height given, or HEIGHT_PX, is that with one line and no menu; more of either makes it taller.
    """
    lines = textwrap.wrap(subtitle, LINE_CHARACTERS)
    below = f"<br><span style='font-size:13px;color:{MUTED}'>{'<br>'.join(lines)}</span>" if lines else ""
    more = LINE_PX * max(0, len(lines) - 1) + MENU_PX * bool(layout.get("updatemenus"))
    height = layout.pop("height", HEIGHT_PX) + more
    margin = {"l": 70, "r": 30, "t": 90, "b": 60, **layout.pop("margin", {})}
    margin["t"] += more
    legend_px = layout.pop("legend_px", LEGEND_PX)
    place = {"x": 0.01, "xanchor": "left", "y": 1 - TITLE_PX / height, "yref": "container", "yanchor": "top"}
    legend = {"orientation": "h", "y": -legend_px / (height - margin["t"] - margin["b"]), "yanchor": "top"}
    given: dict[str, Any] = {
        "template": "plotly_white",
        "font": {"family": "Helvetica, Arial, sans-serif", "size": 14, "color": INK},
        "title": {"text": title + below, "font": {"size": 18}, **place},
        "margin": margin,
        "hoverlabel": {"align": "left", "bgcolor": "white"},
        "height": height,
        "legend": {**legend, "x": 0, "xanchor": "left"},
    }
    figure.update_layout(**{**given, **layout})
    figure.update_xaxes(**AXIS)
    figure.update_yaxes(**AXIS)
    return figure


def menu(buttons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The menus of a figure that has one: on a line of its own, so that at no width it lies on the subtitle."""
    place = {"x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "pad": {"b": 8}}
    return [{"buttons": buttons, "showactive": True, **place}]


def without_menu(figure: go.Figure) -> go.Figure:
    """The figure without its menus, nor the room for them: nobody can open them in an image."""
    import plotly.graph_objects as go

    still = go.Figure(figure)
    if still.layout.updatemenus:
        still.layout.updatemenus = None
        still.layout.height -= MENU_PX
        still.layout.margin.t -= MENU_PX
    return still


def ring(size: int, colour: str, symbol: str) -> dict[str, Any]:
    """A hollow marker, to be drawn around another."""
    return {"size": size, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}}


def name_of(study: Study) -> str:
    """Model and preset as titles write them: 'SRU edge'."""
    return f"{str(study.identity['model']).upper()} {study.identity['preset']}".replace("LIGRU", "LiGRU")


def told(study: Study, points: Sequence[Evaluation], numbers: Sequence[int] | None = None) -> dict[str, Any]:
    """Fields of a trace that tell on hover all that is known of its points, whose `numbers` on the front may be given.

    Metrics with units, the error's interval, the setting of every group of matvecs: as data and one template, since the
    page holds them for every evaluation.
    """
    bars, shown, groups = study.error_bars, study.shown, list(labels(study.baseline.configuration))
    heads = [f"{o.description} %{{customdata[{k}]}} {unit_of(o)}" for k, o in enumerate(shown)]
    heads += [f"{group} <b>%{{customdata[{k}]}}</b>" for k, group in enumerate(groups, start=len(shown))]
    beacons = bool(study.beacons)
    heads += [f"weights of %{{customdata[{len(heads)}]}}"] * beacons
    if numbers is not None:
        place = len(heads)
        heads = [f"<b>point %{{customdata[{place}]}}</b>", *heads, f"error with 95 %: %{{customdata[{place + 1}]}}"]
        heads += [f"over 16 bit: %{{customdata[{place + 2}]}}"]
    rows: list[list[Any]] = []
    for k, point in enumerate(points):
        row: list[Any] = [value_of(point, o) for o in shown]
        row += labels(point.configuration).values()
        row += ["the base network" if point.beacon is None else f"beacon {point.beacon}"] * beacons
        if numbers is not None:
            row += [numbers[k], str(bars.of(point)) if point in bars else "–", over_baseline(study, point)]
        rows.append(row)
    return {"customdata": rows, "hovertemplate": "<br>".join(heads) + "<extra></extra>"}


def over_baseline(study: Study, point: Evaluation) -> str:
    """Interval of a point's error over the baseline's in words, and with what it is tied: '+0.10 to +0.72 points'."""
    from dse.study.ties import tied_with

    bars, baseline = study.error_bars, study.baseline
    if point not in bars or baseline not in bars:
        return "–"
    tied = tied_with(study, point)
    told = f"{bars.difference(point, baseline).signed} points"
    return told + f", tied with {' and '.join(tied)}" * bool(tied)


def unit_of(objective: Objective) -> str:
    """The unit that pictures show: µJ of energy, since axes do not write 800M pJ as one reads it."""
    return DRAWN_UNITS.get(objective.unit, (objective.unit, 1.0))[0]


def axis_title(objective: Objective) -> str:
    return replace(objective, unit=unit_of(objective)).label


def amount(value: float, objective: Objective) -> float:
    """A value of a metric in the unit that pictures show."""
    return value / DRAWN_UNITS.get(objective.unit, ("", 1.0))[1]


def values(points: Iterable[Evaluation], objective: Objective) -> list[float | None]:
    """Values with as many digits as a picture shows; a page holds each several times."""
    return [value_of(point, objective) for point in points]


def value_of(point: Evaluation, objective: Objective) -> float | None:
    value = point.metrics.get(objective.metric)
    return None if value is None else float(f"{amount(value, objective):.5g}")


def reach(given: Sequence[float | None], margin: float = 0.1) -> list[float]:
    """Range of an axis that shows these values, with a margin."""
    numbers = [value for value in given if value is not None]
    extra = margin * ((max(numbers) - min(numbers)) or abs(numbers[0]) or 1.0)
    return [min(numbers) - extra, max(numbers) + extra]
