"""The quantized, delta-gated SRU in torch operations, the compiled engine's integers on any device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.sru_engine import ScanConstants, SruEngine
from models.torch_engine import Batch, DeviceEngine
from models.torch_fixed_point import clip_, grid_, look_up
from models.workload import Configuration


class TorchSruEngine(DeviceEngine, SruEngine):
    """`run` as the compiled engine's on any device."""

    def _packed(self, x: Tensor, batch: Batch, configuration: Configuration) -> Tensor:
        for layer in range(self.spec.layers):
            x = self._packed_layer(layer, x, batch, configuration)
        return self.products(self.output_reading, configuration).sequence(x, batch)

    def _packed_layer(self, layer: int, x: Tensor, batch: Batch, configuration: Configuration) -> Tensor:
        """The layer's output codes float32 [n, 2 H] of its packed input codes."""
        c, spec, n = self.constants[layer], self.spec, len(x)
        projection, inward = self.readings(layer)
        q = x if projection is None else self.products(projection, configuration).sequence(x, batch)
        u = self.products(inward, configuration).sequence(q, batch).view(n, spec.parts(layer), 2, spec.hidden)
        if spec.parts(layer) == 4:
            through = u[:, 3]
        else:
            through = grid_(x * self.on_device.tensor(np.array(c.x_scale))).view_as(u[:, 0])
        u, through = both_ways(u, batch), both_ways(through, batch)
        states, reset = self._scan(u, c, batch)
        h = clip_(through + (reset * clip_(states - through)).round_())
        return both_ways(h, batch).reshape(n, spec.width)

    def _scan(self, u: Tensor, c: ScanConstants, batch: Batch) -> tuple[Tensor, Tensor]:
        """States and reset gates [n, 2, H] of u [n, parts, 2, H], each direction's frames in its own order."""
        v = self.on_device.tensor(c.v[:, : self.spec.width] * c.v_scale).view(2, 2, -1)
        state = torch.zeros_like(u[: batch.sizes[0], 0])
        states, resets = [], []
        for candidate, gates in zip(u[:, 0].split(batch.sizes), u[:, 1:3].split(batch.sizes), strict=True):
            state = state[: len(candidate)]
            forget, reset = look_up(self.table, grid_(v * state[:, None]).add_(gates)).unbind(1)
            state = clip_((forget * clip_(state - candidate)).round_().add_(candidate))
            states.append(state)
            resets.append(reset)
        return torch.cat(states), torch.cat(resets)


def both_ways(x: Tensor, batch: Batch) -> Tensor:
    """x [n, ..., 2, H] with the backward direction's frames the other way round; doing it twice undoes it."""
    return torch.stack((x[..., 0, :], x[..., 1, :][batch.reverse]), dim=-2)
