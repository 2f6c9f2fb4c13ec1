"""The corpora behind their seam, and the synthetic one: deterministic, aligned, cached, as its card says."""

import itertools
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.corpora import CORPORA, open_corpus
from dse.corpora.base import SPLITS, Segment, Utterance, content_fingerprint
from dse.corpora.synthetic import corpus as synthetic
from dse.corpora.synthetic.align import CLOSURES, PHONES, align
from dse.corpora.synthetic.corpus import SyntheticCorpus
from dse.corpora.synthetic.espeak import SAMPLE_RATE_HZ, Espeak
from dse.corpora.synthetic.speaker import UTTERANCES, load_utterances, save_utterances
from dse.corpora.synthetic.text import CONTENT, TEMPLATES, invented_word, sentence
from dse.phones.sets import PHONES_61

SPEAKER = "test_m00"
on_card_machine = pytest.mark.skipif(
    sys.platform != "linux", reason="the card's samples are those of espeak-ng's Linux build"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def use_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(cache))


def spoken(path: Path, count: int) -> list[Utterance]:
    synthetic.synthesise({path: (SPEAKER, count)})
    return load_utterances(path, SPEAKER, count)


def no_synthesis(files: object) -> None:
    raise AssertionError("synthesised although it is cached")


@pytest.mark.parametrize("name", [name for name in CORPORA if name == "synthetic"])
def test_speakers_are_disjoint_and_splits_are_told_apart(name: str) -> None:
    corpus = open_corpus(name)
    speakers = [corpus.speakers(split) for split in SPLITS]
    assert [len(names) for names in speakers] == [56, 20, 12]
    assert len(set(itertools.chain(*speakers))) == 88
    assert len({corpus.fingerprint(split) for split in SPLITS}) == 3


@on_card_machine
def test_utterances_are_what_the_seam_promises() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a difference to the card would warn
        utterances = SyntheticCorpus().utterances("test", per_speaker=1)
    assert [u.speaker for u in utterances] == list(SyntheticCorpus().speakers("test"))
    assert len({u.name for u in utterances}) == len(utterances)
    for utterance in utterances:
        assert utterance.samples.dtype == np.int16
        assert 0.8 < len(utterance.samples) / 16_000 < 5
        assert 1000 < np.abs(utterance.samples.astype(int)).max() <= 32768
        edges = [(s.start_sample, s.end_sample) for s in utterance.segments]
        assert edges[0][0] == 0 and edges[-1][1] == len(utterance.samples)
        assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))
        assert all(start < end for start, end in edges)
        phones = [s.phone for s in utterance.segments]
        assert set(phones) <= set(PHONES_61)
        assert phones[0] == phones[-1] == "h#" and "h#" not in phones[1:-1]


def test_processes_agree_and_a_short_list_is_the_beginning_of_a_long_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = spoken(tmp_path / "whole.npz", UTTERANCES["test"])
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    part = spoken(tmp_path / "part.npz", 5)
    assert content_fingerprint(part) == content_fingerprint(whole[:5])
    assert content_fingerprint(part) != content_fingerprint(whole[1:6])


@on_card_machine
def test_a_speaker_is_what_the_card_says(tmp_path: Path) -> None:
    card = json.loads(synthetic.CARD.read_text())
    utterances = spoken(tmp_path / "speaker.npz", UTTERANCES["test"])
    assert content_fingerprint(utterances).startswith(card["speakers"][SPEAKER]["all"])


def test_card_covers_the_corpus() -> None:
    card = json.loads(synthetic.CARD.read_text())
    assert set(card["speakers"]) == {name for split in SPLITS for name in SyntheticCorpus().speakers(split)}
    for split, figures in card["splits"].items():
        assert figures["utterances"] == UTTERANCES[split] * figures["speakers"]
        assert set(figures["phones"]) | set(figures["phones_missing"]) == set(PHONES_61)
        assert len(figures["phones_missing"]) <= 1
    assert card["splits"]["validation"]["utterances"] == 400


def test_cached_utterances_are_not_synthesised_again_and_damage_is_repaired(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = SyntheticCorpus()
    first = content_fingerprint(corpus.utterances("test", 1))
    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "synthesise", no_synthesis)
        assert content_fingerprint(corpus.utterances("test", 1)) == first
    files = sorted((cache / "corpora").rglob("test_*-1.npz"))
    assert len(files) == 12
    whole = files[0].read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    for damaged in (whole[:-1000], bytes(flipped), b""):
        files[0].write_bytes(damaged)
        assert content_fingerprint(corpus.utterances("test", 1)) == first
        assert files[0].read_bytes() != damaged


def test_a_complete_file_serves_prefixes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path))
    corpus = SyntheticCorpus()
    speakers = corpus.speakers("test")
    whole = {
        speaker: [
            Utterance(f"{speaker}_{i:02d}", speaker, np.full(9 + i, i, np.int16), (Segment(0, 9 + i, "aa"),))
            for i in range(UTTERANCES["test"])
        ]
        for speaker in speakers
    }
    for speaker, utterances in whole.items():
        save_utterances(corpus._file(speaker, UTTERANCES["test"]), utterances)
    monkeypatch.setattr(synthetic, "synthesise", no_synthesis)
    loaded = corpus.utterances("test", 3)
    assert content_fingerprint(loaded) == content_fingerprint([u for s in speakers for u in whole[s][:3]])


def test_other_samples_than_the_cards_are_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path))
    other = Utterance("test_m00_00", SPEAKER, np.ones(9, np.int16), (Segment(0, 9, "aa"),))
    monkeypatch.setattr(synthetic, "synthesise", lambda files: [save_utterances(path, [other]) for path in files])
    with pytest.warns(UserWarning, match="12 of 12 speakers differ from the shipped card") as caught:
        SyntheticCorpus().utterances("test", 1)
    assert len(caught) == 1


def test_bad_requests_say_what_is_valid() -> None:
    with pytest.raises(ValueError, match="no corpus 'timid'; there are synthetic"):
        open_corpus("timid")
    with pytest.raises(ValueError, match="takes no path, got 'x'"):
        open_corpus("synthetic", "x")
    with pytest.raises(ValueError, match="no split 'dev'; there are train, validation, test"):
        SyntheticCorpus().utterances("dev")
    for count in (0, 17):
        with pytest.raises(ValueError, match=f"per_speaker {count} is out of range; test has 1 to 16"):
            SyntheticCorpus().utterances("test", count)


def test_a_missing_engine_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = "def get_library_path(): return '/nowhere/libespeak-ng.so'\n"
    (tmp_path / "espeakng_loader.py").write_text(fake)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"espeak-ng cannot be loaded \(/nowhere.*pip install espeakng-loader$"
    ) as caught:
        synthetic.synthesise({tmp_path / "x.npz": (SPEAKER, 1)})
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_invented_words_are_speakable_and_stressed_once(seed: int) -> None:
    phonemes = invented_word(np.random.default_rng(seed)).split("|")
    assert all(phoneme.lstrip("'") in PHONES for phoneme in phonemes)
    assert sum(phoneme.startswith("'") for phoneme in phonemes) == 1
    assert not any(kind in sentence(np.random.default_rng(seed)) for kind in (*CONTENT, "OWNER", "PREPOSITION"))
    assert len(TEMPLATES) == len(set(TEMPLATES))


def test_boundaries_of_a_drawn_signal_are_found() -> None:
    ms = SAMPLE_RATE_HZ // 1000
    rng = np.random.default_rng(0)

    def stretch(length_ms: int, peak: int) -> np.ndarray:
        return np.rint(rng.uniform(-peak, peak, length_ms * ms)).astype(np.int16)

    lengths_ms = {"lead": 20, "a": 90, "tcl": 50, "t": 30, "i": 70, "bar": 40, "burst": 20, "u": 80, "pause": 200}
    peaks = {"lead": 0, "a": 9000, "tcl": 0, "t": 3000, "i": 9000, "bar": 60, "burst": 4000, "u": 9000, "pause": 0}
    samples = np.concatenate([stretch(lengths_ms[name], peaks[name]) for name in lengths_ms])
    ends = dict(zip(lengths_ms, np.cumsum(list(lengths_ms.values())) * ms, strict=True))
    events = [(ends["lead"], "'a"), (ends["tcl"], "t"), (ends["t"], "i"), (ends["i"], "d"), (ends["burst"], "'u:")]
    segments = align(samples, [(int(start), mnemonic) for start, mnemonic in [*events, (ends["u"], "_:")]])
    assert [s.phone for s in segments] == ["h#", "ae", "tcl", "t", "iy", "dcl", "d", "ux", "h#"]
    found = np.array([s.end_sample for s in segments])
    assert np.abs(found - np.array(list(ends.values()))).max() <= ms


def test_an_unknown_phoneme_is_named() -> None:
    with pytest.raises(ValueError, match="phoneme 'Q' has no phone"):
        align(np.zeros(1000, np.int16), [(0, "Q")])


def test_closures_are_silent_and_releases_are_not() -> None:
    samples, phonemes = Espeak("name plain\nlanguage en-us\n", 170).speak(
        "A pitcher kept the better ticket and took a picture, Peter."
    )
    loudness = {}
    for segment in align(samples, phonemes):
        heard = samples[segment.start_sample : segment.end_sample].astype(float)
        loudness.setdefault(segment.phone, []).append(np.sqrt(np.mean(heard**2)))
    closed = [value for phone in ("pcl", "tcl", "kcl") for value in loudness[phone]]
    released = [value for phone in CLOSURES if phone in loudness for value in loudness[phone]]
    assert len(closed) >= 8
    assert max(closed) < 30 < 100 < min(released)
    assert min(loudness["ih"]) > 1000
