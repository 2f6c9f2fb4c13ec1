"""Bit Fusion against the authors' simulator: every row exact.

Golden files: the simulator's own results for two of its configurations (mode native), rows of ours for 16-bit operands
(mode ext_temporal8), 30 matmul rows that the authors ship for five array sizes, and 2..8-bit rows that a fork ships.
"""

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from models.workload import Configuration, MatVec, Workload
from platforms import open_platform
from platforms.bitfusion import BitFusion
from platforms.bitfusion_parts import SRAM_BANKS
from platforms.bitfusion_tiled import Tiling

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIGURATIONS = {
    "bitfusion_golden_bf_e.csv": {},
    "bitfusion_golden_conf.csv": {
        "array_inputs": 8,
        "array_outputs": 8,
        "weight_buffer_bytes": 262144,
        "input_buffer_bytes": 65536,
        "dram_bits_per_cycle": 128,
    },
}


def rows(name: str) -> Iterator[dict[str, str]]:
    with (GOLDEN / name).open() as file:
        yield from csv.DictReader(file)


def measures(tiling: Tiling) -> list[int]:
    reads, writes = tiling.buffer_read_bits, tiling.buffer_write_bits
    buffers = [bits[operand] for operand in ("weights", "activations", "outputs") for bits in (reads, writes)]
    return [tiling.total_cycles, *buffers, tiling.dram_read_bits, tiling.dram_write_bits]


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("batch", [1, 16, 64])
def test_simulator_rows(name: str, batch: int) -> None:
    chip = BitFusion(batch=batch, **CONFIGURATIONS[name])
    seen = 0
    for row in rows(name):
        if int(row["batch"]) != batch:
            continue
        size = (int(row["out_dim"]), int(row["in_dim"]))
        bits = (int(row["weight_bits"]), int(row["act_bits"]))
        tiling = chip.tiling(*size, *bits)
        assert chip.array.compute_cycles(*size, batch, *bits) == int(row["compute_cycles_untiled"]), row
        assert tiling.compute_cycles == int(row["compute_cycles"]), row
        assert tiling.total_cycles == int(row["total_cycles"]), row
        assert tiling.dram_read_bits == int(row["dram_read_bits"]), row
        assert tiling.dram_write_bits == int(row["dram_write_bits"]), row
        for part in ("core", "sram", "dram"):
            assert getattr(tiling, f"{part}_pj") == pytest.approx(1e3 * float(row[f"e_{part}_nJ"]), rel=2e-5), row
        assert tiling.energy_pj == pytest.approx(1e3 * float(row["e_total_nJ"]), rel=2e-5), row
        seen += 1
    assert seen == 128


def test_rows_of_the_authors() -> None:
    for row in rows("bitfusion_authors_matmul.csv"):
        value = {key: int(number) for key, number in row.items() if key != "network"}
        hardware = {k: v for k, v in value.items() if k.startswith(("array", "weight_buffer", "input_b", "output_b"))}
        chip = BitFusion(batch=value["batch"], dram_bits_per_cycle=value["dram_bits_per_cycle"], **hardware)
        tiling = chip.tiling(value["rows"], value["cols"], value["weight_bits"], value["act_bits"])
        assert measures(tiling) == [value["total_cycles"], *list(value.values())[-8:]], row
        assert tiling.total_cycles - tiling.compute_cycles == value["stall_cycles"], row


def test_rows_of_a_fork_at_2_to_8_bits() -> None:
    chip = BitFusion()
    for row in rows("bitfusion_odd_bits_cycles.csv"):
        size_and_bits = (int(row[key]) for key in ("rows", "cols", "weight_bits", "act_bits"))
        assert chip.tiling(*size_and_bits).total_cycles == int(row["total_cycles"]), row


def test_fusion_unit_throughput() -> None:
    array = BitFusion().array
    for row in rows("bitfusion_pe_ratio.csv"):
        bits = (int(row["weight_bits"]), int(row["act_bits"]))
        assert array.lanes(*bits) == int(row["lanes_spatial(floor rule)"])
        assert array.passes(*bits) == int(row["passes(8-bit slices)"])


def test_sru_with_the_papers_sizes() -> None:
    """The golden sum counts layer 0 with 1650 x 2 outputs from 23 inputs, and 1904 targets."""
    matvecs = [MatVec(f"l0.input_{d}", 1650, 23, "input") for d in "fb"]
    for layer in (1, 2, 3):
        matvecs.append(MatVec(f"l{layer}.projection", 256, 1100, "projection"))
        matvecs += [MatVec(f"l{layer}.input_{d}", 1650, 256, "input") for d in "fb"]
    matvecs.append(MatVec("output", 1904, 1100, "output"))
    workload = Workload("sru", tuple(matvecs), 0, 0)
    chip = open_platform("bitfusion")
    for row in rows("bitfusion_golden_sru_model.csv"):
        bits = (int(row["weight_bits"]), int(row["act_bits"]))
        found = chip.estimate(workload, Configuration.uniform(workload, *bits))
        assert found.cycles_per_frame == int(row["total_cycles"])
        assert found.metrics["compute_cycles_per_frame"] == int(row["compute_cycles"])
        assert found.metrics["dram_bits_per_frame"] == int(row["dram_read_bits"]) + int(row["dram_write_bits"])
        assert found.energy_pj_per_frame == pytest.approx(1e6 * float(row["e_total_uJ"]), rel=1e-6)
        assert found.speedup == pytest.approx(float(row["total_ratio_vs_16x16"]), abs=6e-4)
        assert found.energy_saving == pytest.approx(float(row["energy_ratio_vs_16x16"]), abs=6e-4)
        assert found.latency_seconds == pytest.approx(1e-6 * float(row["time_us_per_frame"]))


def test_ideal_level_is_the_papers_rule() -> None:
    workload = Workload("one", (MatVec("output", 100, 30, "output"),), 0, 0)
    ideal = open_platform("bitfusion:level=ideal")
    for weight_bits, act_bits in product((2, 4, 8, 16), repeat=2):
        found = ideal.estimate(workload, Configuration.uniform(workload, weight_bits, act_bits))
        assert found.speedup == pytest.approx(256 / (weight_bits * act_bits))


def test_sram_banks_are_cactis() -> None:
    seen = 0
    for row in rows("cacti7_45nm_sram_golden.csv"):
        bank = SRAM_BANKS.get((int(row["block_bytes"]), int(row["extra_rw_ports"])), {}).get(int(row["size_bytes"]))
        if bank and row["tech_um"] == "0.045":
            expected = [float(row[key]) for key in ("read_nJ_per_access", "write_nJ_per_access", "area_mm2")]
            assert bank == pytest.approx(expected, rel=1e-3), row
            seen += 1
    assert seen == sum(len(banks) for banks in SRAM_BANKS.values())


def test_a_bank_between_two_known_sizes_costs_between_them() -> None:
    small, between, large = (BitFusion(input_buffer_bytes=16 * size).energies for size in (4096, 6000, 8192))
    assert small.input_read_pj < between.input_read_pj < large.input_read_pj


def test_modelled_area_of_the_paper_array() -> None:
    assert BitFusion().area_mm2 == pytest.approx(2.141, abs=0.001)


def test_native_16_bit_units() -> None:
    """8 x 16 units of 64 bricks are as many bricks as 16 x 32 units of 16; 16x16 then takes a single pass."""
    chip = open_platform("bitfusion:high_bits=16,array_inputs=8,array_outputs=16")
    assert isinstance(chip, BitFusion)
    assert (chip.array.lanes(16, 16), chip.array.lanes(8, 16), chip.array.lanes(2, 2)) == (1, 2, 64)
    assert chip.array.compute_cycles(1024, 1024, 1, 16, 16) == 64 * 128
    assert chip.tiling(1024, 1024, 16, 16).compute_cycles == 64 * 128


@pytest.mark.parametrize(
    "spec, message",
    [
        ("bitfusion:level=exact", "level 'exact' is none of ideal, compute, tiled"),
        ("bitfusion:batch=0", "batch must be above 0, not 0"),
        ("bitfusion:weight_buffer_bytes=1024", "2 bytes a bank with a 32-bit port; known: 128 to 65536 bytes a bank"),
        ("bitfusion:array_outputs=64", "give weight_buffer_pj_per_bit or level=compute"),
        ("bitfusion:low_bits=8", "8-bit port; known: no bank with such a port; give weight_buffer_pj_per_bit"),
        ("bitfusion:high_bits=16,low_bits=4", "16/4 fusion units were never synthesised, .*; give core_pj_per_cycle"),
        ("bitfusion:high_bits=6", "no fusion unit of 6/2 high/low bits; valid: 2, 4, 8, 16, low no more than high"),
        ("bitfusion:high_bits=4,low_bits=8", "no fusion unit of 4/8 high/low bits"),
    ],
)
def test_bad_hardware_is_refused(spec: str, message: str) -> None:
    workload = Workload("one", (MatVec("output", 100, 30, "output"),), 0, 0)
    with pytest.raises(ValueError, match=message):
        open_platform(spec).estimate(workload, Configuration.uniform(workload, 8))
