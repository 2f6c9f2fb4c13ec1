"""dse.retrain as a user goes: train, search, retrain a point, search and export what came of it."""

import re
import shlex
from pathlib import Path

import pytest
from kaldi_tree import write_kaldi

import models.networks.ligru
from dse import retrain
from dse.__main__ import main as dse
from dse.study.result import load_study
from models.checkpoint import load, read_card

STUDY = ["--study", "s", "--number", "1", "--epochs", "2", "--batch-utterances", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a network of LiGRU was trained and searched, on a small Kaldi corpus."""
    folder = tmp_path_factory.mktemp("retrain")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny = models.networks.ligru.Ligru(layers=1, hidden=12)
        patch.setitem(models.networks.ligru.PRESETS, "tiny", tiny)
        patch.setenv("DSE_CACHE_DIR", str(folder / "cache"))
        write_kaldi(folder / "data")
        corpus = ["--corpus", "kaldi", "--corpus-path", "data"]
        assert (
            dse(["train", "--model", "ligru", "--preset", "tiny", "--epochs", "3", "--out", "n.safetensors", *corpus])
            == 0
        )
        what = [
            "--model",
            "ligru",
            "--checkpoint",
            "n.safetensors",
            "--objectives",
            "error,size,ops",
            "--limit",
            "none",
        ]
        how = ["--weight-bits", "2,3", "--activation-bits", "4", "--evaluations", "6", "--workers", "1", "--study", "s"]
        assert dse(["search", *what, *how, *corpus]) == 0
        yield folder


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DSE_CACHE_DIR", str(folder / "cache"))


def run(capsys, *argv):
    try:
        status = retrain.main(argv)
    except SystemExit as error:
        status = error.code
    return status, *capsys.readouterr()


def test_a_point_is_retrained_and_the_printed_commands_go_on(capsys):
    status, out, err = run(capsys, *STUDY, "--out", "r.safetensors")
    assert (status, err) == (0, "")
    point = load_study("s").front[0]
    spec, card = read_card(Path("r.safetensors"))
    assert card["command"] == "python -m dse.retrain --study s --number 1 --epochs 2 --batch-utterances 2"
    assert card["retrained"]["configuration"] == point.configuration.to_json()
    assert card["retrained"]["before"] == {
        "validation_error_percent": point.metrics["error_percent"],
        "eliminated_percent": point.metrics["eliminated_percent"],
    }
    assert not spec.batch_norm and load(Path("r.safetensors")).learned
    after = card["retrained"]["after"]
    assert f"r.safetensors: validation PER {after['validation_error_percent']:.2f} %" in out
    command = shlex.split(out.splitlines()[-1])
    assert command[:3] == ["python", "-m", "dse.search"] and "s:1" in command
    assert dse(["search", *command[3:], "--study", "t", "--workers", "1"]) == 0
    study = load_study("t")
    (found,) = (e for e in study.evaluations if e.configuration == point.configuration)
    assert found.metrics["error_percent"] == after["validation_error_percent"]
    assert found.metrics["eliminated_percent"] == after["eliminated_percent"]
    assert dse(["export", "--study", "t", "--number", "1", "--utterances", "1", "--to", "bundle"]) == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--study", "no", "--number", "1", "--out", "x.safetensors"], "error: .*no.*"),
        (["--study", "s", "--number", "900", "--out", "x.safetensors"], "error: point 900 is not on the front; .*"),
        (["--study", "s", "--out", "x.safetensors"], "error: say which point: .*"),
        ([*STUDY, "--out", "x"], "error: --out x: a checkpoint's name ends in .safetensors"),
        ([*STUDY, "--out", "n.safetensors"], "error: n.safetensors exists; --force writes over it"),
        ([*STUDY, "--out", "n.safetensors/x.safetensors"], "error: cannot write to the folder .*"),
        (
            [*STUDY, "--out", "x.safetensors", "--epochs", "0"],
            "error: epochs must be a whole number .*, not 0",
        ),
        (
            [*STUDY, "--out", "x.safetensors", "--learning-rate", "nan"],
            "error: learning-rate must be above 0 .* nan",
        ),
        ([*STUDY, "--out", "x.safetensors", "--seed", "9" * 30], "error: seed must be a whole number from 0 to .*"),
        ([*STUDY], "python -m dse.retrain: the following arguments are required: --out"),
        ([*STUDY, "--out", "x.safetensors", "--corpus-path", "nowhere"], "error: .*nowhere.*"),
        (
            [*STUDY, "--out", "x.safetensors", "--checkpoint", "no.safetensors"],
            "error: no checkpoint at no.safetensors.*",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(capsys, argv, message):
    status, _, err = run(capsys, *argv)
    assert status == 2
    assert re.fullmatch(message + "\n", err), err
    assert not list(Path().glob("x*"))


def test_a_corpus_without_alignments_is_told(capsys, folder):
    ali = next(folder.glob("data/train/ali.*"))
    ali.rename(folder / "away")
    try:
        status, _, err = run(capsys, *STUDY, "--out", "x.safetensors")
        assert status == 2 and err.count("\n") == 1 and "ali" in err
    finally:
        (folder / "away").rename(ali)
