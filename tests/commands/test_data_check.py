"""`python -m dse.data check`: what it prints, draws and returns."""

import subprocess
import sys
from pathlib import Path

import pytest
from kaldi_tree import write_kaldi
from matplotlib.image import imread
from timit_tree import FOUR, sample_folder, write_ldc

from dse import data as data_check
from dse.corpora.timit.corpus import TimitCorpus


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def check(corpus: str, path: Path, *more: str) -> int:
    return data_check.main(["check", "--corpus", corpus, "--corpus-path", str(path), *more])


@pytest.mark.parametrize("corpus", ["timit", "kaldi"])
def test_a_sound_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str], corpus: str) -> None:
    if corpus == "timit":
        write_ldc(tmp_path / "data", FOUR)
    else:
        write_kaldi(tmp_path / "data")
    assert check(corpus, tmp_path / "data", "--out", str(tmp_path / "new" / "out")) == 0
    printed = capsys.readouterr().out
    counts = {"train": ["2", "4"], "validation": ["1", "2"], "test": ["1", "2"] if corpus == "timit" else ["2", "4"]}
    speakers = [line for line in printed.splitlines() if line.startswith("test speakers")]
    assert "no errors" in printed and len(speakers) == 1
    for split, expected in counts.items():
        assert any(line.split()[:3] == [split, *expected] for line in printed.splitlines())
    picture = imread(tmp_path / "new" / "out" / f"check-{corpus}.png")
    assert picture.shape[0] > 100 and picture.shape[1] > 100 and picture[..., :3].std() > 0.1


def test_all_damage_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ldc(tmp_path, FOUR)
    train, *_ = TimitCorpus(str(tmp_path)).speakers("train")
    folder = next(tmp_path.rglob(train))
    (folder / "SX20.PHN").unlink()
    (folder / "SI10.WAV").write_bytes(b"")
    (folder / "SA1.PHN").write_text("0 6000 xx\n")
    assert check("timit", tmp_path, "--out", str(tmp_path / "out")) == data_check.EXIT_DAMAGED
    printed = capsys.readouterr().out
    place = folder.relative_to(tmp_path)
    assert f"damaged (train): {place}/SI10.WAV: the file is empty\n" in printed
    assert f"damaged (train): {place}/SX20.WAV: no phone labels (.PHN) beside it\n" in printed
    assert f"damaged (in no split): {place}/SA1.PHN: line 1 has the unknown phone 'xx'\n" in printed
    assert "3 damaged utterances; --skip-bad" in printed
    assert check("timit", tmp_path, "--skip-bad", "--out", str(tmp_path / "out")) == 0
    assert "3 damaged utterances left out" in capsys.readouterr().out


@pytest.mark.parametrize("corpus", ["timit", "kaldi"])
def test_a_missing_corpus_is_one_line_and_status_2(tmp_path: Path, corpus: str) -> None:
    command = [sys.executable, "-m", "dse.data", "check", "--corpus", corpus, "--corpus-path", str(tmp_path / "none")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2 and run.stdout == ""
    assert len(run.stderr.splitlines()) == 1 and str(tmp_path / "none") in run.stderr


def test_the_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = sample_folder("timit_nltk")
    if folder is None:
        pytest.skip("no TIMIT sample: set DSE_TIMIT_SAMPLE to the folder that holds timit_nltk")
    assert check("timit", folder, "--out", str(tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "12 speakers, 120 utterances; 24 SA sentences left out" in printed
    assert "no errors" in printed and "damaged" not in printed
    assert "28 utterances whose audio had lost carriage returns" in printed
