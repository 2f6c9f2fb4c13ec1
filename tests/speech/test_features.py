"""Filterbank features against Kaldi's formulas, frame labels against brute force, splits and their cache."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.corpora import load as data
from dse.corpora.base import SAMPLE_RATE_HZ, SPLITS, Segment, Utterance, check_split, content_fingerprint
from dse.corpora.features import (
    frame_phones,
    frame_states,
    log_mel,
    phone_indices,
    standardisation,
    subtract_speaker_means,
    unvarying,
)
from dse.corpora.load import load_split
from dse.corpora.split import Split
from dse.phones.sets import PHONES_61

ARRAYS = ("features", "lengths", "phones", "states", "segment_phones", "segment_counts")


class InMemory:
    """Three speakers of noise, two to four utterances each; counts how often it is asked for samples."""

    name = "memory"
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.asked = 0

    def speakers(self, split: str) -> tuple[str, ...]:
        check_split(split)
        return tuple(f"{split}{index}" for index in range(3))

    def utterances(self, split: str, per_speaker: int | None = None) -> list[Utterance]:
        self.asked += 1
        rng = np.random.default_rng([self.seed, SPLITS.index(split)])
        utterances = []
        for index, speaker in enumerate(self.speakers(split)):
            for number in range(index + 2):
                samples = rng.integers(-3000, 3000, rng.integers(2000, 9000)).astype(np.int16)
                cuts = sorted({0, *rng.integers(1, len(samples), 6).tolist(), len(samples)})
                phones = [PHONES_61[i] for i in rng.integers(0, 61, len(cuts) - 1)]
                segments = tuple(map(Segment, cuts, cuts[1:], phones))
                if per_speaker is None or number < per_speaker:
                    utterances.append(Utterance(f"{speaker}_{number}", speaker, samples, segments))
        return utterances

    def fingerprint(self, split: str) -> str:
        check_split(split)
        return f"{self.seed} {split}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path))
    return tmp_path


def kaldi_log_mel(samples: np.ndarray) -> np.ndarray:
    """Kaldi's fbank in float64, written from its documentation: mel scale 1127 ln(1 + f / 700), 20 Hz to 8 kHz."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(frames * np.hamming(400), 512)) ** 2

    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return 1127 * np.log1p(np.asarray(hertz) / 700)

    edges = np.linspace(mel(20), mel(8000), 25)
    bins = mel(np.arange(257) * 16_000 / 512)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.clip(np.minimum(rising, falling), 0, None)
    weights[:, 256] = 0
    return np.log(power @ weights.T)


def test_features_follow_kaldis_formulas() -> None:
    samples = np.random.default_rng(0).integers(-20_000, 20_000, 12_345).astype(np.int16)
    assert np.abs(log_mel(samples) - kaldi_log_mel(samples)).max() < 2e-3


def test_features_are_kaldi_native_fbanks() -> None:
    samples = np.random.default_rng(1).integers(-500, 500, 8000).astype(np.int16)
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = 23
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(16_000, samples.astype(np.float32))
    fbank.input_finished()
    direct = np.stack([fbank.get_frame(index) for index in range(fbank.num_frames_ready)])
    assert np.array_equal(log_mel(samples), direct)


@pytest.mark.parametrize("count", [0, 399, 400, 559, 560, 16_000])
def test_frame_count(count: int) -> None:
    result = log_mel(np.ones(count, np.int16))
    assert result.shape == (max(0, 1 + (count - 400) // 160), 23)
    assert result.dtype == np.float32


@given(st.lists(st.tuples(st.integers(1, 900), st.sampled_from(PHONES_61)), min_size=1, max_size=30))
def test_labels_are_those_of_the_centre_sample(parts: list[tuple[int, str]]) -> None:
    ends = np.cumsum([length for length, _ in parts]).tolist()
    segments = [Segment(e - length, e, phone) for e, (length, phone) in zip(ends, parts, strict=True)]
    frames = max(0, 1 + (ends[-1] - 400) // 160)
    phones, states = frame_phones(segments, frames), frame_states(segments, frames)
    assert phones.dtype == np.int16 and states.dtype == np.int8
    assert len(phones) == len(states) == frames
    for frame in range(frames):
        centre = frame * 160 + 200
        (under,) = [s for s in segments if s.start_sample <= centre < s.end_sample]
        assert PHONES_61[phones[frame]] == under.phone
        third = (under.end_sample - under.start_sample) / 3
        assert states[frame] * third <= centre - under.start_sample < (states[frame] + 1) * third + 1e-6
    assert [PHONES_61[i] for i in phone_indices(segments)] == [phone for _, phone in parts]


def test_means_are_subtracted_speaker_by_speaker() -> None:
    rng = np.random.default_rng(0)
    features = [rng.normal(10, 3, (t, 23)).astype(np.float32) for t in (50, 70, 30)]
    before = [f.copy() for f in features]
    subtract_speaker_means(features, ["a", "b", "a"])
    assert np.abs(np.concatenate([features[0], features[2]]).mean(axis=0)).max() < 1e-5
    assert np.abs(features[1].mean(axis=0)).max() < 1e-5
    shifts = np.concatenate([features[i] - before[i] for i in (0, 2)])
    assert np.ptp(shifts, axis=0).max() < 1e-5


def same(a: Split, b: Split) -> bool:
    return all(
        np.array_equal(x, y) for x, y in ((getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(Split))
    )


def test_a_split_holds_its_utterances_one_after_another() -> None:
    corpus = InMemory()
    split = load_split(corpus, "train")
    utterances = corpus.utterances("train")
    assert split.names == tuple(u.name for u in utterances)
    assert split.speakers == tuple(u.speaker for u in utterances)
    assert split.fingerprint == content_fingerprint(utterances)
    assert len(split) == 9 and split.seconds == pytest.approx(len(split.features) / 100)
    dtypes = [getattr(split, name).dtype for name in ARRAYS]
    assert dtypes == [np.float32, np.int64, np.int16, np.int8, np.int16, np.int64]
    for index, utterance in enumerate(utterances):
        frames = slice(split.offsets[index], split.offsets[index + 1])
        log_mels = log_mel(utterance.samples)
        assert np.ptp(split.features[frames] - log_mels, axis=0).max() < 1e-4  # they differ by a constant
        assert np.array_equal(split.phones[frames], frame_phones(utterance.segments, len(log_mels)))
        assert [PHONES_61[i] for i in split.references[index]] == [s.phone for s in utterance.segments]


def test_a_split_is_computed_once(cache: Path) -> None:
    corpus = InMemory()
    first = load_split(corpus, "test")
    second = load_split(corpus, "test")
    assert corpus.asked == 1
    assert same(first, second)
    assert not second.features.flags.writeable and not second.features.flags.owndata
    assert not list(cache.rglob("*.tmp")) and not list(cache.rglob(".*"))


def test_prefix_other_content_and_other_settings_have_caches_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, other = InMemory(), InMemory(seed=1)
    whole, prefix, different = load_split(corpus, "test"), load_split(corpus, "test", 1), load_split(other, "test")
    assert prefix.names == tuple(name for name in whole.names if name.endswith("_0"))
    assert len({whole.fingerprint, prefix.fingerprint, different.fingerprint}) == 3
    monkeypatch.setitem(data.SETTINGS, "format", -1)
    load_split(corpus, "test")
    assert corpus.asked == 3


def truncate(content: bytes) -> bytes:
    return content[:-40]


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 255])


@pytest.mark.parametrize("damage", [truncate, flip, lambda content: b"", lambda content: b"{}"])
@pytest.mark.parametrize("name", ["features.npy", "segment_counts.npy", "index.json"])
def test_damage_is_repaired(cache: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    corpus = InMemory()
    whole = load_split(corpus, "test").take(range(9))
    (path,) = cache.rglob(name)
    path.write_bytes(damage(path.read_bytes()))
    for _ in range(2):
        assert same(load_split(corpus, "test").take(range(9)), whole)
    assert corpus.asked == 2


@given(st.lists(st.integers(0, 8), max_size=12))
def test_taken_utterances_are_the_chosen_ones(chosen: list[int]) -> None:
    split = data._compute(InMemory(), "validation", None)
    taken = split.take(chosen)
    assert taken.names == tuple(split.names[i] for i in chosen)
    assert len(taken.features) == len(taken.phones) == len(taken.states) == taken.lengths.sum()
    for position, index in enumerate(chosen):
        frames = slice(taken.offsets[position], taken.offsets[position + 1])
        original = slice(split.offsets[index], split.offsets[index + 1])
        for name in ("features", "phones", "states"):
            assert np.array_equal(getattr(taken, name)[frames], getattr(split, name)[original])
        assert np.array_equal(taken.references[position], split.references[index])
    assert taken.fingerprint != split.fingerprint
    assert taken.fingerprint == split.take(chosen).fingerprint


def test_an_utterance_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match="utterance 9 of split test is out of range; it has 9"):
        load_split(InMemory(), "test").take([0, 9])


@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.sampled_from([0.0, 1e-3, 15.942385, -2000.0]))
def test_standardisation_divides_by_nothing_small(seed: int, flat: int, value: float) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.normal(3, 1, (50, 8)) * 10 ** rng.uniform(-1, 1, 8)).astype(np.float32)
    chosen = sorted(rng.choice(8, flat, replace=False).tolist())
    values[:, chosen] = value
    assert unvarying(values) == tuple(chosen)
    mean, deviation = standardisation(values)
    assert (deviation > 0).all() and np.abs((values - mean) / deviation).max() < 20
    others = np.delete(np.arange(8), chosen)
    assert np.array_equal(mean, values.mean(axis=0)) and np.array_equal(deviation[others], values.std(axis=0)[others])
