"""Phone error rate: minimal edit distance between references and hypotheses, utterance by utterance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.phones.sets import int_array, utterance_of

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False)
class PhoneErrors:
    """Edit errors and reference phones per utterance: four int64 arrays [U]."""

    substitutions: NDArray[np.int64]
    deletions: NDArray[np.int64]
    insertions: NDArray[np.int64]
    reference_phones: NDArray[np.int64]

    @property
    def percent(self) -> float:
        """Phone error rate of the whole set: 100 * (S + D + I) / reference phones."""
        return 100.0 * float(self._errors.sum()) / float(self.reference_phones.sum())

    @property
    def per_utterance(self) -> NDArray[np.float64]:
        """Phone error rate of each utterance, percent [U]; nan where the reference is empty."""
        empty = self.reference_phones == 0
        return np.where(empty, np.nan, 100.0 * self._errors / np.where(empty, 1, self.reference_phones))

    @property
    def _errors(self) -> NDArray[np.int64]:
        return self.substitutions + self.deletions + self.insertions


def score(
    references: ArrayLike, reference_counts: ArrayLike, hypotheses: ArrayLike, hypothesis_counts: ArrayLike
) -> PhoneErrors:
    """Align hypotheses with references at minimal edit distance (all three errors cost 1) and count the errors.

    Each side is a pair of concatenated phone indices [P] and phones per utterance [U], see `scored_phones`.
    Of several minimal alignments, the one taken is fixed: from the end, first match or substitution, then deletion,
    then insertion. Raises ValueError if the sides differ in utterances, counts do not add up to P or the references
    hold no phone.
    """
    references, hypotheses = int_array(references), int_array(hypotheses)
    reference_counts, hypothesis_counts = int_array(reference_counts), int_array(hypothesis_counts)
    if len(reference_counts) != len(hypothesis_counts):
        raise ValueError(
            f"cannot score {len(hypothesis_counts)} hypotheses against {len(reference_counts)} references: "
            "one hypothesis per reference is needed"
        )
    utterance_of(len(references), reference_counts)
    utterance_of(len(hypotheses), hypothesis_counts)
    if len(references) == 0:
        raise ValueError("cannot score against references without a single phone")
    substitutions, deletions, insertions = _compiled_edit_counts()(
        references, reference_counts, hypotheses, hypothesis_counts
    )
    return PhoneErrors(substitutions, deletions, insertions, reference_counts)


@cache
def _compiled_edit_counts() -> Callable[..., tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    # Imported here so that the phone sets alone do not cost the import of the compiler.
    from models.quantization.compiling import compiled

    return compiled(_edit_counts)


def _edit_counts(
    references: NDArray[np.int64],
    reference_counts: NDArray[np.int64],
    hypotheses: NDArray[np.int64],
    hypothesis_counts: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    utterances = len(reference_counts)
    substitutions = np.zeros(utterances, dtype=np.int64)
    deletions = np.zeros(utterances, dtype=np.int64)
    insertions = np.zeros(utterances, dtype=np.int64)
    cost = np.empty((reference_counts.max() + 1, hypothesis_counts.max() + 1), dtype=np.int32)
    cost[:, 0] = np.arange(cost.shape[0])
    cost[0, :] = np.arange(cost.shape[1])
    reference_start = 0
    hypothesis_start = 0
    for u in range(utterances):
        reference = references[reference_start : reference_start + reference_counts[u]]
        hypothesis = hypotheses[hypothesis_start : hypothesis_start + hypothesis_counts[u]]
        reference_start += reference_counts[u]
        hypothesis_start += hypothesis_counts[u]
        for i in range(len(reference)):
            for j in range(len(hypothesis)):
                best = cost[i, j] + (1 if reference[i] != hypothesis[j] else 0)
                best = min(best, cost[i, j + 1] + 1)
                cost[i + 1, j + 1] = min(best, cost[i + 1, j] + 1)
        i, j = len(reference), len(hypothesis)
        while i > 0 or j > 0:
            if i > 0 and j > 0:
                differs = 1 if reference[i - 1] != hypothesis[j - 1] else 0
                if cost[i, j] == cost[i - 1, j - 1] + differs:
                    substitutions[u] += differs
                    i -= 1
                    j -= 1
                    continue
            if i > 0 and cost[i, j] == cost[i - 1, j] + 1:
                deletions[u] += 1
                i -= 1
            else:
                insertions[u] += 1
                j -= 1
    return substitutions, deletions, insertions
