"""Batches of utterances packed step by step, so that a device runs many of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Utterances run in batches of about this many frames, for which the largest preset needs about 4 GB.
FRAMES_PER_BATCH = 2**16


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames of some utterances packed by step: all first frames, all second ones, ...; longest utterance first.

    So the utterances that are active at a step are the first rows of the step before.
    """

    frames: NDArray[np.int64]  # [n] index of each packed frame in the split
    sizes: list[int]  # frames of each step
    reverse: Tensor  # [n] the packed frame as far from its utterance's end as this one is from its start
    before: Tensor  # [n - sizes[0]] the packed frame one step before, of every frame after the first step

    @classmethod
    def of(cls, starts: NDArray[np.int64], lengths: NDArray[np.int64], device: torch.device) -> Batch:
        """Batch of utterances, given by first frame and length, int64 [U] each, longest first."""
        runs = np.arange(lengths[0])[:, None] < lengths
        step, row = np.nonzero(runs)
        place = runs.cumsum().reshape(runs.shape) - 1
        sizes = runs.sum(axis=1).tolist()
        reverse, before = place[lengths[row] - 1 - step, row], place[step - 1, row][sizes[0] :]
        return cls(starts[row] + step, sizes, torch.from_numpy(reverse).to(device), torch.from_numpy(before).to(device))


def batches(offsets: NDArray[np.int64], device: torch.device) -> list[Batch]:
    """Batches of about FRAMES_PER_BATCH frames of all utterances that `offsets` [U + 1] bounds, longest first."""
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    turns = np.flatnonzero(np.diff((lengths[order].cumsum() - 1) // FRAMES_PER_BATCH)) + 1
    return [Batch.of(offsets[part], lengths[part], device) for part in np.split(order, turns) if len(part)]
