"""Fixtures of several topics."""

import sys

import fake_measurer
import pytest

import dse
from dse import __main__ as command


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys):
    """Runs a command in an empty folder on the fake network: (status, stdout, stderr)."""
    monkeypatch.setitem(sys.modules, "dse.measure", fake_measurer)
    monkeypatch.setattr(dse, "measure", fake_measurer, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        try:
            status = command.main(list(argv))
        except SystemExit as exit_:
            status = exit_.code
        return status, *capsys.readouterr()

    return run
