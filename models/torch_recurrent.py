"""The quantized, delta-gated LSTM, GRU and LiGRU in torch operations, the compiled engine's integers on any device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.fixed_point import CODE_MAX, GATE_FRACTION_BITS
from models.recurrent_engine import RecurrentEngine
from models.torch_engine import Batch, DeviceEngine
from models.torch_fixed_point import clip_, grid_, look_up, tanh_table
from models.workload import Configuration

ONE = 2.0**GATE_FRACTION_BITS


class TorchRecurrentEngine(DeviceEngine, RecurrentEngine):
    """`run` as the compiled engine's on any device."""

    def _packed(self, x: Tensor, batch: Batch, configuration: Configuration) -> Tensor:
        for layer in range(self.spec.layers):
            products = self.products(self.input_reading(layer), configuration)
            cell = CELLS[self.spec.name](self, layer, 2 * batch.sizes[0], configuration)
            x = recur(cell, products.sequence(x, batch), batch)
        return self.products(self.output_reading, configuration).sequence(x, batch)


def recur(cell: Steps, pre: Tensor, batch: Batch) -> Tensor:
    """The layer's output codes float32 [n, 2 H] of packed preactivations [n, gates H]; both directions are rows."""
    pre = pre.short()
    rows = torch.stack((pre, pre[batch.reverse]), dim=1).flatten(0, 1)
    states = torch.cat([cell.step(step) for step in rows.split([2 * size for size in batch.sizes])])
    cell.finish()
    forward, backward = states.unflatten(0, (-1, 2)).unbind(1)
    return torch.cat((forward, backward[batch.reverse]), dim=1)


class Steps:
    """One layer's rows, step by step; `constants` are the compiled cell's. See `models.recurrent_cells`."""

    def __init__(self, engine: TorchRecurrentEngine, layer: int, rows: int, configuration: Configuration) -> None:
        self.engine, self.table = engine, engine.table
        spec = engine.spec
        self.hidden, self.scale = spec.hidden, spec.candidate_scale
        self.constants: Any = spec.cell()(spec, layer, engine.calibration, engine.weights)
        self.h = torch.zeros(rows, spec.hidden, device=engine.on_device.device)
        self.recur = [
            engine.products(reading, configuration).start(rows)
            for reading in engine.recurrent_readings(layer, self.constants)
        ]
        self.prepare()

    def prepare(self) -> None:
        """What a model needs besides h."""
        raise NotImplementedError

    def step(self, pre: Tensor) -> Tensor:
        """h float32 [n, H] of the first n rows after one step of preactivations int16 [n, gates H]."""
        raise NotImplementedError

    def finish(self) -> None:
        for products in self.recur:
            products.finish()

    def blend(self, z: Tensor, candidate: Tensor, h: Tensor) -> Tensor:
        """z h + (1 - z) candidate, all but z on the state's grid."""
        return clip_((z * clip_(h - candidate)).round_().add_(candidate))

    def tanh(self, unit: float, scale: float = 1.0) -> Tensor:
        """Table of tanh times `scale`, a step of the gate grid counting `unit`, a power of two."""
        return self.engine.on_device.tensor(tanh_table(scale) * np.float32(unit))


class LstmSteps(Steps):
    def prepare(self) -> None:
        self.c = torch.zeros_like(self.h)
        # gates come as numbers in [0, 1], so the constants lack their 2^-14
        self.candidate = self.tanh(float(self.constants.cell_step) * ONE, self.scale)
        self.squash = self.tanh(float(self.constants.h_step) * ONE)
        self.cell_to_pre = float(self.constants.cell_to_pre)

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
        self.candidate = grid_(self.tanh(float(self.constants.to_state), self.scale))

    def step(self, pre: Tensor) -> Tensor:
        h, split = self.h[: len(pre)], 2 * self.hidden
        z, r = look_up(self.table, self.recur[0].step(h).add_(pre[:, :split])).split(self.hidden, dim=1)
        if not self.constants.after:
            back = self.recur[1].step((r * h).round_())
        else:
            back = (r * self.recur[1].step(h)).round_()
        self.h = self.blend(z, look_up(self.candidate, back.add_(pre[:, split:])), h)
        return self.h


class LigruSteps(Steps):
    def prepare(self) -> None:
        self.to_state = float(self.constants.to_state)

    def step(self, pre: Tensor) -> Tensor:
        h = self.h[: len(pre)]
        total = self.recur[0].step(h).add_(pre)
        z = look_up(self.table, total[:, : self.hidden])
        candidate = (total[:, self.hidden :].clamp(0, CODE_MAX) * self.scale).round_()
        self.h = self.blend(z, grid_(candidate * self.to_state), h)
        return self.h


CELLS = {"lstm": LstmSteps, "gru": GruSteps, "ligru": LigruSteps}
