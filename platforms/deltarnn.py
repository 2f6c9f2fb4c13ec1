"""Delta-network accelerators: a column of weights is fetched and multiplied only if its input element changed.

Each sent element costs one weight column: the larger of its arithmetic (rows shared by the processing elements, the
last round partly idle) and its fetch (burst latency + bits over the DRAM width). Finding the elements to send scans
the whole input vector in parallel to that work. Batch 1 only: other streams would send other columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil

from models.workload import BitPair, MatVec
from platforms.base import ANY_BITS, Cost, Platform, constant

EDGEDRNN = "Gao et al., EdgeDRNN (JETCAS 2020; AICAS 2020)"
DELTARNN = "Gao et al., DeltaRNN (FPGA 2018)"


@dataclass(frozen=True, kw_only=True, eq=False)
class EdgeDrnn(Platform):
    """EdgeDRNN on the MiniZed board, weights streamed from DRAM. Energy: the board's wall power over a frame's time.

    All weights share one fixed-point format (8 bit, 1.7) and all activations another (16 bit, 8.8): no row has a scale
    of its own, no activation a zero point. Source: edgedrnn.sv of the authors' code.
    """

    row_scales: bool = False
    zero_points: bool = False
    clock_hz: float | None = constant(125e6, "Hz", EDGEDRNN, "recalled")
    processing_elements: int = constant(8, "MAC/cycle", "edgedrnn.sv of the authors' code", "read")
    dram_bits_per_cycle: float | None = constant(
        64.0, "bit/cycle", EDGEDRNN + ": 8 elements fed with 8-bit weights; none: weights on chip", "derived"
    )
    burst_cycles: float = constant(0.0, "cycles/column", "prefetched; latency hidden", "assumed")
    scanned_elements_per_cycle: float = constant(1.0, "elements/cycle", "delta encoder", "assumed")
    power_w: float | None = constant(2.42, "W", "EdgeDRNN (AICAS 2020), abstract: wall plug", "read")

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        return tuple(product(ANY_BITS, ANY_BITS))

    @property
    def exploits_computed(self) -> bool:
        return True

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        column_cycles: float = ceil(matvec.rows / self.processing_elements)
        if self.dram_bits_per_cycle:
            fetch = self.burst_cycles + ceil(matvec.rows * weight_bits / self.dram_bits_per_cycle)
            column_cycles = max(column_cycles, fetch)
        columns = matvec.cols * computed
        scan = matvec.cols / self.scanned_elements_per_cycle
        cycles = matvec.passes * max(columns * column_cycles, scan)
        energy = cycles * self.power_w / self.clock_hz * 1e12 if self.power_w and self.clock_hz else None
        fetched_bits = matvec.macs_per_frame * computed * weight_bits
        return Cost(cycles, energy, {"weight_bits_fetched_per_frame": fetched_bits})


@dataclass(frozen=True, kw_only=True, eq=False)
class DeltaRnn(EdgeDrnn):
    """DeltaRNN on a Zynq-7100, all weights on chip; 1.2 TOp/s effective at 164 GOp/s/W give its power.

    Its fixed-point formats are taken to be as rigid as those of EdgeDRNN, which follows it.
    """

    clock_hz: float | None = constant(125e6, "Hz", DELTARNN, "recalled")
    processing_elements: int = constant(768, "MAC/cycle", DELTARNN, "recalled")
    dram_bits_per_cycle: float | None = constant(None, "bit/cycle", "weights on chip", "recalled")
    scanned_elements_per_cycle: float = constant(
        8.0, "elements/cycle", DELTARNN + ": 5.7x over dense at one column a cycle needs 6 or more", "derived"
    )
    power_w: float | None = constant(7.3, "W", DELTARNN + ", abstract", "derived")
