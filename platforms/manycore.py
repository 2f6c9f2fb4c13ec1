"""How matvecs lie on a mesh of cores with local memories: of all ways, enumerated, the best that fit together.

A matvec of rows x cols is cut into `row_parts` x `col_parts` blocks, a core each. The cores that share columns pass the
inputs around a ring, those that share rows the sums, each core adding its own; a step of a ring moves one part to the
neighbour. Weights are resident in local memory, or streamed from off-chip memory in two tiles, one of which is filled
while the other is multiplied. All cores have the same memory map, sized for the fullest of them; what a matvec needs
while it runs, vectors and tiles, is a workspace that all share in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.workload import FLOAT_BITS, MatVec, total

WORD_BYTES = 4  # inputs, sums and words that need no unpacking
ALIGNED_BYTES = 8  # of what is kept in local memory: double words, the widest that a core loads
WORKSPACE_BYTES = 1024  # the step in which the workspace is chosen
TILES_BYTES = tuple(256 << n for n in range(6))  # up to a bank of 8 KiB

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Shape = tuple[int, int, int, int]  # rows, cols, passes, weight bits


@dataclass(frozen=True)
class Way:
    """How one matvec lies on the cores. Cycles and traffic are of all its passes in a frame; a tile of 0 is resident.

    `kept_bytes` and `workspace_bytes` are of each core. Local traffic is what cores and tiles read and write of
    weights, and each core's inputs and sums, written and read once; a byte on the mesh moves to a neighbour.
    """

    row_parts: int
    col_parts: int
    stored_bits: int
    tile_bytes: int
    kept_bytes: int
    workspace_bytes: int
    cycles: int
    local_bytes: float
    mesh_bytes: float
    offchip_bytes: float


@dataclass(frozen=True)
class Mesh:
    """Numbers of a chip of cores on a mesh. `room_bytes` is the local memory of a core less its code."""

    cores: int
    room_bytes: int
    macs_per_cycle: float
    unpack_cycles: float
    mesh_bytes_per_cycle: float
    step_cycles: float
    offchip_bytes_per_cycle: float
    tile_cycles: float
    streams: bool

    def mapping(self, matvecs: Sequence[MatVec], weight_bits: Sequence[int], reserved_bytes: int) -> list[Way]:
        """Ways of the matvecs that together take the fewest cycles in local memory; empty where none fits.

        Of equally fast ones that with the smallest workspace is taken, then with the least memory, then the one that
        keeps the weights of earlier matvecs. `reserved_bytes` of each core are taken by other things.
        """
        shapes = [(m.rows, m.cols, m.passes, bits) for m, bits in zip(matvecs, weight_bits, strict=True)]
        best: list[tuple[Shape, _Front, int]] = []
        least, price = np.inf, 0.0
        room = self.room_bytes - reserved_bytes
        for workspace in range(WORKSPACE_BYTES, room + 1, WORKSPACE_BYTES):
            fronts = {shape: self._front(shape, workspace) for shape in set(shapes)}
            if not all(len(front.cycles) for front in fronts.values()):
                continue
            units = (room - workspace) // ALIGNED_BYTES
            # What memory would cost at a price bounds the cycles from below, whatever the price.
            bound = total((fronts[s].cycles + price * fronts[s].units).min() for s in shapes) - price * units
            if max(bound, total(fronts[s].cycles[-1] for s in shapes)) >= least:
                continue
            picked, price = _pick([fronts[s] for s in shapes], units)
            cycles = total(fronts[s].cycles[k] for s, k in zip(shapes, picked, strict=False))
            if picked and cycles < least:
                best, least = [(s, fronts[s], k) for s, k in zip(shapes, picked, strict=True)], cycles
        return [self._way(*chosen) for chosen in best]

    def least_bytes(self, matvecs: Sequence[MatVec], weight_bits: Sequence[int]) -> int:
        """Least local memory of a core, workspace and kept weights, in which there is any mapping."""
        all_ways = [self._ways((m.rows, m.cols, m.passes, bits)) for m, bits in zip(matvecs, weight_bits, strict=True)]
        steps = {int(step) for ways in all_ways for step in -(-ways.workspace // WORKSPACE_BYTES)}
        workspaces = [step * WORKSPACE_BYTES for step in sorted(steps)]
        enough = max(int(ways.workspace.min()) for ways in all_ways)
        return min(
            workspace + sum(int(ways.kept[ways.workspace <= workspace].min()) for ways in all_ways)
            for workspace in workspaces
            if workspace >= enough
        )

    @cached_property
    def _memo(self) -> dict[Shape, _Ways]:
        return {}

    @cached_property
    def _fronts(self) -> dict[tuple[Shape, int], _Front]:
        return {}

    def _ways(self, shape: Shape) -> _Ways:
        if shape not in self._memo:
            self._memo[shape] = self._enumerated(*shape)
        return self._memo[shape]

    def _enumerated(self, rows: int, cols: int, passes: int, weight_bits: int) -> _Ways:
        """Every way of a matvec: parts of rows and columns x stored widths x tiles."""
        parts = [(r, c) for r in range(1, min(rows, self.cores) + 1) for c in range(1, min(cols, self.cores // r) + 1)]
        widths, tiles_bytes = sorted({weight_bits, FLOAT_BITS}), (0, *TILES_BYTES) if self.streams else (0,)
        every = np.array([(*part, bits, tile) for part in parts for bits in widths for tile in tiles_bytes])
        row_parts, col_parts, bits, tile = every.astype(np.int64).T
        row_share, col_share = -(-rows // row_parts), -(-cols // col_parts)
        passed = self._ring_cycles(-(-col_share // row_parts), row_parts, adds=False)
        passed += self._ring_cycles(-(-row_share // col_parts), col_parts, adds=True)
        per_weight = np.where(
            bits < FLOAT_BITS, max(self.unpack_cycles, 1 / self.macs_per_cycle), 1 / self.macs_per_cycle
        )
        multiplied = row_share * col_share * per_weight
        share = -(-row_share * col_share * bits // 8)
        tiles = -(-share // np.maximum(tile, 1))
        offchip = np.where(tile, rows * cols * bits / 8, 0.0)
        fetched = offchip / self.offchip_bytes_per_cycle
        # The first tile is waited for and the last one multiplied alone; between them the slower of both decides.
        streamed = np.maximum(fetched, multiplied) + np.minimum(fetched, multiplied) / tiles + tiles * self.tile_cycles
        vectors = WORD_BYTES * (row_share + col_share)
        return _Ways(
            row_parts,
            col_parts,
            bits,
            tile,
            kept=np.where(tile, 0, -(-share // ALIGNED_BYTES) * ALIGNED_BYTES),
            workspace=vectors + 2 * tile,
            cycles=passes * np.ceil(passed + np.where(tile, streamed, multiplied)),
            local=passes * (rows * cols * bits / 8 + offchip + 2 * WORD_BYTES * (row_parts * cols + col_parts * rows)),
            mesh=passes * WORD_BYTES * ((row_parts - 1) * cols + (col_parts - 1) * rows).astype(np.float64),
            offchip=passes * offchip,
        )

    def _ring_cycles(self, part: Integers, cores: Integers, adds: bool) -> Floats:
        """Cycles in which parts of so many words go around a ring of cores; adding takes a cycle a word."""
        moved = np.ceil(part * WORD_BYTES / self.mesh_bytes_per_cycle)
        return (cores - 1) * (np.maximum(moved, part if adds else 0) + self.step_cycles)

    def _front(self, shape: Shape, workspace: int) -> _Front:
        """Ways that fit the workspace and that no other one beats in both memory and cycles, by memory."""
        key = (shape, workspace)
        if key not in self._fronts:
            ways = self._ways(shape)
            fits = np.flatnonzero(ways.workspace <= workspace)
            cores = ways.row_parts * ways.col_parts
            ties = (ways.col_parts, cores, ways.mesh, ways.offchip, ways.cycles, ways.kept)  # the last decides first
            order = fits[np.lexsort([values[fits] for values in ties])]
            before = np.minimum.accumulate(np.r_[np.inf, ways.cycles[order]])[:-1]
            chosen = order[ways.cycles[order] < before]
            self._fronts[key] = _Front(chosen, ways.kept[chosen] // ALIGNED_BYTES, ways.cycles[chosen])
        return self._fronts[key]

    def _way(self, shape: Shape, front: _Front, number: int) -> Way:
        ways, k = self._ways(shape), front.index[number]
        whole = (ways.row_parts, ways.col_parts, ways.bits, ways.tile, ways.kept, ways.workspace, ways.cycles)
        traffic = (ways.local, ways.mesh, ways.offchip)
        return Way(*(int(values[k]) for values in whole), *(float(values[k]) for values in traffic))


@dataclass(frozen=True, eq=False)
class _Ways:
    """All ways of a matvec, an entry each; the fields are those of `Way`."""

    row_parts: Integers
    col_parts: Integers
    bits: Integers
    tile: Integers
    kept: Integers
    workspace: Integers
    cycles: Floats
    local: Floats
    mesh: Floats
    offchip: Floats


@dataclass(frozen=True, eq=False)
class _Front:
    """Ways worth considering, by memory: their places among all ways, units of memory, cycles."""

    index: Integers
    units: Integers
    cycles: Floats


def _pick(fronts: Sequence[_Front], units: int) -> tuple[list[int], float]:
    """Choose one way of each front for the fewest cycles in so many units of memory; exact, by dynamic programming.

    Returns their numbers, none where they do not fit, and about how many cycles one more unit would save.
    """
    if sum(int(front.units[-1]) for front in fronts) <= units:
        return [len(front.units) - 1 for front in fronts], 0.0
    stages = [np.zeros(units + 1)]  # least cycles in each number of units, of ever more matvecs
    for front in fronts:
        least = np.full(units + 1, np.inf)
        for used, cycles in zip(front.units, front.cycles, strict=True):
            if used <= units:
                np.minimum(least[used:], stages[-1][: units + 1 - used] + cycles, out=least[used:])
        stages.append(least)
    if np.isinf(least[-1]):
        return [], 0.0
    left, picked = int(least.argmin()), []
    for front, before, after in zip(reversed(fronts), stages[-2::-1], stages[:0:-1], strict=True):
        # Cycles are whole numbers, so that their sums are equal to the last bit.
        ways = zip(front.units, front.cycles, strict=True)
        number = next(k for k, (used, c) in enumerate(ways) if used <= left and before[left - used] + c == after[left])
        picked.append(number)
        left -= int(front.units[number])
    back = max(1, units // 8)  # far enough for a slope, whatever the steps
    saved = (least[max(0, units - back)] - least[-1]) / back
    return picked[::-1], float(saved) if np.isfinite(saved) else 0.0
