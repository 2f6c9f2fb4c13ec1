"""Rigid systolic array of fixed-width multipliers. Fewer bits save traffic, not arithmetic.

Operands are shifted through the array, so that, unlike in Bit Fusion, whose units each hold their weights, a
matrix-vector product pays for filling and draining it. Source of the closed forms: SCALE-Sim 3.0.0, whose cycle counts
they reproduce.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import Literal

from models.workload import BitPair, InputError, MatVec
from platforms.base import ANY_BITS, Cost, Platform, constant

DATAFLOWS = ("ws", "os", "is")


def systolic_cycles(dataflow: str, array_rows: int, array_cols: int, rows: int, cols: int, batch: int) -> int:
    """Cycles of a (rows x cols) matrix times `batch` vectors; `dataflow` is weight-, output- or input-stationary."""
    if dataflow == "ws":
        return (2 * array_rows + array_cols + batch - 2) * ceil(cols / array_rows) * ceil(rows / array_cols) - 1
    if dataflow == "os":
        return (array_rows + array_cols + cols - 2) * ceil(batch / array_rows) * ceil(rows / array_cols) - 1
    return (2 * array_rows + array_cols + rows - 2) * ceil(cols / array_rows) * ceil(batch / array_cols) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Systolic(Platform):
    """Systolic array of `array_rows` x `array_cols` multipliers.

    With `dram_bits_per_cycle` the weights stream in once a batch, and the slower of arithmetic and streaming decides.
    Raises InputError for an unknown dataflow.
    """

    dataflow: Literal["ws", "os", "is"] = "os"
    batch: int = constant(1, "vectors", "streams that share the weights", "set")
    array_rows: int = constant(16, "multipliers", "the size of Bit Fusion's array", "set")
    array_cols: int = constant(32, "multipliers", "the size of Bit Fusion's array", "set")
    dram_bits_per_cycle: float | None = constant(None, "bit/cycle", "none: memory is never the limit", "set")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataflow not in DATAFLOWS:
            raise InputError(f"systolic: dataflow '{self.dataflow}' is none of {', '.join(DATAFLOWS)}")

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        return tuple(product(ANY_BITS, ANY_BITS))

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        sizes = (self.array_rows, self.array_cols, matvec.rows, matvec.cols, self.batch)
        cycles: float = systolic_cycles(self.dataflow, *sizes)
        if self.dram_bits_per_cycle:
            cycles = max(cycles, matvec.weights * weight_bits / self.dram_bits_per_cycle)
        return Cost(cycles * matvec.passes / self.batch)
