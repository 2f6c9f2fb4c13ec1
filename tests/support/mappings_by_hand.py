"""Mappings of matvecs on a mesh, worked out by going through every core, and the best found by trying all of them."""

from itertools import product
from math import ceil

from models.workload import MatVec
from platforms.manycore import Mesh, Way

CHIP = Mesh(
    cores=4,
    room_bytes=4096,
    macs_per_cycle=1.0,
    unpack_cycles=2.0,
    mesh_bytes_per_cycle=8.0,
    step_cycles=7.25,
    offchip_bytes_per_cycle=1.0,
    tile_cycles=227.0,
    streams=True,
)
TILES = (256, 512, 1024, 2048, 4096, 8192)


def sizes(total: int, parts: int) -> list[int]:
    """The whole cut into parts as even as can be."""
    return [total // parts + (k < total % parts) for k in range(parts)]


def ring(held: list[int], mesh: Mesh, adds: bool) -> tuple[float, int]:
    """Cycles and bytes of a ring whose cores hold parts of so many words, each of which visits every core."""
    cycles, moved = 0.0, 0
    for _ in range(len(held) - 1):
        transfer = max(ceil(words * 4 / mesh.mesh_bytes_per_cycle) for words in held)
        cycles += max(transfer, max(held) if adds else 0) + mesh.step_cycles
        moved += sum(words * 4 for words in held)
        held = held[-1:] + held[:-1]
    return cycles, moved


def by_hand(matvec: MatVec, mesh: Mesh, row_parts: int, col_parts: int, stored_bits: int, tile: int) -> Way:
    """One way, by going through all cores."""
    rows, cols = sizes(matvec.rows, row_parts), sizes(matvec.cols, col_parts)
    passed, moved, multiplied, share, words, macs = 0.0, 0, 0.0, 0, 0, 0
    inputs = [ring(sizes(part, row_parts), mesh, adds=False) for part in cols]
    sums = [ring(sizes(part, col_parts), mesh, adds=True) for part in rows]
    passed = max(cycles for cycles, _ in inputs) + max(cycles for cycles, _ in sums)
    moved = sum(count for _, count in inputs) + sum(count for _, count in sums)
    for height, width in product(rows, cols):
        pace = max(1 / mesh.macs_per_cycle, mesh.unpack_cycles if stored_bits < 32 else 0)
        multiplied = max(multiplied, height * width * pace)
        share = max(share, ceil(height * width * stored_bits / 8))
        words, macs = words + height + width, macs + height * width
    weight_bytes = macs * stored_bits / 8
    if tile:
        tiles = ceil(share / tile)
        fetch, compute = weight_bytes / mesh.offchip_bytes_per_cycle / tiles, multiplied / tiles
        multiplied = fetch + (tiles - 1) * max(fetch, compute) + compute + tiles * mesh.tile_cycles
    return Way(
        row_parts,
        col_parts,
        stored_bits,
        tile,
        kept_bytes=0 if tile else ceil(share / 8) * 8,
        workspace_bytes=4 * (max(rows) + max(cols)) + 2 * tile,
        cycles=matvec.passes * ceil(passed + multiplied - 1e-6),  # but for what rounding adds
        local_bytes=matvec.passes * (weight_bytes * (2 if tile else 1) + 8 * words),
        mesh_bytes=matvec.passes * moved,
        offchip_bytes=matvec.passes * weight_bytes if tile else 0.0,
    )


def all_ways(matvec: MatVec, mesh: Mesh, bits: int) -> list[Way]:
    grids = [(r, c) for r, c in product(range(1, mesh.cores + 1), repeat=2) if r * c <= mesh.cores]
    tiles = (0, *TILES) if mesh.streams else (0,)
    return [
        by_hand(matvec, mesh, r, c, stored, tile)
        for r, c in grids
        if r <= matvec.rows and c <= matvec.cols
        for stored in {bits, 32}
        for tile in tiles
    ]


def rank(ways: tuple[Way, ...] | list[Way], room: int) -> tuple[int, int, int] | None:
    """Cycles, workspace and memory of a mapping; None where it does not fit."""
    workspace = 1024 * ceil(max(way.workspace_bytes for way in ways) / 1024)
    kept = sum(way.kept_bytes for way in ways)
    return (sum(way.cycles for way in ways), workspace, kept) if workspace + kept <= room else None


def brute_force(matvecs: list[MatVec], mesh: Mesh, bits: list[int], reserved: int) -> tuple[int, int, int] | None:
    every = product(*(all_ways(m, mesh, b) for m, b in zip(matvecs, bits, strict=True)))
    return min((r for ways in every if (r := rank(ways, mesh.room_bytes - reserved))), default=None)
