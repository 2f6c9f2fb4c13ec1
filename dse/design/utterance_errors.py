"""Errors of every utterance, from which error bars and comparisons are made without running the network again."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Sequence

from models.workload import InputError

QUARTERS = 4
MOST_COUNT_BYTES = 64 << 20  # of an evaluation's errors, unpacked: four million utterances


class UtteranceErrors:
    """Edit errors of each utterance of a split, in the split's order; reference phones beside them.

    Counts are held deflated, as they are stored: a long search keeps thousands of these.
    """

    def __init__(
        self,
        substitutions: Sequence[int],
        deletions: Sequence[int],
        insertions: Sequence[int],
        reference_phones: Sequence[int],
    ) -> None:
        numbers = (*substitutions, *deletions, *insertions, *reference_phones)
        self._packed = zlib.compress(struct.pack(f"<{len(numbers)}I", *numbers), 9)

    @property
    def _counts(self) -> tuple[tuple[int, ...], ...]:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(self._packed, MOST_COUNT_BYTES)
        if not unpacker.eof:
            raise ValueError(f"they are damaged, or more than {MOST_COUNT_BYTES >> 20} MiB")
        utterances, rest = divmod(len(data), 16)
        if rest:
            raise ValueError(f"{len(data)} bytes are not four counts an utterance")
        numbers = struct.unpack(f"<{4 * utterances}I", data)
        return tuple(numbers[k * utterances : (k + 1) * utterances] for k in range(4))

    @property
    def substitutions(self) -> tuple[int, ...]:
        return self._counts[0]

    @property
    def deletions(self) -> tuple[int, ...]:
        return self._counts[1]

    @property
    def insertions(self) -> tuple[int, ...]:
        return self._counts[2]

    @property
    def reference_phones(self) -> tuple[int, ...]:
        return self._counts[3]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UtteranceErrors) and self._counts == other._counts

    def __hash__(self) -> int:
        return hash(self._counts)

    @property
    def errors(self) -> tuple[int, ...]:
        """Substitutions, deletions and insertions together."""
        return tuple(map(sum, zip(*self._counts[:3], strict=True)))

    @property
    def percent(self) -> float:
        """PER of the whole split."""
        *wrong, phones = map(sum, self._counts)
        return 100.0 * float(sum(wrong)) / float(phones)

    @property
    def quarters_percent(self) -> tuple[float, ...]:
        """PER of four disjoint quarters: utterance u is in quarter u mod 4, so each has all speakers.

        A quarter without a reference phone, as of fewer than four utterances, is left out.
        Source: Rezk et al., MOHAQ, who take the largest of four as a candidate's error.
        """
        errors = self.errors
        quarters = ((sum(errors[q::QUARTERS]), sum(self.reference_phones[q::QUARTERS])) for q in range(QUARTERS))
        return tuple(100.0 * float(wrong) / float(phones) for wrong, phones in quarters if phones)

    def to_text(self) -> str:
        """Encode the four counts of all utterances: unsigned 32-bit little-endian, deflated, in base 64."""
        return base64.b64encode(self._packed).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> UtteranceErrors:
        """Decode what `to_text` gives. Raises InputError."""
        found = cls.__new__(cls)
        try:
            found._packed = base64.b64decode(text, validate=True)
            found._counts  # noqa: B018  raises where it cannot be read
        except (binascii.Error, zlib.error, ValueError, TypeError) as error:
            raise InputError(f"errors per utterance cannot be read: {error}") from error
        return found
