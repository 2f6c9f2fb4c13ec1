"""Compiled Viterbi search over 48 phones of three left-to-right states; see `dse.decode` for what a path scores."""

import numba
import numpy as np
from numpy.typing import NDArray

from dse.phones import PHONES_48, STATES_PER_PHONE

PHONES = len(PHONES_48)
TARGETS = PHONES * STATES_PER_PHONE
UTTERANCE_START = PHONES

# Path scores restart near zero this often, which keeps their float32 rounding independent of the utterance length.
_FRAMES_BETWEEN_RESTARTS = 16


@numba.njit(cache=True, nogil=True)
def viterbi(
    logits: NDArray[np.float32],
    lengths: NDArray[np.int64],
    scale: np.float32,
    bias: NDArray[np.float32],
    enter: NDArray[np.float32],
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Viterbi per utterance. bias [144] is added to each scaled frame, enter [49, 48] is paid on entering a phone.

    A count of 0 marks an utterance whose scores overflowed.
    """
    # Overflowed scores can cost one phone more than there is room for in whole phones.
    phones = np.empty(len(logits) // STATES_PER_PHONE + len(lengths), dtype=np.int16)
    counts = np.zeros(len(lengths), dtype=np.int64)
    scores = np.empty((lengths.max() if len(lengths) else 0, TARGETS), dtype=np.float32)
    row_max = np.empty(PHONES, dtype=np.float32)
    row_min = np.empty(PHONES, dtype=np.float32)
    for p in range(PHONES):
        row_max[p] = enter[p].max()
        row_min[p] = enter[p].min()
    start = 0
    total = 0
    for u in range(len(lengths)):
        _forward(logits[start : start + lengths[u]], scale, bias, enter, row_max, row_min, scores)
        count = _trace_back(scores[: lengths[u]], enter, phones[total:])
        start += lengths[u]
        total += count
        counts[u] = count
    return phones[:total].copy(), counts


@numba.njit(cache=True, nogil=True)
def _forward(
    logits: NDArray[np.float32],
    scale: np.float32,
    bias: NDArray[np.float32],
    enter: NDArray[np.float32],
    row_max: NDArray[np.float32],
    row_min: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """Fill scores [T, 144] with the best path score into every state. Plain inner loops, so that they vectorise."""
    exits = np.empty(PHONES, dtype=np.float32)
    entry = np.empty(PHONES, dtype=np.float32)
    moved = np.empty(TARGETS, dtype=np.float32)
    scores[0, :] = -np.inf
    for p in range(PHONES):
        k = STATES_PER_PHONE * p
        scores[0, k] = enter[UTTERANCE_START, p] + (scale * logits[0, k] + bias[k])
    for t in range(1, len(logits)):
        previous = scores[t - 1]
        current = scores[t]
        frame = logits[t]
        best = 0
        for p in range(PHONES):
            exits[p] = previous[STATES_PER_PHONE * p + STATES_PER_PHONE - 1]
            if exits[p] > exits[best]:
                best = p

        # Entering phone d scores the maximum over p of exits[p] + enter[p, d]. Float addition is monotone, so with the
        # best exit taken first, no entry is below `floor`, and a phone p that cannot exceed `floor` even where its
        # row is highest changes no entry at all: skipping it is exact.
        for d in range(PHONES):
            entry[d] = exits[best] + enter[best, d]
        floor = exits[best] + row_min[best]
        for p in range(PHONES):
            if exits[p] + row_max[p] > floor and p != best:
                leave = exits[p]
                row = enter[p]
                for d in range(PHONES):
                    entered = leave + row[d]
                    entry[d] = entered if entered > entry[d] else entry[d]

        for k in range(1, TARGETS):
            moved[k] = previous[k - 1]
        for p in range(PHONES):
            moved[STATES_PER_PHONE * p] = entry[p]
        offset = -previous.max() if t % _FRAMES_BETWEEN_RESTARTS == 0 else np.float32(0)
        for k in range(TARGETS):
            arrived = moved[k] if moved[k] > previous[k] else previous[k]
            current[k] = arrived + (scale * frame[k] + bias[k] + offset)


@numba.njit(cache=True, nogil=True)
def _trace_back(scores: NDArray[np.float32], enter: NDArray[np.float32], phones: NDArray[np.int16]) -> int:
    """Write the phones of the best path that ends in a last state; returns how many, 0 if its score is not finite.

    Which way the path came is decided again from the scores: cheaper than storing it for every state of every frame.
    """
    last = STATES_PER_PHONE - 1
    phone = 0
    for p in range(1, PHONES):
        if scores[-1, STATES_PER_PHONE * p + last] > scores[-1, STATES_PER_PHONE * phone + last]:
            phone = p
    if not np.isfinite(scores[-1, STATES_PER_PHONE * phone + last]):
        return 0
    count = 0
    state = last
    for t in range(len(scores) - 1, 0, -1):
        stay = scores[t - 1, STATES_PER_PHONE * phone + state]
        if state > 0:
            if scores[t - 1, STATES_PER_PHONE * phone + state - 1] > stay:
                state -= 1
            continue
        best = 0
        best_score = scores[t - 1, last] + enter[0, phone]
        for p in range(1, PHONES):
            entered = scores[t - 1, STATES_PER_PHONE * p + last] + enter[p, phone]
            if entered > best_score:
                best = p
                best_score = entered
        if best_score > stay:
            phones[count] = phone
            count += 1
            phone = best
            state = last
    phones[count] = phone
    count += 1
    phones[:count] = phones[:count][::-1].copy()
    return count
