"""Searches that are stopped, killed or go on: as if nothing had been; what breaks is kept with its reason."""

import multiprocessing
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_task import WORKLOAD, FakeTask, counting
from searches import points, search, settings, start, wait_for_evaluations

from dse.exploration.run import run_search
from dse.exploration.worker import Job, Worker
from dse.exploration.workers import InProcess, Processes
from dse.study.result import load_study
from dse.study.storage import StoreError
from models.workload import Configuration


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
    process = start(tmp_path, argv, FAKE_SECONDS="0.05")
    url = f"sqlite:///{tmp_path}/studies/dse.db"
    wait_for_evaluations(process, tmp_path / "studies/dse.db", 8)
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
    process = start(tmp_path, argv, FAKE_SECONDS="0.05")
    wait_for_evaluations(process, tmp_path / "studies/dse.db", 5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "16 bit" in out
    assert re.search(r"interrupted; \d+ evaluations are stored as study stopped .* goes on from there", err)
    assert "Traceback" not in err


def test_ctrl_c_after_the_storage_is_gone_does_not_say_that_nothing_was_stored(tmp_path):
    process = start(tmp_path, ["--evaluations", "200", "--workers", "1", "--study", "stopped"], FAKE_SECONDS="0.05")
    database = tmp_path / "studies/dse.db"
    wait_for_evaluations(process, database, 5)
    process.send_signal(signal.SIGSTOP)
    database.unlink()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "interrupted; no storage at sqlite:///studies/dse.db\n")


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


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGSEGV, "its worker process died 2 times (SIGSEGV)"),
        (signal.SIGKILL, "its worker process died 3 times (SIGKILL: killed, or out of memory)"),
    ],
)
def test_an_evaluation_that_ends_its_worker_fails_alone(tmp_path, monkeypatch, number, reason):
    monkeypatch.setattr("dse.exploration.workers.KILLS_BEFORE_FAILED", 3)
    monkeypatch.setenv("FAKE_DIE_ON", "8")
    monkeypatch.setenv("FAKE_SIGNAL", str(int(number)))
    result = search(tmp_path, workers=2, evaluations=6, population=6)
    deadly = [e for e in result.evaluations if e.configuration["l0.input"].weight_bits == 8]
    assert deadly
    assert {e.reasons for e in deadly} == {(reason,)}
    assert sum(e.measured for e in result.evaluations) == 6 - len(deadly)


@pytest.mark.parametrize(("number", "kills"), [(signal.SIGKILL, 6), (signal.SIGTERM, 4)])
def test_an_evaluation_whose_workers_are_killed_from_outside_is_made_all_the_same(number, kills):
    job = Job((), Configuration.uniform(WORKLOAD, 8))
    killed = set()
    with Processes(1, Worker(FakeTask())) as workers, ThreadPoolExecutor(1) as pool:
        made = pool.submit(lambda: list(workers.evaluate([job])))
        while len(killed) < kills and not made.done():
            for child in multiprocessing.active_children():
                if child.pid not in killed:
                    os.kill(child.pid, number)
                    killed.add(child.pid)
        (evaluation,) = made.result()
    assert len(killed) == kills
    assert evaluation == next(InProcess(Worker(FakeTask())).evaluate([job]))


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


def test_a_finished_search_runs_again_on_a_storage_that_cannot_be_written(tmp_path):
    given = {"evaluations": 8, "population": 4, "study": "s"}
    before = search(tmp_path, **given)
    read_only = f"sqlite:///file:{tmp_path}/dse.db?mode=ro&uri=true"
    for task in (FakeTask(), FakeTask(corpus_path="/moved")):
        assert points(search(tmp_path, **given, task=task, storage=read_only)) == points(before)
    assert len(load_study("s", read_only).evaluations) == 8
    with pytest.raises(StoreError, match=r"cannot write to the storage .*readonly database; the 8 evaluations"):
        search(tmp_path, **{**given, "evaluations": 12}, storage=read_only)
