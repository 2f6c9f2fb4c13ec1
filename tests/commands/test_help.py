"""`python -m dse` lists the commands; every command's help begins with an example that runs."""

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import torch
from pytorch_kaldi import gated, output_layer, state_of, write

from dse.__main__ import COMMANDS, main
from dse.console import FIRST_STUDY


def test_the_commands_are_listed_one_a_line_in_the_order_of_use(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert (
        " ".join(listed)
        == "data train import_torch import_kaldi search front report pick retrain export verify experiment"
    )
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_begins_with_an_example_that_the_command_takes(cli, command):
    status, out, _ = cli(command, "--help")
    first, empty, usage = out.splitlines()[:3]
    assert (status, empty) == (0, "") and usage.startswith("usage: ")
    prefix = f"example: python -m dse.{command} "
    assert first.startswith(prefix)
    import_module(f"dse.{command}").parser().parse_args(shlex.split(first.removeprefix(prefix)))


def paths_of(parser):
    """Every option and argument that is a path, with the commands before it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from ([name, *path] for name, below in action.choices.items() for path in paths_of(below))
        elif action.type is Path:
            yield action.option_strings[:1]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_path_is_refused(command, capsys):
    parser = import_module(f"dse.{command}").parser()
    assert list(paths_of(parser)) or command == "pick"
    for argv in paths_of(parser):
        with pytest.raises(SystemExit, match="2"):
            parser.parse_args([*argv, ""])
        out, err = capsys.readouterr()
        assert out == "" and err.endswith(": its value is empty\n") and err.count("\n") == 1


def test_examples_go_on_with_the_study_of_the_first_command(capsys):
    from dse import search

    arguments = shlex.split(search.parser().example.removeprefix("python -m dse.search"))
    assert search.main([*arguments, "--dry-run"]) == 0
    assert re.match(r"study (\S+):", capsys.readouterr().out)[1] == FIRST_STUDY


def test_the_example_of_an_import_runs_beside_the_files_that_it_names(tmp_path, monkeypatch):
    from dse.import_kaldi import EXAMPLE

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(7)
    for name, network in (("final_architecture1.pkl", gated("ligru")), ("final_architecture2.pkl", output_layer())):
        write(tmp_path / name, state_of(network))
    assert main(["import_kaldi", *shlex.split(EXAMPLE.removeprefix("python -m dse.import_kaldi"))]) == 0
    assert (tmp_path / "ligru.safetensors").exists()
