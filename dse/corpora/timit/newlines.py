"""Restoration of carriage returns that 16-bit audio lost when it was copied as if it were text.

Such a copy turns each CR LF into LF and each lone CR into LF. NLTK's sample of TIMIT is one: no byte of its audio is a
CR, and in about a quarter of its files the bytes after a lost one pair up wrongly and are noise from there on.
A lone CR that became LF changes one sample by 3 or 768 and cannot be found again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CR, LF = 13, 10
LEAST_BYTES = 4096  # audio of that length has a CR somewhere, but for a chance of 1 in 10 million
# Evidence in bits that one insertion needs: a LF among a thousand (10) and a margin. Each sample that is noise instead
# of speech adds about 5.
INSERTION_BITS = 40.0


def restore_carriage_returns(payload: bytes) -> tuple[bytes, bool]:
    """Insert CR before the LFs of little-endian 16-bit samples where that makes noise smooth.

    Returns the bytes and whether any was inserted. Samples may start at even or at odd bytes, and each insertion
    changes which. The sequence of both with the least total roughness, log2 of the second differences, is found by
    dynamic programming over the LFs.
    """
    data = np.frombuffer(payload, np.uint8)
    candidates = np.flatnonzero(data == LF)
    stops = np.concatenate((candidates, [len(data)]))
    roughness = np.stack([_cumulative_roughness(data, first)[stops] for first in (0, 1)], axis=1)
    cost = np.diff(roughness, axis=0, prepend=np.zeros((1, 2)))
    total = np.array([0.0, np.inf]) + cost[0]  # nothing is lost before the first LF
    switched = np.zeros((len(candidates), 2), bool)
    for index in range(len(candidates)):
        other = total[::-1] + INSERTION_BITS
        switched[index] = other < total
        total = np.minimum(total, other) + cost[index + 1]
    state = int(total.argmin())
    insertions = []
    for index in reversed(range(len(candidates))):
        if switched[index, state]:
            insertions.append(candidates[index])
            state = 1 - state
    return np.insert(data, insertions, CR).tobytes(), bool(insertions)


def _cumulative_roughness(data: NDArray[np.uint8], first: int) -> NDArray[np.float64]:
    """Roughness [n + 1] summed over the samples that start at `first`, `first` + 2, ... before each byte position."""
    count = (len(data) - first) // 2
    samples = np.frombuffer(data[first : first + 2 * count].tobytes(), "<i2").astype(np.float64)
    rough = np.zeros(len(data))
    rough[first + 4 : first + 2 * count : 2] = np.log2(1 + np.abs(np.diff(samples, 2)))
    return np.concatenate(([0.0], np.cumsum(rough)))
