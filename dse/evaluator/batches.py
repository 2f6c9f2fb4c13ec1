"""Batches of a split's utterances that fit in memory, and the mean of their computed fractions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.workload import Workload

BATCH_MIB = 256  # memory of a run besides corpus and weights, so that it does not grow with the split


def frames_at_once(workload: Workload) -> int:
    """Number of frames whose codes and scores fit in BATCH_MIB: 2 bytes a row of the widest layer, 6 bytes an output.

    An output has a code and a score. Layers whose outputs are not kept for other candidates need less; collapsing
    senones takes 4 bytes more for a while.
    """
    rows: Counter[str] = Counter()
    for matvec in workload:
        rows[matvec.layer] += matvec.rows
    return BATCH_MIB * 2**20 // (2 * max(rows.values()) + 6 * workload["output"].rows)


def batches(lengths: NDArray[np.int64], frames: int) -> list[slice]:
    """Ranges of utterances, each as long as fits in `frames` frames, or of a single longer utterance.

    lengths int64 [U], frames of each utterance.
    """
    ranges, first, held = [], 0, 0
    for u, length in enumerate(lengths.tolist()):
        if u > first and held + length > frames:
            ranges.append(slice(first, u))
            first, held = u, 0
        held += length
    return [*ranges, slice(first, len(lengths))]


def mean(parts: Sequence[tuple[int, Mapping[str, float]]], workload: Workload) -> dict[str, float]:
    """Mean of the batches' computed fractions, weighted by frames.

    `parts` are (frames, computed fraction of each matvec) of every batch. The mean is exact, by the elements that were
    sent: no bit depends on where batches end.
    """
    frames = sum(count for count, _ in parts)
    per_frame = {matvec.name: matvec.cols * matvec.passes for matvec in workload}
    return {
        name: sum(round(count * elements * each[name]) for count, each in parts) / (frames * elements)
        for name, elements in per_frame.items()
    }
