"""SiLago (KTH): a coarse-grained reconfigurable array of 16 cells with reconfigurable 16 / 2x8 / 4x4-bit multipliers.

Weights and activations of a matvec are equally wide (one multiplier mode), there is no 2-bit mode, and throughput grows
linearly with 16 / bits. All weights live in on-chip SRAM and are read once a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.workload import BitPair
from platforms.base import constant
from platforms.custom import TableChip

RTL = "SiLagoNN RTL (DPU_pkg.vhd, conf_mul_Beh.vhd, hw_setting.vhd): 16 cells x 2 MAC x (16 / bits)"
MOHAQ = "Rezk et al., MOHAQ (arXiv 2108.01192), public code"


@dataclass(frozen=True, kw_only=True, eq=False)
class SiLago(TableChip):
    """SiLago; its clock is not published.

    The papers' 6 MiB is a constraint of their studies, not of the chip: `silago:memory_limit_mib=6`.
    """

    macs_per_cycle: Mapping[BitPair, float] = constant(
        {(16, 16): 32.0, (8, 8): 64.0, (4, 4): 128.0}, "MAC/cycle", RTL, "derived"
    )
    mac_pj: Mapping[BitPair, float] | None = constant(
        {(16, 16): 1.666, (8, 8): 1.084 / 2, (4, 4): 0.613 / 4}, "pJ/MAC", MOHAQ, "read"
    )
    weight_read_pj_per_bit: float = constant(0.08, "pJ/bit", MOHAQ + ": SRAM", "read")
    elementwise_ops_per_cycle: float | None = constant(
        32.0, "op/cycle", "two sub-units in each of 16 cells at 16 bit; SiLagoNN RTL", "derived"
    )
