"""How a bundle's logits become labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.phones.decode import Decoder
from dse.phones.decoders import LabelDecoder, decoder_of
from dse.phones.senones import TARGETS, SenoneMap, decoder_scores
from dse.phones.sets import PHONES_61
from models.workload import InputError

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Decoding:
    """How logits become labels: the decoder, and of context-dependent targets the map to its phone states."""

    decoder: LabelDecoder
    senones: SenoneMap | None = None

    def phones(self, codes: NDArray[np.int16], bits: int, lengths: NDArray[np.int64]) -> list[tuple[int, ...]]:
        """Labels of each utterance, phones of the 48 set or indices, from logits' codes [N, outputs] on 2^-bits."""
        scores, bits = decoder_scores(self.senones, codes, bits)
        found, counts = self.decoder.decode(scores, lengths, bits)
        return [tuple(part.tolist()) for part in np.split(found, np.cumsum(counts)[:-1])]

    @property
    def exported(self) -> LabelDecoder | None:
        """The decoder for parts of a bundle; None where it does not take the network's outputs as they are."""
        return self.decoder if self.senones is None else None

    @property
    def references(self) -> int:
        """Number of different labels that references have: phones of the 61 set, or the decoder's own."""
        return len(PHONES_61) if isinstance(self.decoder, Decoder) else len(self.decoder.labels)

    def to_arrays(self) -> Arrays:
        arrays: Arrays = dict(self.decoder.to_arrays())
        if self.senones is not None:
            arrays |= {"senone_phones": self.senones.phones, "senone_members": self.senones.members.astype(np.uint8)}
        return arrays

    @classmethod
    def from_arrays(cls, named: object, arrays: Arrays, outputs: int) -> Decoding:
        """What `to_arrays` gives and the decoder's `to_json` names, for a network of so many outputs.

        Raises InputError where it does not fit.
        """
        decoder = decoder_of(named, arrays)
        if decoder is None:
            raise InputError("it is empty")
        if "senone_phones" not in arrays or not isinstance(decoder, Decoder):
            if outputs != decoder.outputs:
                raise InputError(f"no {'phones' if isinstance(decoder, Decoder) else 'labels'} for {outputs} outputs")
            return cls(decoder)
        phones, members = arrays["senone_phones"], arrays.get("senone_members", np.zeros(0))
        if phones.shape != (outputs,) or members.shape != (TARGETS, outputs) or members.dtype != np.uint8:
            raise InputError(f"the phones are not of {outputs} outputs")
        return cls(decoder, SenoneMap(phones, members.astype(bool)))
