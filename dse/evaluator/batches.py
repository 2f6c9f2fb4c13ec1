"""Utterances of a split in batches that fit in memory, and computed fractions put together again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.workload import Workload

BATCH_MIB = 256  # what a run may hold besides corpus and weights, so that memory does not grow with the split


def frames_at_once(workload: Workload) -> int:
    """What BATCH_MIB holds of a layer's codes, 2 bytes a row, and of the outputs: codes and scores, 6 bytes.

    Layers that are not kept for other candidates need less; collapsing senones takes 4 more for a while.
    """
    rows: Counter[str] = Counter()
    for matvec in workload:
        rows[matvec.layer] += matvec.rows
    return BATCH_MIB * 2**20 // (2 * max(rows.values()) + 6 * workload["output"].rows)


def batches(lengths: NDArray[np.int64], frames: int) -> list[slice]:
    """Ranges of utterances, each of as many as have `frames` frames together, or of a single longer one."""
    ranges, first, held = [], 0, 0
    for u, length in enumerate(lengths.tolist()):
        if u > first and held + length > frames:
            ranges.append(slice(first, u))
            first, held = u, 0
        held += length
    return [*ranges, slice(first, len(lengths))]


def mean(parts: Sequence[tuple[int, Mapping[str, float]]], workload: Workload) -> dict[str, float]:
    """Of computed fractions, by frames. Exact, by the elements that were sent: no bit depends on where batches end."""
    frames = sum(count for count, _ in parts)
    per_frame = {matvec.name: matvec.cols * matvec.passes for matvec in workload}
    return {
        name: sum(round(count * elements * each[name]) for count, each in parts) / (frames * elements)
        for name, elements in per_frame.items()
    }
