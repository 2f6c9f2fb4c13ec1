"""Rules of Bit Fusion's simulator for one matrix product: tiling, loop order, DRAM traffic, stalls, energy.

A batch of `batch` vectors of `cols` inputs is multiplied by a matrix of `rows` outputs. Every tiling (powers of two of
the batch, of the inputs, and of the outputs in units of the array's width) and every order of the three tile loops is
priced; the one with the fewest total cycles is chosen, then the least energy. Tiles are double-buffered: each fills at
most half its buffer. An operand stays buffered over the loops that do not index it, as long as what it spans still
fits.

Source of the rules: the authors' simulator, github.com/hsharma35/bitfusion at 04ec1c8. Operands wider than the fusion
units are not in it: they are priced here as passes over slices of the widest native operand, each operand bit being
read once per multiply-accumulate. Operands between powers of two are computed as the next power and stored and moved
at their own width, as in the simulator; for units of 16 bit it counts 16 // 3 lanes, which no bricks compose: here 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from models.workload import InputError

OUTPUT_BITS = 32  # partial sums; Source: the simulator
LOOPS = ("batch", "inputs", "outputs")
# Which operands each tile loop indexes. Source: the simulator.
INDEXES = {
    "weights": ("inputs", "outputs"),
    "activations": ("batch", "inputs"),
    "outputs": ("batch", "outputs"),
}
Tiles = NDArray[np.int64]


def composed_bits(bits: int, low_bits: int) -> int:
    """Width [bit] at which bricks of `low_bits` compute an operand: the next power of two, so 4 for 3 and 2 for 1."""
    return max(low_bits, 1 << (bits - 1).bit_length())


@dataclass(frozen=True)
class Array:
    """A Bit Fusion array: `inputs` x `outputs` fusion units, buffers and DRAM."""

    inputs: int
    outputs: int
    high_bits: int
    low_bits: int
    weight_buffer_bits: int
    input_buffer_bits: int
    output_buffer_bits: int
    dram_bits_per_cycle: int

    def lanes(self, weight_bits: int, act_bits: int) -> int:
        """Products of one fusion unit per cycle and pass. Bits between powers of two get the next one's lanes."""
        weight, act = (min(composed_bits(bits, self.low_bits), self.high_bits) for bits in (weight_bits, act_bits))
        return (self.high_bits // weight) * (self.high_bits // act)

    def passes(self, weight_bits: int, act_bits: int) -> int:
        """Passes over slices of the widest native operand that wider operands are cut into."""
        return ceil(weight_bits / self.high_bits) * ceil(act_bits / self.high_bits)

    def reduction(self, weight_bits: int, act_bits: int) -> int:
        """Inputs reduced in one cycle: narrow operands add inputs, not outputs."""
        return self.inputs * self.lanes(weight_bits, act_bits)

    def compute_cycles(self, rows: int, cols: int, batch: int, weight_bits: int, act_bits: int) -> int:
        """Cycles of the arithmetic alone, untiled: no fill, drain or memory."""
        per_vector = ceil(rows / self.outputs) * ceil(cols / self.reduction(weight_bits, act_bits))
        return batch * per_vector * self.passes(weight_bits, act_bits)


@dataclass(frozen=True)
class Energies:
    """Energies of an array, by bit but for the core's."""

    core_pj_per_cycle: float
    weight_read_pj: float
    weight_write_pj: float
    input_read_pj: float
    input_write_pj: float
    output_read_pj: float
    output_write_pj: float
    dram_pj: float


@dataclass(frozen=True)
class Tiling:
    """Best tiling found, with its costs for the whole batch."""

    tile: tuple[int, int, int]  # batch, inputs, outputs of one tile
    tiles: tuple[int, int, int]  # how many of them
    order: tuple[str, ...]  # tile loops, outermost first
    compute_cycles: int
    total_cycles: int
    dram_read_bits: int
    dram_write_bits: int
    buffer_read_bits: dict[str, int]  # by operand: weights, activations, outputs
    buffer_write_bits: dict[str, int]
    core_pj: float
    sram_pj: float
    dram_pj: float

    @property
    def energy_pj(self) -> float:
        return self.core_pj + self.sram_pj + self.dram_pj


def best_tiling(
    array: Array, energies: Energies, rows: int, cols: int, batch: int, weight_bits: int, act_bits: int
) -> Tiling:
    """Search all tilings and loop orders. Raises InputError if not even the smallest tile fits the buffers."""
    widths = [min(n * array.outputs, rows) for n in _powers_of_two(ceil(rows / array.outputs))]
    sizes = np.array(list(product(_powers_of_two(batch), _powers_of_two(cols), widths)), dtype=np.int64)
    candidates = _Candidates(array, weight_bits, act_bits, (batch, cols, rows), sizes)
    sizes = sizes[np.all([bits <= candidates.halves[of] for of, bits in candidates.fills.items()], axis=0)]
    if not len(sizes):
        raise InputError(f"no tile of a {rows} x {cols} matvec at {weight_bits}x{act_bits} bit fits the buffers")
    fitting = _Candidates(array, weight_bits, act_bits, (batch, cols, rows), sizes)
    with np.errstate(over="ignore"):  # an energy that no float holds is the caller's to refuse
        found = [_best_of_order(fitting, energies, order) for order in permutations(LOOPS)]
    return min(found, key=lambda tiling: (tiling.total_cycles, tiling.energy_pj))


class _Candidates:
    """Candidate tilings, priced together: every array has one entry for each of them."""

    def __init__(
        self, array: Array, weight_bits: int, act_bits: int, totals: tuple[int, int, int], sizes: Tiles
    ) -> None:
        """`sizes` is [candidates, 3]: batch, inputs and outputs of a tile; `totals` the whole product's."""
        self.array, self.weight_bits, self.act_bits = array, weight_bits, act_bits
        self.batch, self.inputs, self.outputs = sizes.T
        self.count = {loop: -(-total // sizes[:, n]) for n, (loop, total) in enumerate(zip(LOOPS, totals, strict=True))}
        self.tiles = self.count["batch"] * self.count["inputs"] * self.count["outputs"]
        self.padded_inputs = _ceil_to(self.inputs, array.reduction(weight_bits, act_bits))
        self.padded_outputs = _ceil_to(self.outputs, array.outputs)
        # Bits that fill one tile of each operand: weights are padded along the inputs only, outputs to whole columns.
        self.fills = {
            "weights": self.padded_inputs * self.outputs * weight_bits,
            "activations": self.inputs * self.batch * act_bits,
            "outputs": self.padded_outputs * self.batch * OUTPUT_BITS,
        }
        # A tile may take half of its buffer: the other half is being filled.
        self.halves = {
            "weights": array.weight_buffer_bits / 2,
            "activations": array.input_buffer_bits / 2,
            "outputs": array.output_buffer_bits / 2,
        }

    @cached_property
    def compute_cycles(self) -> Tiles:
        array = self.array
        steps = self.padded_outputs // array.outputs * (self.padded_inputs // array.reduction(*self.bits))
        cycles: Tiles = self.tiles * self.batch * steps * array.passes(*self.bits)
        return cycles

    @property
    def bits(self) -> tuple[int, int]:
        return self.weight_bits, self.act_bits

    @cached_property
    def array_reads(self) -> dict[str, Tiles]:
        """Bits that the array reads from each buffer, under the cheapest of three stationary orders within a tile.

        Outputs are written back as often as they are read.
        """
        batch, inputs, outputs = self.batch, self.padded_inputs, self.padded_outputs
        input_stationary = inputs * batch * (self.act_bits + outputs * (self.weight_bits + OUTPUT_BITS))
        output_stationary = outputs * batch * (OUTPUT_BITS + inputs * (self.act_bits + self.weight_bits))
        weight_stationary = inputs * outputs * (self.weight_bits + batch * (self.act_bits + OUTPUT_BITS))
        least = np.minimum(np.minimum(input_stationary, output_stationary), weight_stationary)
        use_input = input_stationary == least
        use_output = ~use_input & (output_stationary == least)
        macs = self.batch * self.inputs * self.outputs
        return {
            "weights": self.tiles
            * np.where(use_input | use_output, macs, self.inputs * self.outputs)
            * self.weight_bits,
            "activations": self.tiles * np.where(use_input, self.batch * self.inputs, macs) * self.act_bits,
            "outputs": self.tiles * np.where(use_output, self.batch * self.outputs, macs) * OUTPUT_BITS,
        }

    def moved(self, operand: str, order: tuple[str, ...]) -> tuple[Tiles, Tiles]:
        """Bits moved between DRAM and the operand's buffer in total, and the most that stays buffered at a time."""
        bits = resident = self.fills[operand]
        reusable = np.ones(len(bits), dtype=bool)
        for loop in reversed(order):
            moves_again = ~reusable | (loop in INDEXES[operand])
            bits = np.where(moves_again, bits * self.count[loop], bits)
            reusable &= ~moves_again | (bits <= self.halves[operand])
            resident = np.where(reusable, bits, resident)
        return bits, resident


def _best_of_order(candidates: _Candidates, energies: Energies, order: tuple[str, ...]) -> Tiling:
    array, compute = candidates.array, candidates.compute_cycles
    weights, first_weights = candidates.moved("weights", order)
    activations, first_activations = candidates.moved("activations", order)
    outputs, resident_outputs = candidates.moved("outputs", order)
    # Outputs are read from DRAM as well as written. The first fills and the last spill overlap with no arithmetic.
    dram_read, dram_write = weights + activations + outputs, outputs
    first, last = first_weights + first_activations + resident_outputs, resident_outputs
    width = array.dram_bits_per_cycle
    overlapped = -(-(dram_read + dram_write - first - last) // width)
    total = np.maximum(compute, overlapped) - (-first // width) - (-last // width)

    reads = dict(candidates.array_reads)
    reads["outputs"] = reads["outputs"] + outputs
    writes = {"weights": weights, "activations": activations, "outputs": reads["outputs"]}
    core_pj = compute * energies.core_pj_per_cycle
    sram_pj = (
        reads["weights"] * energies.weight_read_pj
        + writes["weights"] * energies.weight_write_pj
        + reads["activations"] * energies.input_read_pj
        + writes["activations"] * energies.input_write_pj
        + reads["outputs"] * energies.output_read_pj
        + writes["outputs"] * energies.output_write_pj
    )
    dram_pj = (dram_read + dram_write) * energies.dram_pj
    best = int(np.lexsort((core_pj + sram_pj + dram_pj, total))[0])
    count = candidates.count
    return Tiling(
        tile=(int(candidates.batch[best]), int(candidates.inputs[best]), int(candidates.outputs[best])),
        tiles=(int(count["batch"][best]), int(count["inputs"][best]), int(count["outputs"][best])),
        order=order,
        compute_cycles=int(compute[best]),
        total_cycles=int(total[best]),
        dram_read_bits=int(dram_read[best]),
        dram_write_bits=int(dram_write[best]),
        buffer_read_bits={operand: int(bits[best]) for operand, bits in reads.items()},
        buffer_write_bits={operand: int(bits[best]) for operand, bits in writes.items()},
        core_pj=float(core_pj[best]),
        sram_pj=float(sram_pj[best]),
        dram_pj=float(dram_pj[best]),
    )


def _powers_of_two(limit: int) -> list[int]:
    """1, 2, 4, ... below the limit, and the limit itself."""
    return [1 << n for n in range((limit - 1).bit_length())] + [limit]


def _ceil_to(size: Tiles, unit: int) -> Tiles:
    return -(-size // unit) * unit
