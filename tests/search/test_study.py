"""A study as a user holds it in Python: fronts, frames, other objectives and platforms, a point by rule."""

import os
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from fake_task import FakeTask
from searches import PATHS

import dse
from dse.exploration.settings import SearchSettings
from models.workload import InputError


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('study')}/dse.db"


@pytest.fixture(scope="module")
def study(url):
    given = {"evaluations": 60, "population": 12, "workers": 1, "storage": url, "study": "s"}
    return dse.run_search(SearchSettings(FakeTask(), objectives=("error", "size", "ops"), **given))


def test_a_study_is_loaded_by_its_name(study, url):
    again = dse.load_study("s", storage=url)
    assert list(again.front) == list(study.front)
    assert isinstance(again, dse.Study)
    assert str(again) == str(study)
    assert str(study).startswith("study s: 60 evaluations")
    with pytest.raises(InputError, match=r"no study 'other' in .*; there are s"):
        dse.load_study("other", storage=url)


def test_the_front_is_a_sequence_of_numbered_points(study):
    front = study.front
    assert len(front) == len(list(front)) > 3
    assert front[0] is next(iter(front)) and front[:2] == tuple(front)[:2] and front[-1] in front
    assert [front.number(point) for point in front] == list(range(1, len(front) + 1))
    errors = [point.metrics["error_percent"] for point in front]
    assert errors == sorted(errors)
    dominated = next(e for e in study.evaluations if e.genome not in {p.genome for p in front})
    with pytest.raises(InputError, match="not on the front"):
        front.number(dominated)


def test_frames_are_tidy(study):
    table = study.front.frame()
    assert isinstance(table, pd.DataFrame) and table.index.name == "number"
    assert list(table.index) == list(range(1, len(study.front) + 1))
    for number, point in enumerate(study.front, start=1):
        row = table.loc[number]
        assert row["error_percent"] == point.metrics["error_percent"]
        assert row["output.weight_bits"] == point.configuration["output"].weight_bits
        assert row["l1.input.delta"] == point.configuration["l1.input"].delta
    everything = study.frame()
    assert len(everything) == 60 and {"status", "reasons", "violation", "seconds"} <= set(everything.columns)
    assert list(everything["status"]) == [e.status for e in study.evaluations]
    units = ("percent", "mib", "bits", "delta", "skip", "seconds")
    counts = {"compression", "substitutions", "deletions", "insertions", "reference_phones", "violation"}
    named = [name for name in everything.columns if name not in counts | {"status", "reasons"}]
    assert all(name.endswith(units) for name in named)
    assert everything.loc[everything["status"] == "ok", "error_percent"].notna().all()


def test_an_empty_front_has_the_same_columns(study):
    empty = replace(study, evaluations=())
    assert len(empty.front.frame()) == 0
    assert list(empty.front.frame().columns) == list(study.front.frame().columns)
    assert "0 on the front" in str(empty)
    with pytest.raises(InputError, match="the front is empty"):
        empty.pick(minimize="size")


def test_other_objectives_and_platforms_need_no_inference(study):
    calls = FakeTask().open().calls
    smaller = study.under("error", "size")
    assert [o.name for o in smaller.objectives] == ["error", "size"]
    assert len(smaller.front) < len(study.front)
    priced = study.on("edgedrnn", "silago")
    assert priced.platforms == ("edgedrnn", "silago")
    assert "edgedrnn.speedup" in priced.front.frame().columns
    assert priced.under("error", "edgedrnn.speedup").front[0].metrics["edgedrnn.speedup"] > 0
    assert FakeTask().open().calls == calls
    for wrong in (("speed",), ("error", "energy"), ()):
        with pytest.raises(InputError):
            study.under(*wrong)
    with pytest.raises(InputError, match="stripes gives no energy"):
        study.on("stripes").under("error", "energy")
    with pytest.raises(InputError, match="no platform 'chip'"):
        study.on("chip")


def test_other_platforms_take_the_place_of_those_before(study):
    fast = study.on("edgedrnn")
    assert study.on(["edgedrnn", "silago"]).platforms == ("edgedrnn", "silago")
    assert study.on(dse.open_platform("edgedrnn")).front.frame().equals(fast.front.frame())
    other = study.on("bitfusion").on("bitfusion:level=ideal")
    assert other.front.frame().equals(study.on("bitfusion:level=ideal").front.frame())
    assert [o.name for o in study.under(["error", "size"]).objectives] == ["error", "size"]


def test_a_point_is_picked_by_rule(study):
    bound = study.baseline.metrics["error_percent"] + 1
    chosen = study.pick(error="+1", minimize="size")
    within = [point for point in study.front if point.metrics["error_percent"] <= bound]
    assert chosen.metrics["size_mib"] == min(point.metrics["size_mib"] for point in within)
    most = study.pick(error=f"{bound}", maximize="ops")
    assert most.metrics["eliminated_percent"] == max(point.metrics["eliminated_percent"] for point in within)
    assert study.pick(minimize="error") == study.front[0]
    assert study.pick(size=100, ops=0, minimize="error") == study.front[0]
    fastest = study.on("edgedrnn").pick(maximize="speedup", **{"edgedrnn.speedup": 1})
    assert fastest.metrics["edgedrnn.speedup"] >= 1


def test_the_knee_and_weights_are_least_in_what_they_say(study):
    names = ("error", "size", "ops")
    metrics = ("error_percent", "size_mib", "eliminated_percent")
    table = study.front.frame()[list(metrics)].mul([1, 1, -1])
    scaled = (table - table.min()) / (table.max() - table.min())
    assert study.pick(knee=True) == study.front[scaled.sum(axis=1).idxmin() - 1]
    weighted = scaled.mul([3, 1, 0.5]).sum(axis=1)
    weights = dict(zip(names, (3, 1, 0.5), strict=True))
    assert study.pick(weights=weights) == study.front[weighted.idxmin() - 1]
    small = table["size_mib"] <= 0.01
    assert study.pick(weights=weights, size=0.01) == study.front[weighted[small].idxmin() - 1]
    assert study.pick(number=3) == study.front[2]
    assert study.pick(weights={"error": 1}) == study.front[0]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"minimize": "ops"}, "ops is better the other way: maximize='ops'"),
        ({}, "minimize or maximize an objective, number, knee or weights, one of them"),
        ({"minimize": "error", "maximize": "ops"}, "one of them"),
        ({"minimize": "speed"}, "objective 'speed' is none of error, size"),
        ({"minimize": "size", "speed": 3}, "limit on 'speed', which is none of"),
        ({"minimize": "size", "error": "low"}, "'low' is not a number"),
        (
            {"minimize": "size", "error": 1},
            r"no point of the front keeps the limits; the nearest: error .* % > 1 % limit",
        ),
        ({"maximize": "speedup"}, "objective 'speedup' is none of"),
        ({"number": 0}, r"point 0 is not on the front; it has 1 to \d+"),
        ({"number": 1, "size": 0.001}, "no point of the front keeps the limits"),
        ({"number": 1, "knee": True}, "each choose a point alone"),
        ({"knee": True, "minimize": "size"}, "each choose a point alone"),
        ({"weights": {"speed": 1}}, "objective 'speed' is none of"),
        ({"weights": {"error": 0}}, "the weight of error is 0, not a number above 0"),
        ({"weights": {"error": "much"}}, "the weight of error is 'much', not a number above 0"),
        ({"weights": {}}, "no objective given"),
    ],
)
def test_a_rule_that_picks_nothing_says_why(study, rule, message):
    with pytest.raises(InputError, match=message):
        study.pick(**rule)


def test_notebooks_show_a_study(study):
    assert "<table" in study._repr_html_() and "60 evaluations" in study._repr_html_()
    assert "<table" in study.front._repr_html_()
    named = {trace.name for trace in study.plot().data}
    assert named >= {"evaluated (crosses: infeasible)", "best for these axes", "uniform bits"}


def test_hypervolume_grows_with_evaluations(study):
    volumes = [study.hypervolume(count) for count in (0, 12, 30, 60)]
    assert volumes == sorted(volumes) and volumes[0] == 0 < volumes[-1] == study.hypervolume()


def test_hypervolume_reaches_as_far_for_the_worst_quarter(study):
    whole, worst = (study.under(name, "size").hypervolume() for name in ("error", "max4"))
    assert worst == pytest.approx(whole, rel=0.1)


def test_settings_go_by_their_names(monkeypatch):
    settings = SearchSettings.of(FakeTask, model="lstm", corpus="timit", objectives=["error", "size"], seed=4)
    assert settings == SearchSettings(FakeTask("lstm", corpus="timit"), ("error", "size"), seed=4)
    with pytest.raises(
        InputError, match="no setting 'unheard'; there are activation_bits, beacon_epochs, beacons, cache_mib"
    ):
        SearchSettings.of(unheard=4)
    with pytest.raises(InputError, match=r"no setting 'sead'; seed\?"):
        dse.run_search(sead=3)
    with pytest.raises(TypeError, match="not both"):
        dse.run_search(settings, seed=3)
    with pytest.raises(InputError, match="evaluations 0 is too small"):
        dse.run_search(evaluations=0)
    with pytest.raises(InputError, match="device 'tpu' is none of"):
        dse.run_search(device="tpu")


def test_settings_take_the_texts_of_the_command_line():
    texts = SearchSettings(FakeTask(), "error,size", "error=+3", "silago,bitfusion:level=ideal", skip="first")
    assert texts.objectives == ("error", "size") and texts.limits == ("error=+3",)
    assert texts.platforms == ("silago", "bitfusion:level=ideal") and texts.skip == ("first",)
    assert SearchSettings(FakeTask(), weight_bits=[8, 4], activation_bits=8).activation_bits == (8,)
    for name, wrong in (("evaluations", "12"), ("seed", 1.5), ("limits", 3), ("weight_bits", "8"), ("delta", [0.5])):
        with pytest.raises(InputError, match=f"{name} is "):
            SearchSettings(FakeTask(), **{name: wrong})


def test_a_script_needs_no_guard_to_search_with_processes(tmp_path):
    """Processes that are started anew run the user's script again unless kept from it."""
    script = tmp_path / "script.py"
    given = "evaluations=6, population=4, workers=2, storage='sqlite:///script.db'"
    code = f"import dse, fake_task\nstudy = dse.run_search(dse.SearchSettings(fake_task.FakeTask(), {given}))\n"
    script.write_text(code + "print(len(study.evaluations))\n")
    environment = {**os.environ, "PYTHONPATH": PATHS}
    run = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "6\n"), run.stderr


def test_the_package_is_loaded_at_first_use():
    code = "import sys, dse; dse.__version__; dir(dse); "
    code += "sys.exit(bool({'torch', 'numba', 'numpy', 'pandas', 'optuna', 'plotly'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(dse.__all__) <= set(dir(dse))
    assert all(getattr(dse, name) is not None for name in dse.__all__)
    assert dse.open_platform("silago").name == "silago"
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        _ = dse.serch
