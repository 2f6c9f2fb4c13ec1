"""Float network of gated recurrent layers, for training and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from models.networks.directions import WAYS
from models.networks.recurrent import NORM_EPSILON
from models.quantization.calibration import Trace

if TYPE_CHECKING:
    from models.networks.recurrent import Recurrent

NORM_MOMENTUM = 0.05  # Source: pytorch-kaldi


class RecurrentNetwork(nn.Module):
    """Float LSTM, GRU or LiGRU: forward(features float32 [N, features], offsets int64 [U + 1]) -> logits [N, outputs].

    All utterances' frames stand one after another; `offsets` bounds them. All utterances, and directions that share
    their matrices, run as rows of one batch, longest first, so that a step is one product and the batch shrinks as
    utterances end.
    """

    def __init__(self, spec: Recurrent, dropout: float = 0.0) -> None:
        super().__init__()
        self.spec, self.dropout = spec, dropout
        self.input_mean = nn.Buffer(torch.zeros(spec.features))
        self.input_std = nn.Buffer(torch.ones(spec.features))
        self.input, self.recurrent, self.bias = nn.ParameterDict(), nn.ParameterDict(), nn.ParameterDict()
        self.norm_scale = nn.ParameterDict()
        rows = spec.stacked
        for layer in range(spec.layers):
            name, cols = f"l{layer}", spec.inputs(layer)
            self.input[name] = nn.Parameter(_glorot(rows, cols, spec.hidden))
            # Orthogonal recurrent matrices, gate by gate; Source: pytorch-kaldi
            blocks = [nn.init.orthogonal_(torch.empty(spec.hidden, spec.hidden)) for _ in spec.recurrent_names(layer)]
            self.recurrent[name] = nn.Parameter(torch.cat(blocks))
            self.bias[name] = nn.Parameter(torch.zeros(rows))
            if spec.batch_norm:
                self.norm_scale[name] = nn.Parameter(torch.ones(rows))
        if spec.batch_norm:
            self.norm_mean, self.norm_var = nn.Module(), nn.Module()
            for layer in range(spec.layers):
                self.norm_mean.register_buffer(f"l{layer}", torch.zeros(rows))
                self.norm_var.register_buffer(f"l{layer}", torch.ones(rows))
        if getattr(spec, "reset_after", False):
            biases = {f"l{layer}": torch.zeros(spec.sets * spec.hidden) for layer in range(spec.layers)}
            self.recurrent_bias = nn.ParameterDict(biases)
        self.output = nn.Parameter(_glorot(spec.outputs, spec.width, spec.outputs))
        self.output_bias = nn.Parameter(torch.zeros(spec.outputs))

    def forward(self, features: Tensor, offsets: Tensor, trace: Trace | None = None) -> Tensor:
        """Run the network; `trace(name, tensor)` receives every fixed-point site."""
        show = trace or (lambda name, value: None)
        spec = self.spec
        x = (features - self.input_mean) / self.input_std
        show("features", x)
        rows = [StepRows(offsets, way) for way in WAYS[spec.directions]]
        for layer in range(spec.layers):
            pre = self._normalise(x @ self.input[f"l{layer}"].t(), f"l{layer}")
            each = zip(pre.chunk(spec.sets, dim=1), rows, strict=True)
            outputs = [self._recur(part, layer, number, own, show) for number, (part, own) in enumerate(each)]
            x = torch.cat(outputs, dim=1)
        logits = x @ self.output.t() + self.output_bias
        show("logits", logits)
        return logits

    def _normalise(self, product: Tensor, name: str) -> Tensor:
        if not self.spec.batch_norm:
            return product + self.bias[name]
        return nn.functional.batch_norm(
            product,
            getattr(self.norm_mean, name),
            getattr(self.norm_var, name),
            self.norm_scale[name],
            self.bias[name],
            self.training,
            NORM_MOMENTUM,
            NORM_EPSILON,
        )

    def _recur(self, pre: Tensor, layer: int, number: int, rows: StepRows, show: Trace) -> Tensor:
        """Run a layer's set of matrices: h [N, directions H] of preactivations [N, gates H]."""
        spec = self.spec
        mask = torch.ones(1, spec.hidden, device=pre.device)
        if self.training and self.dropout > 0.0:
            # On the candidate, one mask per utterance and direction, constant over time; Source: pytorch-kaldi
            mask = ((torch.rand(rows.count, spec.hidden) >= self.dropout) / (1.0 - self.dropout)).to(pre.device)
        name = f"l{layer}"
        tensors = {"recurrent": self.recurrent[name].chunk(spec.sets)[number]}
        if getattr(spec, "reset_after", False):
            tensors["recurrent_bias"] = self.recurrent_bias[name].chunk(spec.sets)[number]
        # Frames in step order once, then slices: one gather per layer in place of one per step.
        steps = pre[rows.frames].split(rows.sizes)
        state = spec.start(pre.new_zeros(rows.count, spec.hidden))
        outputs = []
        for step, active in zip(steps, rows.sizes, strict=True):
            state = tuple(part[:active] for part in state)
            state = spec.step(step, state, tensors, mask[:active], layer, show)
            outputs.append(state[0])
        ordered = torch.cat(outputs)
        show(f"l{layer}.state", ordered)
        return ordered[rows.back].reshape(len(pre), -1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Copy all parameters and buffers to arrays by name, float32."""
        return {name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()}


class StepRows:
    """Order of frames by step: rows are (utterance, direction), longest utterance first, forward row first.

    `way` are the D directions, 0 forward in time and 1 backward. frames int64 [D N]: the frame of every row of every
    step, steps one after another; sizes: rows per step; back int64 [D N]: where the outputs of frame n's directions
    stand in that order, from D n on.
    """

    def __init__(self, offsets: Tensor, way: tuple[int, ...]) -> None:
        each = len(way)
        bounds = offsets.cpu().numpy()
        lengths = np.diff(bounds)
        order = np.argsort(-lengths, kind="stable")
        self.count = each * len(lengths)
        longest = int(lengths.max(initial=0))
        active = np.searchsorted(-lengths[order], -np.arange(longest), side="left")
        self.sizes = [each * int(a) for a in active]
        frames = np.empty(each * int(bounds[-1]), np.int64)
        start = 0
        for t, count in enumerate(active):
            utterances, end = order[:count], start + each * count
            frame = bounds[utterances] + t, bounds[utterances + 1] - 1 - t
            for row, direction in enumerate(way):
                frames[start + row : end : each] = frame[direction]
            start = end
        back = np.empty_like(frames)
        places = np.arange(len(frames))
        back[each * frames + places % each] = places
        self.frames, self.back = torch.from_numpy(frames).to(offsets.device), torch.from_numpy(back).to(offsets.device)


def _glorot(rows: int, cols: int, fan_out: int) -> Tensor:
    bound = (6.0 / (cols + fan_out)) ** 0.5
    return (torch.rand(rows, cols) * 2 - 1) * bound
