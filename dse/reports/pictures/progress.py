"""How a search went on."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dse.reports.pictures.style import BLUE, FAINT, name_of, styled
from dse.study.result import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go


def hypervolume_by_evaluation(study: Study) -> go.Figure | None:
    """Volume that the front dominates after so many evaluations, as a share of the last; None without one."""
    import plotly.graph_objects as go

    volumes = study.convergence
    if not volumes or not volumes[-1]:
        return None
    count = len(volumes)
    grew = (place for place, (before, after) in enumerate(pairwise(volumes), start=2) if after > before)
    places = sorted({1, *grew, count})  # between these the line is level
    shares = [100 * volumes[place - 1] / volumes[-1] for place in places]
    figure = go.Figure()
    figure.add_scatter(
        x=places, y=shares, mode="lines", line={"color": BLUE, "width": 2.5, "shape": "hv"},
        hovertemplate="after %{x} evaluations: %{y:.1f} %<extra></extra>",
    )  # fmt: skip
    for share, side in ((95, "top"), (99, "bottom")):
        note = {"text": f"{share} %", "x": 0.01, "xanchor": "left", "yanchor": side}
        figure.add_hline(share, line={"color": FAINT, "dash": "dot"}, annotation=note)
    reached = next(place for place, share in zip(places, shares, strict=True) if share >= 99)
    return styled(
        figure,
        f"{name_of(study)}: progress of the search",
        f"99 % of the final hypervolume after {reached} of {count} evaluations",
        xaxis={"title": "evaluations"},
        yaxis={"title": "hypervolume (% of the last)", "rangemode": "tozero"},
        showlegend=False,
        height=420,
    )
