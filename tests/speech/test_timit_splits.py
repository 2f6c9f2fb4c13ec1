"""TIMIT's splits: the standard one, and one of a sample."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timit_tree import write_ldc

from dse.corpora.base import SPLITS
from dse.corpora.timit.corpus import TimitCorpus
from dse.corpora.timit.protocol import NOT_COMPARABLE, TEST_SPEAKERS, VALIDATION_SPEAKERS, hold_out, split_speakers
from models.workload import InputError


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
    assert NOT_COMPARABLE in corpus.notes[1]
    assert "MQQQ0" not in {u.speaker for split in SPLITS for u in corpus.utterances(split)}


TRAIN = [f"{'FMM'[index % 3]}X{chr(65 + index // 26)}{chr(65 + index % 26)}0" for index in range(462)]
OTHERS = [f"{'FMM'[index % 3]}Y{chr(65 + index // 26)}{chr(65 + index % 26)}0" for index in range(94)]
PARTS = {"train": TRAIN, "validation": sorted(VALIDATION_SPEAKERS), "test": sorted(TEST_SPEAKERS), "other": OTHERS}


@given(
    st.dictionaries(st.sampled_from(list(PARTS)), st.integers(0, 94)),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_speakers_of_test_never_train(counts: dict[str, int], folders: bool, random: Random) -> None:
    """Whatever else is missing, and whatever the folders are called; other speakers of TEST are known by those only."""
    chosen = {name: random.sample(PARTS[name], min(count, len(PARTS[name]))) for name, count in counts.items()}
    if not folders:
        chosen.pop("other", None)
    part = {speaker: ("train" if name == "train" else "test") * folders for name in chosen for speaker in chosen[name]}
    try:
        split = split_speakers(part, {speaker: f"DR{random.randint(1, 8)}" for speaker in part})
    except InputError as error:
        assert len(chosen.get("train", ())) <= 2 and "speakers of TEST never train" in str(error)
        return
    train, validation, test = (set(split.speakers[name]) for name in SPLITS)
    assert train and validation and test
    assert train <= set(TRAIN) and not train & validation and not (train | validation) & test
    assert validation <= set(TRAIN) or validation == set(chosen["validation"])
    core = set(chosen.get("test", ()))
    assert test == core if core else test <= set(TRAIN) or test == set(chosen["other"])
    whole = {name: len(chosen.get(name, ())) for name in SPLITS} == {"train": 462, "validation": 50, "test": 24}
    assert whole == (NOT_COMPARABLE not in split.rule)
    assert split.rule.startswith("standard split" if all(chosen.get(name) for name in SPLITS) else "own split")


def test_core_test_speakers_alone_keep_to_the_test(tmp_path: Path) -> None:
    """A copy with TRAIN and the 24 core test speakers."""
    speakers = dict.fromkeys(TRAIN[:16], "TRAIN/DR1") | dict.fromkeys(TEST_SPEAKERS, "TEST/DR1")
    for speaker, folder in speakers.items():
        (tmp_path / folder / speaker).mkdir(parents=True)
        (tmp_path / folder / speaker / "SX1.WAV").touch()
    corpus = TimitCorpus(str(tmp_path))
    assert corpus.speakers("test") == tuple(sorted(TEST_SPEAKERS))
    assert len(corpus.speakers("train")) == 14 and len(corpus.speakers("validation")) == 2
    assert "train 14, validation 2 held out of training, test 24 of TEST" in corpus.notes[1]


@given(st.integers(1, 200), st.sampled_from(["FM", "FMM", "S", "M"]), st.booleans(), st.sampled_from([1, 2]))
def test_holding_speakers_out(count: int, sexes: str, regions: bool, splits: int) -> None:
    speakers = [f"{sexes[index % len(sexes)]}{index:03}" for index in range(count + splits)]
    names = ["validation", "test"][-splits:]
    held = hold_out({speaker: f"DR{index % 8 + 1}" * regions for index, speaker in enumerate(speakers)}, names)
    assert list(held) == names and min(map(len, held.values())) >= 1
    assert len(set().union(*held.values())) == sum(map(len, held.values())) == max(splits, len(speakers) * splits // 8)
    for chosen in held.values():
        for sex in set(sexes):
            share = sum(speaker[0] == sex for speaker in speakers) / len(speakers)
            assert abs(sum(speaker[0] == sex for speaker in chosen) - share * len(chosen)) <= 1


@pytest.mark.parametrize(("count", "sizes"), [(4, [2, 1, 1]), (12, [9, 1, 2]), (16, [12, 2, 2])])
def test_sizes_of_sample_splits(count: int, sizes: list[int]) -> None:
    speakers = [f"{'FM'[index % 2]}{index:03}" for index in range(count)]
    split = split_speakers(dict.fromkeys(speakers, ""), dict.fromkeys(speakers, ""))
    assert [len(split.speakers[name]) for name in SPLITS] == sizes
    assert {name[0] for part in ("validation", "test") for name in split.speakers[part]} == {"F", "M"}


def test_two_speakers_are_too_few(tmp_path: Path) -> None:
    write_ldc(tmp_path, {"FAAA0": "TRAIN/DR1", "MBBB0": "TRAIN/DR1"})
    with pytest.raises(ValueError, match=r"2 speakers outside of TEST cannot be split: .*at least 3 others"):
        TimitCorpus(str(tmp_path))
