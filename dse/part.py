"""A split run in parts: as many utterances at once as fit in memory, and some of them first where it is screened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.workload import Workload

if TYPE_CHECKING:
    from dse.phones.errors import PhoneErrors

QUARTERS = 4
STAGES = (1 / 16, 1 / 4, 1 / 2)  # shares of the split that have run after each stage of screening
# Utterances are taken in the order of the fractions of their index times this: every share is spread evenly over the
# split and keeps no step with what repeats in it, such as the same kinds of sentence of every speaker.
GOLDEN_RATIO = (1 + 5**0.5) / 2
SMALLEST_SAMPLE = 20  # utterances; the spread of fewer tells too little to screen by
BATCH_MIB = 256  # what a run may hold besides corpus and weights, so that memory does not grow with the split
CACHE_MIB = 512  # of shared layers: 12 to 17 outputs of the embedded networks; twice as much spares little more


@dataclass(frozen=True, eq=False)
class Part:
    """What a run over part of a split tells: errors of each of its utterances, computed fractions of its frames."""

    utterances: NDArray[np.int64]  # their indices in the split
    split_utterances: int  # how many the split has
    errors: PhoneErrors
    computed: dict[str, float]
    frames: int
    seconds: float

    @property
    def fraction(self) -> float:
        return len(self.utterances) / self.split_utterances

    @property
    def utterance_errors(self) -> list[int]:
        return _errors(self.errors).tolist()

    @property
    def reference_phones(self) -> int:
        return int(self.errors.reference_phones.sum())


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
    """Of computed fractions, by frames. Exact, by the elements that were sent: no bit depends on where parts end."""
    frames = sum(count for count, _ in parts)
    per_frame = {matvec.name: matvec.cols * matvec.passes for matvec in workload}
    return {
        name: sum(round(count * elements * each[name]) for count, each in parts) / (frames * elements)
        for name, elements in per_frame.items()
    }


def joined(one: Part, other: Part, workload: Workload) -> Part:
    """Two parts of one split, utterances in the split's order."""
    from dse.phones.errors import PhoneErrors

    utterances = np.concatenate((one.utterances, other.utterances))
    order = np.argsort(utterances)

    def both(name: str) -> NDArray[np.int64]:
        in_order: NDArray[np.int64] = np.concatenate([getattr(part.errors, name) for part in (one, other)])[order]
        return in_order

    return Part(
        utterances[order],
        one.split_utterances,
        PhoneErrors(*(both(field.name) for field in fields(PhoneErrors))),
        mean([(part.frames, part.computed) for part in (one, other)], workload),
        one.frames + other.frames,
        one.seconds + other.seconds,
    )


def stages(utterances: int) -> list[NDArray[np.int64]]:
    """The utterances that each stage of screening adds, and last those that are left; no stage where they are few."""
    place = np.arange(utterances) * GOLDEN_RATIO % 1
    ends = [end for end in STAGES if (place < end).sum() >= SMALLEST_SAMPLE]
    return [np.flatnonzero((first <= place) & (place < last)) for first, last in pairwise([0, *ends, 1])]


def _errors(errors: PhoneErrors) -> NDArray[np.int64]:
    return errors.substitutions + errors.deletions + errors.insertions


def quarter_errors_percent(errors: PhoneErrors) -> tuple[float, ...]:
    """PER of four disjoint quarters of the utterances: utterance u is in quarter u mod 4, so each has all speakers.

    A quarter without a reference phone, as of fewer than four utterances, is left out.
    Source: Rezk et al., MOHAQ, who take the largest of four as a candidate's error.
    """
    counts = _errors(errors)
    quarters = ((counts[q::QUARTERS].sum(), errors.reference_phones[q::QUARTERS].sum()) for q in range(QUARTERS))
    return tuple(100.0 * float(wrong) / float(phones) for wrong, phones in quarters if phones)
