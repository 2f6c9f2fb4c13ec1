"""Fixtures of several topics."""

import os
import signal

if "PYTEST_XDIST_WORKER" in os.environ:  # processes side by side; before torch, which reads it once
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background; searches of the tests would have it
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from fake_task import FakeTask

from dse import __main__ as command
from dse import experiment, pick, report, search

pytest.register_assert_rewrite("conformance")  # so that its failures show what was compared

ON_THE_FAKE = {"experiment": experiment, "search": search, "report": report, "pick": pick}


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys):
    """Runs a command in an empty folder, searches on the fake network: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(name, *argv, task=FakeTask):
        try:
            fake = ON_THE_FAKE.get(name)
            status = fake.main(list(argv), task) if fake else command.main([name, *argv])
        except SystemExit as exit_:
            status = exit_.code
        return status, *capsys.readouterr()

    return run
