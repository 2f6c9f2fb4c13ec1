"""Kaldi's features and senones all the way: trained or imported, measured, searched."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from kaldi_tree import COLUMNS, SENONES, write_kaldi
from torch_networks import Net

import models.networks.sru
from dse.corpora import open_corpus
from dse.data import main as check
from dse.evaluator.task import NetworkTask
from dse.import_kaldi import with_corpus
from dse.import_torch import main as import_torch
from dse.search import main as search
from dse.train import main as train
from models.checkpoint import Checkpoint, load, save, shipped_path
from models.networks.ligru import Ligru
from models.registry import build_network
from models.workload import Configuration


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.networks.sru.PRESETS, "tiny", models.networks.sru.Sru(layers=2, hidden=12, projection=8))
    write_kaldi(tmp_path / "data")
    return str(tmp_path / "data")


def test_trained_on_senones_and_searched(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = ["--corpus", "kaldi", "--corpus-path", data]
    assert train(["--model", "sru", "--preset", "tiny", "--epochs", "2", "--out", "s.safetensors", *corpus]) == 0
    checkpoint = load(Path("s.safetensors"))
    assert (checkpoint.spec.features, checkpoint.spec.outputs) == (COLUMNS, SENONES)
    assert checkpoint.card["corpus"]["notes"]
    command = ["--model", "sru", "--checkpoint", "s.safetensors", "--evaluations", "6", "--population", "4"]
    assert search([*command, "--workers", "1", *corpus]) == 0
    assert "6 evaluations" in capsys.readouterr().out


def test_a_network_of_torch_is_imported_and_searched(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the data's mean and deviation, bigram and priors; its decoder is Viterbi, as nothing else is asked for."""
    corpus = ["--corpus", "kaldi", "--corpus-path", data]
    torch.save(Net(torch.nn.LSTM(COLUMNS, 8, bidirectional=True), 16, SENONES).state_dict(), "net.pt")
    assert import_torch(["net.pt", "--out", "t.safetensors", "--standardise", "train", *corpus]) == 0
    told = capsys.readouterr().out
    assert "phone error rate in float on the validation split: " in told
    checkpoint = load(Path("t.safetensors"))
    assert checkpoint.decoder.keys() == load(shipped_path("sru", "edge")).decoder.keys()
    assert np.ptp(checkpoint.weights["input_std"]) > 0
    assert search([*shlex.split(told.splitlines()[-1])[3:], "--evaluations", "6", "--workers", "1"]) == 0
    assert "6 evaluations" in capsys.readouterr().out
    torch.save(Net(torch.nn.LSTM(4, 8), 8, SENONES).state_dict(), "net.pt")
    assert import_torch(["net.pt", "--out", "t.safetensors", *corpus]) == 2
    assert f"the network has 4 features, corpus kaldi has {COLUMNS}" in capsys.readouterr().err


def test_a_network_of_other_sizes_is_one_line(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped one, and one of as many features but fewer targets; before anything is calibrated."""
    spec = models.networks.sru.Sru(features=COLUMNS, layers=1, hidden=8, projection=8, outputs=144)
    whole = load(shipped_path("sru", "edge"))
    save(Path("o.safetensors"), Checkpoint(spec, build_network(spec).arrays(), whole.decoder, {}))
    command = ["--model", "sru", "--corpus", "kaldi", "--corpus-path", data, "--workers", "1"]
    for more, message in (
        ([], f"sru-edge.safetensors has 23 features, corpus kaldi has {COLUMNS}"),
        (["--checkpoint", "o.safetensors"], f"o.safetensors has 144 targets, corpus kaldi has {SENONES}"),
    ):
        assert search([*command, *more]) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
        assert len(errors) == 1 and message in errors[0]


@pytest.mark.parametrize("means", [False, True])
def test_a_feature_that_never_varies(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str], means: bool
) -> None:
    """Rounding leaves something of it where means are subtracted."""
    shutil.rmtree(data)
    write_kaldi(Path(data), means=means, constant=7)
    corpus = ["--corpus", "kaldi", "--corpus-path", data]
    assert check(["check", *corpus, "--out", str(tmp_path)]) == 0
    assert f"features that never vary in train: 7 (of 0 to {COLUMNS - 1})" in capsys.readouterr().out
    assert train(["--model", "sru", "--preset", "tiny", "--epochs", "1", "--out", "s.safetensors", *corpus]) == 0
    spec = Ligru(features=COLUMNS, layers=1, hidden=6, outputs=SENONES)
    save(
        Path("i.safetensors"),
        with_corpus(Checkpoint(spec, build_network(spec).arrays(), {}, {}), open_corpus("kaldi", data)),
    )
    for model, name in (("sru", "s.safetensors"), ("ligru", "i.safetensors")):
        deviation = load(Path(name)).weights["input_std"]
        assert 0.5 * np.median(deviation) < deviation[7] < 2 * np.median(deviation)
        measurer = NetworkTask(model, "edge", name, "kaldi", data).open()
        assert measurer.measure(Configuration.uniform(measurer.workload, 16)).error_percent > 0


def test_an_imported_network_gets_its_decoder_from_the_corpus(data: str) -> None:
    spec = Ligru(features=COLUMNS, layers=1, hidden=6, outputs=SENONES, candidate_scale=0.8)
    bare = Checkpoint(spec, build_network(spec).arrays(), {}, {"imported": {}})
    save(Path("bare.safetensors"), bare)
    task = NetworkTask("ligru", "edge", "bare.safetensors", "kaldi", data)
    with pytest.raises(ValueError, match="holds no decoder; import it again with --corpus"):
        task.open()
    complete = with_corpus(bare, open_corpus("kaldi", data))
    save(Path("bare.safetensors"), complete)
    measurer = task.open()
    floats = measurer.measure(Configuration.uniform(measurer.workload, 32))
    assert floats.error_percent == pytest.approx(complete.card["float_error_percent"]["validation"])
    other = Ligru(features=COLUMNS + 1, layers=1, hidden=6, outputs=SENONES)
    with pytest.raises(ValueError, match=f"the network has {COLUMNS + 1} features, corpus kaldi has {COLUMNS}"):
        with_corpus(Checkpoint(other, build_network(other).arrays(), {}, {}), open_corpus("kaldi", data))
