"""A split run in parts: as many utterances at once as fit in memory, or a quarter of them first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.workload import Workload

if TYPE_CHECKING:
    from dse.phones import PhoneErrors

QUARTERS = 4
BATCH_MIB = 256  # what a run may hold besides corpus and weights, so that memory does not grow with the split


@dataclass(frozen=True, eq=False)
class Part:
    """What a run over part of a split tells: errors of each of its utterances, computed fractions of its frames."""

    errors: PhoneErrors
    computed: dict[str, float]
    frames: int
    seconds: float

    @property
    def utterance_errors(self) -> list[int]:
        return _errors(self.errors).tolist()

    @property
    def reference_phones(self) -> int:
        return int(self.errors.reference_phones.sum())


def frames_at_once(workload: Workload) -> int:
    """What BATCH_MIB holds of a layer's codes, 2 bytes a row, and of the outputs: codes and scores, 6 bytes."""
    rows: Counter[str] = Counter()
    for matvec in workload:
        rows[matvec.name.partition(".")[0]] += matvec.rows
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


def joined(quarter: Part, rest: Part, workload: Workload) -> Part:
    """Both in the order of the whole split."""
    from dse.phones import PhoneErrors

    utterances = len(quarter.errors.reference_phones) + len(rest.errors.reference_phones)
    in_quarter = np.arange(utterances) % QUARTERS == 0

    def both(name: str) -> NDArray[np.int64]:
        joined = np.empty(utterances, np.int64)
        joined[in_quarter], joined[~in_quarter] = getattr(quarter.errors, name), getattr(rest.errors, name)
        return joined

    return Part(
        PhoneErrors(*(both(field.name) for field in fields(PhoneErrors))),
        mean([(part.frames, part.computed) for part in (quarter, rest)], workload),
        quarter.frames + rest.frames,
        quarter.seconds + rest.seconds,
    )


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
