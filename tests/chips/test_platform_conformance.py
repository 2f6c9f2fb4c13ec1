"""Every registered platform keeps what every platform must keep; the ways platforms are opened."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import pytest
from conformance.platforms import GATED, SRU, PlatformConformance

import platforms
from models.networks.sru import Sru
from models.workload import INTEGER_BITS, Configuration, InputError, StoredScales
from platforms import PLATFORMS, Platform, describe, open_platform

EXAMPLE = str(Path(platforms.__file__).with_name("example_chip.toml"))
VARIANTS = [
    "bitfusion:level=ideal",
    "bitfusion:level=compute",
    "stripes:batch=16",
    "loom:dram_bits_per_cycle=64",
    "epiphany:cores=64",
    "epiphany:stream=false",
    "systolic:dataflow=ws,dram_bits_per_cycle=64",
]
NOT_MONOTONE = {
    "bitfusion": "its simulator pads the inputs of narrow operands to more lanes, so that a narrower matvec can fetch "
    "more from DRAM"
}


class TestPlatforms(PlatformConformance):
    @pytest.fixture(autouse=True, params=[*PLATFORMS, *VARIANTS, pytest.param(EXAMPLE, id="example_chip.toml")])
    def opened(self, request: pytest.FixtureRequest) -> None:
        self._platform = open_platform(request.param)
        self.narrower_may_cost_more = NOT_MONOTONE.get(request.param, "")

    def platform(self) -> Platform:
        return self._platform

    def test_each_narrower_pair_costs_no_more(self) -> None:
        platform = self.platform()
        if self.narrower_may_cost_more:
            pytest.skip(self.narrower_may_cost_more)
        pairs = [pair for pair in platform.priced_bits if max(pair) <= 16]
        for matvec in (*SRU, *GATED):
            costs = {pair: platform.matvec_cost(matvec, *pair, 1.0) for pair in pairs}
            for narrow, wide in product(pairs, pairs):
                if narrow[0] <= wide[0] and narrow[1] <= wide[1]:
                    assert costs[narrow].cycles <= costs[wide].cycles * (1 + 1e-12), (matvec, narrow, wide)
                    less, more = costs[narrow].energy_pj, costs[wide].energy_pj
                    assert (less is None) == (more is None)
                    assert (less or 0.0) <= (more or 0.0) * (1 + 1e-12), (matvec, narrow, wide)

    def test_it_prices_what_it_supports_and_perhaps_one_bit(self) -> None:
        platform = self.platform()
        assert set(platform.supported_bits) <= set(platform.priced_bits)
        assert len(set(platform.priced_bits)) == len(platform.priced_bits)
        assert all(1 in pair for pair in set(platform.priced_bits) - set(platform.supported_bits))
        for pair in platform.priced_bits:
            cost = platform.matvec_cost(SRU["output"], *pair, 1.0)
            assert cost.cycles > 0 and cost.energy_pj != 0

    def test_every_width_from_2_to_8_is_run_or_refused(self) -> None:
        platform = self.platform()
        for pair in product(INTEGER_BITS, INTEGER_BITS):
            configuration = Configuration.uniform(SRU, 16).with_setting("output", weight_bits=pair[0], act_bits=pair[1])
            reasons = platform.check(SRU, configuration)
            if pair in platform.supported_bits:
                assert reasons == ()
                assert platform.estimate(SRU, configuration).cycles_per_frame > 0
                continue
            (reason,) = reasons
            assert reason.startswith(f"output: weights x activations {pair[0]}x{pair[1]} bit, nearest on")
            assert "gap" in reason and "valid: " in reason and "\n" not in reason
            with pytest.raises(InputError, match="cannot run output at"):
                platform.estimate(SRU, configuration)

    @pytest.mark.parametrize("row_scales, zero_points", [(True, True), (True, False), (False, True), (False, False)])
    def test_a_scheme_that_it_does_not_take_is_refused(self, row_scales: bool, zero_points: bool) -> None:
        chip = replace(self.platform(), row_scales=row_scales, zero_points=zero_points)
        eight, sixteen = (Configuration.uniform(SRU, bits) for bits in (8, 16))
        scheme = replace(SRU, stored=StoredScales(32, 8, 8))
        expected = []
        if not row_scales:
            expected.append(
                f"{len(SRU.names)} of {len(SRU.names)} matvecs have integer weights with a scale for each row; "
                f"{chip.name} takes one scale a matrix"
            )
        if not zero_points:
            expected.append(
                f"{len(SRU.names)} of {len(SRU.names)} matvecs have integer activations with a zero point; "
                f"{chip.name} takes symmetric ones only"
            )
        assert list(chip.check(scheme, eight)) == expected
        assert chip.check(scheme, sixteen) == ()
        assert chip.check(replace(SRU, stored=StoredScales(step_bits=32)), eight) == ()
        assert chip.estimate(scheme, eight) == chip.estimate(SRU, eight)


def test_bitfusion_at_the_papers_sizes_gains_from_narrower_weights() -> None:
    paper = Sru(features=23, layers=4, hidden=550, projection=256, outputs=1936).workload()
    chip = open_platform("bitfusion")
    for act_bits in (2, 4, 8, 16):
        found = [chip.estimate(paper, Configuration.uniform(paper, bits, act_bits)) for bits in (16, 8, 4, 2)]
        for wide, narrow in pairwise(found):
            assert narrow.speedup > 1.5 * wide.speedup
            assert (narrow.energy_saving or 0) > 1.5 * (wide.energy_saving or 0)


@pytest.mark.parametrize("spec", [*PLATFORMS, *VARIANTS])
def test_a_network_without_room_is_refused_with_demand_bound_and_gap(spec: str) -> None:
    small = open_platform(f"{spec}{',' if ':' in spec else ':'}memory_limit_mib=0.001")
    reasons = small.check(SRU, Configuration.uniform(SRU, 8))
    # 128 x (4 x 23 + 2 x 3 x 48 + 2 x 48 + 50) weights of a byte, 1586 vector weights of two: 70,500 bytes
    assert "size 0.067 MiB > 0.001 MiB limit by 0.066 MiB" in reasons


def test_the_gap_counts_bits_to_the_nearest_pair() -> None:
    (reason,) = open_platform("silago").check(SRU, Configuration.uniform(SRU, 8).with_setting("output", act_bits=2))
    assert "8x2 bit, nearest on silago is 4x4 bit, gap 6 bit; valid: 4x4, 8x8, 16x16" in reason
    assert open_platform("silago").tied and not open_platform("bitfusion").tied


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
        ("epiphany:cores=64,cores=16", "cores is given twice"),
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
