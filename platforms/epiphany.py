"""Adapteva Epiphany: cores on a mesh with 32 KiB each. Every matvec lies on them in the best of all ways that fit.

A matvec is cut by rows (every core needs all inputs), by columns (cores pass their sums on) or by both, and its weights
are resident or streamed from board memory in double-buffered tiles; `--dry-run` shows what was chosen, and
`platforms/manycore.py` has the ways and their cycles. The choice is made for the whole network, since its matvecs share
the local memory: a network too large for it streams over a link of a byte a cycle, and says so.

There is no integer SIMD: a core does one 32-bit multiply-add a cycle whatever the bits. Narrow weights save memory and
off-chip traffic. They lie packed, and are unpacked by integer instructions beside the multiply-adds, which then set the
pace (`unpack_cycles_per_weight`); or widened to 32 bits, which need none, where memory is left. Activations travel and
lie as 32-bit words, as unpacking one would take longer than sending the whole word: their bits change no cycles.

Left out in favour of the chip: contention on the mesh and for banks, loops, branches. Against it: no tile is fetched
before its matvec begins. A pass streams its weights anew. Delta thresholds save nothing here: tiles are fetched before
it is known which columns are sent, and multiplied whole. On Parallella DMA over the mesh was measured at 2.4
byte/cycle (github.com/fabigB/myParallella, noCPerformance), board memory at 0.1 to 0.6 GB/s (recalled):
`epiphany:mesh_bytes_per_cycle=2.4,offchip_bytes_per_cycle=0.25`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import ceil

from models.workload import BITS, BitPair, Configuration, InputError, MatVec, Workload, size_bits, total
from platforms.base import Constant, Cost, Platform, constant
from platforms.manycore import ALIGNED_BYTES, Mesh, Way

HAL = "Epiphany HAL chip table: E16G301"
MANUAL = "Epiphany Architecture Reference (github.com/olajep/epiphany-docs)"
E16 = "E16G301 data sheet, rev. 14.03.11"
E64 = "adapteva.com/products/e64g401"
MEASURED = "measured, github.com/fabigB/myParallella"
MOST_CORES = 4095  # that share the 32-bit address space. Source: E16G301 data sheet, read
KIB = 1024
# The chip's maximum power over its cores and their highest clock, by the number of cores.
CHIP_CORE_CYCLE_PJ = {
    16: Constant("chip_core_cycle_pj", 2 / (16 * 1e-3), "pJ/cycle", E16 + ": 2 W at 1 GHz", "derived"),
    64: Constant("chip_core_cycle_pj", 2 / (64 * 0.8e-3), "pJ/cycle", E64 + ": 2 W at 800 MHz", "derived"),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Epiphany(Platform):
    """Epiphany-III (E16G301, 4 x 4 cores, 65 nm); `epiphany:cores=64` is the Epiphany-IV (E64G401, 8 x 8, 28 nm).

    Energy is an upper bound: all cores at the chip's maximum power as long as the frame takes. Board memory has no
    published figure and is left out, as is the energy of chips with another number of cores, unless
    `core_cycle_pj` is given. `stream=false` refuses a network that does not fit on the chip. The fewest cycles decide;
    of equally fast mappings the one with the smallest workspace, then with the least memory for weights.
    """

    stream: bool = True
    clock_hz: float | None = constant(600e6, "Hz", "Parallella manual; chips reach 1 GHz, of 64 cores 0.8", "recalled")
    cores: int = constant(16, "cores", HAL, "read")
    core_memory_bytes: int = constant(32768, "byte/core", HAL, "read")
    code_bytes: int = constant(8192, "byte/core", "code and stack take one of the four banks", "assumed")
    macs_per_core_cycle: float = constant(1.0, "MAC/cycle", MANUAL + ": an FMADD or IMADD a cycle", "read")
    unpack_cycles_per_weight: float = constant(
        2.0, "cycles/weight", MANUAL + ": two shifts extend the sign, one a cycle beside the FMADD", "derived"
    )
    mesh_bytes_per_cycle: float = constant(8.0, "byte/cycle", MANUAL + ": cMesh, each direction of a link", "read")
    step_cycles: float = constant(7.25, "cycles", MEASURED + ": 14.5 to a neighbour's flag and back", "derived")
    offchip_bytes_per_cycle: float = constant(
        1.0, "byte/cycle", E16 + ": 8 GB/s at 1 GHz over 4 eLinks, 2 ways; Parallella has one to its memory", "derived"
    )
    tile_cycles: float = constant(
        227.0, "cycles/tile", MEASURED + ": DMA of 4 KiB in 1955, of 8 KiB in 3683 cycles", "derived"
    )
    core_cycle_pj: float | None = constant(None, "pJ/cycle", "none: the maximum power of the chip", "set")
    cycles_per_elementwise_op: float = constant(4.0, "cycles/op", "two loads, operation, store", "assumed")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cores > MOST_CORES:
            raise InputError(f"{self.name}: cores must be at most {MOST_CORES}, not {self.cores}")
        if self.code_bytes >= self.core_memory_bytes:
            raise InputError(f"{self.name}: code_bytes must be below core_memory_bytes, {self.core_memory_bytes}")

    @property
    def supported_bits(self) -> tuple[BitPair, ...]:
        return tuple(product(BITS, BITS))

    def derived_constants(self) -> tuple[Constant, ...]:
        known = CHIP_CORE_CYCLE_PJ.get(self.cores)
        return (known,) if known and self.core_cycle_pj is None else ()

    def check(self, workload: Workload, configuration: Configuration) -> tuple[str, ...]:
        reasons = super().check(workload, configuration)
        ways = self._ways(workload, configuration)
        fits = bool(ways) and (self.stream or not any(way.tile_bytes for way in ways))
        return reasons if fits else (*reasons, self._refusal(workload, configuration))

    def matvec_cost(self, matvec: MatVec, weight_bits: int, act_bits: int, computed: float) -> Cost:
        """Cost of a matvec that has the chip to itself."""
        alone = Workload(matvec.name, (matvec,), 0, 0)
        return self.costs(alone, Configuration.uniform(alone, weight_bits, act_bits), None)[0]

    def costs(
        self, workload: Workload, configuration: Configuration, computed: Mapping[str, float] | None
    ) -> list[Cost]:
        """Costs of all matvecs. Raises InputError where no mapping fits."""
        ways = self._ways(workload, configuration)
        if not ways:
            raise InputError(f"{self.name}: {self._refusal(workload, configuration)}")
        return [
            Cost(
                way.cycles,
                self._energy_pj(way.cycles),
                {
                    "local_bytes_per_frame": way.local_bytes,
                    "mesh_bytes_per_frame": way.mesh_bytes,
                    "offchip_bytes_per_frame": way.offchip_bytes,
                },
                _told(way),
            )
            for way in ways
        ]

    def elementwise_cost(self, workload: Workload) -> Cost:
        cycles = ceil(workload.elementwise_ops_per_frame / self.cores) * self.cycles_per_elementwise_op
        return Cost(cycles, self._energy_pj(cycles))

    def remarks(self, workload: Workload, configuration: Configuration) -> tuple[str, ...]:
        """Why weights are streamed, if they are, and what of the cycles that takes."""
        costs = self.costs(workload, configuration, None)
        streamed = [cost for cost in costs if cost.parts["offchip_bytes_per_frame"]]
        if not streamed:
            return ()
        fetched = total(cost.parts["offchip_bytes_per_frame"] for cost in streamed) / KIB
        cycles = total(cost.cycles for cost in (*costs, self.elementwise_cost(workload)))
        share = 100 * total(cost.cycles for cost in streamed) / cycles
        size, room = size_bits(workload, configuration) / 8 / KIB, self.cores * self.mesh.room_bytes / KIB
        return (
            f"{len(streamed)} of {len(costs)} matvecs stream {fetched:,.1f} KiB of weights a frame, in {share:.1f} % "
            f"of the cycles: the network has {size:,.1f} KiB, the cores {room:,.1f} for it and what runs",
        )

    @cached_property
    def mesh(self) -> Mesh:
        return Mesh(
            cores=self.cores,
            room_bytes=self.core_memory_bytes - self.code_bytes,
            macs_per_cycle=self.macs_per_core_cycle,
            unpack_cycles=self.unpack_cycles_per_weight,
            mesh_bytes_per_cycle=self.mesh_bytes_per_cycle,
            step_cycles=self.step_cycles,
            offchip_bytes_per_cycle=self.offchip_bytes_per_cycle,
            tile_cycles=self.tile_cycles,
            streams=self.stream,
        )

    @cached_property
    def _last(self) -> dict[tuple[Workload, Configuration], list[Way]]:
        return {}

    def _ways(self, workload: Workload, configuration: Configuration) -> list[Way]:
        """The mapping, empty where none fits; the last one is kept, since `check` is asked before `estimate`."""
        key = (workload, configuration)
        if key not in self._last:
            self._last.clear()
            bits = [configuration[m.name].operand_bits[0] for m in workload]
            what = (workload.matvecs, bits, self._reserved_bytes(workload, configuration))
            # What does not fit has a price too, so that a baseline has one; `check` refuses it.
            self._last[key] = self.mesh.mapping(*what) or replace(self.mesh, streams=True).mapping(*what)
        return self._last[key]

    def _reserved_bytes(self, workload: Workload, configuration: Configuration) -> int:
        """A core's part of all that is stored besides matrices: vector weights, scales, zero points."""
        matrices = sum(m.weights * configuration[m.name].operand_bits[0] for m in workload)
        units = ceil((size_bits(workload, configuration) - matrices) / (8 * ALIGNED_BYTES * self.cores))
        return units * ALIGNED_BYTES

    def _refusal(self, workload: Workload, configuration: Configuration) -> str:
        bits = [configuration[m.name].operand_bits[0] for m in workload]
        need = self.mesh.least_bytes(workload.matvecs, bits) + self._reserved_bytes(workload, configuration)
        room = self.mesh.room_bytes
        text = (
            f"a core needs {need / KIB:.1f} KiB > {room / KIB:.1f} KiB of local memory by {(need - room) / KIB:.1f} KiB"
        )
        return text if self.stream else f"{text}; stream=true streams weights from board memory"

    def _energy_pj(self, cycles: float) -> float | None:
        known = CHIP_CORE_CYCLE_PJ.get(self.cores)
        pj = self.core_cycle_pj if self.core_cycle_pj is not None else known.value if known else None
        return None if pj is None else pj * self.cores * cycles


def _told(way: Way) -> str:
    where = f"streamed by {way.tile_bytes} B" if way.tile_bytes else "resident"
    return f"{way.row_parts} x {way.col_parts} cores, {way.stored_bits} bit, {where}"
