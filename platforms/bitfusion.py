"""Bit Fusion: an array of fusion units whose 2-bit bricks compose multipliers of any power-of-two width.

Three levels of detail, `bitfusion:level=...`:
- ideal: 256 / (weight bits x activation bits) over 16x16, no padding, no memory. The rule of the MOHAQ paper, with
  bits between powers of two counted as the next.
- compute: whole cycles of the array, with padding to the array's size; no memory.
- tiled (default): the authors' simulator, with buffers, tiling and DRAM. At batch 1 weights stream from DRAM, so
  speedup follows weight bits. Fewer bits can cost more there: narrow operands pad the inputs to more lanes.

Matvecs only: elementwise work and vector weights are not in the simulator. Delta networks gain nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np

from models.workload import BASELINE_BITS, BitPair, InputError, MatVec
from platforms.base import ANY_BITS, ONE_AND_ANY_BITS, Constant, Cost, Platform, constant
from platforms.bitfusion_tiled import OUTPUT_BITS, Array, Tiling, best_tiling, composed_bits

SIMULATOR = "github.com/hsharma35/bitfusion at 04ec1c8, bf_e_conf.ini"
SYNTHESIS = "systolic_array_synth.csv of the simulator: 4x4 array, 45 nm, 500 MHz"
LEVELS = ("ideal", "compute", "tiled")

# (port bytes, extra ports) -> bank bytes -> (read nJ per access, write nJ per access, area mm2).
# Source: CACTI 7, 45 nm; the simulator's cacti_sweep.csv holds eight of them.
SRAM_BANKS = {
    (4, 0): {
        128: (0.000683701, 0.000925317, 0.00149898),
        1024: (0.00113324, 0.00329596, 0.00882362),
        2048: (0.00190318, 0.00363853, 0.015132),
        4096: (0.00342953, 0.00431011, 0.0300607),
        8192: (0.00639163, 0.00556268, 0.0575061),
        16384: (0.00998170, 0.00842090, 0.108577),
        32768: (0.0146178, 0.0103698, 0.233389),
        65536: (0.0191872, 0.0149393, 0.479602),
    },
    (4, 1): {
        512: (0.00106097, 0.00233869, 0.00760331),
        1024: (0.00128374, 0.00388394, 0.015209),
        2048: (0.00218408, 0.00427357, 0.025817),
        4096: (0.00398324, 0.00505131, 0.048574),
    },
    (16, 0): {
        512: (0.00371309, 0.00467956, 0.010649),
        4096: (0.00526041, 0.0139113, 0.03436),
        131072: (0.0610868, 0.0548436, 0.927139),
    },
}
# (high bits, low bits) -> (area um2, pJ per cycle) of one fusion unit in a 4x4 array. Source: SYNTHESIS.
FUSION_UNITS = {(8, 2): (1734.552, 0.4591875), (16, 2): (8831.389, 2.11345)}


@dataclass(frozen=True, kw_only=True, eq=False)
class BitFusion(Platform):
    """Bit Fusion, by default the paper's 16 x 32 array with 112 KiB on chip.

    Energies are computed from the sizes unless given. Raises InputError for an unknown level.
    """

    level: Literal["ideal", "compute", "tiled"] = "tiled"
    batch: int = constant(1, "vectors", "streams that share the weights", "set")
    array_inputs: int = constant(16, "fusion units", SIMULATOR, "read")
    array_outputs: int = constant(32, "fusion units", SIMULATOR, "read")
    high_bits: int = constant(8, "bit", SIMULATOR, "read")
    low_bits: int = constant(2, "bit", SIMULATOR, "read")
    weight_buffer_bytes: int = constant(65536, "byte", SIMULATOR, "read")
    input_buffer_bytes: int = constant(32768, "byte", SIMULATOR, "read")
    output_buffer_bytes: int = constant(16384, "byte", SIMULATOR, "read")
    dram_bits_per_cycle: int = constant(192, "bit/cycle", SIMULATOR, "read")
    dram_pj_per_bit: float = constant(15.0, "pJ/bit", "default in the simulator's code", "read")
    clock_hz: float | None = constant(500e6, "Hz", SIMULATOR, "read")
    core_pj_per_cycle: float | None = constant(None, "pJ/cycle", "none: from the array's size", "set")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in LEVELS:
            raise InputError(f"bitfusion: level '{self.level}' is none of {', '.join(LEVELS)}")

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        return tuple(product(ANY_BITS, ANY_BITS))

    @property
    def priced_bits(self) -> tuple[BitPair, ...]:
        """Pairs that `matvec_cost` prices. The smallest brick computes 1 bit as 2; memory holds 1 bit."""
        return tuple(product(ONE_AND_ANY_BITS, ONE_AND_ANY_BITS))

    @property
    def area_mm2(self) -> float | None:
        unit_um2, _ = self._fusion_unit
        core = unit_um2 * 1e-6 * self.array_inputs * self.array_outputs
        return core + sum(area for *_, area in self._buffers.values())

    def derived_constants(self) -> tuple[Constant, ...]:
        array, cacti = self.array, "CACTI 7 at 45 nm, by the size of a bank"
        core = Constant("array_core_pj_per_cycle", array.core_pj_per_cycle, "pJ/cycle", SYNTHESIS, "derived")
        names = [f"{buffer}_{use}_pj" for buffer in ("weight", "input", "output") for use in ("read", "write")]
        return (core, *(Constant(name, getattr(array, name), "pJ/bit", cacti, "derived") for name in names))

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        if self.level == "ideal":
            units = self.array_inputs * self.array_outputs * (self.high_bits / BASELINE_BITS) ** 2
            # The papers' rule knows 2, 4, 8 and 16 bit. Elsewhere it would promise what no fusion unit reaches (256 / 9
            # at 3x3 bit, whose bricks are those of 4x4), and a search would choose such widths for it.
            weight, act = (composed_bits(bits, self.low_bits) for bits in (weight_bits, act_bits))
            return Cost(matvec.macs_per_frame * weight * act / BASELINE_BITS**2 / units)
        share = matvec.passes / self.batch
        if self.level == "compute":
            compute = self.array.compute_cycles(matvec.rows, matvec.cols, self.batch, weight_bits, act_bits)
            return Cost(compute * share)
        found = self.tiling(matvec.rows, matvec.cols, weight_bits, act_bits)
        parts = {
            "compute_cycles_per_frame": found.compute_cycles,
            "dram_bits_per_frame": found.dram_read_bits + found.dram_write_bits,
            "core_pj_per_frame": found.core_pj,
            "sram_pj_per_frame": found.sram_pj,
            "dram_pj_per_frame": found.dram_pj,
        }
        scaled = {part: value * share for part, value in parts.items()}
        return Cost(found.total_cycles * share, found.energy_pj * share, scaled)

    def tiling(self, rows: int, cols: int, weight_bits: int, act_bits: int) -> Tiling:
        """Best tiling of one pass of a matvec for the whole batch."""
        return best_tiling(self.array, rows, cols, self.batch, weight_bits, act_bits)

    @cached_property
    def array(self) -> Array:
        """Array that is priced. Raises InputError for high and low bits or a buffer size without known energies."""
        _, unit_pj = self._fusion_unit
        core_pj = self.core_pj_per_cycle
        return Array(
            inputs=self.array_inputs,
            outputs=self.array_outputs,
            high_bits=self.high_bits,
            low_bits=self.low_bits,
            weight_buffer_bits=8 * self.weight_buffer_bytes,
            input_buffer_bits=8 * self.input_buffer_bytes,
            output_buffer_bits=8 * self.output_buffer_bytes,
            dram_bits_per_cycle=self.dram_bits_per_cycle,
            core_pj_per_cycle=unit_pj * self.array_inputs * self.array_outputs if core_pj is None else core_pj,
            weight_read_pj=self._buffers["weight"][0],
            weight_write_pj=self._buffers["weight"][1],
            input_read_pj=self._buffers["input"][0],
            input_write_pj=self._buffers["input"][1],
            output_read_pj=self._buffers["output"][0],
            output_write_pj=self._buffers["output"][1],
            dram_pj=self.dram_pj_per_bit,
        )

    @property
    def _fusion_unit(self) -> tuple[float, float]:
        precision = (self.high_bits, self.low_bits)
        if precision not in FUSION_UNITS:
            valid = ", ".join(f"{high}/{low}" for high, low in FUSION_UNITS)
            raise InputError(
                f"bitfusion: no fusion unit of {precision[0]}/{precision[1]} high/low bits; valid: {valid}"
            )
        return FUSION_UNITS[precision]

    @cached_property
    def _buffers(self) -> dict[str, tuple[float, float, float]]:
        """Read and write energy [pJ/bit] and area [mm2] of each buffer: a bank for each unit, row or column."""
        operand_port_bits = self.high_bits * self.high_bits // self.low_bits
        return {
            "weight": self._sram("weight", self.array_inputs * self.array_outputs, operand_port_bits, 0),
            "input": self._sram("input", self.array_inputs, operand_port_bits, 0),
            "output": self._sram("output", self.array_outputs, OUTPUT_BITS, 1),
        }

    def _sram(self, buffer: str, banks: int, port_bits: int, extra_ports: int) -> tuple[float, float, float]:
        """Read and write energy [pJ/bit] and area [mm2] of a buffer, from SRAM_BANKS by log-log interpolation."""
        size = getattr(self, f"{buffer}_buffer_bytes") / banks
        known = SRAM_BANKS[port_bits // 8, extra_ports]
        if not min(known) <= size <= max(known):
            raise InputError(
                f"bitfusion: {buffer}_buffer_bytes over {banks} banks is {size:g} bytes a bank; "
                f"valid: {min(known)} to {max(known)} bytes a bank"
            )
        values = zip(*known.values(), strict=True)
        read, write, area = (float(np.exp(np.interp(np.log(size), np.log(list(known)), np.log(v)))) for v in values)
        return 1e3 * read / port_bits, 1e3 * write / port_bits, area * banks
