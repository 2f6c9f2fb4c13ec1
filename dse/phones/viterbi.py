"""Compiled Viterbi search over 48 phones of three left-to-right states; `decode` defines a path's score."""

import numpy as np
from numpy.typing import NDArray

from dse.phones.sets import PHONES_48, STATES_PER_PHONE
from models.kernels.lanes import LANES, greatest, load, splat, store
from models.quantization.compiling import compiled

PHONES = len(PHONES_48)  # a multiple of LANES
TARGETS = PHONES * STATES_PER_PHONE
UTTERANCE_START = PHONES

# Path scores restart near zero this often, which keeps their float32 rounding independent of the utterance length.
_FRAMES_BETWEEN_RESTARTS = 16


@compiled
def viterbi(
    logits: NDArray[np.float32] | NDArray[np.int16],
    lengths: NDArray[np.int64],
    scale: np.float32,
    bias: NDArray[np.float32],
    enter: NDArray[np.float32],
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Search the best path of every utterance: phones int16 [P] of all, and their number per utterance int64 [U].

    logits [N, 144], float32 or int16; lengths [U]; bias [144] is added to each scaled frame, enter [49, 48] on entering
    a phone. A count of 0 marks an utterance whose scores overflowed.
    """
    # Overflowed scores can cost one phone more than there is room for in whole phones.
    phones = np.empty(len(logits) // STATES_PER_PHONE + len(lengths), dtype=np.int16)
    counts = np.zeros(len(lengths), dtype=np.int64)
    scores = np.empty((lengths.max() if len(lengths) else 0, STATES_PER_PHONE, PHONES), dtype=np.float32)
    by_state = np.empty(TARGETS, dtype=np.float32)
    _states_apart(bias, by_state)
    row_max = np.empty(PHONES, dtype=np.float32)
    row_min = np.empty(PHONES, dtype=np.float32)
    for p in range(PHONES):
        row_max[p] = enter[p].max()
        row_min[p] = enter[p].min()
    into = np.ascontiguousarray(enter.T)
    start = 0
    total = 0
    for u in range(len(lengths)):
        _forward(logits[start : start + lengths[u]], scale, by_state, enter, row_max, row_min, scores)
        count = _trace_back(scores[: lengths[u]], into, phones[total:])
        start += lengths[u]
        total += count
        counts[u] = count
    return phones[:total].copy(), counts


@compiled
def _states_apart(targets: NDArray[np.float32], by_state: NDArray[np.float32]) -> None:
    """Reorder values [144] from phone-major (by phone, then state) to state-major order."""
    for p in range(PHONES):
        for s in range(STATES_PER_PHONE):
            by_state[s * PHONES + p] = targets[p * STATES_PER_PHONE + s]


@compiled
def _forward(
    logits: NDArray[np.float32],
    scale: np.float32,
    bias: NDArray[np.float32],
    enter: NDArray[np.float32],
    row_max: NDArray[np.float32],
    row_min: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """Fill scores [T, 3, 48] with the best path score into every state."""
    entry = np.empty(PHONES, dtype=np.float32)
    frame = np.empty(TARGETS, dtype=np.float32)
    scores[0] = -np.inf
    _states_apart(logits[0], frame)
    for p in range(PHONES):
        scores[0, 0, p] = enter[UTTERANCE_START, p] + (scale * frame[p] + bias[p])
    for t in range(1, len(logits)):
        before = (t - 1) * TARGETS
        exits = scores[t - 1, STATES_PER_PHONE - 1]
        _states_apart(logits[t], frame)

        # Entering phone d scores the maximum over p of exits[p] + enter[p, d]. Float addition is monotone, so with the
        # best exit taken first, no entry is below `floor`, and a phone p that cannot exceed `floor` even where its
        # row is highest changes no entry at all: skipping it is exact.
        highest = _greatest(scores, before + TARGETS - PHONES, PHONES)
        best = 0
        while exits[best] < highest:
            best += 1
        leave = splat(highest)
        for d in range(0, PHONES, LANES):
            store(entry, d, leave + load(enter, best * PHONES + d))
        floor = highest + row_min[best]
        for p in range(PHONES):
            if exits[p] + row_max[p] > floor and p != best:
                leave = splat(exits[p])
                for d in range(0, PHONES, LANES):
                    store(entry, d, max(leave + load(enter, p * PHONES + d), load(entry, d)))

        offset = np.float32(0)
        if t % _FRAMES_BETWEEN_RESTARTS == 0:
            offset = -_greatest(scores, before, TARGETS)
        for k in range(0, TARGETS, LANES):
            moved = load(entry, k) if k < PHONES else load(scores, before + k - PHONES)
            arrived = max(moved, load(scores, before + k))
            store(scores, before + TARGETS + k, arrived + (load(frame, k) * scale + load(bias, k) + offset))


@compiled
def _greatest(array, first, count):  # type: ignore[no-untyped-def]
    most = load(array, first)
    for i in range(first + LANES, first + count, LANES):
        most = max(most, load(array, i))
    return greatest(most)


@compiled
def _trace_back(scores: NDArray[np.float32], into: NDArray[np.float32], phones: NDArray[np.int16]) -> int:
    """Write the phones of the best path that ends in a last state; returns how many, 0 if its score is not finite.

    into [48, 49] is `enter`, transposed. Each step back is decided again from the scores, which is cheaper than storing
    it for every state of every frame.
    """
    last = STATES_PER_PHONE - 1
    phone = 0
    for p in range(1, PHONES):
        if scores[-1, last, p] > scores[-1, last, phone]:
            phone = p
    if not np.isfinite(scores[-1, last, phone]):
        return 0
    count = 0
    state = last
    for t in range(len(scores) - 1, 0, -1):
        stay = scores[t - 1, state, phone]
        if state > 0:
            if scores[t - 1, state - 1, phone] > stay:
                state -= 1
            continue
        exits, entering = scores[t - 1, last], into[phone]
        best = 0
        best_score = exits[0] + entering[0]
        for p in range(1, PHONES):
            entered = exits[p] + entering[p]
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
