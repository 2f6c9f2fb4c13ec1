"""Every number of every platform's model, and what it makes of one matvec, worked out by hand."""

import csv
from math import ceil
from pathlib import Path

import pytest

from models.workload import BitPair, Configuration, InputError, MatVec, StoredScales, Workload
from platforms import PLATFORMS, Platform, describe, open_platform, parameters
from platforms.bitfusion import BitFusion
from platforms.bitfusion_parts import SYNTHESIZED
from platforms.refusals import unsupported_bits
from platforms.silago import SiLago

GOLDEN = Path(__file__).parents[1] / "golden" / "platform_constants.csv"
ODD = MatVec("output", 100, 37, "output", 2)  # fills no array evenly, and runs twice a frame
WORKLOAD = Workload("odd", (ODD,), vector_weights=30, elementwise_ops_per_frame=50)
MACS, WEIGHTS = 100 * 37 * 2, 100 * 37


def cost(spec: str, weight_bits: int, act_bits: int, computed: float = 1.0) -> tuple[float, float | None]:
    found = open_platform(spec).matvec_cost(ODD, weight_bits, act_bits, computed)
    return found.cycles, found.energy_pj


def test_constants_are_those_on_record() -> None:
    """A constant that changes is changed in the golden file too, with its source in the platform's."""
    with GOLDEN.open() as file:
        recorded = {(row["platform"], row["constant"]): row for row in csv.DictReader(file)}
    found = {(name, row.name): row for name in PLATFORMS for row in describe(open_platform(name))}
    assert list(found) == list(recorded)
    for key, row in found.items():
        told = recorded[key]
        assert (row.unit, row.trust) == (told["unit"], told["trust"]), key
        value = None if told["value"] == "None" else pytest.approx(float(told["value"]), rel=1e-12)
        assert row.value == value, key


def test_a_platform_that_prices_nothing_is_none() -> None:
    class Unpriced(Platform):
        @property
        def supported_bits(self) -> tuple[BitPair, ...]:
            return ((16, 16),)

    with pytest.raises(TypeError, match="abstract"):
        Unpriced()  # type: ignore[abstract]


def test_synthesised_arrays_add_up() -> None:
    """Sums of each sheet's areas [um2] and powers [nW]."""
    sums = {
        precision: tuple(round(sum(row[k] for row in sizes.values()), 3) for k in (0, 1))
        for precision, sizes in SYNTHESIZED.items()
    }
    assert sums == {
        (2, 2): (11937.34, 2965113.5),
        (4, 2): (48034.603, 8332787.1),
        (4, 4): (27588.43, 6022728.1),
        (8, 2): (219755.768, 30974988),
        (8, 8): (73433.733, 14745342),
        (16, 2): (1107092.938, 137018100),
        (16, 16): (234623.823, 43030288),
    }


@pytest.mark.parametrize(
    ("spec", "bits", "cycles", "pj_per_cycle"),
    [
        ("cortex_m4", (4, 8), MACS * 2.39, 322),
        ("cortex_m4", (32, 32), MACS * 9.52, 322),
        ("cortex_m7", (8, 8), MACS * 1.30, 483),
        ("cortex_m7", (32, 32), MACS * 5.54, 483),
        ("cortex_m33", (16, 16), MACS * 2.08, 149),
        ("cortex_m55", (8, 8), MACS * 0.96, None),
        ("cortex_m85", (8, 8), MACS * 0.96, None),
        ("cortex_m85", (16, 8), MACS * 1.92, None),
        ("cortex_m85", (8, 16), MACS * 1.92, None),
    ],
)
def test_cortexm(spec: str, bits: tuple[int, int], cycles: float, pj_per_cycle: float | None) -> None:
    expected = None if pj_per_cycle is None else pytest.approx(cycles * pj_per_cycle)
    assert cost(spec, *bits) == (pytest.approx(cycles), expected)
    rest = open_platform(spec).elementwise_cost(WORKLOAD)
    assert rest.cycles == 50 * 4 and rest.energy_pj == (None if pj_per_cycle is None else 200 * pj_per_cycle)


def test_floats_are_refused_where_they_were_not_measured() -> None:
    floats = Configuration.uniform(WORKLOAD, 32)
    for name in ("cortex_m4", "cortex_m7"):
        assert open_platform(name).check(WORKLOAD, floats) == ()
    for name in ("cortex_m33", "cortex_m55", "cortex_m85"):
        (reason,) = open_platform(name).check(WORKLOAD, floats)
        assert "32x32 bit, nearest on" in reason


def test_delta_accelerators() -> None:
    columns = 0.5 * 37
    fetched = max(ceil(100 / 8), ceil(100 * 8 / 64))
    assert cost("edgedrnn", 8, 16, 0.5) == pytest.approx(
        (2 * columns * fetched, 2 * columns * fetched * 2.42e12 / 125e6)
    )
    wide = ceil(100 * 16 / 64)  # twice the fetch, and now longer than the arithmetic
    assert cost("edgedrnn", 16, 16, 0.5)[0] == pytest.approx(2 * columns * wide)
    assert cost("edgedrnn:power_w=none", 8, 16)[1] is cost("edgedrnn:clock_hz=none", 8, 16)[1] is None
    assert cost("edgedrnn:dram_bits_per_cycle=none", 16, 16)[0] == 2 * 37 * 13
    assert cost("deltarnn", 16, 16) == pytest.approx((2 * 37, 2 * 37 * 7.3e12 / 125e6))
    assert cost("deltarnn", 16, 16, 0.0)[0] == pytest.approx(2 * 37 / 8), "the scan"
    parts = open_platform("edgedrnn").matvec_cost(ODD, 4, 16, 0.25).parts
    assert parts == {"weight_bits_fetched_per_frame": MACS * 0.25 * 4}


def test_bitfusion_in_cycles_and_energy() -> None:
    """16 x 32 units of 16 bricks are 128 multipliers of 16 x 16 bit; vectors that share a batch share its energy."""
    assert cost("bitfusion:level=ideal", 16, 16)[0] == pytest.approx(MACS / 128)
    assert cost("bitfusion:level=ideal", 4, 8)[0] == pytest.approx(MACS / 128 / 8)
    assert cost("bitfusion:level=compute,batch=4", 8, 8)[0] == 2 * ceil(100 / 32) * ceil(37 / 16)
    chip = open_platform("bitfusion:batch=16")
    assert isinstance(chip, BitFusion)
    of_batch = chip.tiling(100, 37, 8, 8)
    found = (of_batch.total_cycles * 2 / 16, of_batch.energy_pj * 2 / 16)
    assert cost("bitfusion:batch=16", 8, 8) == pytest.approx(found)


def test_the_nearest_pair_is_told_as_weights_by_activations() -> None:
    told = unsupported_bits("chip", ((3, 5), (16, 16)), "output", (4, 7))
    assert told == "output: weights x activations 4x7 bit, nearest on chip is 3x5 bit, gap 3 bit; valid: 3x5, 16x16"


def test_serial_designs() -> None:
    assert cost("stripes", 8, 8)[0] == pytest.approx(MACS / 4096)
    assert cost("stripes:batch=32", 8, 4)[0] == pytest.approx(MACS / 4096 * 2 * 4 / 32), "two rounds of 16 windows"
    assert cost("loom", 4, 16)[0] == pytest.approx(MACS / 128 / 4)
    assert cost("loom:dram_bits_per_cycle=10,batch=2", 4, 16)[0] == pytest.approx(MACS * 4 / 10 / 2)
    assert cost("unpu", 4, 16) == pytest.approx((MACS / 864 / 4, MACS * 2 / 11.6))
    between = 2 / 11.6 + (2 / 3.08 - 2 / 11.6) * (10 - 4) / (16 - 4)
    assert cost("unpu", 10, 16)[1] == pytest.approx(MACS * between)
    assert open_platform("unpu").area_mm2 == 16
    assert cost("bismo:batch=9", 3, 5)[0] == pytest.approx(2 * 13 * 2 * 1 * 15 / 9)
    brams = {row.name: row.value for row in describe(open_platform("bismo:array_depth=100,buffer_words=1025"))}
    assert brams["array_brams"] == 4 * 16 * 2


def test_systolic_arrays_wait_for_their_weights() -> None:
    """Output-stationary: 7 x 4 tiles of 16 x 32 outputs, of which one vector fills a row."""
    arithmetic = (16 + 32 + 37 - 2) * 1 * ceil(100 / 32) - 1
    assert cost("systolic", 8, 8)[0] == 2 * arithmetic
    assert cost("systolic:dram_bits_per_cycle=8", 8, 8)[0] == 2 * WEIGHTS
    assert cost("systolic:dram_bits_per_cycle=8,batch=4", 8, 8)[0] == 2 * WEIGHTS / 4
    assert cost("systolic:dram_bits_per_cycle=1e9", 8, 8)[0] == 2 * arithmetic
    with pytest.raises(InputError, match="systolic: dataflow 'rs' is none of ws, os, is"):
        open_platform("systolic:dataflow=rs")


def test_a_table_chip_reads_vector_weights_too() -> None:
    found = open_platform("silago").estimate(WORKLOAD, Configuration.uniform(WORKLOAD, 8))
    memory, macs = 0.08 * (MACS * 8 + 30 * 16), MACS * 1.084 / 2
    assert found.cycles_per_frame == pytest.approx(MACS / 64 + 50 / 32)
    assert found.energy_pj_per_frame == pytest.approx(memory + macs)
    assert found.metrics["memory_pj_per_frame"] == pytest.approx(memory)
    assert found.metrics["mac_pj_per_frame"] == pytest.approx(macs)
    base = 0.08 * (MACS * 16 + 30 * 16) + MACS * 1.666
    assert found.energy_saving == pytest.approx(base / (memory + macs))
    streamed = SiLago(name="s", dram_bits_per_cycle=1.0, delta=True)
    assert streamed.estimate(WORKLOAD, Configuration.uniform(WORKLOAD, 8), {"output": 0.25}).cycles_per_frame == (
        MACS * 8 / 4 + 50 / 32
    )


def test_a_mean_speedup_weighs_matvecs_by_their_macs() -> None:
    two = Workload("two", (MatVec("l0.input", 64, 16, "input"), MatVec("output", 64, 48, "output")), 0, 0)
    found = open_platform("loom").estimate(two, Configuration.uniform(two, 16).with_setting("output", weight_bits=4))
    assert found.metrics["speedup_mac_mean"] == pytest.approx((1 * 16 + 4 * 48) / 64)
    assert found.speedup == pytest.approx(64 / (16 + 48 / 4))


def test_a_fraction_is_asked_for_and_checked_where_it_counts() -> None:
    chip, uniform = open_platform("edgedrnn"), Configuration.uniform(WORKLOAD, 8)
    assert chip.estimate(WORKLOAD, uniform) == chip.estimate(WORKLOAD, uniform, {"output": 1.0})
    assert chip.estimate(WORKLOAD, uniform, {"output": 0.0}).cycles_per_frame == 2 * 37
    for wrong in (-0.01, 1.01, float("nan")):
        with pytest.raises(InputError, match=f"computed fraction of output is {wrong:g}; valid: 0 to 1"):
            chip.estimate(WORKLOAD, uniform, {"output": wrong})
    assert open_platform("silago").estimate(WORKLOAD, uniform, {"output": 7.0}).speedup > 1, "which ignores it"


def test_room_is_kept_by_what_fills_it_exactly() -> None:
    full = Workload("full", (MatVec("output", 1024, 1024, "output"),), 0, 0, StoredScales(0, 0, 0))
    for limit, reasons in (("1", 0), ("0.999", 1)):
        chip = open_platform(f"loom:memory_limit_mib={limit}")
        assert len(chip.check(full, Configuration.uniform(full, 8))) == reasons


def test_parameters_are_read_as_their_types() -> None:
    assert set(parameters(SiLago)) >= {"memory_limit_mib", "clock_hz", "row_scales", "delta", "weight_read_pj_per_bit"}
    assert not {"name", "macs_per_cycle", "mac_pj"} & set(parameters(SiLago))
    chip = open_platform("edgedrnn:clock_hz=1e6,zero_points=true,processing_elements=4,")
    assert chip.clock_hz == 1e6 and chip.zero_points is True and not chip.row_scales
    assert chip.name == "edgedrnn:clock_hz=1e6,zero_points=true,processing_elements=4,"
    assert open_platform("systolic:dataflow=is,batch=2").matvec_cost(ODD, 8, 8, 1.0).cycles > 0
    for spec, message in (
        ("systolic:dataflow=none", "dataflow 'none' is none of"),
        ("systolic:batch=none", "systolic, batch: 'none' is not a whole number"),
        ("loom:clock_hz=inf", "clock_hz must be above 0, not inf"),
        ("loom:clock_hz=unknown", "clock_hz: 'unknown' is not a number"),
        ("loom:clock_hz=", "clock_hz: '' is not a number"),
        ("bitfusion:dram_pj_per_bit=-0.5", "dram_pj_per_bit must be 0 or above, not -0.5"),
        ("loom:name=mine", "'name=mine' sets no parameter"),
    ):
        with pytest.raises(InputError, match=message):
            open_platform(spec)
    assert open_platform("bitfusion:dram_pj_per_bit=0").matvec_cost(ODD, 8, 8, 1.0).parts["dram_pj_per_frame"] == 0
