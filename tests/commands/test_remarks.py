"""What is told of a corpus and a checkpoint before the first figure: the split's rule, training elsewhere or on it."""

from dataclasses import replace
from pathlib import Path

import pytest
from timit_tree import write_ldc

import models.networks.sru
from dse.corpora import open_corpus
from dse.corpora.base import SPLITS
from dse.design.evaluation import Evaluation
from dse.evaluator.remarks import doubts, remarks
from dse.evaluator.task import NetworkTask
from dse.search import main as search
from dse.train import main as train
from models.checkpoint import load, read_card, save, shipped_path
from models.workload import Configuration

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


def test_a_baseline_far_from_the_card_is_told(timit: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it is stored, when a search goes on."""
    assert train(["--model", "sru", "--preset", "tiny", "--epochs", "1", "--out", "own.safetensors", *timit]) == 0
    path = Path("own.safetensors")
    whole = load(path)
    card = whole.card | {"float_error_percent": {"validation": 5.0}}
    save(path, replace(whole, card=card))
    for _ in range(2):
        assert search(searched("--checkpoint", str(path), *timit)) == 0
        err = capsys.readouterr().err
        assert "warning: the 16-bit baseline has an error of" in err and "card records 5.00 %" in err
    write_ldc(Path("others"), {f"{sex}{letter * 3}1": "TRAIN/DR1" for sex in "FM" for letter in "AB"})
    other = ["--corpus", "timit", "--corpus-path", "others"]
    assert search(searched("--checkpoint", str(path), *other)) == 0
    assert "16-bit baseline" not in capsys.readouterr().err  # the card knows nothing of that speech


@pytest.mark.parametrize(("recorded", "far"), [(None, False), (13.0, False), (13.9, False), (14.3, True), (12.0, True)])
def test_how_far_is_far(recorded: float | None, far: bool) -> None:
    baseline = Evaluation((), Configuration(()), "ok", metrics={"error_percent": 13.2, "reference_phones": 7000})
    assert bool(doubts(recorded, baseline)) == far
    little = replace(baseline, metrics={"error_percent": 13.2, "reference_phones": 10})
    assert not doubts(recorded, little)


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


def test_a_dry_run_refuses_a_damaged_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "flipped.safetensors"
    content = bytearray(shipped_path("sru", "edge").read_bytes())
    content[len(content) // 2] ^= 64
    path.write_bytes(content)
    assert search(["--checkpoint", str(path), "--dry-run"]) == 2
    assert capsys.readouterr().err.endswith("is damaged: its content is not that of its checksum\n")
