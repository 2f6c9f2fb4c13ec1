"""The frozen front on the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dse.design.objective import OBJECTIVES, TEST_ERROR, error_name
from dse.phones.kinds import short_name
from dse.reports.final import final_summary
from dse.reports.pictures.style import INK, MUTED, SCALE, VERMILION, name_of, reach, styled, told, values
from dse.study.result import Study

if TYPE_CHECKING:
    import plotly.graph_objects as go


def validation_against_test(study: Study) -> go.Figure | None:
    """Error of each point on test over that on validation, beside the line on which the baseline lies; None if unspent.

    Points above the line lose on test what they seemed to have on validation.
    """
    import plotly.graph_objects as go

    if (
        not study.finals
        or not len(study.front)
        or any(TEST_ERROR.metric not in point.metrics for point in (study.baseline, *study.front))
    ):
        return None
    size, called = OBJECTIVES["size"], short_name(error_name(study.identity))
    error, test = values(study.front, OBJECTIVES["error"]), values(study.front, TEST_ERROR)
    start, end = study.baseline.metrics["error_percent"], study.baseline.metrics[TEST_ERROR.metric]
    low, high = reach([*error, start])
    figure = go.Figure()
    figure.add_scatter(
        x=[low, high], y=[low + end - start, high + end - start], mode="lines", hoverinfo="skip",
        name="as far from 16 bit as on validation", line={"color": MUTED, "dash": "dot"},
    )  # fmt: skip
    bar = {"title": {"text": size.label, "side": "right"}, "thickness": 14}
    figure.add_scatter(
        x=error, y=test, mode="markers", name="front",
        marker={"color": values(study.front, size), "colorscale": SCALE, "colorbar": bar, "size": 9,
                "line": {"color": INK, "width": 0.7}},
        **told(study, study.front, range(1, len(study.front) + 1)),
    )  # fmt: skip
    figure.add_scatter(
        x=[start], y=[end], mode="markers+text", text=["16 bit"], textposition="top center", hoverinfo="skip",
        textfont={"color": VERMILION}, marker={"color": VERMILION, "size": 13, "symbol": "diamond"}, name="16 bit",
    )  # fmt: skip
    return styled(
        figure,
        f"{name_of(study)}: validation against test",
        final_summary(study),
        xaxis={"title": f"{called} on validation (%)"},
        yaxis={"title": f"{called} on test (%)"},
    )
