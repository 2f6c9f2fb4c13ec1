"""Float SRU network, for training, calibration and the float error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from models.kernels.sru_scan import scan_float, scan_float_gradient
from models.networks.directions import count
from models.quantization.calibration import Trace

if TYPE_CHECKING:
    from models.networks.sru import Sru


class Scan(torch.autograd.Function):
    """Elementwise recurrence of a layer, see `scan_float`: h and c of u, highway, v, b, offsets and directions."""

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, highway: Tensor, v: Tensor, b: Tensor, offsets: Tensor, directions: int
    ) -> tuple[Tensor, Tensor]:
        found = scan_float(*_arrays(u, highway, v, b, offsets), directions)
        h, c, f, r = (torch.from_numpy(x).to(u.device) for x in found)
        ctx.directions = directions
        ctx.save_for_backward(u, highway, c, f, r, v, offsets)
        ctx.mark_non_differentiable(c)
        return h, c

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        u, highway, c, f, r, v, offsets = ctx.saved_tensors
        results = scan_float_gradient(*_arrays(gradients[0], u, highway, c, f, r, v, offsets), ctx.directions)
        du, dhighway, dv, db = (torch.from_numpy(x).to(u.device) for x in results)
        return du.to(u.dtype), dhighway.to(highway.dtype), dv, db, None, None


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    """Arrays for the compiled scan, which runs on the CPU in float32 wherever the tensors are."""
    whole = (x.detach().cpu().contiguous() for x in tensors)
    return [(x.float() if x.is_floating_point() else x).numpy() for x in whole]


class SruNetwork(nn.Module):
    """Float SRU: forward(features float32 [N, features], offsets int64 [U + 1]) -> logits float32 [N, outputs].

    All utterances' frames stand one after another; `offsets` bounds them. Features are standardised by `input_mean`
    and `input_std`, which belong to the network. The recurrence runs on the CPU, the products on the features' device.
    """

    def __init__(self, spec: Sru, dropout: float = 0.0) -> None:
        super().__init__()
        from models.networks.sru import HIGHWAY_BIAS

        self.spec, self.dropout = spec, dropout
        self.input_mean = nn.Buffer(torch.zeros(spec.features))
        self.input_std = nn.Buffer(torch.ones(spec.features))
        self.projections = nn.ParameterDict()
        self.weights, self.v, self.b = nn.ParameterDict(), nn.ParameterDict(), nn.ParameterDict()
        width = spec.width
        # Initial values: library sru 2.5.1, as used by Rezk et al.
        for layer in range(spec.layers):
            name, cols = f"l{layer}", spec.inputs(layer)
            if spec.projected(layer):
                self.projections[name] = nn.Parameter(_uniform(spec.projection, cols, (3.0 / cols) ** 0.5))
                cols = spec.projection
            weight = _uniform(spec.parts(layer) * width, cols, (3.0 / cols) ** 0.5)
            weight[width : 3 * width] *= 0.5**0.5
            weight[3 * width :] *= spec.highway_scale
            self.weights[name] = nn.Parameter(weight)
            self.v[name] = nn.Parameter(_uniform(2, width, 1.5**0.5))
            bias = torch.zeros(2, width)
            bias[1] = HIGHWAY_BIAS
            self.b[name] = nn.Parameter(bias)
        self.output = nn.Parameter(_uniform(spec.outputs, width, (3.0 / width) ** 0.5))
        self.output_bias = nn.Parameter(torch.zeros(spec.outputs))

    def forward(self, features: Tensor, offsets: Tensor, trace: Trace | None = None) -> Tensor:
        """Run the network; `trace(name, tensor)` receives every fixed-point site."""
        show = trace or (lambda name, value: None)
        spec = self.spec
        x = (features - self.input_mean) / self.input_std
        show("features", x)
        for layer in range(spec.layers):
            name = f"l{layer}"
            q = self._drop(x, offsets) if layer else x
            if name in self.projections:
                q = q @ self.projections[name].t()
                show(f"{name}.projected", q)
            u = q @ self.weights[name].t()
            width = spec.width
            highway = u[:, 3 * width :] if spec.parts(layer) == 4 else spec.highway_scale * x
            v, b, directions = self.v[name], self.b[name], count(spec.directions)
            x, c = Scan.apply(u[:, : 3 * width], highway, v, b, offsets, directions)
            for value in (u[:, :width], highway, c, x):
                show(f"{name}.state", value)
        x = self._drop(x, offsets)
        logits = x @ self.output.t() + self.output_bias
        show("logits", logits)
        return logits

    def _drop(self, x: Tensor, offsets: Tensor) -> Tensor:
        """Apply variational dropout: one inverted mask per utterance, constant over its frames."""
        if not self.training or self.dropout == 0.0:
            return x
        mask = (torch.rand(len(offsets) - 1, x.shape[1]) >= self.dropout) / (1.0 - self.dropout)
        return x * mask.repeat_interleave(offsets.diff().cpu(), dim=0).to(x.device)

    def arrays(self) -> dict[str, np.ndarray]:
        """Copy all parameters and buffers to arrays by name, float32."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()}


def _uniform(rows: int, cols: int, bound: float) -> Tensor:
    return (torch.rand(rows, cols) * 2 - 1) * bound
