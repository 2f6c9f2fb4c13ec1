"""Bytes of RAM that the C sources take of their caller's memory, by what they hold; see network.c for the layout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dse.exporters.c99_tables import Tables, rounded, vectors_of_layer
from models.engines.integer_network import GatedLayer, SruLayer
from models.networks.directions import FORWARD

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
        return max(len(self.tables.network.input_mean), self.tables.network.width)

    @property
    def forward(self) -> bool:
        """Whether each frame runs through all layers, whose states are then kept at once."""
        return self.tables.network.directions == FORWARD

    @cached_property
    def units(self) -> int:
        """Codes of a frame that a layer's input matvecs give, or the output matvec, u.

        Frame by frame logits go elsewhere, and u holds what is scratch of the layer besides: recurrent results, a
        projection.
        """
        network = self.tables.network
        read = (layer.inputs if isinstance(layer, GatedLayer) else (layer.input,) for layer in network.layers)
        most = max(sum(matvec.rows for matvec in matvecs) for matvecs in read)
        if not self.forward:
            return max(network.output.rows, most)
        return most + self.projection if isinstance(network.layers[0], SruLayer) else 2 * most

    @property
    def frame_codes(self) -> tuple[int, int]:
        """Codes that are kept of each frame: in u, then logits, and in x."""
        return (self.tables.network.output.rows, 0) if self.forward else (self.units, self.widest)

    @cached_property
    def projection(self) -> int:
        """Rows of an SRU's largest projection; 0 without."""
        layers = (layer for layer in self.tables.network.layers if isinstance(layer, SruLayer))
        return max((layer.projection.rows for layer in layers if layer.projection is not None), default=0)

    @cached_property
    def phases(self) -> dict[str, int]:
        """Bytes of held vectors, sums and cells, by what runs.

        Forward in time each is kept from frame to frame; else one runs after the other, in the same room.
        """
        network, vectors = self.tables.network, iter(self.tables.readers)
        found: dict[str, int] = {}
        for number, layer in enumerate(network.layers):
            sizes = [sum(reader.state_bytes for reader in next(vectors)) for _ in vectors_of_layer(layer)]
            if isinstance(layer, SruLayer):
                matvecs, cells = sum(sizes), rounded(CODE_BYTES * layer.v.shape[1])
                if self.forward:
                    found[f"l{number}"] = matvecs + cells
                    continue
                found[f"l{number}, matvecs"] = matvecs + rounded(CODE_BYTES * self.projection)
                found[f"l{number}, cells"] = cells
            else:
                state = 2 * rounded(CODE_BYTES * network.hidden)
                if self.forward:
                    found[f"l{number}"] = sum(sizes) + state
                    continue
                back = rounded(CODE_BYTES * network.hidden * layer.gates)
                own = len(sizes[1:]) // len(layer.recurrent)
                found[f"l{number}, input matvecs"] = sizes[0]
                recurrent = max(sum(sizes[k : k + own]) for k in range(1, len(sizes), own))
                found[f"l{number}, a direction"] = recurrent + state + back
        return found | {"output": sum(reader.state_bytes for reader in next(vectors))}

    @property
    def list_bytes(self) -> int:
        """Bytes of the list of sent elements."""
        return SENT_BYTES * self.most_cols

    @property
    def state_bytes(self) -> int:
        """Bytes that do not grow with the frames: forward in time, what the next frame needs."""
        if self.forward:
            scratch = rounded(CODE_BYTES * self.widest) + rounded(CODE_BYTES * self.units)
            return self.list_bytes + scratch + sum(self.phases.values())
        return self.list_bytes + max(self.phases.values())

    def of(self, frames: int) -> int:
        """What model_bytes gives."""
        u, x = self.frame_codes
        run = rounded(CODE_BYTES * frames * x) + self.state_bytes
        return rounded(CODE_BYTES * frames * u) + max(run, frames * self.score_bytes)
