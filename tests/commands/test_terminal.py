"""Terminals of any encoding, or gone: what a command prints reaches them, and its files do not depend on them."""

import io
import sys

import pytest

from dse.__main__ import COMMANDS

SEARCH = ("search", "--evaluations", "8", "--population", "4", "--workers", "1", "--study", "s", "--out", "out")
FILES = {"front.csv", "front.json", "convergence.csv", "report.html", "settings.toml"}
TABLES = [
    SEARCH,
    ("search", "--dry-run", "--platform", "silago"),
    ("search", "--list"),
    ("front", "--study", "s", "--platform", "bitfusion", "--objectives", "error,ops,bitfusion.speedup"),
    ("report", "platforms"),
    ("report", "accounting"),
    *((command, "--help") for command in COMMANDS),
]


class Gone(io.TextIOWrapper):
    """Terminal that takes nothing."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("argv", TABLES, ids=[" ".join(argv[:2]) for argv in TABLES])
def test_every_table_reaches_a_terminal_of_any_encoding(cli, tmp_path, monkeypatch, encoding, argv):
    if argv[0] == "front":
        assert cli(*SEARCH)[0] == 0
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert cli(*argv)[0] == 0
    terminal.flush()
    assert terminal.buffer.getvalue().decode(encoding).strip()
    if argv is SEARCH:
        assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_the_files_are_written_before_the_table(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Gone(io.BytesIO()))
    monkeypatch.setattr("os.dup2", lambda *descriptors: None)  # which would close pytest's own
    monkeypatch.setattr(Gone, "fileno", lambda terminal: 1, raising=False)
    cli(*SEARCH)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
