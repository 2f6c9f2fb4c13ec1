import json
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress

import pytest
from fake_task import FakeTask
from searches import PATHS

from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from models.workload import InputError

distributed = pytest.importorskip("distributed")
CommClosedError = pytest.importorskip("distributed.comm").CommClosedError


def settings(tmp_path, **changes):
    given = {
        "task": FakeTask(),
        "evaluations": 30,
        "population": 12,
        "workers": 1,
        "storage": f"sqlite:///{tmp_path}/dse.db",
    }
    return SearchSettings(**{**given, "objectives": ("error", "size", "ops"), **changes})


def local_cluster(**workers):
    return distributed.LocalCluster(
        processes=False,
        host="127.0.0.1",
        protocol="tcp://",
        dashboard_address="127.0.0.1:0",
        silence_logs=False,
        **workers,
    )


@pytest.fixture(scope="module")
def scheduler():
    """Two workers of two threads each in this process."""
    with local_cluster(n_workers=2, threads_per_worker=2) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_finds_the_local_front(scheduler, tmp_path):
    here = run_search(settings(tmp_path / "here"))
    there = run_search(settings(tmp_path / "there", cluster=scheduler))
    assert there.name == here.name
    assert [(e.genome, e.metrics) for e in there.front] == [(e.genome, e.metrics) for e in here.front]
    assert len(there.evaluations) == len(here.evaluations) == 30


def test_failures_and_other_contents_are_told(scheduler, cli, monkeypatch):
    argv = ("search", "--cluster", scheduler, "--evaluations", "12")
    status, _, err = cli(*argv, "--corpus", "missing")
    assert (status, err) == (2, "error: no corpus in /nowhere; it is expected there\n")
    changing = iter(({"checkpoint": "ours"}, {"checkpoint": "theirs"}))
    monkeypatch.setattr(FakeTask, "fingerprint", property(lambda task: next(changing)))
    status, _, err = cli(*argv)
    assert (status, err) == (2, "error: the checkpoint of a dask worker is not that of the search: theirs, not ours\n")


@pytest.mark.parametrize("error", [CommClosedError("Stream is closed"), CancelledError("lost")])
def test_a_connection_lost_while_a_result_is_fetched_is_told_as_that(scheduler, tmp_path, monkeypatch, error):
    def lost(_):
        raise error

    monkeypatch.setattr(distributed.Future, "result", lost)
    with pytest.raises(InputError, match="the connection to the dask scheduler is lost; the same command goes on"):
        run_search(settings(tmp_path, cluster=scheduler))


def test_nobody_there_is_one_line(cli, monkeypatch):
    monkeypatch.setattr("dse.exploration.cluster.PATIENCE_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        status, out, err = cli("search", "--cluster", address)
        assert (status, out) == (2, "")
        assert err.startswith(f"error: no dask scheduler answers at {address}: ") and err.count("\n") == 1
    with local_cluster(n_workers=0) as empty:
        status, _, err = cli("search", "--cluster", empty.scheduler_address)
    assert status == 2
    assert f"the dask scheduler at {empty.scheduler_address} has no workers; start some with dask worker" in err


def test_without_the_package_is_one_line(tmp_path):
    program = "import sys; sys.modules['distributed'] = None; "
    program += "from dse.exploration.cluster import Cluster; Cluster('tcp://x', 0)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1].startswith("models.workload.InputError: a cluster needs the package distributed")


def test_a_killed_scheduler_is_one_line_and_nothing_stored_is_lost(tmp_path):
    environment = {**os.environ, "PYTHONPATH": PATHS, "FAKE_SECONDS": "0.05"}
    with ExitStack() as stack:

        def start(name, *argv):
            with (tmp_path / name).open("w") as log:
                ran = subprocess.Popen([sys.executable, *argv], cwd=tmp_path, env=environment, stdout=log, stderr=log)
            stack.callback(ran.wait)
            stack.callback(ran.kill)
            return ran

        dask = ("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        scheduler = start("scheduler", *dask, "--scheduler-file", "scheduler.json")
        wait_until((tmp_path / "scheduler.json").exists)
        argv = ("--scheduler-file", "scheduler.json", "--nthreads", "1", "--no-nanny", "--no-dashboard")
        start("worker", "-m", "distributed.cli.dask_worker", *argv)
        address = json.loads((tmp_path / "scheduler.json").read_text())["address"]
        argv = ("--objectives", "error,size,ops", "--evaluations", "200", "--population", "12", "--cluster", address)
        search = start("search", "-m", "fake_search", *argv)
        wait_until(lambda: stored(tmp_path / "studies/dse.db") >= 6)
        scheduler.kill()
        assert search.wait(20) == 2
        said = (tmp_path / "search").read_text()
        assert said.startswith("error: the connection to the dask scheduler is lost; ") and said.count("\n") == 1
    assert 6 <= stored(tmp_path / "studies/dse.db") < 200


def stored(path):
    with suppress(sqlite3.OperationalError), sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0]
    return 0


def wait_until(condition, patience_seconds=30):
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_dask_worker_keeps_the_memory_it_will_need_again():
    program = (
        "import resource, numpy as np; from dse.exploration.cluster import _keep_freed_memory\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(20): np.empty(4 << 20, np.int8).fill(1)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "print(faults()); _keep_freed_memory(); faults(); print(faults())"
    )
    dask_sets = {"MALLOC_TRIM_THRESHOLD_": "65536"}
    ran = subprocess.run([sys.executable, "-c", program], env=os.environ | dask_sets, capture_output=True, check=True)
    returned, kept = map(int, ran.stdout.split())
    assert returned > 10 * max(kept, 1)


def test_a_search_on_a_cluster_ends_when_its_time_is_up_and_goes_on(scheduler, tmp_path, monkeypatch):
    whole = run_search(settings(tmp_path / "whole"))
    monkeypatch.setenv("FAKE_SECONDS", "0.1")
    short = run_search(settings(tmp_path, cluster=scheduler, timeout=0.4 / 60))
    assert short.ended == "timed out" and len(short.evaluations) < 12
    monkeypatch.setenv("FAKE_SECONDS", "0")
    again = run_search(settings(tmp_path, cluster=scheduler))
    assert [(e.genome, e.metrics) for e in again.front] == [(e.genome, e.metrics) for e in whole.front]
