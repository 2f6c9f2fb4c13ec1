"""The delta gate against a plain step-by-step one, and its invariants."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.delta import delta_gate


def plain_gate(codes: np.ndarray, threshold: int) -> tuple[np.ndarray, int]:
    """One utterance [T, D], element by element in Python."""
    held, sent = np.zeros(codes.shape, int), 0
    for d in range(codes.shape[1]):
        last = 0
        for t in range(codes.shape[0]):
            if abs(int(codes[t, d]) - last) > threshold:
                last, sent = int(codes[t, d]), sent + 1
            held[t, d] = last
    return held, sent


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    width=st.integers(1, 20),
    dtype=st.sampled_from([np.int8, np.int16]),
    threshold=st.integers(0, 300),
)
@settings(max_examples=80, deadline=None)
def test_gate_equals_the_plain_one_utterance_by_utterance(seed, lengths, width, dtype, threshold):
    limits = np.iinfo(dtype)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    codes = np.random.default_rng(seed).integers(limits.min, limits.max + 1, (offsets[-1], width)).astype(dtype)
    held = codes.copy()
    sent = delta_gate(held, offsets, threshold)
    parts = [plain_gate(codes[a:b], threshold) for a, b in itertools.pairwise(offsets)]
    assert sent == sum(count for _, count in parts)
    assert (held == np.concatenate([h for h, _ in parts])).all()
    assert np.abs(held.astype(int) - codes).max(initial=0) <= threshold


def test_threshold_zero_changes_nothing_and_counts_only_changes():
    codes = np.array([[0, 5], [3, 5], [3, 5], [3, -5]], np.int8)
    held = codes.copy()
    assert delta_gate(held, np.array([0, 4]), 0) == 3
    assert (held == codes).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_larger_threshold_on_a_rising_ramp_never_sends_more(seed):
    ramp = np.cumsum(np.random.default_rng(seed).integers(0, 5, (30, 4)), axis=0).astype(np.int16)
    sent = [delta_gate(ramp.copy(), np.array([0, 30]), threshold) for threshold in range(20)]
    assert sent == sorted(sent, reverse=True)
