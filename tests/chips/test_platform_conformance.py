"""What every registered platform must hold, and the way they are opened."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import platforms
from models.networks.sru import Sru
from models.workload import Configuration, MatVec, Setting, Workload
from platforms import PLATFORMS, describe, open_platform
from platforms.base import Trust

EXAMPLE = str(Path(platforms.__file__).with_name("example_chip.toml"))
VARIANTS = [
    "bitfusion:level=ideal",
    "bitfusion:level=compute",
    "stripes:batch=16",
    "loom:dram_bits_per_cycle=64",
    "epiphany:stream=true",
    "systolic:dataflow=ws,dram_bits_per_cycle=64",
]
ALL = [*PLATFORMS, *VARIANTS, EXAMPLE]
# The simulator pads the inputs of narrow operands to more lanes, so a narrower matvec can fetch more from DRAM.
MONOTONE = [spec for spec in ALL if spec != "bitfusion"]

SRU = Sru(features=23, layers=3, hidden=64, projection=48, outputs=50).workload()
GATED = Workload(
    "gated",
    (
        MatVec("l0.input_z", 64, 23, "input", 2),
        MatVec("l0.recurrent_z", 64, 64, "recurrent", 2),
        MatVec("l0.candidate", 64, 64, "candidate", 2),
        MatVec("output", 50, 128, "output"),
    ),
    562,
    640,
)


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("workload", [SRU, GATED], ids=lambda w: w.model)
def test_the_baseline_is_its_own_reference(spec: str, workload: Workload) -> None:
    found = open_platform(spec).estimate(workload, Configuration.uniform(workload, 16))
    assert found.speedup == 1.0
    assert found.metrics["speedup_mac_mean"] == pytest.approx(1.0)
    assert found.cycles_per_frame > 0
    assert found.energy_saving in (None, 1.0)
    assert (found.energy_saving is None) == (found.energy_pj_per_frame is None)


@pytest.mark.parametrize("spec", ALL)
def test_the_sum_of_the_parts(spec: str) -> None:
    platform = open_platform(spec)
    found = platform.estimate(GATED, Configuration.uniform(GATED, 8))
    rest = platform.elementwise_cost(GATED)
    assert found.cycles_per_frame == pytest.approx(rest.cycles + sum(c.cycles for c in found.per_matvec.values()))
    assert list(found.per_matvec) == list(GATED.names)
    if found.energy_pj_per_frame is not None:
        energies = [cost.energy_pj or 0.0 for cost in (rest, *found.per_matvec.values())]
        assert found.energy_pj_per_frame == pytest.approx(sum(energies))
    if platform.clock_hz:
        assert found.latency_seconds == pytest.approx(found.cycles_per_frame / platform.clock_hz)


@pytest.mark.parametrize("spec", ALL)
def test_a_skipped_matvec_costs_the_baseline(spec: str) -> None:
    platform = open_platform(spec)
    wide = platform.estimate(GATED, Configuration.uniform(GATED, 16)).per_matvec["l0.candidate"]
    skipping = Configuration.uniform(GATED, 8).with_setting("l0.candidate", skip=True)
    assert platform.estimate(GATED, skipping).per_matvec["l0.candidate"] == wide


@pytest.mark.parametrize("spec", MONOTONE)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_fewer_bits_never_cost_more(spec: str, data: st.DataObject) -> None:
    platform = open_platform(spec)
    pairs = [pair for pair in platform.supported_bits if max(pair) <= 16]
    wide, narrow = [], []
    for name in SRU.names:
        pair = data.draw(st.sampled_from(pairs))
        narrower = [p for p in pairs if p[0] <= pair[0] and p[1] <= pair[1]]
        wide.append((name, Setting(*pair)))
        narrow.append((name, Setting(*data.draw(st.sampled_from(narrower)))))
    more = platform.estimate(SRU, Configuration(tuple(wide)))
    less = platform.estimate(SRU, Configuration(tuple(narrow)))
    assert less.cycles_per_frame <= more.cycles_per_frame * (1 + 1e-12)
    if more.energy_pj_per_frame is not None and less.energy_pj_per_frame is not None:
        assert less.energy_pj_per_frame <= more.energy_pj_per_frame * (1 + 1e-12)


def test_bitfusion_at_the_papers_sizes_gains_from_narrower_weights() -> None:
    paper = Sru(features=23, layers=4, hidden=550, projection=256, outputs=1936).workload()
    chip = open_platform("bitfusion")
    for act_bits in (2, 4, 8, 16):
        found = [chip.estimate(paper, Configuration.uniform(paper, bits, act_bits)) for bits in (16, 8, 4, 2)]
        for wide, narrow in pairwise(found):
            assert narrow.speedup > 1.5 * wide.speedup
            assert (narrow.energy_saving or 0) > 1.5 * (wide.energy_saving or 0)


@pytest.mark.parametrize("spec", ALL)
@settings(max_examples=25, deadline=None)
@given(shares=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=len(SRU.names), max_size=len(SRU.names)))
def test_fewer_computed_columns_never_cost_more(spec: str, shares: list[tuple[float, float]]) -> None:
    platform = open_platform(spec)
    uniform = Configuration.uniform(SRU, 8)
    few = platform.estimate(SRU, uniform, {n: min(pair) for n, pair in zip(SRU.names, shares, strict=True)})
    many = platform.estimate(SRU, uniform, {n: max(pair) for n, pair in zip(SRU.names, shares, strict=True)})
    assert few.cycles_per_frame <= many.cycles_per_frame
    if not platform.exploits_computed:
        assert few == platform.estimate(SRU, uniform)


@pytest.mark.parametrize("spec", [*PLATFORMS, *VARIANTS])
def test_a_network_without_room_is_refused_with_demand_bound_and_gap(spec: str) -> None:
    small = open_platform(f"{spec}{',' if ':' in spec else ':'}memory_limit_mib=0.001")
    reasons = small.check(SRU, Configuration.uniform(SRU, 8))
    # 128 x (4 x 23 + 2 x 3 x 48 + 2 x 48 + 50) weights of a byte, 1586 vector weights of two: 70,500 bytes
    assert "size 0.067 MiB > 0.001 MiB limit by 0.066 MiB" in reasons


@pytest.mark.parametrize("spec", ALL)
def test_unsupported_bits_are_refused(spec: str) -> None:
    platform = open_platform(spec)
    choices = [(w, a) for w in (2, 4, 8, 16, 32) for a in (2, 4, 8, 16, 32)]
    bad = [pair for pair in choices if pair not in platform.supported_bits]
    if not bad:
        pytest.skip("it runs every pair of bits")
    configuration = Configuration.uniform(SRU, 16).with_setting("output", weight_bits=bad[0][0], act_bits=bad[0][1])
    (reason,) = [r for r in platform.check(SRU, configuration) if r.startswith("output:")]
    assert f"{bad[0][0]}x{bad[0][1]} bit" in reason
    assert "nearest" in reason and "gap" in reason and "valid: " in reason
    with pytest.raises(ValueError, match="cannot run output at"):
        platform.estimate(SRU, configuration)


def test_the_gap_counts_bits_to_the_nearest_pair() -> None:
    (reason,) = open_platform("silago").check(SRU, Configuration.uniform(SRU, 8).with_setting("output", act_bits=2))
    assert "8x2 bit, nearest on silago is 4x4 bit, gap 6 bit; valid: 4x4, 8x8, 16x16" in reason
    assert open_platform("silago").tied and not open_platform("bitfusion").tied


@pytest.mark.parametrize("spec", ALL)
def test_every_constant_has_unit_source_and_trust(spec: str) -> None:
    constants = describe(open_platform(spec))
    assert constants
    for row in constants:
        assert row.unit and row.source and row.trust in get_args(Trust), row


def test_a_changed_constant_is_marked_as_set() -> None:
    by_name = {row.name: row for row in describe(open_platform("bitfusion:dram_bits_per_cycle=4096"))}
    assert (by_name["dram_bits_per_cycle"].value, by_name["dram_bits_per_cycle"].trust) == (4096, "set")
    assert by_name["dram_pj_per_bit"].trust == "read"


@pytest.mark.parametrize(
    "spec, message",
    [
        ("silgo", "no platform 'silgo'; valid: silago, bitfusion"),
        ("silago:memory=6", "'memory=6' sets no parameter; valid: memory_limit_mib"),
        ("silago:memory_limit_mib", "'memory_limit_mib' sets no parameter"),
        ("bitfusion:batch=two", "batch: 'two' is not a whole number"),
        ("silago:memory_limit_mib=big", "memory_limit_mib: 'big' is not a number"),
        ("epiphany:stream=yes", "stream: 'yes' is not true or false"),
        ("loom:dram_bits_per_cycle=-5", "dram_bits_per_cycle must be above 0, not -5"),
        ("silago:memory_limit_mib=nan", "memory_limit_mib must be above 0, not nan"),
        ("edgedrnn:burst_cycles=-1", "burst_cycles must be 0 or above, not -1"),
    ],
)
def test_a_wrong_spec_says_what_is_valid(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_platform(spec)


def test_an_incomplete_configuration_or_computed_fraction_is_refused() -> None:
    with pytest.raises(ValueError, match="no setting for output"):
        open_platform("silago").check(SRU, Configuration(Configuration.uniform(SRU, 8).settings[:-1]))
    for computed, message in (
        ({}, "no computed fraction for matvec"),
        (dict.fromkeys(SRU.names, 1.5), "valid: 0 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            open_platform("edgedrnn").estimate(SRU, Configuration.uniform(SRU, 8), computed)


def test_no_platform_loads_torch_or_the_explorer() -> None:
    program = (
        "import sys\nfrom platforms import PLATFORMS, open_platform\n"
        "for name in PLATFORMS: open_platform(name)\n"
        "heavy = {'torch', 'dse', 'numba', 'pandas', 'optuna'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
