"""Bytes of RAM that the C sources take of their caller's memory, by what they hold; see network.c for the layout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dse.exporters.c99_tables import Tables, rounded, vectors_of_layer
from models.engines.integer_network import GatedLayer, SruLayer

CODE_BYTES, SENT_BYTES = 2, 8  # int16_t, struct model_sent


@dataclass(frozen=True, eq=False)
class Memory:
    """RAM of a network's tables at work; `score_bytes` of the decoder's scores of a frame, 0 without."""

    tables: Tables
    score_bytes: int

    @cached_property
    def most_cols(self) -> int:
        """Elements of the widest vector that a matvec reads."""
        return max(matvec.cols for matvec in self.tables.network.matvecs)

    @cached_property
    def widest(self) -> int:
        """Codes of a frame between layers, x."""
        return max(len(self.tables.network.input_mean), 2 * self.tables.network.hidden)

    @cached_property
    def units(self) -> int:
        """Codes of a frame that a layer's input matvecs give, or the output matvec, u."""
        network = self.tables.network
        read = (layer.inputs if isinstance(layer, GatedLayer) else (layer.input,) for layer in network.layers)
        return max(network.output.rows, *(sum(matvec.rows for matvec in matvecs) for matvecs in read))

    @cached_property
    def projection(self) -> int:
        """Rows of an SRU's largest projection; 0 without."""
        layers = (layer for layer in self.tables.network.layers if isinstance(layer, SruLayer))
        return max((layer.projection.rows for layer in layers if layer.projection is not None), default=0)

    @cached_property
    def phases(self) -> dict[str, int]:
        """Bytes of held vectors, sums and cells, by what runs: one after the other, in the same room."""
        network, vectors = self.tables.network, iter(self.tables.readers)
        found: dict[str, int] = {}
        for number, layer in enumerate(network.layers):
            sizes = [sum(reader.state_bytes for reader in next(vectors)) for _ in vectors_of_layer(layer)]
            if isinstance(layer, SruLayer):
                found[f"l{number}, matvecs"] = sum(sizes) + rounded(CODE_BYTES * self.projection)
                found[f"l{number}, cells"] = rounded(CODE_BYTES * layer.v.shape[1])
            else:
                back = rounded(CODE_BYTES * network.hidden * len(layer.inputs))
                found[f"l{number}, input matvecs"] = sizes[0]
                found[f"l{number}, a direction"] = sum(sizes[1:]) + 2 * rounded(CODE_BYTES * network.hidden) + back
        return found | {"output": sum(reader.state_bytes for reader in next(vectors))}

    @property
    def list_bytes(self) -> int:
        """Bytes of the list of sent elements."""
        return SENT_BYTES * self.most_cols

    @property
    def state_bytes(self) -> int:
        """Bytes that do not grow with the frames."""
        return self.list_bytes + max(self.phases.values())

    def of(self, frames: int) -> int:
        """What model_bytes gives."""
        run = rounded(CODE_BYTES * frames * self.widest) + self.state_bytes
        return rounded(CODE_BYTES * frames * self.units) + max(run, frames * self.score_bytes)
