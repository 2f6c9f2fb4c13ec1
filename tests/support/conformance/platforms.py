"""What every platform must keep: the baseline is its own reference, less never costs more, refusals say why."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.networks.sru import Sru
from models.workload import BASELINE_BITS, Configuration, InputError, MatVec, Setting, Workload
from platforms import Platform, describe
from platforms.base import Trust

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
WIDTHS = (2, 4, 8, 16, 32)
# Every platform runs the inherited test as an object of its own.
drawn = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


class PlatformConformance:
    """A platform as `open_platform` gives it.

    `narrower_may_cost_more` says why, where fewer bits need not cost less.
    """

    narrower_may_cost_more = ""

    def platform(self) -> Platform:
        raise NotImplementedError

    @pytest.mark.parametrize("workload", [SRU, GATED], ids=lambda w: w.model)
    def test_the_baseline_is_its_own_reference(self, workload: Workload) -> None:
        found = self.platform().estimate(workload, Configuration.uniform(workload, 16))
        assert found.speedup == 1.0
        assert found.metrics["speedup_mac_mean"] == pytest.approx(1.0)
        assert found.cycles_per_frame > 0
        assert found.energy_saving in (None, 1.0)
        assert (found.energy_saving is None) == (found.energy_pj_per_frame is None)

    def test_the_sum_of_the_parts(self) -> None:
        platform = self.platform()
        found = platform.estimate(GATED, Configuration.uniform(GATED, 8))
        rest = platform.elementwise_cost(GATED)
        assert found.cycles_per_frame == pytest.approx(rest.cycles + sum(c.cycles for c in found.per_matvec.values()))
        assert list(found.per_matvec) == list(GATED.names)
        if found.energy_pj_per_frame is not None:
            energies = [cost.energy_pj or 0.0 for cost in (rest, *found.per_matvec.values())]
            assert found.energy_pj_per_frame == pytest.approx(sum(energies))
        if platform.clock_hz:
            assert found.latency_seconds == pytest.approx(found.cycles_per_frame / platform.clock_hz)

    def test_it_runs_the_baseline_and_each_pair_once(self) -> None:
        pairs = self.platform().supported_bits
        assert (BASELINE_BITS, BASELINE_BITS) in pairs
        assert len(set(pairs)) == len(pairs)
        for pair in pairs:
            assert self.platform().check(SRU, Configuration.uniform(SRU, *pair)) == ()

    def test_a_skipped_matvec_costs_the_baseline(self) -> None:
        platform = self.platform()
        wide = platform.estimate(GATED, Configuration.uniform(GATED, 16)).per_matvec["l0.candidate"]
        skipping = Configuration.uniform(GATED, 8).with_setting("l0.candidate", skip=True)
        assert platform.estimate(GATED, skipping).per_matvec["l0.candidate"] == wide

    @drawn
    @given(data=st.data())
    def test_fewer_bits_never_cost_more(self, data: st.DataObject) -> None:
        if self.narrower_may_cost_more:
            pytest.skip(self.narrower_may_cost_more)
        platform = self.platform()
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

    @drawn
    @given(
        shares=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=len(SRU.names), max_size=len(SRU.names))
    )
    def test_fewer_computed_columns_never_cost_more(self, shares: list[tuple[float, float]]) -> None:
        platform = self.platform()
        uniform = Configuration.uniform(SRU, 8)
        few = platform.estimate(SRU, uniform, {n: min(pair) for n, pair in zip(SRU.names, shares, strict=True)})
        many = platform.estimate(SRU, uniform, {n: max(pair) for n, pair in zip(SRU.names, shares, strict=True)})
        assert few.cycles_per_frame <= many.cycles_per_frame
        if not platform.exploits_computed:
            assert few == platform.estimate(SRU, uniform)

    def test_a_network_without_room_is_refused(self) -> None:
        small = replace(self.platform(), memory_limit_mib=0.001)
        reasons = small.check(SRU, Configuration.uniform(SRU, 8))
        # 128 x (4 x 23 + 2 x 3 x 48 + 2 x 48 + 50) weights of a byte, 1586 vector weights of two: 70,500 bytes
        assert "size 0.067 MiB > 0.001 MiB limit by 0.066 MiB" in reasons

    def test_unsupported_bits_are_refused(self) -> None:
        platform = self.platform()
        bad = [(w, a) for w in WIDTHS for a in WIDTHS if (w, a) not in platform.supported_bits]
        if not bad:
            pytest.skip("it runs every pair of bits")
        configuration = Configuration.uniform(SRU, 16).with_setting("output", weight_bits=bad[0][0], act_bits=bad[0][1])
        (reason,) = [r for r in platform.check(SRU, configuration) if r.startswith("output:")]
        assert f"{bad[0][0]}x{bad[0][1]} bit" in reason
        assert "nearest" in reason and "gap" in reason and "valid: " in reason
        with pytest.raises(InputError, match="cannot run output at"):
            platform.estimate(SRU, configuration)

    def test_an_incomplete_configuration_is_refused(self) -> None:
        incomplete = Configuration(Configuration.uniform(SRU, 8).settings[:-1])
        for use in (self.platform().check, self.platform().estimate):
            with pytest.raises(InputError, match="no setting for output"):
                use(SRU, incomplete)

    def test_every_constant_has_unit_source_and_trust(self) -> None:
        constants = describe(self.platform())
        assert constants
        for row in constants:
            assert row.unit and row.source and row.trust in get_args(Trust), row

    def test_a_negative_constant_is_refused(self) -> None:
        with pytest.raises(InputError, match="memory_limit_mib must be above 0, not -1"):
            replace(self.platform(), memory_limit_mib=-1.0)
