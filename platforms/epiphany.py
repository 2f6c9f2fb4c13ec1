"""Adapteva Epiphany E16 (Parallella): 16 cores with 32 KiB each, one fp32 multiply-add per core and cycle.

There is no integer SIMD, so fewer bits never speed up arithmetic: they decide whether the network fits on the chip,
and how long its weights take to stream if it does not (`epiphany:stream=true`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil

from models.workload import BITS, BITS_PER_MIB, BitPair, Configuration, MatVec, Workload, size_bits
from platforms.base import Cost, Platform, constant

HAL = "Epiphany HAL chip table: E16G301"
DATASHEET = "E16G301 data sheet and Parallella manual"


@dataclass(frozen=True, kw_only=True, eq=False)
class Epiphany(Platform):
    """Epiphany E16: the cores share the rows of every matrix; each holds its share of all weights, or streams it."""

    stream: bool = False
    clock_hz: float | None = constant(600e6, "Hz", DATASHEET, "recalled")
    cores: int = constant(16, "cores", HAL, "read")
    core_memory_bytes: int = constant(32768, "byte/core", HAL, "read")
    code_bytes: int = constant(8192, "byte/core", "code, stack and vectors: 20 to 24 KiB are left", "recalled")
    macs_per_core_cycle: float = constant(1.0, "MAC/cycle", DATASHEET + ": one fp32 FMA", "recalled")
    stream_bytes_per_second: float = constant(0.6e9, "byte/s", "measured by Parallella users: 0.1 to 0.6", "recalled")

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        return tuple(product(BITS, BITS))

    def check(self, workload: Workload, configuration: Configuration) -> tuple[str, ...]:
        reasons = super().check(workload, configuration)
        if self.stream:
            return reasons
        demand = size_bits(workload, configuration) / BITS_PER_MIB * 1024
        bound = self.cores * (self.core_memory_bytes - self.code_bytes) / 1024
        if demand > bound:
            gap = demand - bound
            reasons += (
                f"weights {demand:.1f} KiB > {bound:.1f} KiB on {self.cores} cores by {gap:.1f} KiB; "
                "stream=true streams them from board memory",
            )
        return reasons

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        cycles = ceil(matvec.rows / self.cores) * matvec.cols / self.macs_per_core_cycle
        if self.stream and self.clock_hz:
            bytes_per_cycle = self.stream_bytes_per_second / self.clock_hz
            cycles = max(cycles, matvec.weights * weight_bits / 8 / bytes_per_cycle)
        return Cost(cycles * matvec.passes)
