"""The smaller platforms against closed forms, measurements and published figures."""

import csv
from itertools import product
from math import ceil
from pathlib import Path

import pytest

from models.networks.sru import Sru
from models.workload import Configuration, MatVec, Workload, size_bits
from platforms import Platform, describe, open_platform
from platforms.bitserial import bismo_cycles
from platforms.cortexm import CortexM4
from platforms.systolic import systolic_cycles

GOLDEN = Path(__file__).parents[1] / "golden"
PAPER = Sru(features=23, layers=4, hidden=550, projection=256, outputs=1936).workload()


def rows(name: str) -> list[dict[str, str]]:
    with (GOLDEN / name).open() as file:
        return list(csv.DictReader(file))


def one(out: int, cols: int) -> Workload:
    return Workload("one", (MatVec("output", out, cols, "output"),), 0, 0)


def speedup(platform: Platform, weight_bits: int, act_bits: int, workload: Workload = PAPER) -> float:
    return platform.estimate(workload, Configuration.uniform(workload, weight_bits, act_bits)).speedup


def test_silago_energy_and_cycles_from_true_sizes() -> None:
    silago = open_platform("silago")
    found = silago.estimate(PAPER, Configuration.uniform(PAPER, 4))
    bits, macs = size_bits(PAPER, Configuration.uniform(PAPER, 4)), PAPER.macs_per_frame
    assert found.energy_pj_per_frame == pytest.approx(0.08 * bits + macs * 0.613 / 4)
    # 16-bit elementwise work does not shrink: the speedup stays below 4, the mean over MACs does not.
    assert found.cycles_per_frame == pytest.approx(macs / 128 + PAPER.elementwise_ops_per_frame / 32)
    assert 3.7 < found.speedup < 4.0
    assert found.metrics["speedup_mac_mean"] == pytest.approx(4.0)


def test_systolic_closed_forms_against_scale_sim() -> None:
    for row in rows("scalesim_v3_16x32_golden.csv"):
        sizes = (int(row["array_rows"]), int(row["array_cols"]), int(row["out_dim_N"]), int(row["in_dim_K"]))
        assert systolic_cycles(row["dataflow"], *sizes, int(row["batch_M"])) == int(row["total_cycles"]), row


def test_cortexm_cycles_are_within_the_measured_range() -> None:
    measured: dict[tuple[str, str], list[float]] = {}
    for row in rows("mcu_mlperf_tiny_golden.csv"):
        if row["model"] == "ad":
            core = row["core"].removesuffix("F").lower().replace("-", "_")
            measured.setdefault((core, row["precision"]), []).append(float(row["cycles_per_mac"]))
    for core in ("cortex_m4", "cortex_m7", "cortex_m33", "cortex_m85"):
        chip = open_platform(core)
        assert isinstance(chip, CortexM4)
        # Printed constants are rounded, and the M85 was measured once.
        low, high = min(measured[core, "int8"]) - 0.01, max(measured[core, "int8"]) + 0.01
        assert low <= chip.int8_cycles_per_mac <= high, core
        if chip.float32_cycles_per_mac is not None:
            assert chip.float32_cycles_per_mac == pytest.approx(measured[core, "float32"][0], abs=0.01)


def test_cortexm_gains_memory_not_time_below_8_bit() -> None:
    m85 = open_platform("cortex_m85")
    assert speedup(m85, 8, 8) == speedup(m85, 2, 2)
    assert 1.9 < speedup(m85, 8, 8) < 2.0
    assert speedup(open_platform("cortex_m4"), 4, 4) == 1.0
    assert speedup(open_platform("cortex_m4"), 32, 32) < 0.3


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_what_serial_designs_gain_at_batch_1(bits: int) -> None:
    assert speedup(open_platform("stripes"), bits, bits) == 1.0
    assert speedup(open_platform("stripes:batch=16"), 16, bits) == pytest.approx(16 / bits)
    for name in ("loom", "unpu"):
        assert speedup(open_platform(name), bits, 16) == pytest.approx(16 / bits)
        assert speedup(open_platform(name), 16, bits) == 1.0
    assert speedup(open_platform("bismo"), bits, bits) == pytest.approx(256 / bits**2)


def test_unpu_published_throughput_and_efficiency() -> None:
    found = open_platform("unpu").estimate(one(864, 100), Configuration.uniform(one(864, 100), 16))
    assert found.latency_seconds is not None and found.energy_pj_per_frame is not None
    operations = 2 * 864 * 100
    assert operations / found.latency_seconds == pytest.approx(345.6e9)
    assert operations / found.energy_pj_per_frame == pytest.approx(3.08)


@pytest.mark.parametrize("array, mhz, tops", [((8, 256, 8), 200, 6.55), ((10, 256, 10), 300, 15.36)])
def test_bismo_published_peak(array: tuple[int, int, int], mhz: int, tops: float) -> None:
    size, depth, columns = array
    cycles = bismo_cycles(array, 100 * size, 100 * depth, 100 * columns, 1, 1)
    operations = 2 * (100 * size) * (100 * depth) * (100 * columns)
    assert operations / cycles * mhz * 1e6 / 1e12 == pytest.approx(tops, abs=0.01)


def test_bismo_published_luts_and_power() -> None:
    """The authors' cost model gives 8x256x8 some 30 thousand LUTs of a PYNQ-Z1's 53,200, and the board draws 5 W."""
    chip = open_platform("bismo")
    derived = {row.name: row.value for row in describe(chip)}
    assert derived["array_luts"] == pytest.approx(64 * (1.17 * 256 + 44.1 + 120.1))
    assert derived["array_brams"] == 128
    for spec, bits in product(("bismo", "bismo:batch=8", "bismo:dram_bits_per_cycle=64"), (1, 4, 16)):
        cost = open_platform(spec).matvec_cost(one(1024, 2048).matvecs[0], bits, bits, 1.0)
        assert cost.energy_pj is not None
        assert cost.energy_pj * 1e-12 / (cost.cycles / 200e6) == pytest.approx(5.0)
    (larger,) = (row for row in describe(open_platform("bismo:array_rows=16")) if row.name == "array_luts")
    assert larger.value == 2 * derived["array_luts"]


def test_bismo_at_batch_1_uses_one_column_of_the_array() -> None:
    assert bismo_cycles((8, 256, 8), 1024, 1024, 1, 4, 4) == bismo_cycles((8, 256, 8), 1024, 1024, 8, 4, 4)


def gru(hidden: int, features: int, layers: int) -> Workload:
    matvecs = []
    for layer in range(layers):
        cols = features if layer == 0 else hidden
        matvecs.append(MatVec(f"l{layer}.input", 3 * hidden, cols, "input"))
        matvecs.append(MatVec(f"l{layer}.recurrent", 3 * hidden, hidden, "recurrent"))
    return Workload("gru", tuple(matvecs), 0, 0)


def test_edgedrnn_published_latency() -> None:
    """2 layers of 768 GRU units: about 0.5 ms and 20.2 GOp/s effective, with about 90 % of the columns eliminated."""
    workload = gru(768, 40, 2)
    found = open_platform("edgedrnn").estimate(
        workload, Configuration.uniform(workload, 8, 16), dict.fromkeys(workload.names, 0.1)
    )
    assert found.latency_seconds == pytest.approx(0.536e-3, rel=0.02)
    assert 2 * workload.macs_per_frame / found.latency_seconds == pytest.approx(20.2e9, rel=0.02)


def test_deltarnn_published_throughput() -> None:
    """256 GRU units: 1.2 TOp/s effective, 5.7 times the dense update; elements sent follow from that."""
    workload = gru(256, 256, 1)
    chip = open_platform("deltarnn")
    uniform = Configuration.uniform(workload, 16)
    dense = chip.estimate(workload, uniform)
    sparse = chip.estimate(workload, uniform, dict.fromkeys(workload.names, 1 / 5.7))
    assert sparse.speedup == pytest.approx(5.7)
    assert dense.latency_seconds is not None and sparse.latency_seconds is not None
    assert 2 * workload.macs_per_frame / sparse.latency_seconds == pytest.approx(1.2e12, rel=0.1)


def test_delta_columns_pay_for_idle_elements_and_bursts() -> None:
    narrow = one(9, 100)  # two rounds of 8 elements for 9 rows
    uniform = Configuration.uniform(narrow, 8, 16)
    half = {"output": 0.5}
    assert open_platform("edgedrnn").estimate(narrow, uniform, half).cycles_per_frame == 50 * ceil(9 / 8)
    with_bursts = open_platform("edgedrnn:burst_cycles=10").estimate(narrow, uniform, half)
    assert with_bursts.cycles_per_frame == 50 * (10 + 2)
    assert open_platform("edgedrnn").estimate(narrow, uniform, {"output": 0.0}).cycles_per_frame == 100  # the scan
