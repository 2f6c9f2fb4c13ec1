"""Prices and rules of platforms in evaluations: one inference for all, none for what cannot run, fronts priced anew."""

from dataclasses import replace

import fake_task
import pytest
from fake_task import WORKLOAD, counting
from hypothesis import given
from hypothesis import strategies as st
from searches import EXAMPLE_CHIP, TIGHT, priced, priced_search, priced_settings

from dse.design.limits import parse_limit
from dse.design.objective import objectives_named, valid_objectives
from dse.evaluator.evaluate import evaluate
from dse.evaluator.pricing import broken_rules, open_platforms, price, split_specs
from dse.exploration.run import run_search
from dse.study.result import load_study
from models.workload import Configuration, size_mib
from platforms import PLATFORMS, open_platform


@pytest.mark.parametrize(
    ("texts", "specs"),
    [
        (["silago,bitfusion"], ("silago", "bitfusion")),
        (["silago", "bitfusion"], ("silago", "bitfusion")),
        (["bitfusion:level=ideal,batch=16,silago"], ("bitfusion:level=ideal,batch=16", "silago")),
        (["silago:memory_limit_mib=6", "loom:batch=2, dram_bits_per_cycle=64"],
         ("silago:memory_limit_mib=6", "loom:batch=2,dram_bits_per_cycle=64")),
        (["chips/mine.toml,silago,"], ("chips/mine.toml", "silago")),
        (["silago,batch=2"], ("silago", "batch=2")),
        ([], ()),
    ],
)  # fmt: skip
def test_specs_may_hold_commas(texts, specs):
    assert split_specs(texts) == specs


@given(st.lists(st.sampled_from(["silago", "a.toml", "loom:batch=2", "bitfusion:level=ideal,batch=16"])))
def test_joined_specs_come_apart_again(specs):
    assert split_specs([",".join(specs)]) == split_specs(specs) == tuple(specs)


def test_what_a_platform_cannot_run_costs_no_inference():
    calls = fake_task.FakeMeasurer.calls
    chosen = open_platforms(["silago", "bitfusion"])
    configuration = Configuration.uniform(WORKLOAD, 4).with_setting("output", weight_bits=2)
    found = evaluate(configuration, fake_task.FakeMeasurer(), platforms=chosen)
    assert (found.status, found.measured, found.violation) == ("infeasible", False, 1 / 4)
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith("silago: output: weights x activations 2x4 bit, nearest on silago is 4x4 bit")
    assert fake_task.FakeMeasurer.calls == calls


def test_violation_grows_with_what_is_broken():
    chosen = open_platforms([TIGHT])
    gaps = []
    for widths in ((4, 4), (8, 8), (16, 16), (2, 4)):
        gaps.append(
            sum(v.gap_fraction for v in broken_rules(chosen, WORKLOAD, Configuration.uniform(WORKLOAD, *widths)))
        )
    assert gaps[0] == 0 < gaps[1] < gaps[2]
    assert gaps[2] == pytest.approx(size_mib(WORKLOAD, Configuration.uniform(WORKLOAD, 16)) / 0.008 - 1)
    assert gaps[3] == 1.0


def test_one_inference_prices_all_platforms(tmp_path):
    specs = ("bitfusion", "edgedrnn", "cortex_m4", "stripes")
    task, calls = counting()
    result = run_search(priced_settings(tmp_path, *specs, objectives=("error", "edgedrnn.speedup", "size"), task=task))
    assert calls.count == len(result.evaluations) == 40
    for evaluation in (*result.evaluations, result.baseline):
        for spec in specs:
            expected = priced(spec, evaluation)
            assert evaluation.metrics[f"{spec}.speedup"] == expected.speedup
            assert evaluation.metrics[f"{spec}.cycles_per_frame"] == expected.cycles_per_frame
            assert evaluation.metrics.get(f"{spec}.energy_pj_per_frame") == expected.energy_pj_per_frame
            assert evaluation.metrics[f"{spec}.speedup_mac_mean"] == expected.metrics["speedup_mac_mean"]
    assert result.baseline.metrics["edgedrnn.speedup"] > 1.0  # some of its columns need no computing
    assert result.baseline.metrics["bitfusion.speedup"] == 1.0


@pytest.mark.parametrize("spec", [*PLATFORMS, str(EXAMPLE_CHIP)])
def test_every_platform_gives_the_same_metrics_for_any_configuration(spec):
    chosen = open_platforms([spec])
    (platform,) = chosen.values()
    computed = dict.fromkeys(WORKLOAD.names, 0.5)
    pairs = [pair for pair in platform.supported_bits if 32 not in pair]
    found = {tuple(price(chosen, WORKLOAD, Configuration.uniform(WORKLOAD, *pair), computed)) for pair in pairs}
    assert len(found) == 1
    assert all(isinstance(v, float | int) for v in price(chosen, WORKLOAD, Configuration.uniform(WORKLOAD, 8)).values())


def test_repricing_equals_a_search_for_the_other_platform(tmp_path):
    objectives = ("error", "silago.speedup", "ops")
    plain = priced_search(tmp_path, "silago", objectives=objectives)
    other = ("edgedrnn", "bitfusion:level=ideal")
    fresh = priced_search(tmp_path, "silago", *other, objectives=objectives)
    calls = fake_task.FakeMeasurer.calls
    repriced = load_study(plain.name, priced_settings(tmp_path).storage).on(*other)
    assert fake_task.FakeMeasurer.calls == calls
    assert {e.genome: e.metrics for e in repriced.evaluations} == {e.genome: e.metrics for e in fresh.evaluations}
    assert repriced.baseline.metrics == fresh.baseline.metrics
    assert [e.metrics for e in repriced.front] == [e.metrics for e in fresh.front]


def test_repricing_leaves_out_what_the_platform_cannot_run(tmp_path):
    result = priced_search(tmp_path, objectives=("error", "size"), limits=("none",))
    repriced = result.on("silago")
    silago = open_platform("silago")
    for before, after in zip(result.evaluations, repriced.evaluations, strict=True):
        runs = silago.check(WORKLOAD, before.configuration) == ()
        assert after.status == ("ok" if runs else "infeasible")
        assert ("silago.speedup" in after.metrics) == runs
        assert bool(after.reasons) == (after.violation > 0) == (not runs)
    assert 0 < repriced.count("ok") < 40
    again = repriced.on("silago")
    assert again.evaluations[0].metrics == repriced.evaluations[0].metrics
    varied = priced_search(tmp_path, "bitfusion").on("bitfusion:level=ideal")
    assert varied.front[0].metrics["bitfusion.speedup"] == priced("bitfusion:level=ideal", varied.front[0]).speedup


def test_a_bare_name_is_the_single_platforms():
    assert objectives_named(["speedup"], ["silago"]) == objectives_named(["silago.speedup"], ["silago"])
    assert parse_limit("latency=0.002", ["loom"]).objective == "loom.latency"
    assert "speedup" not in valid_objectives(["silago", "loom"])
    (speedup, energy) = objectives_named(["speedup", "energy"], ["my.chip"])
    assert (speedup.metric, speedup.direction) == ("my.chip.speedup", "maximize")
    assert (energy.metric, energy.unit, energy.direction) == ("my.chip.energy_pj_per_frame", "pJ/frame", "minimize")


def test_a_study_without_its_workload_cannot_be_repriced(tmp_path):
    result = priced_search(tmp_path, evaluations=12)
    with pytest.raises(ValueError, match="holds no workload to price"):
        replace(result, workload=None).on("silago")
    assert load_study(result.name, priced_settings(tmp_path).storage).workload == WORKLOAD
