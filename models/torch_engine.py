"""The compiled engines' integers in plain torch operations, so that a GPU can compute them: products, gates, batches.

Everything elementwise is carried as whole float32 codes, and each step is one float32 operation and its rounding in
kernels of their own, as in `models.fixed_point`. Nothing here may be fused (torch.compile, addcmul, lerp, baddbmm): a
fused multiply-add leaves out a rounding and changes bits. Powers of two are folded into constants and tables, which is
exact. Divisors are tensors on the device: CUDA kernels replace division by a host's number by a product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.calibration import Calibration
from models.counter import Counter
from models.engine import Engine, FixedRun, Linear, Reading
from models.fixed_point import to_float
from models.quantizer import code_range
from models.shared_layers import Beginning
from models.torch_fixed_point import clip_, gate_table, grid_
from models.torch_matmul import Bundle, Matrix, bundles
from models.workload import BASELINE_BITS, Configuration

# Utterances are run in batches of about this many frames, which the largest preset needs about 4 GB for.
FRAMES_PER_BATCH = 2**16
PRODUCT_FRAMES = 2**13  # products of a longer sequence are taken in parts: 16-bit operands need 48 bytes an output
MATRICES_BYTES = 2**30  # matrices kept on the device; past that they are laid out anew


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames of some utterances packed by step: all first frames, all second ones, ...; longest utterance first.

    So the utterances that still run at a step are the first rows of the one before.
    """

    frames: NDArray[np.int64]  # [n] where each packed frame stands in the split
    sizes: list[int]  # frames of each step
    reverse: Tensor  # [n] the packed frame as far from its utterance's end as this one is from its start
    before: Tensor  # [n - sizes[0]] the packed frame one step before, of every frame after the first step

    @classmethod
    def of(cls, starts: NDArray[np.int64], lengths: NDArray[np.int64], device: torch.device) -> Batch:
        """Utterances by their first frame and their length, longest first."""
        runs = np.arange(lengths[0])[:, None] < lengths
        step, row = np.nonzero(runs)
        place = runs.cumsum().reshape(runs.shape) - 1
        sizes = runs.sum(axis=1).tolist()
        reverse, before = place[lengths[row] - 1 - step, row], place[step - 1, row][sizes[0] :]
        return cls(starts[row] + step, sizes, torch.from_numpy(reverse).to(device), torch.from_numpy(before).to(device))


def batches(offsets: NDArray[np.int64], device: torch.device) -> list[Batch]:
    """All utterances that `offsets` [U + 1] bounds, longest first, in batches of about FRAMES_PER_BATCH frames."""
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    turns = np.flatnonzero(np.diff((lengths[order].cumsum() - 1) // FRAMES_PER_BATCH)) + 1
    return [Batch.of(offsets[part], lengths[part], device) for part in np.split(order, turns) if len(part)]


class TorchLinear:
    """`Linear` on a device: matrices laid out there once, elements counted there until all is run."""

    def __init__(self, linear: Linear, device: str) -> None:
        self.linear, self.device = linear, torch.device(device)
        self._matrices: dict[tuple[tuple[str, ...], int, bool], Matrix] = {}
        self._sent: list[tuple[tuple[str, ...], int, Tensor]] = []

    @torch.inference_mode()
    def run(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], network: Callable[[Tensor, Batch], Tensor]
    ) -> tuple[NDArray[np.int16], Counter]:
        """Codes int16 [N, outputs] of all frames, and what was counted.

        `network` makes a batch's packed output codes of its packed input codes, float32 [n, ...] both. Until all of it
        is under way the device is asked for nothing: a GPU that is waited for at every step does little else.
        """
        self._sent = []
        packed = batches(offsets, self.device)
        outputs = [network(self.tensor(inputs[batch.frames]), batch).short() for batch in packed]
        codes = np.empty((len(inputs), outputs[0].shape[1]), np.int16)
        for batch, output in zip(packed, outputs, strict=True):
            codes[batch.frames] = output.cpu().numpy()
        counter, sums = Counter(), torch.stack([sent for _, _, sent in self._sent]).tolist()
        for (names, elements, _), sent in zip(self._sent, sums, strict=True):
            for name in names:
                counter.add(name, elements, sent)
        return codes, counter

    def tell(self, names: tuple[str, ...], elements: int, sent: Tensor) -> None:
        """Count elements of these matvecs' input, and those sent, a number on the device."""
        self._sent.append((names, elements, sent))

    def matrix(self, bundle: Bundle) -> Matrix:
        key = (bundle.names, bundle.weight_bits, bundle.act_bits == BASELINE_BITS)
        if key not in self._matrices:
            if sum(matrix.size_bytes for matrix in self._matrices.values()) > MATRICES_BYTES:
                self._matrices.clear()
            self._matrices[key] = Matrix(bundle, self.device)
        return self._matrices[key]

    def tensor(self, values: NDArray[np.generic]) -> Tensor:
        """float32 on the device."""
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)


class Products:
    """The matvecs `names`, which read one vector: quantized, gated, multiplied and put on their grids, side by side.

    Sets of matvecs with equal settings are the first dimension of what is quantized and gated, B. `to_steps` and `bias`
    are those of `Linear.readers`.
    """

    def __init__(
        self,
        owner: TorchLinear,
        names: tuple[str, ...],
        fraction_bits: int,
        to_steps: NDArray[np.float32],
        bias: NDArray[np.float32] | None,
        configuration: Configuration,
    ) -> None:
        self.owner = owner
        self.bundles = bundles(owner.linear, names, fraction_bits, configuration)
        self.matrices = [owner.matrix(bundle) for bundle in self.bundles]
        self.scales = [owner.tensor(bundle.unit * to_steps[bundle.places]) for bundle in self.bundles]
        self.columns = [blocks(bundle.places) for bundle in self.bundles]
        self.outputs = len(to_steps)
        self.bias = None if bias is None else owner.tensor(bias)

        def each(values: list[float]) -> Tensor:
            return owner.tensor(np.array(values, np.float32))[:, None, None]

        self.divisor = each([bundle.divisor for bundle in self.bundles])
        self.low, self.high = (each([code_range(b.act_bits)[k] for b in self.bundles]) for k in (0, 1))
        self.delta = each([bundle.delta for bundle in self.bundles])
        self.gated = any(bundle.delta for bundle in self.bundles)
        self.on_grid = all(bundle.act_bits == BASELINE_BITS for bundle in self.bundles)  # the grid's own codes
        self.held = self.moves = torch.zeros(0)
        self.elements = 0
        self.rooms: list[Tensor] = []

    def sequence(self, x: Tensor, batch: Batch) -> Tensor:
        """Grid codes float32 [n, outputs] of a batch's packed codes x [n, cols], which are not changed."""
        codes = self._quantize(x)
        if self.gated:
            codes = codes.clone() if self.on_grid else codes
            held = torch.zeros_like(codes[:, : batch.sizes[0]])
            for step in codes.split(batch.sizes, dim=1):
                held = self._hold(step, held[:, : step.shape[1]], out=step)
        # What was sent is where the held codes changed; before the first step they were zero.
        first = codes[:, : batch.sizes[0]].count_nonzero(dim=(1, 2))
        later = torch.stack([(part[batch.sizes[0] :] != part[batch.before]).sum() for part in codes])
        self._tell(x.numel(), first + later)
        self._make_room(min(len(x), PRODUCT_FRAMES))
        return torch.cat([self._to_grid(part) for part in codes.split(PRODUCT_FRAMES, dim=1)])

    def start(self, rows: int) -> Products:
        """Ready for `step`: nothing held yet."""
        shape = (len(self.bundles), rows, self.matrices[0].cols)
        self.held = torch.zeros(shape, device=self.owner.device)
        self.moves = torch.zeros(shape, dtype=torch.int32, device=self.owner.device)
        self._make_room(rows)
        return self

    def step(self, x: Tensor) -> Tensor:
        """Grid codes float32 [n, outputs] of the first n rows' next codes x [n, cols]."""
        codes, held = self._quantize(x), self.held[:, : len(x)]
        if self.gated:
            codes = self._hold(codes, held)
        self.moves[:, : len(x)] += codes != held
        self.held, self.elements = codes, self.elements + x.numel()
        return self._to_grid(codes)

    def finish(self) -> None:
        """Tell what the steps have sent."""
        self._tell(self.elements, self.moves.sum(dim=(1, 2)))

    def _tell(self, elements: int, sent: Tensor) -> None:
        for bundle, count in zip(self.bundles, sent, strict=True):
            self.owner.tell(bundle.names, elements, count)

    def _make_room(self, rows: int) -> None:
        self.rooms = [matrix.room(rows) for matrix in self.matrices]

    def _quantize(self, x: Tensor) -> Tensor:
        """Codes float32 [B, n, cols]."""
        if self.on_grid:
            return x.expand(len(self.bundles), *x.shape)
        return (x / self.divisor).clamp_(self.low, self.high).round_()

    def _hold(self, codes: Tensor, held: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.where((codes - held).abs_() <= self.delta, held, codes, out=out)

    def _to_grid(self, codes: Tensor) -> Tensor:
        result = torch.empty(codes.shape[1], self.outputs, device=codes.device)
        for part, matrix, room, scale, columns in zip(
            codes, self.matrices, self.rooms, self.scales, self.columns, strict=True
        ):
            sums = matrix.product(part, room)
            for start, place, count in columns:
                block = slice(start, start + count)
                torch.mul(sums[:, block], scale[block], out=result[:, place : place + count])
        grid_(result)
        return result if self.bias is None else clip_(result.add_(self.bias))


class DeviceEngine(Engine):
    """Stands before a compiled engine in the bases of a class: its integers, bit for bit, on `device`.

    The float network runs where the compiled engine's does. Layers are not shared between runs.
    """

    def __init__(
        self, spec: Any, weights: dict[str, NDArray[np.float32]], calibration: Calibration, device: str
    ) -> None:
        super().__init__(spec, weights, calibration)  # type: ignore[call-arg]  # the compiled engine's
        self.on_device = TorchLinear(self.linear, device)
        self.table = self.on_device.tensor(gate_table())

    def _run_fixed(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], configuration: Configuration, begin: Beginning
    ) -> FixedRun:
        network = partial(self._packed, configuration=configuration)
        codes, counter = self.on_device.run(inputs, offsets, network)
        return to_float(codes, self.calibration.fraction_bits("logits")), counter, {}

    def _packed(self, x: Tensor, batch: Batch, configuration: Configuration) -> Tensor:
        """Output codes float32 [n, outputs] of a batch's packed input codes."""
        raise NotImplementedError

    def products(self, reading: Reading, configuration: Configuration) -> Products:
        return Products(self.on_device, *reading, configuration)


def blocks(places: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Runs of columns that stay together: (from, to, how many)."""
    starts = np.flatnonzero(np.diff(places, prepend=places[0] - 2) != 1)
    counts = np.diff(starts, append=len(places))
    return [(int(start), int(places[start]), int(count)) for start, count in zip(starts, counts, strict=True)]
