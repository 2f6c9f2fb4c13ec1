"""The real sample of TIMIT, where it is there."""

import re
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import pytest
from timit_tree import sample_folder

from dse.corpora import features
from dse.corpora.load import load_split
from dse.corpora.timit.audio import read_audio
from dse.corpora.timit.corpus import TimitCorpus
from dse.corpora.timit.newlines import restore_carriage_returns


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def sample(name: str) -> Path:
    folder = sample_folder(name)
    if folder is None:
        pytest.skip(f"no TIMIT sample: set DSE_TIMIT_SAMPLE to the folder that holds {name}")
    return folder


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
