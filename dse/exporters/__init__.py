"""Exporters of a chosen configuration: each writes one part of a bundle from the integer network, and replays it.

To add an exporter:
1. `dse/exporters/x.py`: `write(network, decoder, folder)`, which writes its part into a new folder, and for what runs
   `replay(folder, features, offsets)`, which runs what was written as its target would. Only this file imports its
   library, and only when it is called. Nothing is read but the `IntegerNetwork` and the decoder.
2. A line in EXPORTERS: the folder's name in the bundle, and the module; and the name in REPLAYED if it runs.
3. `tests/export/test_exporter_conformance.py` then holds its replay to the compiled engine, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder
    from models.engines.integer_network import IntegerNetwork

EXPORTERS = {
    "onnx": "dse.exporters.onnx",
    "c": "dse.exporters.c99",
    "encodings": "dse.exporters.encodings",
}
REPLAYED = ("onnx", "c")  # those whose part runs


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a run of a part gave, utterances concatenated.

    sites: codes int16 [N, width] of every layer's output, "l0.state" and so on, and of the "logits", in this order.
    sent: how many elements each matvec's delta gate sent over all utterances, by its name.
    phones: phones of the 48 set of each utterance, where the part decodes; else None.
    """

    sites: Mapping[str, NDArray[np.int16]]
    sent: Mapping[str, int]
    phones: tuple[tuple[int, ...], ...] | None = None

    @property
    def logits(self) -> NDArray[np.int16]:
        """Codes int16 [N, outputs]."""
        return self.sites["logits"]


class Exporter(Protocol):
    """A module of an exporter."""

    def write(self, network: IntegerNetwork, decoder: LabelDecoder | None, folder: Path) -> None:
        """Write the part into `folder`, which exists and is empty.

        `decoder` is None where it does not take the network's outputs as they are. Raises InputError for a network that
        the part cannot hold, and where its library is not installed.
        """
        ...


class Replayer(Exporter, Protocol):
    """A module of an exporter whose part runs."""

    def replay(self, folder: Path, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> Replayed:
        """Run features float32 [N, features], utterances bounded by offsets int64 [U + 1], through what was written.

        Raises InputError, in one line, where a library or compiler is missing, or the part is damaged.
        """
        ...


def exporter_named(name: str) -> Exporter:
    """Module of the exporter of that name."""
    module: Exporter = import_module(EXPORTERS[name])
    return module


def replayer_named(name: str) -> Replayer:
    """Module of the exporter of that name, one of REPLAYED."""
    module: Replayer = import_module(EXPORTERS[name])
    return module
