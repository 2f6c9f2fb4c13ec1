"""Arm Cortex-M microcontrollers: measured cycles per MAC of fully-connected int8 layers at batch 1.

Sub-byte weights save memory only: they are unpacked to int8. On M4, M7 and M33 int8 is widened to the 16-bit SIMD
multiplier, so 8 bit is no faster than 16; with vector instructions (M55, M85) it is twice as fast. float32 is priced
where it was measured.

Scales by row and zero points are arguments of the int8 kernel. Source: arm_fully_connected_per_channel_s8 in CMSIS-NN
at 99f736a6, Include/arm_nnfunctions.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from models.workload import BASELINE_BITS, FLOAT_BITS, BitPair, MatVec, Workload
from platforms.base import ANY_BITS, Cost, Platform, constant

TINY = "MLPerf Tiny v1.1/v1.2, anomaly-detection autoencoder (264,192 MAC, all fully connected)"
SIMD = "SMLAD multiplies two 16-bit pairs; int8 must be widened first (SXTB16)"
HELIUM = "vector extension: 8 int8 or 4 int16 MAC per cycle"


@dataclass(frozen=True, kw_only=True, eq=False)
class CortexM4(Platform):
    """Cortex-M4 on the NUCLEO-L4R5ZI. Flash limits the weights; `cortex_m4:memory_limit_mib=8` for an external one."""

    memory_limit_mib: float | None = constant(2.0, "MiB", "flash of the NUCLEO-L4R5ZI", "recalled")
    clock_hz: float | None = constant(120e6, "Hz", TINY, "read")
    int8_cycles_per_mac: float = constant(2.39, "cycles/MAC", TINY + ": X-CUBE-AI 9; range 1.84 to 5.3", "derived")
    int16_cycles_per_int8_cycle: float = constant(1.0, "ratio", SIMD, "derived")
    float32_cycles_per_mac: float | None = constant(9.52, "cycles/MAC", TINY + ": HALE, float", "derived")
    pj_per_cycle: float | None = constant(322.0, "pJ/cycle", TINY + ": X-CUBE-AI 9, 770 pJ/MAC", "derived")
    cycles_per_elementwise_op: float = constant(4.0, "cycles/op", "two loads, operation, store", "assumed")

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        pairs = tuple(product(ANY_BITS, ANY_BITS))
        return pairs if self.float32_cycles_per_mac is None else (*pairs, (FLOAT_BITS, FLOAT_BITS))

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        per_mac = self.int8_cycles_per_mac
        if weight_bits == FLOAT_BITS and self.float32_cycles_per_mac is not None:
            per_mac = self.float32_cycles_per_mac
        elif BASELINE_BITS in (weight_bits, act_bits):
            per_mac *= self.int16_cycles_per_int8_cycle
        return self._cost_of_cycles(matvec.macs_per_frame * per_mac)

    def elementwise_cost(self, workload: Workload) -> Cost:
        return self._cost_of_cycles(workload.elementwise_ops_per_frame * self.cycles_per_elementwise_op)

    def _cost_of_cycles(self, cycles: float) -> Cost:
        return Cost(cycles, None if self.pj_per_cycle is None else cycles * self.pj_per_cycle)


@dataclass(frozen=True, kw_only=True, eq=False)
class CortexM7(CortexM4):
    """Cortex-M7 on the NUCLEO-H7A3ZI-Q."""

    memory_limit_mib: float | None = constant(2.0, "MiB", "flash of the NUCLEO-H7A3ZI-Q", "recalled")
    clock_hz: float | None = constant(280e6, "Hz", TINY, "read")
    int8_cycles_per_mac: float = constant(1.30, "cycles/MAC", TINY + ": X-CUBE-AI 9; range 1.15 to 1.94", "derived")
    float32_cycles_per_mac: float | None = constant(5.54, "cycles/MAC", TINY + ": HALE, float", "derived")
    pj_per_cycle: float | None = constant(483.0, "pJ/cycle", TINY + ": X-CUBE-AI 9, 627 pJ/MAC", "derived")


@dataclass(frozen=True, kw_only=True, eq=False)
class CortexM33(CortexM4):
    """Cortex-M33 on the NUCLEO-U575ZI-Q; no float32."""

    memory_limit_mib: float | None = constant(2.0, "MiB", "flash of the NUCLEO-U575ZI-Q", "recalled")
    clock_hz: float | None = constant(160e6, "Hz", TINY, "read")
    int8_cycles_per_mac: float = constant(2.08, "cycles/MAC", TINY + ": X-CUBE-AI 9; range 1.87 to 3.05", "derived")
    float32_cycles_per_mac: float | None = constant(None, "cycles/MAC", "not measured", "read")
    pj_per_cycle: float | None = constant(149.0, "pJ/cycle", TINY + ": X-CUBE-AI 9, 310 pJ/MAC", "derived")


@dataclass(frozen=True, kw_only=True, eq=False)
class CortexM55(CortexM4):
    """Cortex-M55 of the Alif Ensemble E8, high-performance core; no float32.

    There is no fully-connected measurement: the M85's cycles are used.
    """

    memory_limit_mib: float | None = constant(5.5, "MiB", "on-chip MRAM of the Alif E8", "recalled")
    clock_hz: float | None = constant(400e6, "Hz", "Alif E8 data sheet", "recalled")
    int8_cycles_per_mac: float = constant(0.96, "cycles/MAC", "as measured on the M85, same vector unit", "assumed")
    int16_cycles_per_int8_cycle: float = constant(2.0, "ratio", HELIUM, "recalled")
    float32_cycles_per_mac: float | None = constant(None, "cycles/MAC", "not measured", "read")
    pj_per_cycle: float | None = constant(None, "pJ/cycle", "not measured", "read")


@dataclass(frozen=True, kw_only=True, eq=False)
class CortexM85(CortexM55):
    """Cortex-M85 on the Renesas EK-RA8D1; no float32."""

    memory_limit_mib: float | None = constant(2.0, "MiB", "flash of the EK-RA8D1", "recalled")
    clock_hz: float | None = constant(480e6, "Hz", TINY, "read")
    int8_cycles_per_mac: float = constant(0.96, "cycles/MAC", TINY + ": the one measurement", "derived")
