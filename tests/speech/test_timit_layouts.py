"""TIMIT's layouts, found by looking: LDC's and NLTK's, nested, in small letters, with copies beside."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from timit_tree import FOUR, riff, sphere, tone, write_ldc, write_nltk

from dse.corpora import open_corpus
from dse.corpora.base import SPLITS
from dse.corpora.timit.audio import read_audio
from dse.corpora.timit.corpus import TimitCorpus


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def every_utterance(corpus: TimitCorpus) -> dict[str, tuple]:
    found = [utterance for split in SPLITS for utterance in corpus.utterances(split)]
    return {u.name: (u.speaker, u.samples.tolist(), u.segments) for u in found}


def lower(root: Path) -> Path:
    for path in sorted(root.rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.lower()))
    return root


def nested(root: Path) -> Path:
    inner = root / "timit" / "TIMIT"
    inner.mkdir(parents=True)
    (root / "TRAIN").rename(inner / "TRAIN")
    return root


def with_copies(root: Path) -> Path:
    for path in list(root.rglob("*.WAV")):
        path.with_name(path.name + ".wav").write_bytes(riff(read_audio(path)[0]))
        path.with_name("._" + path.name).write_bytes(b"resource fork")
    return root


def with_shorten_and_copies(root: Path) -> Path:
    for path in list(with_copies(root).rglob("S*.WAV")):
        path.write_bytes(sphere(tone(0), coding="pcm,embedded-shorten-v2.00"))
    return root


def with_links_around(root: Path) -> Path:
    """Links to parents, which would go around for ever, and to itself from outside."""
    (root / "loop").symlink_to(root)
    for speaker in root.glob("TRAIN/*/*"):
        (speaker / "up").symlink_to(speaker.parent.parent)
        (speaker / "all").symlink_to(root)
    (root / "nowhere").symlink_to(root / "gone")
    os.mkfifo(root / "TRAIN/SX999.WAV")
    return root


def behind_links(root: Path) -> Path:
    """The speakers elsewhere, each behind a link, and one behind two."""
    for speaker in list(root.glob("T*/*/*")):
        moved = root.with_name("elsewhere") / speaker.relative_to(root)
        moved.parent.mkdir(parents=True, exist_ok=True)
        speaker.rename(moved)
        speaker.symlink_to(moved)
    (root / "TRAIN/again").symlink_to(root / "TRAIN")
    return root


@pytest.mark.parametrize(
    "change", [lower, nested, with_copies, with_shorten_and_copies, with_links_around, behind_links]
)
def test_layouts_give_the_same_corpus(tmp_path: Path, change: Callable[[Path], Path]) -> None:
    plain = TimitCorpus(str(write_ldc(tmp_path / "plain", FOUR)))
    other = TimitCorpus(str(change(write_ldc(tmp_path / "other", FOUR))))
    assert len(other.recordings) == 12
    assert every_utterance(plain) == every_utterance(other)
    assert [plain.fingerprint(s) for s in SPLITS] == [other.fingerprint(s) for s in SPLITS]


def test_nltk_layout_is_found_by_looking(tmp_path: Path) -> None:
    ldc = TimitCorpus(str(write_ldc(tmp_path / "ldc", FOUR)))
    nltk = open_corpus("timit", str(write_nltk(tmp_path / "nltk", FOUR)))
    assert isinstance(nltk, TimitCorpus)
    assert every_utterance(nltk) == every_utterance(ldc)
    assert [recording.region for recording in nltk.recordings] == [recording.region for recording in ldc.recordings]


@pytest.mark.parametrize("path", [None, "absent", "file", "."])
def test_a_missing_corpus_says_where_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="LDC93S1") as error:
        open_corpus("timit", path)
    assert "nltk.download('timit')" in str(error.value)
    assert path is None or f"'{path}'" in str(error.value)
