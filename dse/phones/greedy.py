"""Decoding of a network's outputs frame by frame: CTC's best path, and frame classifiers.

Both take the highest output of each frame, of equals the first. Under CTC a run of frames with one output is one label,
and runs of the blank are none. Source: A. Graves et al., "Connectionist Temporal Classification", ICML 2006, section
3.2, best path decoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.phones.errors import PhoneErrors, score
from dse.phones.kinds import CTC, FRAMES
from models.workload import InputError

FIRST, LAST = BLANKS = ("first", "last")
MOST_LABELS = 2**15 - 1  # indices are int16


@dataclass(frozen=True)
class CtcDecoder:
    """Greedy decoder of a network trained with CTC: one output a label, in their order, and one for the blank.

    `blank` is the first output, as torch.nn.CTCLoss has it, or the last. Raises InputError for another blank, labels
    that are not texts without spaces, and one that is there twice.
    """

    labels: tuple[str, ...]
    blank: str = FIRST

    kind: ClassVar[str] = CTC
    by_frame: ClassVar[bool] = False
    frames_a_label: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_labels(self.labels)
        if self.blank not in BLANKS:
            raise InputError(f"decoder: the blank is '{self.blank}', it can be {' or '.join(BLANKS)}")

    @property
    def outputs(self) -> int:
        return len(self.labels) + 1

    @property
    def blank_output(self) -> int:
        return 0 if self.blank == FIRST else len(self.labels)

    def decode(
        self, logits: ArrayLike, lengths: ArrayLike, bits: int = 0
    ) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Decode the best path: (indices of labels int16 [P], labels per utterance int64 [U]).

        logits: float32 [N, outputs], the frames of all utterances concatenated, or int16 codes on 2^-bits, which change
        no order; lengths: frames per utterance [U].
        Raises InputError for shapes that do not fit or logits that are not finite.
        """
        best, counts = _best(logits, lengths, self.outputs)
        begins = np.ones(len(best), bool)
        begins[1:] = best[1:] != best[:-1]
        starts = np.cumsum(counts) - counts
        begins[starts[counts > 0]] = True
        kept = begins & (best != self.blank_output)
        before = np.concatenate(([0], np.cumsum(kept)))
        return best[kept] - np.int16(self.blank == FIRST), before[starts + counts] - before[starts]

    def errors(
        self, labels: ArrayLike, counts: ArrayLike, references: ArrayLike, reference_counts: ArrayLike
    ) -> PhoneErrors:
        """Score decoded labels against references, indices [P] and labels per utterance [U] of each, see `score`."""
        return score(references, reference_counts, labels, counts)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "blank": self.blank, "labels": list(self.labels)}

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        return {}


@dataclass(frozen=True)
class FrameDecoder:
    """Decoder of a frame classifier: one output a label, in their order; every frame is a label of its own.

    Raises InputError for labels that are not texts without spaces, and one that is there twice.
    """

    labels: tuple[str, ...]

    kind: ClassVar[str] = FRAMES
    by_frame: ClassVar[bool] = True
    frames_a_label: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_labels(self.labels)

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def decode(
        self, logits: ArrayLike, lengths: ArrayLike, bits: int = 0
    ) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """The highest output of each frame int16 [N], and the lengths; arguments and errors as of `CtcDecoder`."""
        return _best(logits, lengths, self.outputs)

    def errors(
        self, labels: ArrayLike, counts: ArrayLike, references: ArrayLike, reference_counts: ArrayLike
    ) -> PhoneErrors:
        """Count frames with another label than their reference, as substitutions: indices [N], frames [U] of each.

        Raises ValueError where the two are not of the same frames.
        """
        found, wanted = np.asarray(labels, np.int64), np.asarray(references, np.int64)
        frames = np.asarray(reference_counts, np.int64)
        if not np.array_equal(np.asarray(counts, np.int64), frames) or len(found) != len(wanted) or not len(wanted):
            raise ValueError(f"{len(found)} frames cannot be scored against the labels of {len(wanted)}")
        before = np.concatenate(([0], np.cumsum(found != wanted)))
        ends = np.cumsum(frames)
        none = np.zeros(len(frames), np.int64)
        return PhoneErrors(before[ends] - before[ends - frames], none, none, frames)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "labels": list(self.labels)}

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        return {}


def check_labels(labels: tuple[str, ...]) -> None:
    """Check that labels are texts without spaces, each there once. Raises InputError naming the first that is not."""
    if not 1 <= len(labels) <= MOST_LABELS:
        raise InputError(f"{len(labels)} labels; there can be 1 to {MOST_LABELS}")
    seen: set[str] = set()
    for number, label in enumerate(labels, 1):
        if not isinstance(label, str) or label.split() != [label]:
            raise InputError(f"label {number} is {label!r}; it must be a text without spaces, such as '|' for one")
        if label in seen:
            raise InputError(f"label {number}, '{label}', is there twice")
        seen.add(label)


def _best(logits: ArrayLike, lengths: ArrayLike, outputs: int) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Index of the highest logit of each frame int16 [N], and the lengths int64 [U], both checked."""
    scores, frames = np.asarray(logits), np.ascontiguousarray(lengths, np.int64)
    scores = scores if scores.dtype == np.int16 else scores.astype(np.float32, copy=False)
    if scores.ndim != 2 or scores.shape[1] != outputs or (frames < 0).any() or frames.sum() != len(scores):
        raise InputError(
            f"logits must be [frames, {outputs}] with frames = {frames.sum()}, the sum of the lengths, "
            f"not {list(scores.shape)}"
        )
    if not np.isfinite(scores).all():
        raise InputError("logits are not finite")
    return scores.argmax(axis=1).astype(np.int16), frames
