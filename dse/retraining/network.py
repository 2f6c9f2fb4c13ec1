"""A network under training at one configuration: float weights, learned scales and steps, forward in integers.

The forward pass is the compiled engine's, on the integer network that the quantizer makes of the weights and scales of
the moment: what is trained is what is evaluated. The backward pass is that of the float network with the deployed
weights at the deployed values of every vector and state, see `dse.retraining.operands`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dse.retraining.operands import Read, read, straight, weight
from dse.retraining.recurrence import STEPS, Product, recur
from models.engines.integer_network import GatedLayer, IntegerMatVec, IntegerNetwork, SruLayer
from models.engines.network_quantizer import NetworkQuantizer
from models.networks.directions import count
from models.networks.recurrent_network import StepRows
from models.networks.sru_network import Scan
from models.quantization.calibration import Calibration
from models.quantization.learned import Learned, RowScales
from models.quantization.quantizer import ActivationQuantizer, QuantizedMatrix
from models.quantization.rounding import MULTIPLE_MAX
from models.quantization.scheme import ROW
from models.registry import build_engine, build_network
from models.workload import INTEGER_BITS, Configuration, InputError

Floats = NDArray[np.float32]


class StraightThrough(nn.Module):
    """Network of `start`, a quantizer of what is to be retrained, at a configuration.

    `weights` are those to start from, of sizes without batch normalisation. Scales of rows, or of matrices, and steps
    of activations are learned as logarithms of what they grow by; zero points and grids stay.
    """

    def __init__(
        self, spec: Any, weights: Mapping[str, Floats], start: NetworkQuantizer, configuration: Configuration
    ) -> None:
        super().__init__()
        self.spec, self.configuration, self.scheme = spec, configuration, start.scheme
        self.peaks = dict(start.calibration.peaks)
        self.network = build_network(spec)
        self.network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        self.start = {matvec.name: matvec for matvec in start.network(configuration).matvecs}
        vectors = start.calibration.vectors
        self.step_of: dict[str, str] = {}  # what reads one vector at one width shares a step
        scale_shares, step_shares = {}, {}
        for name, matvec in self.start.items():
            if matvec.matrix.bits in INTEGER_BITS:
                scale_shares[_key(name)] = torch.zeros(matvec.rows if self.scheme.scales == ROW else 1)
            if matvec.act_bits in INTEGER_BITS:
                first = next(
                    n for n, m in self.start.items() if vectors[n] is vectors[name] and m.act_bits == matvec.act_bits
                )
                self.step_of[name] = _key(first)
                step_shares[_key(first)] = torch.zeros(1)
        self.scale_shares, self.step_shares = nn.ParameterDict(scale_shares), nn.ParameterDict(step_shares)

    def learned(self) -> Learned:
        """Scales and steps of the moment."""
        scales, activations = {}, {}
        for name, matvec in self.start.items():
            if (key := _key(name)) in self.scale_shares:
                grown = self.scale_shares[key].detach().exp().numpy()
                scales[name] = _grown(matvec.matrix, grown, self.scheme.scales == ROW)
            if name in self.step_of:
                step = matvec.divisor * self.step_shares[self.step_of[name]].detach().exp().numpy()[0]
                quantizer = ActivationQuantizer(np.float32(step), matvec.zero + float(matvec.shift))
                activations[name] = matvec.act_bits, quantizer
        return Learned(self.peaks, scales, activations)

    def quantizer(self) -> NetworkQuantizer:
        """Quantizer of the weights, scales and steps of the moment. Raises InputError where they are not finite."""
        if not all(parameter.isfinite().all() for parameter in self.parameters()):
            raise InputError("the training diverged: weights are no longer finite; lower the learning rate")
        return NetworkQuantizer(
            self.spec, self.network.arrays(), Calibration(self.peaks), self.scheme, learned=self.learned()
        )

    def forward(self, features: Tensor, offsets: Tensor) -> Tensor:
        """Logits [N, outputs] of features float32 [N, features], utterances bounded by offsets int64 [U + 1]."""
        quantizer = self.quantizer()
        integers = quantizer.network(self.configuration)
        states, _ = build_engine(quantizer).trace(integers, features.numpy(), offsets.numpy())
        x = _values(integers.input_codes(features.numpy()), integers.input_bits)
        run = _Run(self, integers, offsets)
        for number, layer in enumerate(integers.layers):
            h = _values(states[f"l{number}.state"], layer.state_bits)
            x = run.sru(number, layer, x, h) if isinstance(layer, SruLayer) else run.gated(number, layer, x, h)
        logits = run.products((integers.output,), x, [self.network.output]) + self.network.output_bias
        return straight(logits, _values(states["logits"], integers.logit_bits))


class _Run:
    """One forward pass over a batch: the layers' float computations at the deployed values."""

    def __init__(self, model: StraightThrough, integers: IntegerNetwork, offsets: Tensor) -> None:
        self.model, self.network, self.integers, self.offsets = model, model.network, integers, offsets
        bounds = offsets.numpy()
        self.frames_before = np.arange(-1, bounds[-1] - 1)
        self.frames_before[bounds[:-1][np.diff(bounds) > 0]] = -1
        gated = not isinstance(integers.layers[0], SruLayer)
        self.rows = [StepRows(offsets, way) for way in integers.ways] if gated else []

    def read(self, matvec: IntegerMatVec, x: Tensor, before: NDArray[np.int64]) -> Read:
        key = self.model.step_of.get(matvec.name)
        return read(x, matvec, None if key is None else self.model.step_shares[key], before)

    def weight(self, matvec: IntegerMatVec, weights: Tensor) -> Tensor:
        shares, key = self.model.scale_shares, _key(matvec.name)
        return weight(weights, matvec.matrix, shares.get(key))

    def products(self, matvecs: Sequence[IntegerMatVec], x: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Results [N, all rows] of matvecs that read x [N, cols] frame by frame."""
        parts: dict[int, Tensor] = {}
        for numbers in _alike(matvecs):
            vector = self.read(matvecs[numbers[0]], x, self.frames_before).values
            stacked = torch.cat([self.weight(matvecs[k], weights[k]) for k in numbers])
            results = vector @ stacked.t()
            if len(numbers) == len(matvecs):
                return results
            parts |= dict(zip(numbers, results.split([matvecs[k].rows for k in numbers], dim=1), strict=True))
        return torch.cat([parts[k] for k in range(len(matvecs))], dim=1)

    def sru(self, number: int, layer: SruLayer, x: Tensor, h: Tensor) -> Tensor:
        name, network, width = f"l{number}", self.network, h.shape[1]
        q = x
        if layer.projection is not None:
            q = self.products((layer.projection,), x, [network.projections[name]])
            unit = 2.0 ** -int(layer.projection.result_bits[0])
            q = straight(q, (q.detach() / unit).round() * unit)
        u = self.products((layer.input,), q, [network.weights[name]])
        highway = u[:, 3 * width :] if layer.has_highway else network.spec.highway_scale * x
        vectors, directions = (network.v[name], network.b[name]), count(self.integers.directions)
        states, _ = Scan.apply(u[:, : 3 * width], highway, *vectors, self.offsets, directions)
        return straight(states, h)

    def gated(self, number: int, layer: GatedLayer, x: Tensor, h: Tensor) -> Tensor:
        name, network, sets = f"l{number}", self.network, len(self.rows)
        weights = network.input[name].split(self.integers.hidden)
        inward = (self.products(layer.inputs, x, weights) + network.bias[name]).chunk(sets, dim=1)
        back = network.recurrent[name].chunk(sets)
        biases = network.recurrent_bias[name].chunk(sets) if layer.reset_after else [None] * sets
        states = h.split([len(way) * self.integers.hidden for way in self.integers.ways], dim=1)
        parts = zip(self.rows, layer.recurrent, inward, states, back, biases, strict=True)
        return torch.cat([self.recurrence(layer, *part) for part in parts], dim=1)

    def recurrence(
        self,
        layer: GatedLayer,
        rows: StepRows,
        reads: Sequence[Sequence[IntegerMatVec]],
        inward: Tensor,
        h: Tensor,
        weights: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """States h [N, D H] of the D directions of a set of matrices, of preactivations `inward` [N, gates H]."""
        hidden = self.integers.hidden
        back, before = weights.split(hidden), _rows_before(rows.sizes)

        def reader(matvecs: Sequence[IntegerMatVec], vector: Tensor, first: int) -> list[Product]:
            found = []
            for numbers in _alike(matvecs):
                stacked = torch.cat([self.weight(matvecs[k], back[first + k]) for k in numbers])
                columns = torch.cat([torch.arange(hidden) + (first + k) * hidden for k in numbers])
                consecutive = numbers == list(range(numbers[0], numbers[-1] + 1))
                place = slice(int(columns[0]), int(columns[-1]) + 1) if consecutive else columns
                found.append(Product(place, self.read(matvecs[numbers[0]], vector, before), stacked))
            return found

        packed = torch.empty(len(rows.frames), hidden)
        packed[rows.back] = h.reshape(-1, hidden)
        steps = STEPS[self.integers.model](layer, reads, inward[rows.frames], rows.sizes, packed, reader, bias)
        return recur(steps, packed)[rows.back].reshape(h.shape)


def _grown(matrix: QuantizedMatrix, grown: Floats, by_row: bool) -> RowScales:
    """Scales of a matrix `grown` by so much, [rows] or all together [1]; signs stay."""
    if not by_row:
        return RowScales(matrix.bits, np.float32(matrix.step * grown[0]), matrix.multiples)
    sizes = np.clip(np.rint(np.abs(matrix.multiples.astype(np.float32)) * grown), 1, MULTIPLE_MAX)
    return RowScales(matrix.bits, matrix.step, (np.sign(matrix.multiples) * sizes).astype(np.int8))


def _alike(matvecs: Sequence[IntegerMatVec]) -> list[list[int]]:
    """Numbers of the matvecs that share a quantizer and a delta gate."""
    groups: dict[tuple[int, int], list[int]] = {}
    for number, matvec in enumerate(matvecs):
        groups.setdefault((matvec.act_bits, matvec.delta), []).append(number)
    return list(groups.values())


def _rows_before(sizes: Sequence[int]) -> NDArray[np.int64]:
    """Row of the step before for each row of `StepRows`, -1 at the first step."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    parts = [np.arange(n) + start for n, start in zip(sizes[1:], starts, strict=False)]
    return np.concatenate([np.full(sizes[0], -1), *parts]).astype(np.int64)


def _values(codes: NDArray[np.int16], bits: int) -> Tensor:
    return torch.from_numpy(codes.astype(np.float32) * np.float32(2.0**-bits))


def _key(name: str) -> str:
    """Name of a matvec as torch takes it in a dictionary of parameters."""
    return name.replace(".", "/")
