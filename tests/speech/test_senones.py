"""Senones: their phones and states, scores collapsed to phone states, decoding with them."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaldi_tree import SENONES, phone_map, write_kaldi
from scipy.special import log_softmax, logsumexp

from dse.corpora.kaldi import KaldiCorpus
from dse.corpora.load import load_split
from dse.phones.decode import estimate_decoder
from dse.phones.senones import SenoneMap, phone_61, read_senone_map
from dse.phones.sets import FOLD_61_TO_39, FOLD_61_TO_48, PHONES_39, PHONES_48, PHONES_61, frame_targets


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


def test_every_name_of_a_phone_set_folds_to_itself() -> None:
    for name in PHONES_48:
        assert PHONES_48[FOLD_61_TO_48[phone_61(name)]] == name
    for name in PHONES_39:
        assert PHONES_39[FOLD_61_TO_39[phone_61(name)]] == name
    assert [phone_61(name) for name in PHONES_61] == list(range(61))


def test_collapsed_posteriors_are_sums_over_senones(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(phone_map())
    senones = read_senone_map(tmp_path / "map")
    logits = np.random.default_rng(0).normal(0, 4, (50, SENONES)).astype(np.float32)
    posteriors = log_softmax(logits.astype(np.float64), axis=1)
    collapsed = senones.collapse(logits)
    assert collapsed.shape == (50, 144) and collapsed.dtype == np.float32
    for target in range(144):
        own = [target, 144 + target] if target < 10 else [target]
        assert np.allclose(collapsed[:, target], logsumexp(posteriors[:, own], axis=1), atol=1e-4)
    assert np.allclose(senones.collapse(posteriors), collapsed, atol=1e-4)
    with pytest.raises(ValueError, match=r"must be \[frames, 154\], not \[50, 144\]"):
        senones.collapse(logits[:, :144])


@given(st.permutations(range(144)))
def test_with_one_senone_a_state_collapsing_is_log_softmax(order: list[int]) -> None:
    lines = [f"{senone} {PHONES_48[target // 3]} {target % 3}" for target, senone in enumerate(order)]
    senones = senone_map(lines)
    logits = np.random.default_rng(1).normal(0, 3, (4, 144)).astype(np.float32)
    assert np.allclose(senones.collapse(logits), log_softmax(logits, axis=1)[:, order], atol=1e-4)


def senone_map(lines: list[str]) -> SenoneMap:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map"
        path.write_text("\n".join(lines))
        return read_senone_map(path)


def test_a_senone_that_no_network_has_is_refused_before_it_costs_memory() -> None:
    with pytest.raises(ValueError, match="map line 2: senone 99999999 is beyond what any network has, 65535 at most"):
        senone_map(["0 sil", "99999999 iy 0"])


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (1, [[0], [0], [0]]),
        (2, [[0], [0], [1]]),
        (3, [[0], [1], [2]]),
        (5, [[0, 1], [2, 3], [4]]),
    ],
)
def test_other_numbers_of_states_become_three(states: int, expected: list[list[int]]) -> None:
    senones = senone_map([f"{state} iy {state}" for state in range(states)])
    first = 3 * PHONES_48.index("iy")
    assert [np.flatnonzero(senones.members[first + third]).tolist() for third in range(3)] == expected
    assert senones.members.sum() == sum(map(len, expected))


def test_states_of_a_phone_without_states_are_thirds_of_its_frames() -> None:
    senones = senone_map(["0 sil", "1 iy 0", "2 iy 1", "3 iy 2"])
    frames = np.array([0] * 6 + [1, 2, 2, 3] + [0] * 3, np.int32)
    assert senones.frame_states(frames).tolist() == [0, 0, 1, 1, 2, 2, 0, 1, 1, 2, 0, 1, 2]


def test_a_senone_network_that_knows_the_alignment_decodes_without_error(tmp_path: Path) -> None:
    write_kaldi(tmp_path / "data")
    corpus = KaldiCorpus(str(tmp_path / "data"))
    train, test = load_split(corpus, "train"), load_split(corpus, "test")
    decoder = estimate_decoder(train.segment_phones, train.segment_counts, frame_targets(train.phones, train.states))
    logits = np.zeros((len(test.features), SENONES), np.float32)
    logits[np.arange(len(logits)), test.targets] = 60
    scores = corpus.senones.collapse(logits)
    errors = decoder.error(scores, test.lengths, test.segment_phones, test.segment_counts)
    assert errors.percent == 0
    wrong = decoder.error(corpus.senones.collapse(-logits), test.lengths, test.segment_phones, test.segment_counts)
    assert wrong.percent > 50
