"""The page of `bench_retrain.py`, on rows made by hand: tables, picture and answer agree, and bad input is told."""

import importlib.util
import json
import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_retrain", ROOT / "tests/bench_retrain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def uniform(model, *_):
    errors = {"float_percent": 10.0, "evaluated_percent": 12.0, "retrained_percent": 10.5}
    return [
        {"model": model, "bits": bits, **errors, "over_float_points": 0.5, "at_most_points": 0.8, "kept": "yes"}
        for bits in ("W4A4", "W2A2")
    ]


def gates(model, *_):
    front = [(0.5, 40.0), (1.1, 50.0), (1.9, 60.0), (4.0, 70.0)]
    retrained = [("s:3", 1.9, 60.0, 0.9, 55.0), ("s:4", 4.0, 70.0, 1.15, 62.0)]
    heads = ("set_over_16_bit_points", "set_eliminated_percent")
    all_heads = ("point", *heads, "retrained_over_16_bit_points", "retrained_eliminated_percent")
    return [{"model": model, **dict(zip(all_heads, row, strict=True))} for row in retrained], [
        {"model": model, **dict(zip(heads, row, strict=True))} for row in front
    ]


def test_page_and_files_are_written_by_the_command(bench, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "uniform", uniform)
    monkeypatch.setattr(bench, "gates", gates)
    assert bench.main(["sru", "gru"]) == 0
    folder = tmp_path / bench.OUT
    result = json.loads((folder / "result.json").read_text())
    assert result["answer"] == (
        "points over float at W4A4, W2A2: sru +0.50, +0.50; gru +0.50, +0.50; eliminated within 1.2 points of 16 bit "
        "with gates retrained (only set): sru 62.0 % (50.0 %), gru 62.0 % (50.0 %)"
    )
    assert result["command"] == "python tests/bench_retrain.py sru gru" and result["answer"] in capsys.readouterr().out
    within = pd.read_csv(folder / "within.csv").set_index(["model", "within_points"])
    assert list(within.loc[("gru", 1.0)]) == [40, 55] and list(within.loc[("gru", 2.0)]) == [60, 62]
    page = (folder / "README.md").read_text()
    assert f"{result['date']}, commit {result['commit']}" in page and bench.SURPRISE.strip() in page
    for link in re.findall(r"\]\((.*?)\)", page):
        assert (folder / link).exists(), link
    assert page.count("\n|--") == 3 and (folder / "retrained.html").exists()
    assert bench.main(["sru", "--gates", "sru", "--out", "elsewhere"]) == 0
    assert "surprised" not in (tmp_path / "elsewhere/README.md").read_text()  # that is of what is published


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["grru"], "no model 'grru'; there are sru, lstm, gru, ligru"),
        (["lstm"], "--gates sru,gru: it takes one or more of lstm"),
        (["--epochs", "0"], "epochs must be"),
        (["--png", "1"], "PNG cannot be 1 pixels wide"),
        (["--out", "file"], "cannot write to the folder file: file is a file"),
    ],
)
def test_bad_input_is_told_in_a_line(bench, tmp_path, monkeypatch, capsys, argv, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr(bench, "uniform", lambda *_: pytest.fail("it works already"))
    assert bench.main(argv) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1
