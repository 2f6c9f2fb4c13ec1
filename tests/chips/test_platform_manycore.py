"""Mappings on a mesh of cores against a brute force, and what must never cost more."""

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mappings_by_hand import CHIP, brute_force, by_hand, rank

from models.workload import MatVec

MATVEC = st.builds(
    MatVec, st.just("m"), st.integers(1, 60), st.integers(1, 60), st.just("input"), passes=st.integers(1, 2)
)
WIDTHS = st.sampled_from([2, 3, 8, 16, 32])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_choice_is_the_best_of_all(data: st.DataObject) -> None:
    """Two streamed or resident matvecs on up to 4 cores, or up to 5 resident ones on 2, each combination tried."""
    streams = data.draw(st.booleans())
    count = data.draw(st.integers(1, 2 if streams else 5))
    mesh = replace(
        CHIP,
        cores=data.draw(st.integers(1, 4 if streams else 2)),
        room_bytes=data.draw(st.integers(1024, 9000 if streams else 20000)),
        unpack_cycles=data.draw(st.sampled_from([0.5, 2.0])),
        mesh_bytes_per_cycle=data.draw(st.sampled_from([2.4, 8.0])),
        offchip_bytes_per_cycle=data.draw(st.sampled_from([0.3, 1.0, 16.0])),
        tile_cycles=data.draw(st.sampled_from([3.0, 227.0])),
        streams=streams,
    )
    matvecs = data.draw(st.lists(MATVEC, min_size=count, max_size=count))
    bits = data.draw(st.lists(WIDTHS, min_size=count, max_size=count))
    reserved = data.draw(st.sampled_from([0, 40]))
    chosen = mesh.mapping(matvecs, bits, reserved)
    expected = brute_force(matvecs, mesh, bits, reserved)
    assert (rank(chosen, mesh.room_bytes - reserved) if chosen else None) == expected
    assert (expected is not None) == (mesh.least_bytes(matvecs, bits) <= mesh.room_bytes - reserved)
    for matvec, way in zip(matvecs, chosen, strict=False):
        told = by_hand(matvec, mesh, way.row_parts, way.col_parts, way.stored_bits, way.tile_bytes)
        assert told == way


def test_ties_keep_the_weights_of_earlier_matvecs() -> None:
    """Two of 1920 bytes a core, of which only one fits beside a workspace of a KiB."""
    matvec = MatVec("m", 60, 64, "input")
    first, second = replace(CHIP, room_bytes=3000).mapping([matvec, matvec], [16, 16], 0)
    assert (first.tile_bytes, second.offchip_bytes) == (0, 60 * 64 * 2)
    assert first.kept_bytes == 1920


@settings(max_examples=60, deadline=None)
@given(
    matvecs=st.lists(
        st.builds(MatVec, st.just("m"), st.integers(1, 400), st.integers(1, 400), st.just("input")),
        min_size=1,
        max_size=4,
    ),
    bits=WIDTHS,
    cores=st.integers(1, 40),
    room=st.integers(4096, 24576),
    better=st.sampled_from(
        [
            {"cores": 24},
            {"room_bytes": 3000},
            {"offchip_bytes_per_cycle": 0.5},
            {"mesh_bytes_per_cycle": 8.0},
            {"macs_per_cycle": 1.0},
        ]
    ),
)
def test_more_of_anything_never_costs_more(
    matvecs: list[MatVec], bits: int, cores: int, room: int, better: dict[str, float]
) -> None:
    mesh = replace(CHIP, cores=cores, room_bytes=room)
    less = mesh.mapping(matvecs, [bits] * len(matvecs), 0)
    assume(less)
    more = replace(mesh, **{name: getattr(mesh, name) + value for name, value in better.items()})
    found = more.mapping(matvecs, [bits] * len(matvecs), 0)
    assert sum(way.cycles for way in found) <= sum(way.cycles for way in less)
