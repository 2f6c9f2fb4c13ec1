"""Searches on the fake network: their settings, their fronts, their command in a process of its own."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import fake_task
from fake_task import FakeTask

import platforms
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from platforms import open_platform

SUPPORT = str(Path(fake_task.__file__).parent)
PATHS = os.pathsep.join((SUPPORT, os.environ.get("PYTHONPATH", "")))  # where a process finds what it is run from
EXAMPLE_CHIP = Path(platforms.__file__).with_name("example_chip.toml")
WITH_BEACONS = {"beacons": 3, "beacon_epochs": 2, "objectives": ("error", "size")}
TIGHT = "silago:memory_limit_mib=0.008"  # the fake is 0.020 MiB at 16 bit, 0.010 at 8, 0.005 at 4


def settings(tmp_path, *specs, **changes):
    given = {
        "task": FakeTask(),
        "evaluations": 40,
        "population": 12,
        "workers": 1,
        "storage": f"sqlite:///{tmp_path}/dse.db",
    }
    return SearchSettings(platforms=specs, **{**given, "objectives": ("error", "size", "ops"), **changes})


def search(tmp_path, *specs, **changes):
    return run_search(settings(tmp_path, *specs, **changes))


def priced_settings(tmp_path, *specs, **changes):
    """For platforms, by their specs, where error and size are enough."""
    return settings(tmp_path, *specs, **{"objectives": ("error", "size"), **changes})


def priced_search(tmp_path, *specs, **changes):
    return run_search(priced_settings(tmp_path, *specs, **changes))


def priced(spec, evaluation):
    """What a platform says of an evaluation."""
    return open_platform(spec).estimate(fake_task.WORKLOAD, evaluation.configuration, evaluation.computed)


def scored(study):
    """What every evaluation is, and whose weights scored it."""
    return [(e.genome, e.metrics, e.beacon, e.base, e.status) for e in study.evaluations]


def epochs(folder):
    """Lines of the epochs in the log of a test's `cache`."""
    return [line for line in (folder / "log").read_text().splitlines() if line.startswith("epoch")]


def points(result):
    return [(evaluation.genome, evaluation.metrics) for evaluation in result.front]


def start(folder, argv, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "fake_search", *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PATHS, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_evaluations(process, path, count, patience_seconds=30):
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with suppress(sqlite3.OperationalError), sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            if connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0] >= count:
                return
        time.sleep(0.05)
    raise AssertionError(f"no {count} evaluations after {patience_seconds} s")
