"""Pictures of studies: what every one of them keeps, and what each is about."""

import json
from dataclasses import replace
from itertools import pairwise
from operator import add, sub

import pytest
from fake_task import FakeTask
from searches import EXAMPLE_CHIP, priced_search, search

from dse.design.objective import OBJECTIVES, PLATFORM_OBJECTIVES
from dse.exploration.aside import measure_aside
from dse.exploration.final import spend
from dse.reports.files import write_files
from dse.reports.pictures import PICTURES, pictures_of
from dse.reports.pictures.compared import compared, names_apart
from dse.reports.pictures.front import front, views
from dse.reports.pictures.front_3d import front_3d
from dse.reports.pictures.genes import bits_along_front, delta_against_eliminated, groups_of
from dse.reports.pictures.matvecs import matvecs_of
from dse.reports.pictures.sensitivity import draw
from dse.reports.pictures.style import COLOURS, amount, axis_title, unit_of, values, without_menu
from dse.reports.sensitivity import measure_moves
from dse.study.references import uniform_configurations
from dse.study.result import load_study
from models.workload import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with everything that a picture shows."""
    made = search(tmp_path_factory.mktemp("study"), evaluations=40)
    measure_aside(made, uniform_configurations(made).values(), FakeTask())
    measure_moves(made, made.baseline, FakeTask())
    spend(made, FakeTask())
    return load_study(made.name, made.storage)


def test_a_study_with_everything_has_every_picture(study):
    assert [name for name, _, _ in pictures_of(study)] == list(PICTURES)


def axes_of(figure):
    layout = json.loads(figure.to_json())["layout"]
    scene = layout.get("scene", {})
    return {k: v for part in (layout, scene) for k, v in part.items() if k[1:].startswith("axis")}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_says_what_it_shows(study, name):
    (figure,) = (figure for known, _, figure in pictures_of(study) if known == name)
    assert "SRU edge" in figure.layout.title.text
    assert figure.data and figure.layout.height
    titles = [axis.get("title", {}).get("text", "") for axis in axes_of(figure).values()]
    titles += [note.text for note in figure.layout.annotations]
    titles += [dimension.label for trace in figure.data if trace.type == "parcoords" for dimension in trace.dimensions]
    assert any("(" in title for title in titles) or name == "bits"  # a unit
    json.dumps(json.loads(figure.to_json()), allow_nan=False)  # nothing that a page could not hold


@pytest.mark.parametrize("specs", [(), ("silago",), (str(EXAMPLE_CHIP),), ("silago", "bitfusion")])
def test_small_and_priced_studies_are_drawn(tmp_path, specs):
    made = priced_search(tmp_path, *specs, evaluations=8, population=4)
    assert {"front", "bits"} <= {name for name, _, _ in pictures_of(made)}
    matvecs_of(made, made.front[0])


def test_two_objectives_need_no_third_dimension(tmp_path):
    made = search(tmp_path, evaluations=8, population=4, objectives=("error", "size"))
    assert "front-3d" not in [name for name, _, _ in pictures_of(made)]


def test_the_line_joins_the_front_of_the_visible_axes(study):
    """Of three objectives: along the line error falls as size grows; every other point of the front is faded."""
    figure = front(study)
    line = next(trace for trace in figure.data if trace.mode == "lines")
    assert list(line.x) == sorted(line.x, reverse=True) and list(line.y) == sorted(line.y)
    points = next(trace for trace in figure.data if trace.name.startswith("front"))
    assert len(points.x) == len(study.front)
    bold = [k for k, size in enumerate(points.marker.size) if size == max(points.marker.size)]
    assert {(points.x[k], points.y[k]) for k in bold} == set(zip(line.x, line.y, strict=True))


def test_the_menu_holds_every_view_and_each_draws_what_it_says(study):
    figure = front(study)
    buttons = figure.layout.updatemenus[0].buttons
    assert [button.label for button in buttons] == [view.label for view in views(study)]
    assert "error over size" in figure.layout.updatemenus[0].buttons[0].label
    for button, view in zip(buttons, views(study), strict=True):
        data, layout = button.args
        assert layout["xaxis.title.text"] == view.x.label and layout["yaxis.title.text"] == view.y.label
        assert all(len(x) == len(y) for x, y in zip(data["x"], data["y"], strict=True))


def test_marks_and_labels(study):
    named = {trace.name: trace for trace in front(study).data}
    (knee,) = (trace for name, trace in named.items() if name.startswith("knee: point "))
    number = int(knee.name.removeprefix("knee: point "))
    assert list(knee.x) == values([study.front[number - 1]], views(study)[0].x)
    assert named["best for these axes"].error_y.array is not None
    front_points = named["front (faded: by another objective)"]
    assert "95 %" in front_points.hovertemplate and len(front_points.customdata) == len(study.front)
    assert front_points.customdata[1][-3] == 2 and "to" in front_points.customdata[1][-2]
    assert "points" in front_points.customdata[1][-1]


def test_uniform_bits_are_labelled_in_every_view_and_beyond_its_axes_with_their_values(study):
    for button in front(study).layout.updatemenus[0].buttons:
        data, layout = button.args
        notes = layout["annotations"]
        assert [note["text"].partition(":")[0] for note in notes] == ["16 bit", "8 bit", "4 bit", "2 bit"]
        for note, x, y in zip(notes, data["x"][-1], data["y"][-1], strict=True):
            ranges = [layout[f"{axis}axis.range"] for axis in "xy"]
            inside = all(low <= value <= high for value, (low, high) in zip((x, y), ranges, strict=True))
            assert (":" not in note["text"]) == inside == ((note["x"], note["y"]) == (x, y))
            assert all(low <= note[axis] <= high for axis, (low, high) in zip("xy", ranges, strict=True))


def test_energy_is_drawn_in_microjoules():
    energy = PLATFORM_OBJECTIVES["energy"]
    assert unit_of(energy) == "µJ/frame" and "(µJ/frame)" in axis_title(energy) and amount(2.5e6, energy) == 2.5
    size = OBJECTIVES["size"]
    assert unit_of(size) == size.unit and axis_title(size) == size.label and amount(0.5, size) == 0.5


def test_every_matvec_and_every_choice_has_one_name_in_the_legend(study):
    delta = delta_against_eliminated(study)
    assert sorted(t.name for t in delta.data if t.showlegend) == sorted({t.name for t in delta.data if t.name})
    bits = bits_along_front(study)
    assert all(list(axis.tickvals) == list(groups_of(study)) for axis in (bits.layout.yaxis, bits.layout.yaxis2))
    figure = draw(study, study.baseline, measure_moves(study, study.baseline, FakeTask()))
    legend = [trace for trace in figure.data if trace.showlegend is not False]
    assert all(list(trace.x) == [None] and isinstance(trace.marker.symbol, str) for trace in legend)
    assert len({trace.name for trace in legend}) == len(legend) == len({trace.marker.symbol for trace in legend})


def test_every_view_shows_the_whole_of_its_bars_and_names_its_limits(study):
    for button in front(study).layout.updatemenus[0].buttons:
        data, layout = button.args
        for axis in "xy":
            (bars,) = (each for each in data[f"error_{axis}"] if each)
            low, high = layout[f"{axis}axis.range"]
            if bars["visible"]:
                places = data[axis][1]
                assert low < min(map(sub, places, bars["arrayminus"]))
                assert max(map(add, places, bars["array"])) < high
        assert all(shape["label"]["text"] == "limit" for shape in layout["shapes"])


def test_three_dimensions_mark_what_two_do_inside_their_walls(study):
    figure = front_3d(study)
    named = {trace.name: trace for trace in figure.data}
    assert {"error tied with 16 bit", "uniform bits"} <= {trace.name for trace in front(study).data} & {*named}
    assert "knee" in named
    assert "%" in named["front"].marker.colorbar.title.text
    for trace in figure.data:
        assert len(trace.x) or trace.name in ("uniform bits", "evaluated")
        for letter in "xyz":
            low, high = figure.layout.scene[f"{letter}axis"].range
            assert all(low < value < high for value in trace[letter])


def test_sensitivity_says_from_where_and_hides_nothing(study):
    """Only an error's axis ends before the farthest change, and there is a triangle for what lies beyond."""
    for number in (None, 2, len(study.front)):
        point = study.baseline if number is None else study.pick(number=number)
        figure = draw(study, point, measure_moves(study, point, FakeTask()))
        started = "from 16 bit" if number is None else f"from point {number} ("
        assert started in figure.layout.title.text
        panels = {}
        for trace in (each for each in figure.data if not each.showlegend):  # what is in the legend only
            panels.setdefault(trace.xaxis, []).append(trace)
        titles = [note.text for note in figure.layout.annotations]
        for title, traces in zip(titles, panels.values(), strict=True):
            places = [place for trace in traces for place in zip(trace.x, trace.y, strict=True)]
            assert len({*places}) == len(places)
            cut = [x for t in traces for x, s in zip(t.x, t.marker.symbol, strict=True) if s == "triangle-right"]
            assert not cut or ("error" in title and {*cut} == {max(x for x, _ in places)})
            assert not cut or "triangles" in figure.layout.title.text


def test_a_menu_has_room_of_its_own_which_images_do_without(study):
    with_menu, without = front(study), without_menu(front(study))
    assert with_menu.layout.updatemenus and not without.layout.updatemenus
    plots = [each.layout.height - each.layout.margin.t for each in (with_menu, without)]
    assert plots[0] == plots[1] and with_menu.layout.margin.t > without.layout.margin.t


def test_studies_are_compared(study, tmp_path):
    other = search(tmp_path, evaluations=12, objectives=("error", "size"))
    figure = compared([study, other], ["three", "two"])
    assert [trace.name for trace in figure.data] == ["three", "two"]
    assert figure.data[0].line.color != figure.data[1].line.color
    assert "error over ops" in [button.label for button in figure.layout.updatemenus[0].buttons]
    over = compared([study, other], over="ops").layout
    assert over.xaxis.title.text.startswith("eliminated") and "ops" in over.updatemenus[0].buttons[0].label
    with pytest.raises(InputError):
        compared([])
    with pytest.raises(InputError, match="they have size"):
        compared([study, other], over="speedup")
    with pytest.raises(InputError, match=rf"'{other.name}' has no point on its front to compare: .*0 evaluations"):
        compared([study, replace(other, evaluations=())])


def test_studies_of_one_model_are_told_apart(study, tmp_path):
    other = search(tmp_path, evaluations=12, objectives=("error", "size"))
    (alone,) = names_apart([study])
    assert alone == "SRU edge" and names_apart([study, other]) == [study.name, other.name]
    variants = [each.under("error", *more) for each in (study, study.on("silago")) for more in (("size",), ("ops",))]
    every = [study, *variants, study.on("bitfusion"), study.on("bitfusion:level=ideal"), other]
    names = names_apart(every)
    assert len({*names}) == len(every) and names[-1] == other.name
    assert [trace.name for trace in compared(every).data] == names
    with pytest.raises(InputError, match=f"'{study.name}' is given twice"):
        names_apart([study, other, study])


def test_lines_that_coincide_are_all_seen(study):
    """Whatever two are drawn: other dashes, hollow markers; of the few that are common the later one is smaller."""
    looks = list(compared([study] * 12, [f"{k}" for k in range(12)]).data)
    assert all(trace.marker.symbol.endswith("-open") for trace in looks)
    assert len({(t.line.color, t.line.dash, t.marker.symbol) for t in looks}) == len(looks)
    for below, above in pairwise(looks[-4:]):
        assert below.line.dash != above.line.dash and below.marker.symbol != above.marker.symbol
        assert below.line.width > above.line.width and below.marker.size > above.marker.size


def test_bars_of_a_point_add_up(study):
    point = study.front[0]
    figure = matvecs_of(study, point)
    bars = {trace.name: sum(trace.x) for trace in figure.data}
    kmacs = study.workload.macs_per_frame / 1000
    assert bars["computed"] + bars["eliminated"] == pytest.approx(kmacs)
    assert bars["eliminated"] == pytest.approx(kmacs * point.metrics["eliminated_percent"] / 100)


def test_colours_are_told_apart():
    assert len({*COLOURS}) == len(COLOURS)


def test_an_empty_front_is_drawn_and_written(study, tmp_path):
    empty = replace(
        study, evaluations=tuple(replace(e, status="infeasible", reasons=("x",)) for e in study.evaluations)
    )
    assert not len(empty.front) and "front" in [name for name, _, _ in pictures_of(empty)]
    write_files(empty, tmp_path)
    assert "The front is empty." in (tmp_path / "report.html").read_text()
