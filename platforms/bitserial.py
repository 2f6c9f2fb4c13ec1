"""Bit-serial designs, with the gain of each from narrow operands in matrix-vector products.

Their rules differ in which operand is serial. In a matrix-vector product no weight is used twice, so a design that
shares weights over windows (Stripes) gains nothing at batch 1, and one that hides activation bits behind weight
loading (Loom) gains from weight bits only. None of them exploits delta networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np

from models.workload import BASELINE_BITS, BitPair, MatVec
from platforms.base import ANY_BITS, ONE_AND_ANY_BITS, Constant, Cost, Platform, constant

STRIPES = "Judd et al., Stripes (MICRO 2016)"
LOOM = "Sharify et al., Loom (DAC 2018), abstract"
UNPU = "Lee et al., UNPU (JSSC 2019), abstract: 345.6 GOPS at 16 bit, 200 MHz"
BISMO = "github.com/EECS-NTNU/bismo, doc/platforms.md: 8x256x8 at 200 MHz (PYNQ-Z1), 10x256x10 at 300 MHz (Ultra96)"
BISMO_LUTS = "github.com/EECS-NTNU/bismo, BISMO.scala: cost model of Umuroglu et al., BISMO (TRETS 2019)"
BISMO_WATTS = "github.com/EECS-NTNU/bismo, README at fd69f89: less than 5 W at 6.55 binary TOPS, taken as 5 W"


@dataclass(frozen=True, kw_only=True, eq=False)
class BitSerial(Platform):
    """Base of the bit-serial designs.

    With `dram_bits_per_cycle` weights stream in, once a batch, and the slower of arithmetic and streaming decides;
    without it they are on chip.
    """

    batch: int = constant(1, "vectors", "streams that share the weights", "set")
    dram_bits_per_cycle: float | None = constant(None, "bit/cycle", "none: memory is never the limit", "set")

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        return tuple(product(ANY_BITS, ANY_BITS))

    @property
    def priced_bits(self) -> tuple[BitPair, ...]:
        """Pairs that `matvec_cost` prices: each serial bit is a step, down to one."""
        return tuple(product(ONE_AND_ANY_BITS, ONE_AND_ANY_BITS))

    def bounded(self, matvec: MatVec, weight_bits: int, cycles: float) -> float:
        """Cycles per frame, given the arithmetic's cycles for one pass of one vector."""
        if self.dram_bits_per_cycle:
            cycles = max(cycles, matvec.weights * weight_bits / self.dram_bits_per_cycle / self.batch)
        return cycles * matvec.passes


@dataclass(frozen=True, kw_only=True, eq=False)
class Stripes(BitSerial):
    """Stripes: activations serial, weights parallel and shared by `windows` vectors.

    Cycles scale with act bits / 16 once the windows are filled. Below that a matvec runs no slower than on the
    bit-parallel design it extends, one vector at a time.
    """

    macs_per_cycle: float = constant(4096.0, "MAC/cycle at 16 bit", STRIPES + ": 16 tiles x 256", "recalled")
    windows: int = constant(16, "vectors", STRIPES, "recalled")

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        serial = ceil(self.batch / self.windows) * act_bits / self.batch  # against 1 cycle a vector in parallel
        return Cost(self.bounded(matvec, weight_bits, matvec.weights / self.macs_per_cycle * min(1.0, serial)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Loom(BitSerial):
    """Loom: both operands serial, but fully-connected cycles scale with the weight bits only: weight bits / 16."""

    macs_per_cycle: float = constant(128.0, "MAC/cycle at 16 bit", LOOM, "read")

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        cycles = matvec.weights / self.macs_per_cycle * weight_bits / BASELINE_BITS
        return Cost(self.bounded(matvec, weight_bits, cycles))


@dataclass(frozen=True, kw_only=True, eq=False)
class Unpu(BitSerial):
    """UNPU: weights serial through lookup tables, activations always at 16 bit.

    Cycles scale with weight bits / 16; at 1 bit the tables give a third more.
    """

    clock_hz: float | None = constant(200e6, "Hz", UNPU, "read")
    macs_per_cycle: float = constant(864.0, "MAC/cycle at 16 bit", UNPU, "derived")
    one_bit_speedup: float = constant(4 / 3, "ratio", UNPU + "; 7372 GOPS at 1 bit over 16 x 345.6", "derived")
    chip_area_mm2: float | None = constant(16.0, "mm2", "Lee et al., UNPU (JSSC 2019), abstract: 65 nm", "read")
    # 2 operations a MAC; 3.08, 11.6 and 50.6 TOPS/W at 16, 4 and 1 bit. Widths between are interpolated.
    mac_pj: Mapping[int, float] = constant(
        {1: 2 / 50.6, 4: 2 / 11.6, 16: 2 / 3.08}, "pJ/MAC", UNPU + "; 4 bit from memory of the paper", "recalled"
    )

    @property
    def area_mm2(self) -> float | None:
        return self.chip_area_mm2

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        cycles = matvec.weights / self.macs_per_cycle * weight_bits / BASELINE_BITS
        if weight_bits == 1:
            cycles /= self.one_bit_speedup
        mac_pj = float(np.interp(weight_bits, list(self.mac_pj), list(self.mac_pj.values())))
        return Cost(self.bounded(matvec, weight_bits, cycles), matvec.macs_per_frame * mac_pj)


def bismo_cycles(array: tuple[int, int, int], rows: int, cols: int, batch: int, weight_bits: int, act_bits: int) -> int:
    """Least execute-stage cycles of a bit-serial product on a (rows, depth, columns) array of binary dot products.

    A matrix of `rows` x `cols` is multiplied by `batch` vectors.
    """
    array_rows, depth, array_cols = array
    tiles = ceil(rows / array_rows) * ceil(batch / array_cols) * ceil(cols / depth)
    return weight_bits * act_bits * tiles


@dataclass(frozen=True, kw_only=True, eq=False)
class Bismo(BitSerial):
    """BISMO: both operands serial on an FPGA overlay; cycles scale with weight bits x act bits.

    At batch 1 only one array column is used. Energy is an upper bound, of the whole board at its peak: the array draws
    the same in every cycle, also with columns idle or while weights stream in. LUTs and BRAMs are the array's, without
    its fetch and result stages.
    """

    clock_hz: float | None = constant(200e6, "Hz", BISMO, "read")
    array_rows: int = constant(8, "dot-product units", BISMO, "read")
    array_depth: int = constant(256, "bits", BISMO, "read")
    array_cols: int = constant(8, "dot-product units", BISMO, "read")
    buffer_words: int = constant(
        1024, "words", "github.com/EECS-NTNU/bismo, doc/platforms.md: of a row or column", "read"
    )
    luts_per_bit: float = constant(1.17, "LUT", BISMO_LUTS, "read")
    luts_per_unit: float = constant(44.1 + 120.1, "LUT", BISMO_LUTS + ": a dot product's own, and its result's", "read")
    binary_op_pj: float = constant(5 / (2 * 8 * 256 * 8 * 200e6 / 1e12), "pJ/binary operation", BISMO_WATTS, "derived")

    def derived_constants(self) -> tuple[Constant, ...]:
        luts = self.array_rows * self.array_cols * (self.luts_per_bit * self.array_depth + self.luts_per_unit)
        brams = ceil(self.array_depth / 32) * (self.array_rows + self.array_cols) * ceil(self.buffer_words / 1024)
        return (
            Constant("array_luts", luts, "LUT", BISMO_LUTS, "derived"),
            Constant("array_brams", brams, "BRAM", BISMO_LUTS, "derived"),
        )

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        array = (self.array_rows, self.array_depth, self.array_cols)
        cycles = bismo_cycles(array, matvec.rows, matvec.cols, self.batch, weight_bits, act_bits)
        bounded = self.bounded(matvec, weight_bits, cycles / self.batch)
        binary_ops = 2 * self.array_rows * self.array_depth * self.array_cols  # in a cycle, at peak
        return Cost(bounded, bounded * binary_ops * self.binary_op_pj)
