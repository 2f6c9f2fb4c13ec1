"""The compiled decoder against searches written differently: all paths enumerated, and a segment-wise program."""

from itertools import combinations, pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from dse.phones import decode
from dse.phones.decode import PHONES, TARGETS, UTTERANCE_START, Decoder, estimate_decoder, tune
from dse.phones.sets import FOLD_61_TO_48, PHONES_48, PHONES_61, frame_targets

ACTIVE = (3, 20, 47)


def random_decoder(rng: np.random.Generator, whole_numbers: bool = False) -> Decoder:
    """A random decoder; with whole numbers every score is an exact integer and ties are common."""
    if whole_numbers:
        bigram, prior = -rng.integers(0, 4, (PHONES + 1, PHONES)), -rng.integers(0, 3, TARGETS)
        return Decoder(bigram.astype(np.float32), prior.astype(np.float32), 1.0, 1.0, float(rng.integers(-2, 3)))
    bigram = np.log(rng.dirichlet(np.full(PHONES, 0.3), PHONES + 1) + 1e-4)
    prior = np.log(rng.dirichlet(np.full(TARGETS, 2.0)) + 1e-4)
    return Decoder(bigram.astype(np.float32), prior.astype(np.float32), rng.uniform(0.1, 1), 0.7, rng.uniform(-2, 2))


def emissions(decoder: Decoder, logits: np.ndarray) -> np.ndarray:
    scores = decoder.acoustic_scale * (logits.astype(np.float64) - decoder.prior_scale * decoder.log_prior)
    return scores.reshape(len(logits), PHONES, 3)


def enumerate_paths(decoder: Decoder, logits: np.ndarray, active: tuple[int, ...]) -> dict[tuple[int, ...], float]:
    """The best score of every phone sequence over `active`: every sequence with every way to time its states."""
    emission = emissions(decoder, logits)
    frames = len(logits)
    best: dict[tuple[int, ...], float] = {}
    for count in range(1, frames // 3 + 1):
        for cuts in combinations(range(1, frames), 3 * count - 1):
            bounds = (0, *cuts, frames)
            runs = [emission[a:b].sum(axis=0) for a, b in pairwise(bounds)]
            for phones in product(active, repeat=count):
                acoustic = sum(runs[3 * i + state][p, state] for i, p in enumerate(phones) for state in range(3))
                chain = zip((UTTERANCE_START, *phones), phones, strict=False)
                language = sum(float(decoder.log_bigram[a, b]) - decoder.phone_penalty for a, b in chain)
                best[phones] = max(best.get(phones, -np.inf), acoustic + language)
    return best


def segment_search(decoder: Decoder, logits: np.ndarray) -> list[int]:
    """Best phones by a program over whole segments in float64: best[t, p] = best score of a p that ends before t."""
    emission = emissions(decoder, logits)
    frames = len(logits)
    total = np.concatenate([np.zeros((1, PHONES, 3)), emission.cumsum(axis=0)])

    def segment(a: int, b: int) -> np.ndarray:
        first = total[a + 1 : b - 1, :, 0] - total[a, :, 0] - total[a + 1 : b - 1, :, 1]
        second = total[a + 2 : b, :, 1] - total[a + 2 : b, :, 2]
        return (np.maximum.accumulate(first, axis=0) + second).max(axis=0) + total[b, :, 2]

    best = np.full((frames + 1, PHONES), -np.inf)
    came: dict[tuple[int, int], tuple[int, int]] = {}
    for b in range(3, frames + 1):
        for a in range(b - 2):
            if a == 0:
                entry, source = decoder.log_bigram[UTTERANCE_START].astype(np.float64), np.full(PHONES, -1)
            else:
                entries = best[a][:, None] + decoder.log_bigram[:PHONES]
                entry, source = entries.max(axis=0), entries.argmax(axis=0)
            scores = entry - decoder.phone_penalty + segment(a, b)
            for p in np.flatnonzero(scores > best[b]):
                best[b, p] = scores[p]
                came[b, p] = (a, source[p])
    end, phone = frames, int(best[frames].argmax())
    path = []
    while end > 0:
        path.append(phone)
        end, phone = came[end, phone]
    return path[::-1]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 10), st.booleans())
def test_best_of_all_paths(seed: int, frames: int, whole_numbers: bool) -> None:
    rng = np.random.default_rng(seed)
    decoder = random_decoder(rng, whole_numbers)
    logits = rng.integers(-3, 4, (frames, TARGETS)) if whole_numbers else rng.normal(0, 4, (frames, TARGETS))
    # The phones left out of the enumeration must not win.
    others = np.setdiff1d(np.arange(PHONES), ACTIVE)
    logits = logits.astype(np.float32)
    logits.reshape(frames, PHONES, 3)[:, others] = -1000
    phones, counts = decoder.decode(logits, [frames])
    scores = enumerate_paths(decoder, logits, ACTIVE)
    assert counts.tolist() == [len(phones)]
    assert phones.dtype == np.int16
    assert scores[tuple(phones.tolist())] == pytest.approx(max(scores.values()), abs=0 if whole_numbers else 1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 45), st.booleans())
def test_equals_the_segment_search_over_all_phones(seed: int, frames: int, flat: bool) -> None:
    rng = np.random.default_rng(seed)
    decoder = random_decoder(rng)
    logits = rng.normal(0, 0.05 if flat else 5, (frames, TARGETS)).astype(np.float32)
    assert decoder.decode(logits, [frames])[0].tolist() == segment_search(decoder, logits)


def test_ties_are_resolved_the_same_way_every_time() -> None:
    flat = Decoder(np.zeros((PHONES + 1, PHONES), np.float32), np.zeros(TARGETS, np.float32))
    phones, counts = flat.decode(np.zeros((12, TARGETS), np.float32), [12])
    # All paths are equal: the lowest index wins and staying goes before moving.
    assert (phones.tolist(), counts.tolist()) == ([0], [1])
    eager = Decoder(flat.log_bigram, flat.log_prior, phone_penalty=-1.0)
    assert eager.decode(np.zeros((12, TARGETS), np.float32), [12])[0].tolist() == [0, 0, 0, 0]
    # Only these states are free: waiting in state 0 for frames 0..3 then costs as little as a whole phone before it.
    logits = np.full((6, PHONES, 3), -9, np.float32)
    logits[range(6), :, [0, 1, 2, 0, 1, 2]] = 0
    logits[:, :, 0] = 0
    assert flat.decode(logits.reshape(6, TARGETS), [6])[0].tolist() == [0]


def test_utterances_are_decoded_as_if_alone_in_any_order() -> None:
    rng = np.random.default_rng(3)
    decoder = random_decoder(rng)
    utterances = [rng.normal(0, 4, (n, TARGETS)).astype(np.float32) for n in (40, 3, 77, 16, 17, 200)]
    alone = [decoder.decode(u, [len(u)])[0].tolist() for u in utterances]
    for order in ([0, 1, 2, 3, 4, 5], [5, 2, 0, 4, 1, 3]):
        phones, counts = decoder.decode(
            np.concatenate([utterances[i] for i in order]), [len(utterances[i]) for i in order]
        )
        parts = np.split(phones, np.cumsum(counts)[:-1])
        assert [part.tolist() for part in parts] == [alone[i] for i in order]


def test_codes_are_decoded_as_the_logits_that_they_are() -> None:
    rng, lengths = np.random.default_rng(0), [3, 40, 17]
    decoder, codes = random_decoder(rng), rng.integers(-(2**15), 2**15, (60, 160)).astype(np.int16)[:, :TARGETS]
    for bits in (0, 7, -3):
        expected = decoder.decode(codes * np.float32(2.0**-bits), lengths)
        assert all(map(np.array_equal, decoder.decode(codes, lengths, bits), expected))


def test_a_shift_of_all_states_of_a_frame_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    decoder = random_decoder(rng)
    logits = rng.normal(0, 4, (300, TARGETS)).astype(np.float32)
    shifted = logits + rng.integers(-50, 50, (300, 1)).astype(np.float32)
    assert np.array_equal(decoder.decode(logits, [300])[0], decoder.decode(shifted, [300])[0])


def speech(rng: np.random.Generator, utterances: int) -> tuple[np.ndarray, ...]:
    """61-set segments, their counts, frame targets and utterance lengths of random but well-formed utterances."""
    counts = rng.integers(4, 9, utterances)
    phones = rng.integers(0, len(PHONES_61), counts.sum())
    phones[phones == PHONES_61.index("q")] = PHONES_61.index("h#")
    frames = rng.integers(3, 9, len(phones))
    states = np.concatenate([np.arange(n) * 3 // n for n in frames])
    lengths = np.add.reduceat(frames, np.cumsum(counts) - counts)
    return phones, counts, frame_targets(np.repeat(phones, frames), states), lengths


def test_clear_outputs_are_read_without_error_and_noise_is_not() -> None:
    rng = np.random.default_rng(5)
    phones, counts, targets, lengths = speech(rng, 12)
    decoder = estimate_decoder(phones, counts, targets)
    logits = rng.normal(0, 1, (len(targets), TARGETS)).astype(np.float32)
    assert decoder.error(logits, lengths, phones, counts).percent > 50
    logits[np.arange(len(targets)), targets] += 60
    decoded, decoded_counts = decoder.decode(logits, lengths)
    assert np.array_equal(decoded, FOLD_61_TO_48[phones])
    assert np.array_equal(decoded_counts, counts)
    assert decoder.error(logits, lengths, phones, counts).percent == 0


def test_bigram_and_priors_by_hand() -> None:
    sil, aa, s = (PHONES_61.index(p) for p in ("h#", "aa", "s"))
    q = PHONES_61.index("q")
    decoder = estimate_decoder([sil, aa, q, s, sil, sil, aa, sil], [5, 3], np.array([0, 0, 0, 143]))
    at = {p: PHONES_48.index(p) for p in ("sil", "aa", "s", "b")}
    probability = np.exp(decoder.log_bigram.astype(np.float64))
    assert probability.sum(axis=1) == pytest.approx(np.ones(PHONES + 1))
    # Seven phones are left without q: sil aa s sil | sil aa sil. Unigrams start from one count.
    unigram = {"aa": 3 / 55, "s": 2 / 55, "b": 1 / 55, "sil": 5 / 55}
    # sil was followed by aa, twice: one follower; aa by s and sil: two; the start by sil, twice; b by nothing.
    assert probability[at["sil"], at["aa"]] == pytest.approx((2 + unigram["aa"]) / 3)
    assert probability[at["aa"], at["s"]] == pytest.approx((1 + 2 * unigram["s"]) / 4)
    assert probability[UTTERANCE_START, at["sil"]] == pytest.approx((2 + unigram["sil"]) / 3)
    assert probability[at["b"], at["sil"]] == pytest.approx(unigram["sil"])
    prior = np.exp(decoder.log_prior.astype(np.float64))
    assert prior[[0, 1, 143]] == pytest.approx(np.array([4, 1, 2]) / 148)


def test_tuning_finds_the_best_of_its_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "ACOUSTIC_SCALES", (0.02, 0.5))
    monkeypatch.setattr(decode, "PRIOR_SCALES", (0.0, 1.0))
    monkeypatch.setattr(decode, "PHONE_PENALTIES", (-30.0, 0.0))
    rng = np.random.default_rng(6)
    phones, counts, targets, lengths = speech(rng, 20)
    logits = rng.normal(0, 2, (len(targets), TARGETS)).astype(np.float32)
    logits[np.arange(len(targets)), targets] += 6
    start = estimate_decoder(phones, counts, targets)
    tuned = tune(start, logits, lengths, phones, counts)
    percents = {
        weights: Decoder(start.log_bigram, start.log_prior, *weights).error(logits, lengths, phones, counts).percent
        for weights in product((0.02, 0.5), (0.0, 1.0), (-30.0, 0.0))
    }
    assert len(set(percents.values())) > 2
    assert (tuned.acoustic_scale, tuned.prior_scale, tuned.phone_penalty) == min(percents, key=percents.__getitem__)


def test_a_stored_decoder_comes_back_equal(tmp_path: Path) -> None:
    decoder = random_decoder(np.random.default_rng(7))
    save_file(decoder.to_arrays(), tmp_path / "decoder.safetensors")
    back, arrays = Decoder.from_arrays(load_file(tmp_path / "decoder.safetensors")).to_arrays(), decoder.to_arrays()
    assert all(np.array_equal(back[name], array) for name, array in arrays.items())
    del arrays["log_prior"]
    with pytest.raises(ValueError, match="lack log_prior"):
        Decoder.from_arrays(arrays)


def test_bad_logits_are_named() -> None:
    decoder = random_decoder(np.random.default_rng(8))
    logits = np.zeros((12, TARGETS), np.float32)
    for value in (np.nan, np.inf, -np.inf):
        spoilt = logits.copy()
        spoilt[5, 100] = value
        with pytest.raises(ValueError, match=r"in 1 of 3 utterances \(first: utterance 1\)"):
            decoder.decode(spoilt, [4, 4, 4])
    with pytest.raises(ValueError, match="in 3 of 3 utterances"):
        decoder.decode(np.full_like(logits, np.nan), [4, 4, 4])
    with pytest.raises(ValueError, match="overflow, in 2 of 2 utterances"):
        Decoder(decoder.log_bigram, decoder.log_prior, 1.0).decode(np.full_like(logits, -3e38), [6, 6])
    with pytest.raises(ValueError, match="frames = 11"):
        decoder.decode(logits, [11])
    with pytest.raises(ValueError, match="at least 3 frames, not 2"):
        decoder.decode(logits, [10, 2])
    with pytest.raises(ValueError, match="log_prior must be finite float32"):
        Decoder(decoder.log_bigram, decoder.log_prior[:48])
    with pytest.raises(ValueError, match=r"must be in 0\.\.143"):
        estimate_decoder([0], [1], np.array([144]))


def test_a_bigram_may_lie_in_memory_column_by_column():
    rng = np.random.default_rng(3)
    bigram = rng.normal(size=(PHONES + 1, PHONES)).astype(np.float32)
    prior = np.zeros(TARGETS, np.float32)
    logits = rng.normal(size=(60, TARGETS)).astype(np.float32)
    found = [Decoder(array, prior).decode(logits, [25, 35]) for array in (bigram, np.asfortranarray(bigram))]
    assert all((a == b).all() for a, b in zip(*found, strict=True))
