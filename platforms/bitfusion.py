"""Bit Fusion: an array of fusion units whose 2-bit bricks compose multipliers of any power-of-two width.

Three levels of detail, `bitfusion:level=...`:
- ideal: 256 / (weight bits x activation bits) over 16x16, no padding, no memory. The rule of the MOHAQ paper, with
  bits between powers of two counted as the next.
- compute: whole cycles of the array, with padding to the array's size; no memory.
- tiled (default): the authors' simulator, reproduced row by row, with buffers, tiling and DRAM. At batch 1 weights
  stream from DRAM, so speedup follows weight bits. Fewer bits can cost more there: narrow operands pad the inputs to
  more lanes.

Matvecs only: elementwise work and vector weights are not in the simulator. Delta networks gain nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

from models.workload import BASELINE_BITS, BitPair, InputError, MatVec, total
from platforms.base import ANY_BITS, ONE_AND_ANY_BITS, Constant, Cost, Platform, Trust, constant
from platforms.bitfusion_parts import CACTI, SYNTHESIZED, Core, Sram, bank_range, banked_sram, synthesized_core
from platforms.bitfusion_tiled import OUTPUT_BITS, Array, Energies, Tiling, best_tiling, composed_bits

SIMULATOR = "github.com/hsharma35/bitfusion at 04ec1c8, bf_e_conf.ini"
LEVELS = ("ideal", "compute", "tiled")
PRECISIONS = (2, 4, 8, 16)


@dataclass(frozen=True, kw_only=True, eq=False)
class BitFusion(Platform):
    """Bit Fusion, by default the paper's 16 x 32 array with 112 KiB on chip.

    Energies are computed from the sizes unless given; the level `tiled` alone needs them, and where they are unknown
    there is no area either. Raises InputError for an unknown level, and for high and low bits that no bricks compose.
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
    weight_buffer_pj_per_bit: float | None = constant(None, "pJ/bit", "none: from the size of a bank", "set")
    input_buffer_pj_per_bit: float | None = constant(None, "pJ/bit", "none: from the size of a bank", "set")
    output_buffer_pj_per_bit: float | None = constant(None, "pJ/bit", "none: from the size of a bank", "set")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in LEVELS:
            raise InputError(f"bitfusion: level '{self.level}' is none of {', '.join(LEVELS)}")
        if not {self.high_bits, self.low_bits} <= set(PRECISIONS) or self.low_bits > self.high_bits:
            raise InputError(
                f"bitfusion: no fusion unit of {self.high_bits}/{self.low_bits} high/low bits; "
                f"valid: {', '.join(map(str, PRECISIONS))}, low no more than high"
            )

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        return tuple(product(ANY_BITS, ANY_BITS))

    @property
    def priced_bits(self) -> tuple[BitPair, ...]:
        """Pairs that `matvec_cost` prices. The smallest brick computes 1 bit as 2; memory holds 1 bit."""
        return tuple(product(ONE_AND_ANY_BITS, ONE_AND_ANY_BITS))

    @property
    def area_mm2(self) -> float | None:
        parts = [self._core, *self._buffers.values()]
        return total(part.area_mm2 for part in parts if part) if all(parts) else None

    def derived_constants(self) -> tuple[Constant, ...]:
        rows = []
        if core := self._core:
            trust: Trust = "derived" if core.scaled else "read"
            if self.core_pj_per_cycle is None:
                rows.append(Constant("array_core_pj_per_cycle", core.pj_per_cycle, "pJ/cycle", core.source, trust))
            rows.append(Constant("array_core_area_mm2", core.area_mm2, "mm2", core.source, trust))
        for buffer, sram in self._buffers.items():
            if sram and getattr(self, f"{buffer}_buffer_pj_per_bit") is None:
                rows.append(Constant(f"{buffer}_read_pj", sram.read_pj, "pJ/bit", CACTI, "derived"))
                rows.append(Constant(f"{buffer}_write_pj", sram.write_pj, "pJ/bit", CACTI, "derived"))
        return tuple(rows)

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
        _, inputs, outputs = found.tile
        mapping = f"tiles of {outputs} x {inputs}"
        return Cost(found.total_cycles * share, found.energy_pj * share, scaled, mapping)

    def tiling(self, rows: int, cols: int, weight_bits: int, act_bits: int) -> Tiling:
        """Best tiling of one pass of a matvec for the whole batch."""
        return best_tiling(self.array, self.energies, rows, cols, self.batch, weight_bits, act_bits)

    @cached_property
    def array(self) -> Array:
        return Array(
            inputs=self.array_inputs,
            outputs=self.array_outputs,
            high_bits=self.high_bits,
            low_bits=self.low_bits,
            weight_buffer_bits=8 * self.weight_buffer_bytes,
            input_buffer_bits=8 * self.input_buffer_bytes,
            output_buffer_bits=8 * self.output_buffer_bytes,
            dram_bits_per_cycle=self.dram_bits_per_cycle,
        )

    @cached_property
    def energies(self) -> Energies:
        """Energies of the array. Raises InputError for one that is neither known nor given."""
        core_pj = self.core_pj_per_cycle
        if core_pj is None:
            if self._core is None:
                raise InputError(
                    f"bitfusion: {self.high_bits}/{self.low_bits} fusion units were never synthesised, and others do "
                    "not scale to them; give core_pj_per_cycle or level=compute, or high/low bits of "
                    + ", ".join(f"{high}/{low}" for high, low in SYNTHESIZED)
                )
            core_pj = self._core.pj_per_cycle
        weight, input_, output = (self._buffer_pj(buffer) for buffer in self._banks)
        return Energies(core_pj, *weight, *input_, *output, dram_pj=self.dram_pj_per_bit)

    def _buffer_pj(self, buffer: str) -> tuple[float, float]:
        """Energy [pJ/bit] of a read and of a write."""
        given, sram = getattr(self, f"{buffer}_buffer_pj_per_bit"), self._buffers[buffer]
        if given is not None:
            return given, given
        if sram is None:
            size, (banks, port_bits, extra_ports) = getattr(self, f"{buffer}_buffer_bytes"), self._banks[buffer]
            raise InputError(
                f"bitfusion: {buffer}_buffer_bytes over {banks} banks is {size / banks:g} bytes a bank with a "
                f"{port_bits}-bit port; known: {bank_range(port_bits, extra_ports)}; "
                f"give {buffer}_buffer_pj_per_bit or level=compute"
            )
        return sram.read_pj, sram.write_pj

    @cached_property
    def _core(self) -> Core | None:
        return synthesized_core(self.high_bits, self.low_bits, self.array_inputs, self.array_outputs)

    @property
    def _banks(self) -> dict[str, tuple[int, int, int]]:
        """Banks of each buffer, bits of their ports and extra ports: a bank for each unit, row or column."""
        operand_bits = self.high_bits * self.high_bits // self.low_bits
        return {
            "weight": (self.array_inputs * self.array_outputs, operand_bits, 0),
            "input": (self.array_inputs, operand_bits, 0),
            "output": (self.array_outputs, OUTPUT_BITS, 1),
        }

    @cached_property
    def _buffers(self) -> dict[str, Sram | None]:
        """Costs of each buffer; None where no bank of its kind is known."""
        return {
            buffer: banked_sram(getattr(self, f"{buffer}_buffer_bytes"), *banks)
            for buffer, banks in self._banks.items()
        }
