"""Widths between powers of two, and 1-bit operands, which are priced where a platform's rules know them."""

import csv
from itertools import product
from pathlib import Path

import pytest

from models.networks.sru import Sru
from models.workload import Configuration, InputError, MatVec, Setting
from platforms import PLATFORMS, open_platform
from platforms.bitfusion import BitFusion
from platforms.bitfusion_tiled import composed_bits

GOLDEN = Path(__file__).parents[1] / "golden"
SQUARE = MatVec("output", 1024, 1024, "output")
SMALL = MatVec("output", 37, 23, "output")
NARROW = (1, 2, 3, 4, 5, 6, 7, 8, 16)
SRU = Sru(features=23, layers=3, hidden=64, projection=48, outputs=50).workload()


def cycles(spec: str, weight_bits: int, act_bits: int, matvec: MatVec = SQUARE) -> float:
    return open_platform(spec).matvec_cost(matvec, weight_bits, act_bits, 1.0).cycles


def test_silago_alone_lacks_widths_from_2_to_8() -> None:
    lacking = {name for name in PLATFORMS if (3, 5) not in open_platform(name).supported_bits}
    assert lacking == {"silago"}
    (reason,) = open_platform("silago").check(SRU, Configuration.uniform(SRU, 8).with_setting("output", weight_bits=5))
    assert reason == (
        "output: weights x activations 5x8 bit, nearest on silago is 8x8 bit, gap 3 bit; valid: 4x4, 8x8, 16x16"
    )


def test_no_configuration_holds_1_bit() -> None:
    with pytest.raises(InputError, match="weight_bits 1 is none of 2, 3"):
        Setting(1, 1)


def test_which_platforms_price_1_bit_operands() -> None:
    opened = {name: open_platform(name) for name in PLATFORMS}
    one_bit = {"bitfusion", "stripes", "loom", "unpu", "bismo"}
    for name, chip in opened.items():
        if name in one_bit:
            assert chip.priced_bits == tuple(product(NARROW, NARROW))
            assert chip.supported_bits == tuple(product(NARROW[1:], NARROW[1:]))
        else:
            assert chip.priced_bits == chip.supported_bits


def test_ideal_and_compute_levels_have_the_throughput_of_a_fusion_unit() -> None:
    """Golden: products per cycle of one unit, over 16x16, whatever the two widths."""
    seen = 0
    with (GOLDEN / "bitfusion_pe_ratio.csv").open() as file:
        for row in csv.DictReader(file):
            bits = (int(row["weight_bits"]), int(row["act_bits"]))
            if set(bits) <= set(NARROW):
                gain = float(row["ratio_vs_16x16"])
                for level in ("ideal", "compute"):
                    spec = f"bitfusion:level={level}"
                    assert cycles(spec, 16, 16) / cycles(spec, *bits) == pytest.approx(gain), (level, bits)
                seen += 1
    assert seen == len(NARROW) ** 2


@pytest.mark.parametrize("bits, composed", [(1, 2), (2, 2), (3, 4), (4, 4), (5, 8), (6, 8), (7, 8), (8, 8), (16, 16)])
@pytest.mark.parametrize("unit", ["", ",high_bits=16,array_inputs=8,array_outputs=16"])
def test_bricks_compose_powers_of_two(bits: int, composed: int, unit: str) -> None:
    assert composed_bits(bits, 2) == composed
    for level, other, matvec in product(("ideal", "compute"), NARROW, (SQUARE, SMALL)):
        spec = f"bitfusion:level={level}{unit}"
        assert cycles(spec, bits, other, matvec) == cycles(spec, composed, other, matvec)
        assert cycles(spec, other, bits, matvec) == cycles(spec, other, composed, matvec)


@pytest.mark.parametrize("weight_bits, act_bits", list(product(NARROW[:-1], repeat=2)))
def test_memory_holds_operands_at_their_own_width(weight_bits: int, act_bits: int) -> None:
    chip = BitFusion()
    found = chip.tiling(SQUARE.rows, SQUARE.cols, weight_bits, act_bits)
    composed = chip.tiling(SQUARE.rows, SQUARE.cols, composed_bits(weight_bits, 2), composed_bits(act_bits, 2))
    assert found.compute_cycles == composed.compute_cycles
    assert found.dram_read_bits == SQUARE.weights * weight_bits + SQUARE.cols * act_bits + SQUARE.rows * 32
    assert found.dram_write_bits == SQUARE.rows * 32
    assert found.total_cycles <= composed.total_cycles


@pytest.mark.parametrize("spec", ["bitfusion", "bitfusion:batch=16"])
def test_fewer_bits_of_the_same_bricks_take_no_longer(spec: str) -> None:
    chip = open_platform(spec)
    for matvec in SRU:
        found = {bits: chip.matvec_cost(matvec, *bits, 1.0).cycles for bits in chip.priced_bits}
        for narrow, wide in product(found, found):
            less, more = ([composed_bits(bits, 2) for bits in pair] for pair in (narrow, wide))
            if less == more and narrow[0] <= wide[0] and narrow[1] <= wide[1]:
                assert found[narrow] <= found[wide], (matvec, narrow, wide)


@pytest.mark.parametrize("batch", [1, 3, 20])
@pytest.mark.parametrize("weight_bits, act_bits", [(1, 1), (1, 3), (2, 1), (3, 5), (4, 4), (7, 8)])
def test_bismo_counts_a_binary_product_for_each_pair_of_bits(batch: int, weight_bits: int, act_bits: int) -> None:
    matvec = MatVec("output", 100, 600, "output", 2)
    steps = 0
    for _weight_bit, _act_bit in product(range(weight_bits), range(act_bits)):
        for _row, _depth, _column in product(range(0, 100, 8), range(0, 600, 256), range(0, batch, 8)):
            steps += 1
    assert cycles(f"bismo:batch={batch}", weight_bits, act_bits, matvec) == pytest.approx(2 * steps / batch)


@pytest.mark.parametrize("bits", NARROW)
def test_serial_operands_take_a_step_a_bit(bits: int) -> None:
    assert cycles("loom", bits, 4) == pytest.approx(cycles("loom", 16, 4) * bits / 16)
    assert cycles("stripes:batch=16", 4, bits) == pytest.approx(cycles("stripes:batch=16", 4, 16) * bits / 16)
    assert cycles("unpu", bits, 4) == pytest.approx(cycles("unpu", 16, 4) * bits / 16 * (3 / 4 if bits == 1 else 1))
    # Weights that stream in do so at their own width.
    assert cycles("loom:dram_bits_per_cycle=1", bits, 4) == SQUARE.weights * bits
    assert cycles("unpu:dram_bits_per_cycle=1", bits, 4) == SQUARE.weights * bits


@pytest.mark.parametrize("bits, gops, tops_per_watt", [(1, 7372, 50.6), (16, 345.6, 3.08)])
def test_unpu_published_ends(bits: int, gops: float, tops_per_watt: float) -> None:
    chip = open_platform("unpu")
    cost = chip.matvec_cost(SQUARE, bits, 16, 1.0)
    assert chip.clock_hz is not None and cost.energy_pj is not None
    operations = 2 * SQUARE.weights
    assert operations / cost.cycles * chip.clock_hz == pytest.approx(gops * 1e9, rel=2e-4)
    assert operations / cost.energy_pj == pytest.approx(tops_per_watt)
