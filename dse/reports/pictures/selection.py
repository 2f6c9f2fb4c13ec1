"""A point of the front, chosen by a click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dse.design.evaluation import Evaluation
from dse.reports.pictures.front import FRONT_TRACE, front
from dse.reports.pictures.style import VERMILION
from dse.study.result import Study
from models.workload import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

CHOSEN_PX, OTHERS_OPACITY = 17, 0.5
WIDTH_PX = 900  # a widget is not as wide as its cell by itself


class Selection:
    """The front as a `widget` of a notebook; a click on one of its points makes that the `point`.

    Until then the point is the given one, or None. Where a notebook cannot hold widgets its plot is shown.
    Raises InputError where the packages that hold widgets are not installed.
    """

    def __init__(self, study: Study, point: Evaluation | None = None) -> None:
        import plotly.graph_objects as go

        self.study, self.point = study, point
        try:
            self.widget: go.FigureWidget = go.FigureWidget(front(study))
        except ImportError as error:
            lacking = "a point is chosen by a click with anywidget and ipywidgets"
            raise InputError(f"{lacking} ({error}): pip install 'dse[notebooks]'") from None
        self.widget.update_traces(hoverinfo="skip")  # nothing that lies on a point takes the click from it
        self.widget.update_layout(width=WIDTH_PX)
        (self._trace,) = self.widget.select_traces({"name": FRONT_TRACE})
        marker = {"color": VERMILION, "size": CHOSEN_PX, "opacity": 1}
        self._trace.update(hoverinfo="all", selected={"marker": marker})
        self._trace.unselected = {"marker": {"opacity": OTHERS_OPACITY}}
        self._trace.on_click(self._clicked)
        self._show()

    @property
    def number(self) -> int | None:
        """The point's number on the front, as `dse.pick --number` takes it."""
        return None if self.point is None else self.study.front.number(self.point)

    def _clicked(self, trace: Any, points: Any, state: Any) -> None:
        if points.point_inds:  # each trace is told of every click
            self.point = self.study.front[points.point_inds[0]]
            self._show()

    def _show(self) -> None:
        self._trace.selectedpoints = None if self.number is None else [self.number - 1]

    def _repr_mimebundle_(self, **given: Any) -> dict[str, Any]:
        import plotly.io

        plot = plotly.io.renderers["plotly_mimetype"].to_mimebundle(self.widget.to_dict())
        return {**plot, **self.widget._repr_mimebundle_(**given)}


def choosing(study: Study, point: Evaluation | None = None) -> Selection:
    """The study's front, to choose from by a click: `chosen = choosing(study)`, and afterwards `chosen.point`."""
    return Selection(study, point)
