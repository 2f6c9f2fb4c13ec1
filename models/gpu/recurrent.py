"""GPU engine of quantized LSTM, GRU and LiGRU with delta gates: the compiled engine's integers in torch operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.engines.float_run import run_gated
from models.engines.integer_network import GatedLayer, IntegerMatVec, IntegerNetwork
from models.gpu.batch import Batch
from models.gpu.engine import GpuEngine
from models.gpu.grid import clip_, grid_, look_up, tanh_table
from models.quantization.fixed_point import CODE_MAX, GATE_FRACTION_BITS, PREACTIVATION_FRACTION_BITS


class GpuRecurrentEngine(GpuEngine):
    """Engine of an LSTM, GRU or LiGRU on any device of torch; see `Engine.run`."""

    def _layer(self, layer: GatedLayer, x: Tensor, batch: Batch, network: IntegerNetwork) -> Tensor:
        pre, cell = self.products(layer.inputs).sequence(x, batch).short(), CELLS[network.model]
        parts = zip(pre.chunk(len(network.ways), dim=1), network.ways, layer.recurrent, strict=True)
        outputs = [
            recur(cell(self, layer, reads, network.sigmoid_knots, len(way) * batch.sizes[0]), part, batch, way)
            for part, way, reads in parts
        ]
        return torch.cat(outputs, dim=1)

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        return run_gated(self.spec, self.weights, features, offsets)


def recur(cell: Steps, pre: Tensor, batch: Batch, way: tuple[int, ...]) -> Tensor:
    """Run the directions of a set of matrices: output codes float32 [n, D H] of packed preactivations [n, gates H].

    The D directions are rows of one step.
    """
    rows = torch.stack([in_time(pre, batch, direction) for direction in way], dim=1).flatten(0, 1)
    states = torch.cat([cell.step(step) for step in rows.split([len(way) * size for size in batch.sizes])])
    cell.finish()
    each = zip(states.unflatten(0, (-1, len(way))).unbind(1), way, strict=True)
    return torch.cat([in_time(state, batch, direction) for state, direction in each], dim=1)


def in_time(x: Tensor, batch: Batch, direction: int) -> Tensor:
    """Packed frames in the order of a direction, 0 forward in time and 1 backward; its own inverse."""
    return x[batch.reverse] if direction else x


class Steps:
    """Recurrence of one set of a layer's matrices, step by step. See `models.kernels.recurrent_layers`."""

    def __init__(
        self,
        engine: GpuRecurrentEngine,
        layer: GatedLayer,
        reads: Sequence[Sequence[IntegerMatVec]],
        knots: NDArray[np.int16],
        rows: int,
    ) -> None:
        self.engine, self.layer, self.knots, self.table = engine, layer, knots, engine.table
        self.hidden, self.scale = engine.spec.hidden, float(layer.candidate_scale)
        self.h = torch.zeros(rows, self.hidden, device=engine.on_device.device)
        self.recur = [engine.products(matvecs).start(rows) for matvecs in reads]
        self.prepare()

    def prepare(self) -> None:
        """Set the states besides h and the constants that a model needs."""
        raise NotImplementedError

    def step(self, pre: Tensor) -> Tensor:
        """Run one step: h float32 [n, H] of the first n rows, given preactivations int16 [n, gates H]."""
        raise NotImplementedError

    def finish(self) -> None:
        """Add the counts of all steps to the device's."""
        for products in self.recur:
            products.finish()

    def blend(self, z: Tensor, candidate: Tensor, h: Tensor) -> Tensor:
        """Compute z h + (1 - z) candidate, all but z on the state's grid."""
        return clip_((z * clip_(h - candidate)).round_().add_(candidate))

    def tanh(self, unit: float, scale: float = 1.0) -> Tensor:
        """Table of tanh times `scale`, its gate-grid codes multiplied by `unit`, a power of two."""
        return self.engine.on_device.tensor(tanh_table(self.knots, scale) * np.float32(unit))


class LstmSteps(Steps):
    def prepare(self) -> None:
        self.c = torch.zeros_like(self.h)
        # gates come as numbers in [0, 1]
        self.candidate = self.tanh(2.0 ** (self.layer.cell_bits - GATE_FRACTION_BITS), self.scale)
        self.squash = self.tanh(2.0 ** (self.layer.state_bits - GATE_FRACTION_BITS))
        self.cell_to_pre = 2.0 ** (PREACTIVATION_FRACTION_BITS - self.layer.cell_bits)

    def step(self, pre: Tensor) -> Tensor:
        h, c, split = self.h[: len(pre)], self.c[: len(pre)], 3 * self.hidden
        total = self.recur[0].step(h).add_(pre)
        forget, inward, outward = look_up(self.table, total[:, :split]).split(self.hidden, dim=1)
        added = grid_(inward * look_up(self.candidate, total[:, split:]))
        self.c = clip_((forget * c).round_().add_(added))
        squashed = look_up(self.squash, grid_(self.c * self.cell_to_pre))
        self.h = grid_(outward * squashed)
        return self.h


class GruSteps(Steps):
    def prepare(self) -> None:
        self.candidate = grid_(self.tanh(2.0 ** (self.layer.state_bits - GATE_FRACTION_BITS), self.scale))

    def step(self, pre: Tensor) -> Tensor:
        h, split = self.h[: len(pre)], 2 * self.hidden
        z, r = look_up(self.table, self.recur[0].step(h).add_(pre[:, :split])).split(self.hidden, dim=1)
        if not self.layer.reset_after:
            back = self.recur[1].step((r * h).round_())
        else:
            back = (r * self.recur[1].step(h)).round_()
        self.h = self.blend(z, look_up(self.candidate, back.add_(pre[:, split:])), h)
        return self.h


class LigruSteps(Steps):
    def prepare(self) -> None:
        self.to_state = 2.0 ** (self.layer.state_bits - self.layer.candidate_bits)

    def step(self, pre: Tensor) -> Tensor:
        h = self.h[: len(pre)]
        total = self.recur[0].step(h).add_(pre)
        z = look_up(self.table, total[:, : self.hidden])
        candidate = (total[:, self.hidden :].clamp(0, CODE_MAX) * self.scale).round_()
        self.h = self.blend(z, grid_(candidate * self.to_state), h)
        return self.h


CELLS = {"lstm": LstmSteps, "gru": GruSteps, "ligru": LigruSteps}
