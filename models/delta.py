"""The delta gate: an element of a vector is sent only when it moved by more than a threshold since it was last sent.

The matrix product then runs on the held vector x^ (last sent values; zeros before the first step), which equals
updating the product with the changes only. Invariant: |x - x^| <= threshold at every step. The operations that are
left are counted from the elements that were sent, at every step, the first included.
Source: Neil et al., "Delta Networks for Optimized Recurrent Network Computation" (ICML 2017).
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def delta_gate(codes, offsets, threshold):  # type: ignore[no-untyped-def]
    """Hold `codes` (integers [N, D]) in place, utterance by utterance; returns how many elements were sent.

    `offsets` int64 [U + 1] bounds the utterances' frames; `threshold` is in integer steps, 0 or more. The held state
    starts at zero in every utterance.
    """
    sent = 0
    width = codes.shape[1]
    held = np.empty(width, np.int32)
    for u in range(len(offsets) - 1):
        held[:] = 0
        for n in range(offsets[u], offsets[u + 1]):
            row = codes[n]
            count = 0
            for d in range(width):
                value = np.int32(row[d])
                move = abs(value - held[d]) > threshold
                held[d] = value if move else held[d]
                count += move
                row[d] = held[d]
            sent += count
    return sent
