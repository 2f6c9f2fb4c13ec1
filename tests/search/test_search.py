import json
import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import fake_task
import pytest
from fake_task import FakeTask, counting

from dse.design.evaluation import UtteranceErrors
from dse.design.limits import Limit, parse_limit, resolve, violations
from dse.exploration.plan import make_plan
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.reports.labels import describe
from dse.study.result import load_study
from models.workload import Configuration, Setting

SUPPORT = str(Path(fake_task.__file__).parent)


def settings(tmp_path, **changes):
    given = {
        "task": FakeTask(),
        "evaluations": 40,
        "population": 12,
        "workers": 1,
        "storage": f"sqlite:///{tmp_path}/dse.db",
    }
    return SearchSettings(**{**given, "objectives": ("error", "size", "ops"), **changes})


def search(tmp_path, **changes):
    return run_search(settings(tmp_path, **changes))


def points(result):
    return [(evaluation.genome, evaluation.metrics) for evaluation in result.front]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted search that the others must agree with."""
    return search(tmp_path_factory.mktemp("whole"))


def test_same_seed_same_front(whole, tmp_path):
    again = search(tmp_path)
    assert points(again) == points(whole)
    assert [e.genome for e in again.evaluations] == [e.genome for e in whole.evaluations]
    assert points(search(tmp_path, seed=2)) != points(whole)


def test_two_workers_give_the_front_of_one(whole, tmp_path):
    assert points(search(tmp_path, workers=2)) == points(whole)


def test_every_metric_is_there_and_the_baseline_comes_first(whole):
    assert whole.evaluations[0].configuration == Configuration.uniform(fake_task.WORKLOAD, 16)
    assert whole.evaluations[0].metrics == whole.baseline.metrics
    assert len({e.genome for e in whole.evaluations}) == len(whole.evaluations) == 40
    for evaluation in whole.evaluations:
        assert set(evaluation.metrics) >= {"error_percent", "size_mib", "compression", "eliminated_percent"}
        assert set(evaluation.computed) == set(fake_task.WORKLOAD.names)


def test_quarters_interleave_the_utterances():
    errors = UtteranceErrors((1, 2, 3, 4, 5, 6), (0,) * 6, (2, 4, 6, 8, 10, 12), (10,) * 6)
    assert errors.quarters_percent == (3 * 600 / 20, 3 * 800 / 20, 90.0, 120.0)
    assert UtteranceErrors(*((3,),) * 4).quarters_percent == (300.0,)


def test_the_worst_quarter_can_be_the_error(whole, tmp_path):
    worst = search(tmp_path, objectives=("max4", "size", "ops"))
    assert worst.name != whole.name
    for evaluation in (worst.baseline, *worst.evaluations, *whole.evaluations):
        quarters = [evaluation.metrics[f"error_quarter_{quarter}_percent"] for quarter in range(4)]
        assert evaluation.metrics["error_max4_percent"] == max(quarters) > evaluation.metrics["error_percent"]
    assert {"error_max4_percent"} <= set(worst.front.frame().columns)
    assert "error_max4_percent" not in whole.front.frame().columns


@pytest.mark.parametrize("stop_at", [0, 1, 7, 12, 25])
def test_interrupted_and_resumed_is_as_uninterrupted(whole, tmp_path, stop_at):
    with pytest.raises(KeyboardInterrupt):
        run_search(settings(tmp_path, task=counting(stop_at)[0]))
    task, calls = counting()
    assert points(run_search(settings(tmp_path, task=task))) == points(whole)
    assert calls.count == 40 - stop_at  # the baseline is one of the 40; nothing ran twice


def test_more_evaluations_continue_the_same_study(whole, tmp_path):
    first = search(tmp_path, evaluations=17)
    task, calls = counting()
    longer = run_search(settings(tmp_path, task=task))
    assert longer.name == first.name
    assert calls.count == 40 - 17
    assert points(longer) == points(whole)


def test_killed_and_resumed_is_as_uninterrupted(whole, tmp_path):
    argv = ["--evaluations", "40", "--population", "12", "--workers", "2", "--objectives", "error,size,ops"]
    process = _start(tmp_path, argv, FAKE_SECONDS="0.05")
    url = f"sqlite:///{tmp_path}/studies/dse.db"
    _wait_for_evaluations(process, tmp_path / "studies/dse.db", 8)
    process.kill()
    process.wait()
    stored = len(load_study(whole.name, url).evaluations)
    assert 8 <= stored < 40
    task, calls = counting()
    resumed = run_search(settings(tmp_path, storage=url, task=task))
    assert points(resumed) == points(whole)
    assert calls.count == 40 - stored


def test_ctrl_c_shows_the_front_and_says_how_to_go_on(tmp_path):
    argv = ["--evaluations", "200", "--workers", "2", "--study", "stopped"]
    process = _start(tmp_path, argv, FAKE_SECONDS="0.05")
    _wait_for_evaluations(process, tmp_path / "studies/dse.db", 5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "16 bit" in out
    assert re.search(r"interrupted; \d+ evaluations are stored as study stopped .* goes on from there", err)
    assert "Traceback" not in err


def _start(folder, argv, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "fake_search", *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SUPPORT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_evaluations(process, path, count, patience_seconds=30):
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with suppress(sqlite3.OperationalError), sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            if connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0] >= count:
                return
        time.sleep(0.05)
    raise AssertionError(f"no {count} evaluations after {patience_seconds} s")


def test_a_failed_evaluation_is_kept_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE_ON", "2")
    result = search(tmp_path)
    failed = [e for e in result.evaluations if e.status == "failed"]
    assert len(result.evaluations) == 40
    assert failed
    assert all(e.configuration["l0.input"].weight_bits == 2 for e in failed)
    (reasons,) = {e.reasons for e in failed}
    assert re.fullmatch(r"RuntimeError: the fake broke \(fake_task.py:\d+\)", *reasons)
    assert not any(e in failed for e in result.front)
    assert load_study(result.name, settings(tmp_path).storage).count("failed") == len(failed)


def test_a_killed_worker_fails_its_evaluation_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_DIE_ON", "8")
    result = search(tmp_path, workers=2, evaluations=6, population=6)
    deadly = [e for e in result.evaluations if e.configuration["l0.input"].weight_bits == 8]
    assert deadly
    assert {e.reasons for e in deadly} == {("its worker process died 2 times (killed, or out of memory)",)}
    assert result.count("ok") == 6 - len(deadly)


def test_a_worker_killed_from_outside_changes_nothing(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.03")
    done = threading.Event()
    kills = []

    def kill_one():
        while not kills and not done.wait(0.4):
            for child in multiprocessing.active_children()[:1]:
                child.kill()
                kills.append(child.pid)

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        result = search(tmp_path, workers=2)
    finally:
        done.set()
        killer.join()
    assert kills
    assert points(result) == points(whole)


def test_limits_that_need_no_inference_spend_none(tmp_path):
    task, calls = counting()
    result = run_search(settings(tmp_path, limits=("size=0.006",), task=task))
    too_big = [e for e in result.evaluations if e.metrics["size_mib"] > 0.006]
    assert len(too_big) > 1
    assert {e.status for e in too_big} == {"infeasible"}
    assert [e.configuration for e in too_big if e.measured] == [result.baseline.configuration]
    assert calls.count == 1 + len(result.evaluations) - len(too_big)
    assert all(evaluation.metrics["size_mib"] <= 0.006 for evaluation in result.front)


def test_a_limit_on_error_is_kept(tmp_path):
    result = search(tmp_path, limits=("error=+2",))
    bound = result.baseline.metrics["error_percent"] + 2
    assert {e.status for e in result.evaluations if e.metrics["error_percent"] > bound} == {"infeasible"}
    assert {e.status for e in result.evaluations if e.metrics["error_percent"] <= bound} == {"ok"}


def test_a_small_space_ends_gracefully(cli):
    status, out, _ = cli("search", "--weight-bits", "4,8", "--activation-bits", "8", "--delta", "0", "--workers", "1")
    assert status == 0
    assert "no new genome was found; the search ends before 300 evaluations" in out
    assert "16 evaluations" in out


def test_the_baseline_need_not_be_in_the_space(tmp_path):
    result = search(tmp_path, weight_bits=(2, 4), activation_bits=(8,), evaluations=10)
    assert result.baseline.configuration == Configuration.uniform(fake_task.WORKLOAD, 16)
    assert all(e.configuration["output"].weight_bits < 16 for e in result.evaluations)


def test_search_writes_table_and_files_and_front_derives_others(cli, tmp_path):
    argv = ("--evaluations", "30", "--population", "12", "--workers", "1", "--study", "s", "--limit", "error=+9")
    status, out, _ = cli("search", "--objectives", "error,size", *argv)
    assert status == 0
    assert "W8A8" in out
    record = json.loads((tmp_path / "studies/s/front.json").read_text())
    assert record["identity"]["objectives"] == ["error", "size"]
    rows = (tmp_path / "studies/s/front.csv").read_text().splitlines()
    assert len(rows) == len(record["front"]) + 1
    for point in record["front"]:
        assert Configuration.from_json(point["configuration"])["output"].weight_bits in (2, 4, 8, 16)
    assert (tmp_path / "studies/s/front.png").read_bytes().startswith(b"\x89PNG")
    assert "Plotly.newPlot" in (tmp_path / "studies/s/front.html").read_text()
    calls = fake_task.FakeMeasurer.calls
    status, out, _ = cli("front", "--study", "s", "--objectives", "ops,compression,error")
    assert status == 0
    assert fake_task.FakeMeasurer.calls == calls
    derived = json.loads((tmp_path / "studies/s/ops-compression-error/front.json").read_text())
    eliminated = [point["metrics"]["eliminated_percent"] for point in derived["front"]]
    assert eliminated == sorted(eliminated, reverse=True)


@pytest.mark.parametrize("objectives", ["error", "size", "error,ops", "error,size,ops,compression"])
def test_any_number_of_objectives_can_be_shown(cli, objectives, tmp_path):
    status, *_ = cli("search", "--objectives", objectives, "--evaluations", "12", "--workers", "1", "--out", "here")
    assert status == 0
    assert {path.name for path in (tmp_path / "here").iterdir()} == {
        "front.csv",
        "front.json",
        "front.html",
        "front.png",
    }


BAD = [
    (["--objectives", "error,speed"], "objective 'speed' is none of error, size, ops, compression"),
    (["--limit", "speed=2"], "limit on 'speed', which is none of"),
    (["--limit", "size=-2"], "limit size=-2 is negative"),
    (["--limit", "size=+2"], "only error and max4 take a limit relative"),
    (["--limit", "size"], "is not NAME=VALUE"),
    (["--limit", "error=low"], "'low' is not a number"),
    (["--limit", "error=nan"], "not a finite number"),
    (["--weight-bits", "2,9"], "weight bits 9 is none of 2, 3, 4, 5, 6, 7, 8, 16"),
    (["--activation-bits", "x"], "'x' is not a list of whole numbers"),
    (["--delta", "-1"], "delta -1 is negative"),
    (["--evaluations", "0"], "evaluations 0 is too small"),
    (["--evaluations", "many"], "invalid int value: 'many'"),
    (["--population", "1"], "population 1 is too small"),
    (["--workers", "0"], "workers 0 is too small"),
    (["--seed", "-1"], "seed -1 is too small"),
    (["--searcher", "magic"], "searcher 'magic' is none of surrogate, nsga2, random, optuna-tpe"),
    (["--checkpoint", "none.safetensors"], "no checkpoint at none.safetensors"),
    (["--storage", "nonsense"], "cannot open the storage nonsense"),
    (["--no-such-option"], "unrecognized arguments"),
]


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[" ".join(argv) for argv, _ in BAD])
def test_bad_input_is_one_line_and_status_2(cli, argv, message):
    status, out, err = cli("search", "--workers", "1", *argv)
    assert status == 2
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1


def test_resuming_with_other_settings_is_refused(cli):
    argv = ("search", "--workers", "1", "--evaluations", "12", "--study", "s")
    assert cli(*argv)[0] == 0
    status, out, err = cli(*argv, "--seed", "7", "--limit", "error=+3")
    assert (status, out) == (2, "")
    assert "limits: stored error=+10, now error=+3; seed: stored 1, now 7" in err
    assert cli(*argv, "--workers", "2")[0] == 0  # how it is run is no part of what it is


def test_a_failing_baseline_is_one_line(cli, monkeypatch):
    monkeypatch.setenv("FAKE_RAISE_ON", "16")
    status, _, err = cli("search", "--workers", "1")
    assert status == 2
    message = r"error: the 16-bit baseline cannot be measured: RuntimeError: the fake broke \(fake_task.py:\d+\)\n"
    assert re.fullmatch(message, err)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_measurer_that_cannot_open_is_one_line(cli, workers):
    status, _, err = cli("search", "--workers", workers, "--corpus", "missing")
    assert status == 2
    assert err == "error: no corpus in /nowhere; it is expected there\n"


def test_dry_run_shows_genes_and_runs_nothing(cli, tmp_path):
    calls = fake_task.FakeMeasurer.calls
    status, out, _ = cli("search", "--dry-run")
    assert status == 0
    assert "8 genes, 65,536 genomes" in out
    assert "16-bit baseline: 0.020 MiB" in out
    assert fake_task.FakeMeasurer.calls == calls
    assert not (tmp_path / "studies").exists()


def test_list_names_everything(cli):
    status, out, _ = cli("search", "--list")
    assert status == 0
    for name in ("sru", "edge", "synthetic", "compression", "surrogate", "silago"):
        assert name in out


def test_unknown_command_lists_the_valid_ones(cli):
    status, _, err = cli("serch")
    assert status == 2
    assert "unknown command 'serch'; there are search, front, train" in err
    assert cli("--help")[0] == 0


def test_study_names_follow_the_settings(tmp_path):
    plans = [
        make_plan(settings(tmp_path, **changes))
        for changes in ({}, {"evaluations": 99, "workers": 2}, {"seed": 2}, {"limits": ("error=+3",)}, {"delta": (0,)})
    ]
    names = [plan.study for plan in plans]
    assert names[0] == names[1]
    assert len(set(names)) == 4
    assert re.fullmatch(r"sru-edge-[0-9a-f]{8}", names[0])


def test_labels_tell_a_configuration_at_a_glance():
    names = ("l0.input_f", "l0.input_g", "l0.recurrent_f", "l0.candidate", "output")
    configuration = Configuration(tuple((name, Setting(4, 8, 16)) for name in names))
    configuration = configuration.with_setting("l0.candidate", skip=True, delta=0).with_setting("output", delta=0)
    assert describe(configuration) == "l0.input W4A8d16 · l0.recurrent W4A8d16+skip · output W4A8"


def test_limits():
    metrics = {"error_percent": 20.0, "size_mib": 7.1, "eliminated_percent": 40.0}
    assert parse_limit("error=+3") == Limit("error", 3.0, relative=True)
    assert resolve([parse_limit("error=+3")], metrics) == (Limit("error", 23.0),)
    (size,) = violations([parse_limit("size=6")], metrics)
    assert size.reason == "size 7.1 MiB > 6 MiB limit by 1.1 MiB"
    assert size.gap_fraction == pytest.approx(1.1 / 6)
    (ops,) = violations([parse_limit("ops=50")], metrics)
    assert ops.reason == "ops 40 % < 50 % limit by 10 points"
    assert violations([parse_limit("error=20"), parse_limit("ops=40"), parse_limit("compression=2")], metrics) == ()


def test_settings_come_from_a_file_and_the_command_line_wins(cli, tmp_path):
    (tmp_path / "study.toml").write_text(
        'objectives = ["error", "size", "ops"]\nweight_bits = [4, 8]\n'
        'limit = ["error=+5", "size=1"]\nskip = "output"\nseed = 3\n'
    )
    status, out, _ = cli("search", "--settings", "study.toml", "--seed", "4", "--dry-run")
    assert status == 0
    assert "objectives error,size,ops; limits error=+5,size=1" in out
    argv = ("search", "--settings", "study.toml", "--workers", "1", "--evaluations", "5", "--study", "s")
    assert cli(*argv)[0] == 0
    stored = load_study("s", f"sqlite:///{tmp_path}/studies/dse.db").identity
    assert (stored["seed"], stored["always skipped"]) == (3, ["output"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = ", "study.toml is not TOML"),
        ("[seed]\nx = 1", "[seed] is a table"),
        ("sead = 1", "unrecognized arguments: --sead=1"),
        (None, "no settings file at study.toml"),
    ],
)
def test_bad_settings_files_are_one_line(cli, tmp_path, text, message):
    if text is not None:
        (tmp_path / "study.toml").write_text(text)
    status, out, err = cli("search", "--settings", "study.toml")
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1


def test_delta_genes_only_where_something_gains_from_them(cli):
    def has_delta(*argv):
        return ".delta " in cli("search", "--dry-run", *argv)[1]

    assert has_delta("--objectives", "error,ops")
    assert not has_delta("--objectives", "error,size")
    assert has_delta("--objectives", "error,size", "--limit", "ops=20")
    assert has_delta("--objectives", "error,size", "--delta", "0,4")
    assert not has_delta("--objectives", "error,speedup", "--platform", "bitfusion")
    assert has_delta("--objectives", "error,speedup", "--platform", "edgedrnn")
    assert not has_delta("--objectives", "error,size", "--platform", "edgedrnn")


def test_the_final_report_tells_the_error_on_the_test_split(cli, tmp_path, monkeypatch):
    opened = []
    plain = FakeTask.open
    monkeypatch.setattr(FakeTask, "open", lambda task, split="validation": opened.append(split) or plain(task, split))
    argv = ("--study", "s")
    assert cli("search", "--workers", "1", "--evaluations", "8", *argv)[0] == 0
    assert set(opened) == {"validation"}
    status, out, _ = cli("front", *argv, "--test", "--out", "o")
    assert status == 0 and "test error" in out and opened[-1] == "test"
    record = json.loads((tmp_path / "o" / "front.json").read_text())
    assert all("test_error_percent" in point["metrics"] for point in [*record["front"], record["baseline"]])
    monkeypatch.setattr(FakeTask, "fingerprint", property(lambda task: {"checkpoint": "other", "corpus": "x"}))
    status, _, err = cli("front", *argv, "--test")
    assert status == 2 and "checkpoint: stored fake-weights, now other" in err


def test_no_search_has_the_test_error_as_objective(cli):
    assert "is none of" in cli("search", "--objectives", "error,test error")[2]
