"""Utterances packed step by step, so that a device runs many of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Utterances are run in batches of about this many frames, which the largest preset needs about 4 GB for.
FRAMES_PER_BATCH = 2**16


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames of some utterances packed by step: all first frames, all second ones, ...; longest utterance first.

    So the utterances that still run at a step are the first rows of the one before.
    """

    frames: NDArray[np.int64]  # [n] where each packed frame stands in the split
    sizes: list[int]  # frames of each step
    reverse: Tensor  # [n] the packed frame as far from its utterance's end as this one is from its start
    before: Tensor  # [n - sizes[0]] the packed frame one step before, of every frame after the first step

    @classmethod
    def of(cls, starts: NDArray[np.int64], lengths: NDArray[np.int64], device: torch.device) -> Batch:
        """Utterances by their first frame and their length, longest first."""
        runs = np.arange(lengths[0])[:, None] < lengths
        step, row = np.nonzero(runs)
        place = runs.cumsum().reshape(runs.shape) - 1
        sizes = runs.sum(axis=1).tolist()
        reverse, before = place[lengths[row] - 1 - step, row], place[step - 1, row][sizes[0] :]
        return cls(starts[row] + step, sizes, torch.from_numpy(reverse).to(device), torch.from_numpy(before).to(device))


def batches(offsets: NDArray[np.int64], device: torch.device) -> list[Batch]:
    """All utterances that `offsets` [U + 1] bounds, longest first, in batches of about FRAMES_PER_BATCH frames."""
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    turns = np.flatnonzero(np.diff((lengths[order].cumsum() - 1) // FRAMES_PER_BATCH)) + 1
    return [Batch.of(offsets[part], lengths[part], device) for part in np.split(order, turns) if len(part)]
