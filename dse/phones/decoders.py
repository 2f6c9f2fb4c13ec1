"""Decoders by their kind, as the card of a checkpoint and the record of a bundle name them.

    {"kind": "viterbi"}                                        phone bigram and priors in arrays beside it; the default
    {"kind": "ctc", "blank": "first", "labels": ["a", "b"]}    outputs: the blank, first or last, and the labels
    {"kind": "frames", "labels": ["a", "b"]}                   outputs: the labels; every frame is scored

To add a decoder: a class with the members of `LabelDecoder`, a line in `decoder_of`, and its names in
`dse.phones.kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.phones.decode import Decoder
from dse.phones.errors import PhoneErrors
from dse.phones.greedy import FIRST, CtcDecoder, FrameDecoder
from dse.phones.kinds import FRAMES, VITERBI, kind_of
from models.workload import InputError


class LabelDecoder(Protocol):
    """Decoder of a network's outputs into labels.

    `by_frame` where every frame has a reference; a label takes at least `frames_a_label` frames. `labels` are the names
    of what it decodes.
    """

    @property
    def kind(self) -> str: ...
    @property
    def by_frame(self) -> bool: ...
    @property
    def frames_a_label(self) -> int: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def outputs(self) -> int: ...

    def decode(
        self, logits: ArrayLike, lengths: ArrayLike, bits: int = 0
    ) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Indices of labels int16 [P] and labels per utterance int64 [U], of logits [N, outputs] and frames [U].

        Logits are float32, or codes int16 of the grid 2^-bits.
        """

    def errors(
        self, labels: ArrayLike, counts: ArrayLike, references: ArrayLike, reference_counts: ArrayLike
    ) -> PhoneErrors:
        """Errors of each utterance, of what `decode` gives, against references [P] and their number [U]."""

    def to_json(self) -> dict[str, Any]:
        """What names it in a card."""

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Arrays that lie beside the card."""


def decoder_of(named: object, arrays: Mapping[str, NDArray[Any]]) -> LabelDecoder | None:
    """Decoder of what a card names and of the arrays beside it; None where there is none.

    Raises InputError for one that cannot be.
    """
    kind = kind_of(named)
    if kind == VITERBI:
        return Decoder.from_arrays(dict(arrays)) if arrays else None
    fields = named if isinstance(named, Mapping) else {}
    labels = fields.get("labels")
    if not isinstance(labels, list):
        raise InputError(f"decoder {kind}: no list of labels")
    if kind == FRAMES:
        return FrameDecoder(tuple(labels))
    return CtcDecoder(tuple(labels), fields.get("blank", FIRST))
