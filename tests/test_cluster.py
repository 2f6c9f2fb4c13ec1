import subprocess
import sys

import fake_measurer
import pytest

from dse.search import SearchSettings, run_search

distributed = pytest.importorskip("distributed")


def settings(tmp_path, **changes):
    given = {"evaluations": 30, "population": 12, "workers": 1, "storage": f"sqlite:///{tmp_path}/dse.db"}
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
    here = run_search(settings(tmp_path / "here"), fake_measurer)
    there = run_search(settings(tmp_path / "there", cluster=scheduler), fake_measurer)
    assert there.study == here.study
    assert [(e.genome, e.metrics) for e in there.front] == [(e.genome, e.metrics) for e in here.front]
    assert len(there.evaluations) == len(here.evaluations) == 30


def test_failures_and_other_contents_are_told(scheduler, cli, monkeypatch):
    argv = ("search", "--cluster", scheduler, "--evaluations", "12")
    status, _, err = cli(*argv, "--corpus", "missing")
    assert (status, err) == (2, "error: no corpus in /nowhere; it is expected there\n")
    changing = iter(({"checkpoint": "ours"}, {"checkpoint": "theirs"}))
    monkeypatch.setattr(fake_measurer, "task_fingerprint", lambda task: next(changing))
    status, _, err = cli(*argv)
    assert (status, err) == (2, "error: the checkpoint of a dask worker is not that of the search: theirs, not ours\n")


def test_nobody_there_is_one_line(cli, monkeypatch):
    monkeypatch.setattr("dse.cluster.PATIENCE_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        status, out, err = cli("search", "--cluster", address)
        assert (status, out) == (2, "")
        assert err.startswith(f"error: no dask scheduler answers at {address}: ") and err.count("\n") == 1
    with local_cluster(n_workers=0) as empty:
        status, _, err = cli("search", "--cluster", empty.scheduler_address)
    assert status == 2
    assert f"the dask scheduler at {empty.scheduler_address} has no workers; start some with dask worker" in err


def test_without_the_package_is_one_line(tmp_path):
    program = "import sys; sys.modules['distributed'] = None; from dse.cluster import Cluster; Cluster('tcp://x', 0, 0)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1].startswith("ValueError: a cluster needs the package distributed")
