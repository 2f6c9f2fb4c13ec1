"""How a bundle's logits become phones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.phones.decode import Decoder
from dse.phones.senones import TARGETS, SenoneMap
from models.workload import InputError

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Decoding:
    """How logits become phones: the decoder, and of context-dependent targets the map to its phone states."""

    decoder: Decoder
    senones: SenoneMap | None = None

    def phones(self, codes: NDArray[np.int16], bits: int, lengths: NDArray[np.int64]) -> list[tuple[int, ...]]:
        """Phones of the 48 set of each utterance, from logits' codes [N, outputs] on 2^-bits."""
        scores = codes.astype(np.float32) * np.float32(2.0**-bits)
        found, counts = self.decoder.decode(scores if self.senones is None else self.senones.collapse(scores), lengths)
        return [tuple(part.tolist()) for part in np.split(found, np.cumsum(counts)[:-1])]

    def to_arrays(self) -> Arrays:
        arrays: Arrays = dict(self.decoder.to_arrays())
        if self.senones is not None:
            arrays |= {"senone_phones": self.senones.phones, "senone_members": self.senones.members.astype(np.uint8)}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays, outputs: int) -> Decoding:
        """What `to_arrays` gives, for a network of so many outputs. Raises InputError where it does not fit."""
        decoder = Decoder.from_arrays({**arrays})
        if "senone_phones" not in arrays:
            if outputs != TARGETS:
                raise InputError(f"no phones for {outputs} outputs")
            return cls(decoder)
        phones, members = arrays["senone_phones"], arrays.get("senone_members", np.zeros(0))
        if phones.shape != (outputs,) or members.shape != (TARGETS, outputs) or members.dtype != np.uint8:
            raise InputError(f"the phones are not of {outputs} outputs")
        return cls(decoder, SenoneMap(phones, members.astype(bool)))
