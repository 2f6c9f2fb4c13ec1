"""A point chosen by a click on the front, as plotly tells a click, without a browser."""

import sys

import pytest
from searches import search

from dse.reports.pictures.front import FRONT_TRACE
from dse.reports.pictures.selection import choosing
from models.workload import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return search(tmp_path_factory.mktemp("study"), evaluations=30)


def click(widget, trace, point):
    """What plotly's script sends to Python when a point is clicked."""
    drawn = widget.data[trace]
    points = {"xs": [drawn.x[point]], "ys": [drawn.y[point]], "point_indexes": [point], "trace_indexes": [trace]}
    widget._js2py_pointsCallback = {"event_type": "plotly_click", "points": points}


def trace_of(widget):
    (index,) = (k for k, trace in enumerate(widget.data) if trace.name == FRONT_TRACE)
    return index


def test_a_click_chooses_the_point_of_that_number(study):
    pytest.importorskip("anywidget")
    chosen = choosing(study)
    assert chosen.point is None and chosen.number is None
    for number in (3, len(study.front), 1):
        click(chosen.widget, trace_of(chosen.widget), number - 1)
        assert chosen.point is study.front[number - 1]
        assert chosen.number == number
        assert chosen.widget.data[trace_of(chosen.widget)].selectedpoints == (number - 1,)
        assert chosen.point == study.pick(number=number)


def test_a_click_beside_the_front_keeps_the_choice(study):
    pytest.importorskip("anywidget")
    chosen = choosing(study, study.front[1])
    assert chosen.number == 2
    click(chosen.widget, 0, 0)
    assert chosen.point is study.front[1]


def test_a_notebook_gets_the_widget_and_without_widgets_the_plot(study):
    pytest.importorskip("anywidget")
    bundle = choosing(study)._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert len(bundle["application/vnd.plotly.v1+json"]["data"]) == 6


def test_without_anywidget_one_line_names_the_extra(study, monkeypatch):
    from plotly import graph_objects, missing_anywidget

    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.setattr(graph_objects, "FigureWidget", missing_anywidget.FigureWidget, raising=False)
    with pytest.raises(InputError, match=r"anywidget.*pip install 'dse\[notebooks\]'") as raised:
        choosing(study)
    assert "\n" not in str(raised.value)
