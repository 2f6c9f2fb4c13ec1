"""Bit Fusion's simulator rules for one matrix product: tiling, loop order, DRAM traffic, stalls, energy.

A batch of `batch` vectors of `cols` inputs meets a matrix of `rows` outputs. Every tiling (powers of two of the batch,
of the inputs, and of the outputs in units of the array's width) and every order of the three tile loops is priced; the
one with the fewest total cycles wins, then the least energy. Tiles are double-buffered: each fills at most half its
buffer. An operand stays buffered over the loops that do not index it, as long as what it spans still fits.

Source of the rules: the authors' simulator, github.com/hsharma35/bitfusion at 04ec1c8. Operands wider than the fusion
units are not in it: they are priced here as passes over slices of the widest native operand, each operand bit being
read once per multiply-accumulate.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from math import ceil

import numpy as np
from numpy.typing import NDArray

OUTPUT_BITS = 32  # partial sums; Source: the simulator
LOOPS = ("batch", "inputs", "outputs")
# Which operands each tile loop indexes. Source: the simulator.
INDEXES = {
    "weights": ("inputs", "outputs"),
    "activations": ("batch", "inputs"),
    "outputs": ("batch", "outputs"),
}
Tiles = NDArray[np.int64]  # one entry for each candidate tiling


@dataclass(frozen=True)
class Array:
    """A Bit Fusion array: `inputs` x `outputs` fusion units, buffers, DRAM, and energies [pJ per bit or per cycle]."""

    inputs: int
    outputs: int
    high_bits: int
    low_bits: int
    weight_buffer_bits: int
    input_buffer_bits: int
    output_buffer_bits: int
    dram_bits_per_cycle: int
    core_pj_per_cycle: float
    weight_read_pj: float
    weight_write_pj: float
    input_read_pj: float
    input_write_pj: float
    output_read_pj: float
    output_write_pj: float
    dram_pj: float

    def lanes(self, weight_bits: int, act_bits: int) -> int:
        """Products of one fusion unit per cycle and pass. Bits between powers of two take the next one's lanes."""
        weight, act = (min(max(bits, self.low_bits), self.high_bits) for bits in (weight_bits, act_bits))
        return (self.high_bits // weight) * (self.high_bits // act)

    def passes(self, weight_bits: int, act_bits: int) -> int:
        """Slices of the widest native operand that wider operands are cut into."""
        return ceil(weight_bits / self.high_bits) * ceil(act_bits / self.high_bits)

    def reduction(self, weight_bits: int, act_bits: int) -> int:
        """Inputs reduced in one cycle: all fusion gain goes there."""
        return self.inputs * self.lanes(weight_bits, act_bits)

    def compute_cycles(self, rows: int, cols: int, batch: int, weight_bits: int, act_bits: int) -> int:
        """Cycles of the arithmetic alone, untiled: no fill, drain or memory."""
        per_vector = ceil(rows / self.outputs) * ceil(cols / self.reduction(weight_bits, act_bits))
        return batch * per_vector * self.passes(weight_bits, act_bits)


@dataclass(frozen=True)
class Tiling:
    """The best tiling found, with what it costs for the whole batch."""

    tile: tuple[int, int, int]  # batch, inputs, outputs of one tile
    tiles: tuple[int, int, int]  # how many of them
    order: tuple[str, ...]  # tile loops, outermost first
    compute_cycles: int
    total_cycles: int
    dram_read_bits: int
    dram_write_bits: int
    core_pj: float
    sram_pj: float
    dram_pj: float

    @property
    def energy_pj(self) -> float:
        return self.core_pj + self.sram_pj + self.dram_pj


def best_tiling(array: Array, rows: int, cols: int, batch: int, weight_bits: int, act_bits: int) -> Tiling:
    """Search all tilings and loop orders. Raises ValueError if not even the smallest tile fits the buffers."""
    tile = _fitting_tiles(array, rows, cols, batch, weight_bits, act_bits)
    if not len(tile["batch"]):
        raise ValueError(f"no tile of a {rows} x {cols} matvec at {weight_bits}x{act_bits} bit fits the buffers")
    count = {loop: -(-size // tile[loop]) for loop, size in zip(LOOPS, (batch, cols, rows), strict=True)}
    compute = _compute_cycles(array, tile, count, weight_bits, act_bits)
    inner = _buffer_reads(array, tile, count, weight_bits, act_bits)
    found = [
        _best_of_order(array, tile, count, order, compute, inner, weight_bits, act_bits) for order in permutations(LOOPS)
    ]
    return min(found, key=lambda tiling: (tiling.total_cycles, tiling.energy_pj))


def _powers_of_two(limit: int) -> list[int]:
    """1, 2, 4, ... below the limit, and the limit itself."""
    return [1 << n for n in range((limit - 1).bit_length())] + [limit]


def _fills(array: Array, tile: dict[str, Tiles], weight_bits: int, act_bits: int) -> dict[str, Tiles]:
    """Bits moved to fill one tile of each operand: weights padded along inputs, outputs along the array's width."""
    lanes = array.reduction(weight_bits, act_bits)
    return {
        "weights": _ceil_to(tile["inputs"], lanes) * tile["outputs"] * weight_bits,
        "activations": tile["inputs"] * tile["batch"] * act_bits,
        "outputs": _ceil_to(tile["outputs"], array.outputs) * tile["batch"] * OUTPUT_BITS,
    }


def _halves(array: Array) -> dict[str, float]:
    """Half of each buffer: the other half is being filled."""
    return {
        "weights": array.weight_buffer_bits / 2,
        "activations": array.input_buffer_bits / 2,
        "outputs": array.output_buffer_bits / 2,
    }


def _fitting_tiles(
    array: Array, rows: int, cols: int, batch: int, weight_bits: int, act_bits: int
) -> dict[str, Tiles]:
    widths = [min(n * array.outputs, rows) for n in _powers_of_two(ceil(rows / array.outputs))]
    sizes = np.array(list(product(_powers_of_two(batch), _powers_of_two(cols), widths)), dtype=np.int64)
    tile = dict(zip(LOOPS, sizes.T, strict=True))
    halves = _halves(array)
    fills = _fills(array, tile, weight_bits, act_bits)
    fits = np.all([fills[operand] <= halves[operand] for operand in fills], axis=0)
    return {loop: size[fits] for loop, size in tile.items()}


def _compute_cycles(
    array: Array, tile: dict[str, Tiles], count: dict[str, Tiles], weight_bits: int, act_bits: int
) -> Tiles:
    steps = -(-tile["outputs"] // array.outputs) * -(-tile["inputs"] // array.reduction(weight_bits, act_bits))
    return _all_tiles(count) * tile["batch"] * steps * array.passes(weight_bits, act_bits)


def _buffer_reads(
    array: Array, tile: dict[str, Tiles], count: dict[str, Tiles], weight_bits: int, act_bits: int
) -> dict[str, Tiles]:
    """Bits read from each buffer by the array, under the cheapest of the three stationary orders within a tile.

    Outputs are written back as often as they are read.
    """
    batch, inputs, outputs = tile["batch"], tile["inputs"], tile["outputs"]
    padded_inputs = _ceil_to(inputs, array.reduction(weight_bits, act_bits))
    padded_outputs = _ceil_to(outputs, array.outputs)
    input_stationary = padded_inputs * batch * (act_bits + padded_outputs * (weight_bits + OUTPUT_BITS))
    output_stationary = padded_outputs * batch * (OUTPUT_BITS + padded_inputs * (act_bits + weight_bits))
    weight_stationary = padded_inputs * padded_outputs * (weight_bits + batch * (act_bits + OUTPUT_BITS))
    least = np.minimum(np.minimum(input_stationary, output_stationary), weight_stationary)
    use_input = input_stationary == least
    use_output = ~use_input & (output_stationary == least)
    macs, tiles = batch * inputs * outputs, _all_tiles(count)
    once_per_weight = np.where(use_input | use_output, macs, inputs * outputs)
    return {
        "weights": tiles * once_per_weight * weight_bits,
        "activations": tiles * np.where(use_input, batch * inputs, macs) * act_bits,
        "outputs": tiles * np.where(use_output, batch * outputs, macs) * OUTPUT_BITS,
    }


def _best_of_order(
    array: Array,
    tile: dict[str, Tiles],
    count: dict[str, Tiles],
    order: tuple[str, ...],
    compute: Tiles,
    inner: dict[str, Tiles],
    weight_bits: int,
    act_bits: int,
) -> Tiling:
    fills, halves = _fills(array, tile, weight_bits, act_bits), _halves(array)
    moved: dict[str, Tiles] = {}
    resident: dict[str, Tiles] = {}
    for operand, indexed_by in INDEXES.items():
        bits, largest = fills[operand], fills[operand]
        reusable = np.ones(len(bits), dtype=bool)
        for loop in reversed(order):
            moves_again = ~reusable | (loop in indexed_by)
            bits = np.where(moves_again, bits * count[loop], bits)
            reusable &= ~moves_again | (bits <= halves[operand])
            largest = np.where(reusable, bits, largest)
        moved[operand], resident[operand] = bits, largest
    # Outputs spill exactly as they fill, so the last spill is as large as the resident outputs.
    first = resident["weights"] + resident["activations"] + resident["outputs"]
    last = resident["outputs"]
    dram_read = moved["weights"] + moved["activations"] + moved["outputs"]
    dram_write = moved["outputs"]
    width = array.dram_bits_per_cycle
    latency = -(-first // width) + -(-last // width)
    overlapped = -(-(dram_read + dram_write - first - last) // width)
    total = compute + np.maximum(0, overlapped - compute) + latency
    core_pj = compute * array.core_pj_per_cycle
    sram_pj = (
        inner["weights"] * array.weight_read_pj
        + moved["weights"] * array.weight_write_pj
        + inner["activations"] * array.input_read_pj
        + moved["activations"] * array.input_write_pj
        + (inner["outputs"] + moved["outputs"]) * (array.output_read_pj + array.output_write_pj)
    )
    dram_pj = (dram_read + dram_write) * array.dram_pj
    best = int(np.lexsort((core_pj + sram_pj + dram_pj, total))[0])
    return Tiling(
        tile=(int(tile["batch"][best]), int(tile["inputs"][best]), int(tile["outputs"][best])),
        tiles=(int(count["batch"][best]), int(count["inputs"][best]), int(count["outputs"][best])),
        order=order,
        compute_cycles=int(compute[best]),
        total_cycles=int(total[best]),
        dram_read_bits=int(dram_read[best]),
        dram_write_bits=int(dram_write[best]),
        core_pj=float(core_pj[best]),
        sram_pj=float(sram_pj[best]),
        dram_pj=float(dram_pj[best]),
    )


def _all_tiles(count: dict[str, Tiles]) -> Tiles:
    return count["batch"] * count["inputs"] * count["outputs"]


def _ceil_to(size: Tiles, unit: int) -> Tiles:
    return -(-size // unit) * unit
