"""Damaged files of TIMIT: named, or skipped and counted; read again once repaired."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from timit_tree import FOUR, labels, riff, sphere, tone, write_ldc

from dse.corpora import corpus_record, open_corpus
from dse.corpora.load import load_split
from dse.corpora.timit.corpus import TimitCorpus


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "truncated sphere": ("WAV", lambda p: p.write_bytes(p.read_bytes()[:-900]), "truncated: 5550 of 6000 samples"),
    "truncated riff": ("WAV", lambda p: p.write_bytes(riff(tone(1))[:-900]), "truncated: 5550 of 6000 samples"),
    "header only": ("WAV", lambda p: p.write_bytes(p.read_bytes()[:60]), "damaged NIST SPHERE header"),
    "riff header only": ("WAV", lambda p: p.write_bytes(riff(tone(1))[:20]), "damaged RIFF"),
    "empty": ("WAV", lambda p: p.write_bytes(b""), "the file is empty"),
    "no samples": ("WAV", lambda p: p.write_bytes(sphere(tone(1, 0))), "too short: 0 samples"),
    "something else": ("WAV", lambda p: p.write_bytes(b"fLaC" + bytes(900)), "neither NIST SPHERE nor RIFF"),
    "stereo sphere": ("WAV", lambda p: p.write_bytes(sphere(tone(1), channels=2)), "2 channels"),
    "stereo riff": ("WAV", lambda p: p.write_bytes(riff(tone(1), channels=2)), "2 channels"),
    "8 kHz sphere": ("WAV", lambda p: p.write_bytes(sphere(tone(1), rate=8000)), "8000 Hz"),
    "8 kHz riff": ("WAV", lambda p: p.write_bytes(riff(tone(1), rate=8000)), "8000 Hz"),
    "8 bit": ("WAV", lambda p: p.write_bytes(riff(tone(1), width=1)), "8-bit"),
    "shorten": ("WAV", lambda p: p.write_bytes(sphere(tone(1), coding="pcm,embedded-shorten-v2.00")), "sph2pipe"),
    "no audio": ("WAV", lambda p: p.unlink(), "no audio beside it"),
    "no labels": ("PHN", lambda p: p.unlink(), r"SI10\.WAV: no phone labels"),
    "empty labels": ("PHN", lambda p: p.write_text("\n"), "no phone in the file"),
    "unknown phone": ("PHN", lambda p: p.write_text(labels().replace("iy", "ee")), "line 3 has the unknown phone 'ee'"),
    "no number": ("PHN", lambda p: p.write_text(labels().replace("2200 3600 iy", "x 3600 iy")), "line 3 is not"),
    "negative": ("PHN", lambda p: p.write_text(labels().replace("0 1000 h#", "-5 1000 h#")), "line 1 is not"),
    "overlap": ("PHN", lambda p: p.write_text(labels().replace("2200 3600", "2100 3600")), "line 3: 'iy'.*overlaps"),
    "empty phone": ("PHN", lambda p: p.write_text(labels().replace("2200 3600", "3600 3600")), "line 3: 'iy' ends at"),
    "gap": (
        "PHN",
        lambda p: p.write_text(labels().replace("2200 3600 iy\n", "")),
        "line 3: 'tcl' starts at 3600; the 1400",
    ),
    "truncated labels": ("PHN", lambda p: p.write_text(labels()[:23]), "truncated: the labels end with 'sh' at 2200"),
    "out of range": ("PHN", lambda p: p.write_text(labels().replace("5000 6000", "5000 7000")), "out of range"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_or_skipped(tmp_path: Path, kind: str) -> None:
    suffix, damage, message = DAMAGE[kind]
    write_ldc(tmp_path, FOUR)
    train = TimitCorpus(str(tmp_path)).speakers("train")
    (path,) = tmp_path.rglob(f"{train[0]}/SI10.{suffix}")
    damage(path)
    strict = TimitCorpus(str(tmp_path))
    for use in (strict.fingerprint, strict.utterances):
        with pytest.raises(ValueError, match="timit train: 1 of 4 utterances are damaged, first TRAIN") as error:
            use("train")
        assert re.search(message, str(error.value)) and "\n" not in str(error.value)
    assert len(strict.utterances("validation")) == 2
    lenient = open_corpus("timit", str(tmp_path), skip_bad=True)
    assert [u.name for u in lenient.utterances("train")] == [f"{train[0]}_SX20", f"{train[1]}_SI10", f"{train[1]}_SX20"]
    assert [u.name for u in lenient.utterances("train", 1)] == [f"{train[0]}_SX20", f"{train[1]}_SI10"]
    assert corpus_record(lenient)["skipped"] == {"train": 1, "validation": 0, "test": 0}
    assert len(load_split(lenient, "train")) == 3


def test_a_split_without_a_sound_utterance_is_an_error(tmp_path: Path) -> None:
    for path in write_ldc(tmp_path, FOUR).rglob("*.WAV"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"train: 4 of 4 .* none is left"):
        TimitCorpus(str(tmp_path), skip_bad=True).utterances("train")


def test_repaired_files_are_read_again(tmp_path: Path) -> None:
    write_ldc(tmp_path, FOUR)
    sound = TimitCorpus(str(tmp_path)).fingerprint("train")
    (path,) = tmp_path.rglob(f"{TimitCorpus(str(tmp_path)).speakers('train')[0]}/SX20.WAV")
    content = path.read_bytes()
    path.write_bytes(content[:2000])
    with pytest.raises(ValueError, match="truncated"):
        TimitCorpus(str(tmp_path)).fingerprint("train")
    path.write_bytes(content)
    assert TimitCorpus(str(tmp_path)).fingerprint("train") == sound
