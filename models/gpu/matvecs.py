"""Matvecs in torch operations, and the device that they run on, with its packed matrices and counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.engines.counter import Counter
from models.engines.integer_network import IntegerMatVec
from models.gpu.batch import Batch, batches
from models.gpu.grid import clip_, grid_
from models.gpu.products import Matrix, Merged, merged
from models.quantization.calibration import VectorTrace
from models.workload import BASELINE_BITS

PRODUCT_FRAMES = 2**13  # products of a longer sequence are computed in parts: 16-bit operands need 48 bytes an output
MATRICES_BYTES = 2**30  # of packed matrices kept on the device; past that all are dropped and packed anew


class Device:
    """Device of torch with the packed matrices of one network, and the counts of the current run."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self._matrices: dict[tuple[tuple[str, ...], int, bool], Matrix] = {}
        self._sent: list[tuple[tuple[str, ...], int, Tensor]] = []
        self.trace: VectorTrace | None = None  # is shown what matvecs read

    @torch.inference_mode()
    def run(
        self, inputs: NDArray[np.int16], offsets: NDArray[np.int64], network: Callable[[Tensor, Batch], Tensor]
    ) -> tuple[NDArray[np.int16], Counter]:
        """Run `network` on all batches: codes int16 [N, outputs] of all frames, and the counts.

        `network` maps a batch's packed input codes to its packed output codes, float32 [n, ...] both. Nothing is read
        back from the device until all work is queued: a synchronisation at every step would leave a GPU mostly idle.
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

    def add_counts(self, names: tuple[str, ...], elements: int, sent: Tensor) -> None:
        """Add counts for each of these matvecs: elements of its input, and those sent, a number on the device."""
        self._sent.append((names, elements, sent))

    def show(self, names: tuple[str, ...], codes: Tensor) -> None:
        """Show the trace, if there is one, codes float32 [n, cols] that these matvecs read."""
        if self.trace is not None:
            self.trace(names, codes.short().cpu().numpy())

    def matrix(self, matvecs: Merged) -> Matrix:
        """Packed matrix of merged matvecs, kept for later runs."""
        key = (matvecs.names, matvecs.first.matrix.bits, matvecs.first.act_bits == BASELINE_BITS)
        if key not in self._matrices:
            if sum(matrix.size_bytes for matrix in self._matrices.values()) > MATRICES_BYTES:
                self._matrices.clear()
            self._matrices[key] = Matrix(matvecs, self.device)
        return self._matrices[key]

    def tensor(self, values: NDArray[np.generic]) -> Tensor:
        """Copy values to the device as float32."""
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)


class Products:
    """Matvecs that read one vector: quantizers, delta gates, exact products, results on their grids side by side.

    Values and held values, codes plus zero point, are [B, n, cols], one of B for each group of merged matvecs, those
    with equal settings.
    """

    def __init__(self, owner: Device, matvecs: Sequence[IntegerMatVec]) -> None:
        self.owner, self.names = owner, tuple(matvec.name for matvec in matvecs)
        self.merged = merged(matvecs)
        self.matrices = [owner.matrix(each) for each in self.merged]
        self.scales = [owner.tensor(np.concatenate([m.scale for m in each.matvecs])) for each in self.merged]
        self.columns = [blocks(each.places) for each in self.merged]
        self.outputs = sum(matvec.rows for matvec in matvecs)
        bias = np.concatenate([matvec.bias for matvec in matvecs])
        self.bias = owner.tensor(bias) if bias.any() else None

        def column(values: Sequence[float]) -> Tensor:
            return owner.tensor(np.array(values, np.float32))[:, None, None]

        each = [group.first for group in self.merged]
        self.divisor, self.shift = (column([float(m.divisor) for m in each]), column([float(m.shift) for m in each]))
        self.least, self.most = (column([m.value_range[k] for m in each]) for k in (0, 1))
        self.zero, self.delta = column([m.zero for m in each]), column([m.delta for m in each])
        self.starts = [self._start(*pair) for pair in zip(self.merged, self.matrices, strict=True)]
        self.shifted, self.gated = any(m.zero for m in each), any(m.delta for m in each)
        self.on_grid = all(m.act_bits == BASELINE_BITS for m in each)  # the grid's own codes
        self.held = self.moves = torch.zeros(0)
        self.elements = 0
        self.scratches: list[Tensor] = []

    def sequence(self, x: Tensor, batch: Batch) -> Tensor:
        """Run all frames of a batch: grid codes float32 [n, outputs] of packed codes x [n, cols], which stay as is."""
        self.owner.show(self.names, x)
        codes = self._quantize(x)
        if self.gated:
            codes = codes.clone() if self.on_grid else codes
            held = torch.zeros_like(codes[:, : batch.sizes[0]])
            for step in codes.split(batch.sizes, dim=1):
                held = self._hold(step, held[:, : step.shape[1]], out=step)
        # Elements were sent where the held codes changed; before the first step they were zero.
        first = codes[:, : batch.sizes[0]].count_nonzero(dim=(1, 2))
        later = torch.stack([(part[batch.sizes[0] :] != part[batch.before]).sum() for part in codes])
        self._add_counts(x.numel(), first + later)
        self._make_scratch(min(len(x), PRODUCT_FRAMES))
        return torch.cat([self._to_grid(part) for part in codes.split(PRODUCT_FRAMES, dim=1)])

    def start(self, rows: int) -> Products:
        """Reset the delta gates of `rows` rows to zero, before the first `step`. Returns self."""
        shape = (len(self.merged), rows, self.matrices[0].cols)
        self.held = torch.zeros(shape, device=self.owner.device)
        self.moves = torch.zeros(shape, dtype=torch.int32, device=self.owner.device)
        self._make_scratch(rows)
        return self

    def step(self, x: Tensor) -> Tensor:
        """Run one time step of the first n rows: grid codes float32 [n, outputs] of codes x [n, cols]."""
        self.owner.show(self.names, x)
        codes, held = self._quantize(x), self.held[:, : len(x)]
        if self.gated:
            codes = self._hold(codes, held)
        self.moves[:, : len(x)] += codes != held
        self.held, self.elements = codes, self.elements + x.numel()
        return self._to_grid(codes)

    def finish(self) -> None:
        """Add the counts of all steps since `start` to the device's."""
        self._add_counts(self.elements, self.moves.sum(dim=(1, 2)))

    def _start(self, group: Merged, matrix: Matrix) -> Tensor | None:
        """First values int32 [rows] of the sums of signed codes, where a zero point asks for them."""
        if not (group.first.zero or group.first.shift):
            return None
        start = np.concatenate([matvec.start for matvec in group.matvecs])
        return torch.from_numpy(start).to(self.owner.device) + group.first.zero * matrix.row_sums

    def _add_counts(self, elements: int, sent: Tensor) -> None:
        for each, count in zip(self.merged, sent, strict=True):
            self.owner.add_counts(each.names, elements, count)

    def _make_scratch(self, rows: int) -> None:
        self.scratches = [matrix.scratch(rows) for matrix in self.matrices]

    def _quantize(self, x: Tensor) -> Tensor:
        """Quantize x [n, cols] for each group of merged matvecs: codes float32 [B, n, cols]."""
        if self.on_grid:
            return x.expand(len(self.merged), *x.shape)
        return (x / self.divisor).sub_(self.shift).clamp_(self.least, self.most).round_()

    def _hold(self, codes: Tensor, held: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.where((codes - held).abs_() <= self.delta, held, codes, out=out)

    def _to_grid(self, codes: Tensor) -> Tensor:
        result = torch.empty(codes.shape[1], self.outputs, device=codes.device)
        codes = codes - self.zero if self.shifted else codes
        for part, start, matrix, scratch, scale, columns in zip(
            codes, self.starts, self.matrices, self.scratches, self.scales, self.columns, strict=True
        ):
            sums = matrix.product(part, scratch, start)
            for first, place, count in columns:
                block = slice(first, first + count)
                torch.mul(sums[:, block], scale[block], out=result[:, place : place + count])
        grid_(result)
        return result if self.bias is None else clip_(result.add_(self.bias))


def blocks(places: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Runs of columns whose places are consecutive: (first column, its place, number of columns)."""
    starts = np.flatnonzero(np.diff(places, prepend=places[0] - 2) != 1)
    counts = np.diff(starts, append=len(places))
    return [(int(start), int(places[start]), int(count)) for start, count in zip(starts, counts, strict=True)]
