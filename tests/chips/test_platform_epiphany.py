"""The Epiphany: examples by hand, what fits and what streams, what bits do and do not change."""

from dataclasses import replace
from itertools import product
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mappings_by_hand import CHIP, all_ways

from models.registry import MODELS, preset
from models.workload import Configuration, InputError, MatVec, Setting, StoredScales, Workload
from platforms import open_platform

WIDTHS = st.sampled_from([2, 3, 8, 16, 32])


def one(rows: int, cols: int, passes: int = 1) -> Workload:
    return Workload("one", (MatVec("output", rows, cols, "output", passes),), 0, 0)


@pytest.mark.parametrize("preset_name", ["edge", "paper"])
@pytest.mark.parametrize("model", MODELS)
def test_what_moves_is_what_the_network_has(model: str, preset_name: str) -> None:
    """Streamed bytes are those of the weights at their stored width, each pass; cycles are no fewer than the link's."""
    workload = preset(model, preset_name).workload()
    for spec, bits in product(("epiphany", "epiphany:cores=64"), (4, 16)):
        chip = open_platform(spec)
        found = chip.estimate(workload, Configuration.uniform(workload, bits))
        assert chip.check(workload, Configuration.uniform(workload, bits)) == ()
        for matvec in workload:
            cost = found.per_matvec[matvec.name]
            streamed = cost.parts["offchip_bytes_per_frame"]
            assert ("streamed" in cost.mapping) == (streamed > 0)
            assert streamed in (0, *(matvec.macs_per_frame * width / 8 for width in (bits, 32)))
            cores = 64 if "64" in spec else 16
            assert cost.cycles >= max(streamed, matvec.macs_per_frame / cores)
            assert cost.parts["local_bytes_per_frame"] >= matvec.macs_per_frame * bits / 8
        (*told,) = chip.remarks(workload, Configuration.uniform(workload, bits))
        assert len(told) == (found.metrics["offchip_bytes_per_frame"] > 0)


def test_a_matvec_that_fits_by_hand() -> None:
    """100 x 37, two passes, on 4 x 4 of 16 cores, widened to 32 bits: 25 x 10 for the fullest, 250 multiply-adds.

    Four cores pass on their 3 of 10 inputs, 12 bytes in 2 cycles, three times; and 7 of 25 sums, an addition each. By
    rows alone it would be 7 x 37 multiply-adds, but 15 steps of the inputs: 398 cycles.
    """
    chip, workload = open_platform("epiphany"), one(100, 37, 2)
    four = Configuration.uniform(workload, 4)
    found = chip.estimate(workload, four)
    cost = found.per_matvec["output"]
    assert cost.mapping == "4 x 4 cores, 32 bit, resident"
    assert cost.cycles == 2 * ceil(250 + 3 * (2 + 7.25) + 3 * (7 + 7.25)) == 642
    assert cost.parts == {
        "local_bytes_per_frame": 2 * (100 * 37 * 4 + 8 * (4 * 37 + 4 * 100)),
        "mesh_bytes_per_frame": 2 * 3 * (37 + 100) * 4,
        "offchip_bytes_per_frame": 0,
    }
    assert cost.energy_pj == pytest.approx(642 * 16 * 125)
    assert found.latency_seconds == pytest.approx(642 / 600e6)
    assert chip.remarks(workload, four) == ()
    (rows_alone,) = [
        w for w in all_ways(workload.matvecs[0], replace(CHIP, cores=16), 32) if w.row_parts == 16 and not w.tile_bytes
    ]
    assert rows_alone.cycles == 2 * 398


def test_elementwise_work_is_shared_by_the_cores() -> None:
    workload = replace(one(10, 10), elementwise_ops_per_frame=33)
    assert open_platform("epiphany").elementwise_cost(workload).cycles == 3 * 4


def test_a_wide_matvec_lies_by_columns_and_a_tall_one_by_rows() -> None:
    chip = open_platform("epiphany")
    for rows, cols, told in ((4, 4000, "1 x 16"), (4000, 4, "16 x 1")):
        workload = one(rows, cols)
        found = chip.estimate(workload, Configuration.uniform(workload, 16))
        assert found.per_matvec["output"].mapping.startswith(told)
    # 4 x 4000 at 32 bits: 4 x 250 a core, then 15 steps of which each passes one sum, a cycle's addition
    wide = one(4, 4000)
    assert chip.estimate(wide, Configuration.uniform(wide, 32)).cycles_per_frame == ceil(1000 + 15 * (1 + 7.25))


def test_a_network_too_large_streams_and_says_so() -> None:
    """1024 x 1024 at 8 bits is 1 MiB, of which 16 cores hold a third: the link takes a cycle a byte.

    Each of 4 x 4 cores gets its 64 KiB in 32 tiles, whose starts take 227 cycles each. When all are there the last one
    is multiplied, two cycles a weight, 4096 in all; larger tiles would save starts and lose more of that.
    """
    chip, workload = open_platform("epiphany"), one(1024, 1024)
    eight = Configuration.uniform(workload, 8)
    found = chip.estimate(workload, eight)
    cost = found.per_matvec["output"]
    assert cost.parts["offchip_bytes_per_frame"] == 1024 * 1024
    assert cost.mapping == "4 x 4 cores, 8 bit, streamed by 2048 B"
    rings = 3 * (256 / 8 + 7.25) + 3 * (64 + 7.25)
    assert cost.cycles == ceil(1024 * 1024 + 2 * 64 * 1024 / 32 + 227 * 32 + rings)
    (remark,) = chip.remarks(workload, eight)
    assert remark == (
        "1 of 1 matvecs stream 1,024.0 KiB of weights a frame, in 100.0 % of the cycles: the network has 1,024.0 KiB, "
        "the cores 384.0 for it and what runs"
    )
    small = one(512, 512)
    fits = chip.estimate(small, Configuration.uniform(small, 8)).cycles_per_frame
    assert found.cycles_per_frame > 4 * 5 * fits  # 4 times the weights
    refusing = open_platform("epiphany:stream=false")
    (reason,) = refusing.check(workload, eight)
    assert reason == (
        "a core needs 66.0 KiB > 24.0 KiB of local memory by 42.0 KiB; stream=true streams weights from board memory"
    )
    assert refusing.estimate(workload, eight).per_matvec == found.per_matvec
    assert refusing.check(small, Configuration.uniform(small, 8)) == ()
    assert len(open_platform("epiphany:memory_limit_mib=0.1,stream=false").check(workload, eight)) == 2


def test_vectors_beyond_local_memory_are_refused() -> None:
    huge = one(60_000, 60_000)
    (reason,) = open_platform("epiphany").check(huge, Configuration.uniform(huge, 2))
    assert reason == "a core needs 118.0 KiB > 24.0 KiB of local memory by 94.0 KiB"


def test_packed_weights_are_slower_than_widened_ones_and_faster_than_streamed_ones() -> None:
    """300 x 640 at 8 bits: 12,000 bytes a core packed, 48,000 widened; 40 x 160 fits either way."""
    chip = open_platform("epiphany")
    cycles = {}
    for rows, cols in ((300, 640), (40, 160)):
        workload = one(rows, cols)
        cost = chip.estimate(workload, Configuration.uniform(workload, 8)).per_matvec["output"]
        cycles[rows] = (cost.cycles / (rows * cols / 16), cost.mapping)
    assert "8 bit, resident" in cycles[300][1] and "32 bit, resident" in cycles[40][1]
    assert 2 < cycles[300][0] < 2.1
    faster = open_platform("epiphany:unpack_cycles_per_weight=1")
    workload = one(300, 640)
    halved = faster.estimate(workload, Configuration.uniform(workload, 8)).cycles_per_frame
    assert halved < 0.55 * cycles[300][0] * 300 * 640 / 16


def test_what_is_stored_besides_matrices_takes_memory() -> None:
    """A core has 24 KiB less a workspace of 2: 16 x 22 x 1024 bytes of weights fit, not a vector weight more."""
    full = Workload("full", (MatVec("output", 16 * 64, 352, "output"),), 0, 0)
    chip = open_platform("epiphany:stream=false")
    eight = Configuration.uniform(full, 8)
    assert "8 bit, resident" in chip.estimate(full, eight).per_matvec["output"].mapping
    for more in (replace(full, vector_weights=1), replace(full, stored=StoredScales(row_scale_bits=8))):
        (reason,) = chip.check(more, eight)
        assert "of local memory by" in reason


@given(weights=WIDTHS, activations=st.tuples(WIDTHS, WIDTHS))
def test_activations_bits_change_nothing_and_delta_neither(weights: int, activations: tuple[int, int]) -> None:
    chip, workload = open_platform("epiphany"), one(200, 300)
    one_, other = (Configuration.uniform(workload, weights, bits) for bits in activations)
    assert chip.estimate(workload, one_).per_matvec == chip.estimate(workload, other).per_matvec
    assert not chip.exploits_computed


def test_matvecs_share_the_local_memory() -> None:
    """One of them alone is resident; both together are not."""
    chip = open_platform("epiphany")
    pair = Workload("pair", tuple(MatVec(f"l{k}.input", 512, 544, "input") for k in range(2)), 0, 0)
    alone = chip.matvec_cost(pair.matvecs[0], 8, 8, 1.0)
    both = chip.estimate(pair, Configuration.uniform(pair, 8))
    assert "resident" in alone.mapping
    assert sorted("resident" in cost.mapping for cost in both.per_matvec.values()) == [False, True]
    mixed = Configuration((("l0.input", Setting(8, 8)), ("l1.input", Setting(2, 8))))
    assert "resident" in " ".join(cost.mapping for cost in chip.estimate(pair, mixed).per_matvec.values())
    assert chip.estimate(pair, mixed).metrics["offchip_bytes_per_frame"] == 0


@pytest.mark.parametrize(
    "spec, message",
    [
        ("epiphany:cores=5000", "cores must be at most 4095, not 5000"),
        ("epiphany:cores=0", "cores must be above 0, not 0"),
        ("epiphany:code_bytes=40000", "code_bytes must be below core_memory_bytes, 32768"),
    ],
)
def test_chips_that_cannot_be_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_platform(spec)


def test_energy_is_known_of_the_two_chips_or_given() -> None:
    workload = one(64, 64)
    sixteen = Configuration.uniform(workload, 16)
    energy = {}
    for spec in ("epiphany:cores=64", "epiphany:cores=32", "epiphany:cores=32,core_cycle_pj=10"):
        found = open_platform(spec).estimate(workload, sixteen)
        energy[spec] = (found.energy_pj_per_frame, found.cycles_per_frame)
    pj, cycles = energy["epiphany:cores=64"]
    assert pj == pytest.approx(2.0 / 0.8e9 / 64 * 1e12 * 64 * cycles)
    assert energy["epiphany:cores=32"][0] is None
    pj, cycles = energy["epiphany:cores=32,core_cycle_pj=10"]
    assert pj == 320 * cycles
