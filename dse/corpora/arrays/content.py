"""The content of a split of users' own arrays, and what can be wrong with an utterance of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LARGEST_FEATURE = 2.0**30  # that a checkpoint's mean may be


@dataclass(frozen=True)
class Index:
    """What tells the utterances of a split apart: names and speakers [U], and the features' columns.

    `speakers` is None where the file tells none; `columns` are names in Parquet, numbers in .npz.
    """

    names: tuple[str, ...]
    speakers: tuple[str, ...] | None
    columns: tuple[str, ...]

    @property
    def spoken_by(self) -> tuple[str, ...]:
        """Speaker of each utterance, or the utterance itself where none is told."""
        return self.names if self.speakers is None else self.speakers


@dataclass(frozen=True, eq=False)
class Arrays:
    """All of a split: features [N, D], frames [U], label texts [U] and targets [N], of which one may be None.

    `unlike` are utterances whose frames do not agree on speaker or labels.
    """

    index: Index
    features: NDArray[np.float32]
    lengths: NDArray[np.int64]
    labels: tuple[str, ...] | None
    targets: NDArray[np.int64] | None
    unlike: frozenset[int] = frozenset()

    def frames(self, u: int) -> slice:
        """Frames of an utterance."""
        return slice(int(self._ends[u] - self.lengths[u]), int(self._ends[u]))

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum(self.lengths)


class Checker:
    """Checker of utterances against the corpus' labels."""

    def __init__(self, labels: Sequence[str], file: str) -> None:
        """`file` is where the labels are from."""
        self._place = {label: place for place, label in enumerate(labels)}
        self._file = file

    def references(self, text: str) -> NDArray[np.int16]:
        """Indices of the labels of a text, all of them known."""
        return np.array([self._place[label] for label in text.split()], np.int16)

    def damaged(self, arrays: Arrays) -> dict[int, str]:
        """Damaged utterances, each with its name and the first thing that is wrong with it."""
        found: dict[int, str] = {}
        seen: set[str] = set()
        for u, name in enumerate(arrays.index.names):
            what = "its name is there twice" if name in seen else self._wrong(arrays, u)
            seen.add(name)
            if what:
                found[u] = f"{' '.join(name.split()) or f'utterance {u + 1}'}: {what}"
        return found

    def _wrong(self, arrays: Arrays, u: int) -> str:
        name, speaker, frames = arrays.index.names[u], arrays.index.spoken_by[u], arrays.frames(u)
        length = frames.stop - frames.start
        if name.splitlines() != [name] or not name.strip():
            return "its name is empty, or more than a line"
        if u in arrays.unlike:
            return "its rows differ in speaker or labels"
        if not speaker.strip():
            return "it has no speaker"
        if not length:
            return "it has no frame"
        if not np.isfinite(arrays.features[frames]).all():
            return "features are not finite"
        if (peak := np.abs(arrays.features[frames]).max()) > LARGEST_FEATURE:
            return f"features hold {peak:g}; {LARGEST_FEATURE:g} is the most that can be standardised"
        if arrays.targets is not None:
            targets = arrays.targets[frames]
            wrong = targets[(targets < 0) | (targets >= len(self._place))]
            if len(wrong):
                return f"target {wrong[0]} is no label: {self._file} has {len(self._place)}, counted from 0"
        return "" if arrays.labels is None else self._wrong_labels(arrays.labels[u], length)

    def _wrong_labels(self, text: str, frames: int) -> str:
        labels = text.split()
        if not labels:
            return "it has no label"
        if unknown := [label for label in labels if label not in self._place]:
            return f"label '{unknown[0]}' is not in {self._file}"
        # Source: torch.nn.CTCLoss; CTC has a blank between two of one label. Viterbi takes no fewer frames.
        least = len(labels) + sum(one == other for one, other in pairwise(labels))
        return f"{len(labels)} labels need {least} frames at least, there are {frames}" if frames < least else ""


def digest(labels: Sequence[str], arrays: Arrays, utterances: Iterable[int]) -> str:
    """SHA-256 of the labels and of some utterances, in the order of their names."""
    result = hashlib.sha256(json.dumps([*labels, arrays.features.shape[1]]).encode())
    for u in sorted(utterances, key=lambda u: arrays.index.names[u]):
        frames = arrays.frames(u)
        told = [each and each[u] for each in (arrays.index.names, arrays.index.speakers, arrays.labels)]
        result.update(json.dumps([*told, int(arrays.lengths[u])]).encode())
        result.update(arrays.features[frames].astype("<f4").tobytes())
        if arrays.targets is not None:
            result.update(arrays.targets[frames].astype("<i4").tobytes())
    return result.hexdigest()
