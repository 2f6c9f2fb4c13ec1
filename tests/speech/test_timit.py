"""TIMIT's layouts, audio, labels and splits on trees of tones, and on the real sample where it is there."""

import re
from collections.abc import Callable
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timit_tree import FOUR, PHONES, SAMPLES, labels, riff, sample_folder, sphere, tone, write_ldc, write_nltk

from dse.corpora import corpus_record, features, open_corpus
from dse.corpora.base import SPLITS
from dse.corpora.load import load_split
from dse.corpora.timit.audio import read_audio, read_segments
from dse.corpora.timit.corpus import TimitCorpus
from dse.corpora.timit.newlines import LEAST_BYTES, restore_carriage_returns
from dse.corpora.timit.protocol import TEST_SPEAKERS, VALIDATION_SPEAKERS, leave_speakers_out


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def sample(name: str) -> Path:
    folder = sample_folder(name)
    if folder is None:
        pytest.skip(f"no TIMIT sample: set DSE_TIMIT_SAMPLE to the folder that holds {name}")
    return folder


def every_utterance(corpus: TimitCorpus) -> dict[str, tuple]:
    found = [utterance for split in SPLITS for utterance in corpus.utterances(split)]
    return {u.name: (u.speaker, u.samples.tolist(), u.segments) for u in found}


# Layouts


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


@pytest.mark.parametrize("change", [lower, nested, with_copies, with_shorten_and_copies])
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


@pytest.mark.parametrize("make", [sphere, riff, lambda s: sphere(s, order="10"), lambda s: sphere(s) + b"padding"])
def test_audio_is_what_was_written(tmp_path: Path, make: Callable[[np.ndarray], bytes]) -> None:
    samples = tone(3)
    (tmp_path / "a.wav").write_bytes(make(samples))
    read, repaired = read_audio(tmp_path / "a.wav")
    assert read.dtype == np.int16 and np.array_equal(read, samples) and not repaired


@pytest.mark.parametrize("path", [None, "absent", "file", "."])
def test_a_missing_corpus_says_where_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="LDC93S1") as error:
        open_corpus("timit", path)
    assert "nltk.download('timit')" in str(error.value)
    assert path is None or f"'{path}'" in str(error.value)


# Splits


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


# Damage

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


# Labels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (labels(), list(PHONES)),
        (labels((*PHONES[:-1], ("h#", 5900))), list(PHONES)),  # TIMIT's usual end, before the last sample
        (labels((*PHONES[:-1], ("h#", 5100))), list(PHONES)),  # long before it
        (labels((*PHONES[:-1], ("h#", 6100))), list(PHONES)),  # after it
        (labels(PHONES[:-1]), [*PHONES[:-1], ("h#", 6000)]),
        (labels().replace("0 1000", "700 1000", 1), list(PHONES)),
        ("200 3000 iy\n3100 5800 t\n", [("iy", 3100), ("t", 6000)]),
        ("800 3000 iy\n4000 5000 t\n", [("h#", 800), ("iy", 3000), ("pau", 4000), ("t", 5000), ("h#", 6000)]),
    ],
)
def test_segments_cover_the_audio(tmp_path: Path, text: str, expected: list[tuple[str, int]]) -> None:
    (tmp_path / "a.phn").write_text(text)
    segments = read_segments(tmp_path / "a.phn", SAMPLES)
    assert [(s.phone, s.end_sample) for s in segments] == expected
    assert [s.start_sample for s in segments] == [0, *(end for _, end in expected[:-1])]


# Lost carriage returns


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(200, 8000), st.integers(0, 200))
def test_lost_carriage_returns_are_put_back(seed: int, loudness: float, noise: int) -> None:
    rng = np.random.default_rng(seed)
    time = np.arange(30_000) / 16_000
    tones = sum(np.sin(2 * np.pi * f * time + f) for f in rng.uniform(80, 700, 3)) * (1.2 + np.sin(3 * time))
    whole = (loudness / 3 * tones + rng.normal(0, noise, len(time))).astype("<i2").tobytes()
    converted = whole.replace(b"\r\n", b"\n")
    restored, changed = restore_carriage_returns(converted)
    lost = len(whole) - len(converted)
    assert changed == (lost > 0)
    # Two losses close to each other leave too few wrong samples between them to be seen.
    assert 0 <= len(whole) - len(restored) <= lost
    assert (len(whole) - len(restored)) % 2 == 0
    assert restore_carriage_returns(whole) == (whole, False)


def test_sound_audio_without_a_carriage_return_is_left_alone(tmp_path: Path) -> None:
    samples = np.frombuffer(tone(1).tobytes().replace(b"\r", b"\x0b"), np.int16)
    (tmp_path / "a.wav").write_bytes(riff(samples))
    assert 2 * len(samples) > LEAST_BYTES
    read, repaired = read_audio(tmp_path / "a.wav")
    assert np.array_equal(read, samples) and not repaired


# The real sample


def test_sphere_and_riff_of_the_sample_are_identical() -> None:
    nltk, ldc = TimitCorpus(str(sample("timit_nltk"))), TimitCorpus(str(sample("timit_ldc")))
    files = {recording.name: recording.audio[0] for recording in nltk.recordings}
    assert len(ldc.recordings) == 40
    for recording in ldc.recordings:
        (one, _), (other, _) = read_audio(recording.audio[0]), read_audio(files[recording.name])
        assert np.array_equal(one, other)


def test_restored_sphere_files_have_the_length_that_their_headers_declare() -> None:
    """NLTK's sample lost bytes; how many, and the extremes of the samples, can be known from the SPHERE headers."""
    restored = 0
    for recording in TimitCorpus(str(sample("timit_ldc"))).recordings:
        content = recording.audio[0].read_bytes()
        header = {k: int(v) for k, v in re.findall(r"(\w+) -i (-?\d+)", content[:1024].decode())}
        payload, changed = restore_carriage_returns(content[1024:])
        assert len(payload) == 2 * header["sample_count"]
        samples = np.frombuffer(payload, "<i2")
        assert samples.min() == header["sample_min"]
        restored += changed
    assert restored == 12


def test_the_sample_loads_once_and_holds_kaldis_features(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = TimitCorpus(str(sample("timit_nltk")))
    split = load_split(corpus, "test")
    assert set(split.speakers) == set(corpus.speakers("test")) and len(split) == 16

    def fbank(samples: np.ndarray) -> np.ndarray:
        options = kaldi_native_fbank.FbankOptions()
        options.frame_opts.dither = 0
        options.frame_opts.window_type = "hamming"
        options.mel_opts.num_bins = 23
        computer = kaldi_native_fbank.OnlineFbank(options)
        computer.accept_waveform(16_000, samples.astype(np.float32))
        computer.input_finished()
        return np.stack([computer.get_frame(index) for index in range(computer.num_frames_ready)])

    for speaker in corpus.speakers("test"):
        own = np.concatenate([fbank(u.samples) for u in corpus.utterances("test") if u.speaker == speaker])
        of_speaker = np.repeat(np.array(split.speakers) == speaker, split.lengths)
        assert np.allclose(split.features[of_speaker], own - own.mean(axis=0), atol=1e-3)

    def fail(samples: np.ndarray) -> np.ndarray:
        raise AssertionError("features were computed again")

    monkeypatch.setattr(features, "log_mel", fail)
    monkeypatch.setattr("dse.corpora.timit.corpus.read_audio", fail)
    assert np.array_equal(load_split(TimitCorpus(str(corpus.root)), "test").features, split.features)
