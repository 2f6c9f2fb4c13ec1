"""What is told of a corpus and a checkpoint before the first figure: the split's rule, training elsewhere or on it."""

from pathlib import Path

import pytest
from timit_tree import write_ldc

import models.networks.sru
from dse.corpora import open_corpus
from dse.corpora.base import SPLITS
from dse.evaluator.remarks import remarks
from dse.evaluator.task import NetworkTask
from dse.search import main as search
from dse.train import main as train
from models.checkpoint import read_card

SPEAKERS = {f"{sex}{letter * 3}0": "TRAIN/DR1" for sex in "FM" for letter in "ABC"}


@pytest.fixture
def timit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.networks.sru.PRESETS, "tiny", models.networks.sru.Sru(layers=1, hidden=8, projection=8))
    write_ldc(tmp_path / "timit", SPEAKERS)
    return ["--corpus", "timit", "--corpus-path", str(tmp_path / "timit")]


def searched(*more: str) -> list[str]:
    return ["--model", "sru", "--evaluations", "2", "--population", "4", "--workers", "1", "--delta", "0", *more]


def test_training_and_search_print_the_rule(timit: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert train(["--model", "sru", "--preset", "tiny", "--epochs", "1", "--out", "own.safetensors", *timit]) == 0
    out = capsys.readouterr().out
    rule = (
        "own split by speaker: train 4, validation 1 held out of training, test 1 held out of training; not comparable"
    )
    assert out.index(rule) < out.index("epoch 1/1")
    own = ["--checkpoint", "own.safetensors", *timit]
    assert search(searched("--dry-run", *own)) == 0
    assert rule in capsys.readouterr().out
    assert search(searched(*own)) == 0
    out, err = capsys.readouterr()
    assert rule in err and "warning" not in err and "2 evaluations" in out


def test_a_network_of_another_corpus_is_told_before_the_first_evaluation(
    timit: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class OpenedError(Exception):
        pass

    def opened(task: NetworkTask, split: str = "validation") -> None:
        raise OpenedError

    monkeypatch.setattr(NetworkTask, "open", opened)
    with pytest.raises(OpenedError):
        search(searched(*timit))
    err = capsys.readouterr().err
    assert "warning: the checkpoint was trained on the corpus synthetic, so its errors on timit say nothing" in err
    assert "python -m dse.train --model sru --corpus timit" in err
    assert NetworkTask().remarks == ()


def test_speakers_that_the_checkpoint_was_trained_on_are_told(timit: list[str]) -> None:
    """Also where they are called in small letters, as in Kaldi's recipe."""
    assert train(["--model", "sru", "--preset", "tiny", "--epochs", "1", "--out", "own.safetensors", *timit]) == 0
    _, card = read_card(Path("own.safetensors"))
    corpus = open_corpus("timit", timit[-1])
    assert card["corpus"]["speakers"]["train"] == list(corpus.speakers("train"))
    assert not any("warning" in line for line in remarks("sru", card, corpus))
    for split in SPLITS:
        speakers = corpus.speakers(split)
        for names in (list(speakers), [name.lower() for name in speakers]):
            told = remarks("sru", card | {"corpus": {"name": "timit", "speakers": {"train": names}}}, corpus)
            warned = [line for line in told if line.startswith("warning")]
            assert len(warned) == (split != "train")
            if warned:
                assert f"trained on 1 of the 1 {split} speakers, such as {speakers[0]}" in warned[0]
