"""GPU engine of the quantized SRU with delta gates: the compiled engine's integers in torch operations."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.engines.float_run import run_sru
from models.engines.integer_network import IntegerNetwork, SruLayer
from models.gpu.batch import Batch
from models.gpu.engine import GpuEngine
from models.gpu.grid import clip_, grid_, look_up
from models.quantization.fixed_point import PREACTIVATION_FRACTION_BITS


class GpuSruEngine(GpuEngine):
    """Engine of an SRU on any device of torch; see `Engine.run`."""

    def _layer(self, layer: SruLayer, x: Tensor, batch: Batch, network: IntegerNetwork) -> Tensor:
        spec, n = self.spec, len(x)
        q = x if layer.projection is None else self.products((layer.projection,)).sequence(x, batch)
        u = self.products((layer.input,)).sequence(q, batch).view(n, 3 + layer.has_highway, -1, spec.hidden)
        if layer.has_highway:
            through = u[:, 3]
        else:
            scale = layer.alpha * 2.0 ** (layer.state_bits - layer.input_bits - layer.alpha_bits)
            through = grid_(x * self.on_device.tensor(np.array(scale))).view_as(u[:, 0])
        u, through = in_time(u, batch), in_time(through, batch)
        states, reset = self._scan(u, layer, batch)
        h = clip_(through + (reset * clip_(states - through)).round_())
        return in_time(h, batch).reshape(n, spec.width)

    def _scan(self, u: Tensor, layer: SruLayer, batch: Batch) -> tuple[Tensor, Tensor]:
        """States and reset gates [n, D, H] of u [n, parts, D, H], each direction's frames in its own order."""
        v_scale = np.float32(2.0 ** (PREACTIVATION_FRACTION_BITS - layer.v_bits - layer.state_bits))
        v = self.on_device.tensor(layer.v.astype(np.float32) * v_scale).view(2, *u.shape[2:])
        state = torch.zeros_like(u[: batch.sizes[0], 0])
        states, resets = [], []
        for candidate, gates in zip(u[:, 0].split(batch.sizes), u[:, 1:3].split(batch.sizes), strict=True):
            state = state[: len(candidate)]
            forget, reset = look_up(self.table, grid_(v * state[:, None]).add_(gates)).unbind(1)
            state = clip_((forget * clip_(state - candidate)).round_().add_(candidate))
            states.append(state)
            resets.append(reset)
        return torch.cat(states), torch.cat(resets)

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        return run_sru(self.spec, self.weights, features, offsets)


def in_time(x: Tensor, batch: Batch) -> Tensor:
    """Reverse a backward direction's frames of x [n, ..., D, H] within each utterance; its own inverse."""
    if x.shape[-2] == 1:
        return x
    return torch.stack((x[..., 0, :], x[..., 1, :][batch.reverse]), dim=-2)
