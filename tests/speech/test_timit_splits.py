"""TIMIT's splits: the standard one, and one of a sample."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timit_tree import write_ldc

from dse.corpora.base import SPLITS
from dse.corpora.timit.corpus import TimitCorpus
from dse.corpora.timit.protocol import TEST_SPEAKERS, VALIDATION_SPEAKERS, leave_speakers_out


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def test_the_standard_split(tmp_path: Path) -> None:
    others = [f"M{a}{b}{c}0" for a in "XYZ" for b in "ABCDEFGHIJKLM" for c in "ABCDEFGHIJKLMNOPQ"]
    train, unused = others[:462], others[462 : 462 + 94]
    parts = dict.fromkeys(train, "TRAIN") | dict.fromkeys([*unused, *VALIDATION_SPEAKERS, *TEST_SPEAKERS], "TEST")
    sentences = ["SA1", "SA2", *(f"SI{n}" for n in range(3)), *(f"SX{n}" for n in range(5))]
    for index, (speaker, part) in enumerate(parts.items()):
        folder = tmp_path / part / f"DR{index % 8 + 1}" / speaker
        folder.mkdir(parents=True)
        for sentence in sentences:
            (folder / f"{sentence}.WAV").touch()
    corpus = TimitCorpus(str(tmp_path))
    assert len(corpus.recordings) == 6300
    counts = {split: (len(corpus.speakers(split)), len(corpus._recordings(split))) for split in SPLITS}
    assert counts == {"train": (462, 3696), "validation": (50, 400), "test": (24, 192)}
    assert set(corpus.speakers("train")) == set(train)
    assert corpus.speakers("test") == tuple(sorted(TEST_SPEAKERS))
    assert not TEST_SPEAKERS & VALIDATION_SPEAKERS
    assert not any(r.is_dialect_sentence for split in SPLITS for r in corpus._recordings(split))
    found, rule, _ = corpus.notes
    assert "1260 SA sentences" in found and "94 speakers of TEST" in found and "752 utterances" in found
    assert rule.startswith("standard split") and "incomplete" not in rule


def test_core_test_has_two_men_and_a_woman_of_each_region() -> None:
    """As TIMIT's documentation defines it."""
    assert sum(name.startswith("M") for name in TEST_SPEAKERS) == 16
    assert sum(name.startswith("F") for name in TEST_SPEAKERS) == 8


def test_an_incomplete_standard_split_says_so(tmp_path: Path) -> None:
    speakers = {"FAAA0": "TRAIN/DR1", "MDAB0": "TEST/DR1", "FAKS0": "TEST/DR1", "MQQQ0": "TEST/DR1"}
    corpus = TimitCorpus(str(write_ldc(tmp_path, speakers)))
    assert [corpus.speakers(split) for split in SPLITS] == [("FAAA0",), ("FAKS0",), ("MDAB0",)]
    assert "incomplete: train 1 of 462, validation 1 of 50, test 1 of 24" in corpus.notes[1]
    assert "MQQQ0" not in {u.speaker for split in SPLITS for u in corpus.utterances(split)}


@given(st.integers(3, 200))
def test_leaving_speakers_out(count: int) -> None:
    speakers = [f"S{index:03}" for index in range(count)]
    split = leave_speakers_out(speakers)
    parts = [split.speakers[name] for name in SPLITS]
    assert sorted(speaker for part in parts for speaker in part) == speakers
    assert min(map(len, parts)) >= 1
    assert len(parts[0]) == count - max(2, count // 4)


@pytest.mark.parametrize(("count", "sizes"), [(4, [2, 1, 1]), (12, [9, 1, 2]), (16, [12, 2, 2])])
def test_sizes_of_sample_splits(count: int, sizes: list[int]) -> None:
    split = leave_speakers_out([f"{'FM'[index % 2]}{index:03}" for index in range(count)])
    assert [len(split.speakers[name]) for name in SPLITS] == sizes
    assert {name[0] for part in ("validation", "test") for name in split.speakers[part]} == {"F", "M"}


def test_two_speakers_are_too_few(tmp_path: Path) -> None:
    write_ldc(tmp_path, {"FAAA0": "TRAIN/DR1", "MBBB0": "TRAIN/DR1"})
    with pytest.raises(ValueError, match="2 speakers cannot be split"):
        TimitCorpus(str(tmp_path))
