import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import fake_task
import numpy as np
import pytest
from fake_task import WORKLOAD, FakeTask, counting
from hypothesis import given
from hypothesis import strategies as st

import platforms
from dse.design.genes import search_space
from dse.design.limits import parse_limit
from dse.design.objective import OBJECTIVES, PLATFORM_OBJECTIVES, objectives_named, valid_objectives
from dse.evaluator.evaluate import evaluate
from dse.evaluator.pricing import broken_rules, open_platforms, price, split_specs
from dse.exploration.plan import make_plan
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.searchers import draw_new
from dse.study.result import load_study
from dse.study.store import StoreError
from models.workload import Configuration, size_mib
from platforms import PLATFORMS, open_platform

CHIP = Path(platforms.__file__).with_name("example_chip.toml")
TIGHT = "silago:memory_limit_mib=0.008"  # the fake is 0.020 MiB at 16 bit, 0.010 at 8, 0.005 at 4


def settings(tmp_path, *specs, objectives=("error", "size"), **changes):
    given = {
        "task": FakeTask(),
        "evaluations": 40,
        "population": 12,
        "workers": 1,
        "storage": f"sqlite:///{tmp_path}/dse.db",
    }
    return SearchSettings(platforms=specs, objectives=objectives, **{**given, **changes})


def search(tmp_path, *specs, **changes):
    return run_search(settings(tmp_path, *specs, **changes))


def estimate(spec, evaluation):
    return open_platform(spec).estimate(WORKLOAD, evaluation.configuration, evaluation.computed)


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


def test_a_memory_limit_is_kept_and_spends_no_inference(tmp_path):
    task, calls = counting()
    result = run_search(settings(tmp_path, TIGHT, task=task))
    too_big = [e for e in result.evaluations if e.metrics["size_mib"] > 0.008]
    assert len(too_big) > 1
    assert {e.status for e in too_big} == {"infeasible"}
    assert all("> 0.008 MiB limit by" in reason for e in too_big for reason in e.reasons if "size" in reason)
    assert calls.count == 1 + sum(e.measured for e in result.evaluations)  # and the baseline
    assert result.baseline.metrics["silago.speedup"] == 1.0
    assert result.front and not set(map(id, too_big)) & set(map(id, result.front))


def test_the_first_generation_holds_only_uniform_genomes_that_run(tmp_path):
    uniform = [Configuration.uniform(WORKLOAD, bits) for bits in (16, 8, 4)]
    free = search(tmp_path, "silago", study="free").evaluations[:3]
    assert [e.configuration for e in free] == uniform
    tight = search(tmp_path, TIGHT, study="tight").evaluations
    assert tight[0].configuration == uniform[2]
    assert not [e for e in tight[:12] if e.configuration in uniform[:2]]


def test_tied_operands_share_a_gene_and_waste_no_evaluation(tmp_path):
    plan = make_plan(settings(tmp_path, "bitfusion", "silago"))
    assert [gene.choices for gene in plan.space.genes if gene.name.endswith("bits")] == [(4, 8, 16)] * 4
    task, calls = counting()
    result = run_search(settings(tmp_path, "bitfusion", "silago", limits=("none",), task=task))
    assert result.count("ok") == calls.count == 40
    assert all(s.weight_bits == s.act_bits for e in result.evaluations for _, s in e.configuration)


def test_a_chip_with_some_combinations_of_widths_has_a_gene_over_them(tmp_path):
    chip = open_platform(str(CHIP))
    space = make_plan(settings(tmp_path, str(CHIP), delta=(0,))).space
    assert [gene.choices for gene in space.genes] == [("2x4", "4x4", "4x8", "8x8", "8x16", "16x16")] * 4
    found = {space.decode(genome) for genome in product(range(6), repeat=4)}
    assert len(found) == 6**4
    assert all(chip.check(WORKLOAD, configuration) == () for configuration in found)
    for genome in draw_new(space, np.random.default_rng(0), set(), 20):
        assert space.encode(space.decode(genome)) == genome
    result = search(tmp_path, str(CHIP), objectives=("error", "speedup"))
    assert result.count("infeasible") == sum("error" in reason for e in result.evaluations for reason in e.reasons)
    again = load_study(result.name, settings(tmp_path).storage)
    assert [e.metrics for e in again.front] == [e.metrics for e in result.front]


def test_free_combinations_keep_two_genes():
    names = [gene.name for gene in search_space(WORKLOAD, (2, 4), (8,), (0,)).genes]
    free = search_space(WORKLOAD, (2, 4, 16), (8, 16), (0,), pairs={(2, 8), (4, 8), (16, 16), (8, 8)})
    assert [gene.name for gene in free.genes] == [f"{n.rpartition('.')[0]}.bits" for n in names[::2]]
    restricted = search_space(WORKLOAD, (2, 4, 16), (8, 16), (0,), pairs={(2, 8), (4, 8)})
    assert [(gene.name, gene.choices) for gene in restricted.genes] == list(zip(names, [(2, 4), (8,)] * 4, strict=True))


def test_one_inference_prices_all_platforms(tmp_path):
    specs = ("bitfusion", "edgedrnn", "cortex_m4", "stripes")
    task, calls = counting()
    result = run_search(settings(tmp_path, *specs, objectives=("error", "edgedrnn.speedup", "size"), task=task))
    assert calls.count == len(result.evaluations) == 40
    for evaluation in (*result.evaluations, result.baseline):
        for spec in specs:
            expected = estimate(spec, evaluation)
            assert evaluation.metrics[f"{spec}.speedup"] == expected.speedup
            assert evaluation.metrics[f"{spec}.cycles_per_frame"] == expected.cycles_per_frame
            assert evaluation.metrics.get(f"{spec}.energy_pj_per_frame") == expected.energy_pj_per_frame
            assert evaluation.metrics[f"{spec}.speedup_mac_mean"] == expected.metrics["speedup_mac_mean"]
    assert result.baseline.metrics["edgedrnn.speedup"] > 1.0  # some of its columns need no computing
    assert result.baseline.metrics["bitfusion.speedup"] == 1.0


@pytest.mark.parametrize("spec", [*PLATFORMS, str(CHIP)])
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
    plain = search(tmp_path, "silago", objectives=objectives)
    other = ("edgedrnn", "bitfusion:level=ideal")
    fresh = search(tmp_path, "silago", *other, objectives=objectives)
    calls = fake_task.FakeMeasurer.calls
    repriced = load_study(plain.name, settings(tmp_path).storage).on(*other)
    assert fake_task.FakeMeasurer.calls == calls
    assert {e.genome: e.metrics for e in repriced.evaluations} == {e.genome: e.metrics for e in fresh.evaluations}
    assert repriced.baseline.metrics == fresh.baseline.metrics
    assert [e.metrics for e in repriced.front] == [e.metrics for e in fresh.front]


def test_repricing_leaves_out_what_the_platform_cannot_run(tmp_path):
    result = search(tmp_path, objectives=("error", "size"), limits=("none",))
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
    varied = search(tmp_path, "bitfusion").on("bitfusion:level=ideal")
    assert varied.front[0].metrics["bitfusion.speedup"] == estimate("bitfusion:level=ideal", varied.front[0]).speedup


def test_a_front_is_repriced_from_the_command_line(cli, tmp_path):
    argv = ("--evaluations", "30", "--population", "12", "--workers", "1", "--study", "s", "--limit", "none")
    assert cli("search", *argv)[0] == 0
    calls = fake_task.FakeMeasurer.calls
    status, out, _ = cli("front", "--study", "s", "--platform", "silago", "--objectives", "error,speedup")
    assert status == 0
    assert fake_task.FakeMeasurer.calls == calls
    folder = tmp_path / "studies/s/error-silago.speedup-silago"
    record = json.loads((folder / "front.json").read_text())
    assert record["repriced"] == {"silago": "silago"}
    speedups = [point["metrics"]["silago.speedup"] for point in record["front"]]
    assert speedups == sorted(speedups)
    assert "silago.energy_pj_per_frame" in (folder / "front.csv").read_text().splitlines()[0]
    kept = sum(e.status == "ok" for e in load_study("s", "sqlite:///studies/dse.db").on("silago").evaluations)
    assert f"{30 - kept} of 30 feasible evaluations cannot run on silago" in out.splitlines()[-1]
    assert cli("front", "--study", "s", "--platform", "edgedrnn")[0] == 0
    assert (tmp_path / "studies/s/edgedrnn/front.png").exists()
    status, _, err = cli("front", "--study", "s", "--platform", "stripes", "--objectives", "error,energy")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "stripes gives no energy; it gives speedup, cycles" in err


def test_tables_show_the_platforms(cli):
    argv = ("--evaluations", "12", "--workers", "1", "--platform", "silago,stripes", "--objectives", "error,size")
    status, out, _ = cli("search", *argv)
    head = "\n".join(out.split("---")[0].splitlines()[1:])
    assert status == 0
    assert head.count("silago") == 2 and head.count("stripes") == 1
    assert head.count("speedup") == 2 and head.count("energy") == 1 and "pJ" in head


@pytest.mark.parametrize("workers", [1, 2])
def test_limits_on_platform_objectives(tmp_path, workers):
    limits = ("silago.speedup=2", "edgedrnn.latency=0.00002")
    result = search(tmp_path, "silago", "edgedrnn", limits=(*limits, "none"), workers=workers)
    for e in result.evaluations:
        cost = open_platform("silago").estimate(WORKLOAD, e.configuration)
        slow = cost.speedup < 2
        assert not (slow and e.measured) or e.configuration == result.baseline.configuration
        if e.measured:
            late = estimate("edgedrnn", e).latency_seconds > 0.00002
            assert e.status == ("infeasible" if slow or late else "ok")
    statuses = {(e.status, e.measured) for e in result.evaluations}
    assert ("ok", True) in statuses and ("infeasible", False) in statuses
    assert result.limits == (parse_limit(limits[0], ["silago"]), parse_limit(limits[1], ["edgedrnn"]))


def test_a_bare_name_is_the_single_platforms():
    assert objectives_named(["speedup"], ["silago"]) == objectives_named(["silago.speedup"], ["silago"])
    assert parse_limit("latency=0.002", ["loom"]).objective == "loom.latency"
    assert "speedup" not in valid_objectives(["silago", "loom"])
    (speedup, energy) = objectives_named(["speedup", "energy"], ["my.chip"])
    assert (speedup.metric, speedup.direction) == ("my.chip.speedup", "maximize")
    assert (energy.metric, energy.unit, energy.direction) == ("my.chip.energy_pj_per_frame", "pJ/frame", "minimize")


BAD = [
    (["--objectives", "error,speedup"], f"none of {', '.join(OBJECTIVES)}; it needs --platform"),
    (["--objectives", "error,speed", "--platform", "silago"], f"{', '.join((*OBJECTIVES, *PLATFORM_OBJECTIVES))}"),
    (["--objectives", "speedup,silago.speedup", "--platform", "silago"], "'speedup' is named more than once"),
    (["--objectives", "error,speedup", "--platform", "silago,loom"], "'speedup' is none of error"),
    (["--objectives", "error,energy", "--platform", "stripes"], "'stripes.energy': stripes gives no energy; it gives"),
    (["--limit", "latency=1", "--platform", "silago"], "silago gives no latency"),
    (["--limit", "speedup=+1", "--platform", "silago"], "only error and max4 take a limit relative"),
    (["--platform", "silgo"], "no platform 'silgo'; valid: silago, bitfusion"),
    (["--platform", "silago:x=1"], "'x=1' sets no parameter"),
    (["--platform", "none.toml"], "no chip description at none.toml"),
    (["--platform", "bitfusion", "--platform", "bitfusion:level=ideal"], "'bitfusion' is given more than once"),
    (["--platform", "silago", "--weight-bits", "2"], "bits 2 and 2,4,8,16 have nothing in common"),
    (["--platform", "silago", "--weight-bits", "2,9"], "weight bits 9 is none of"),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "message"), BAD, ids=[" ".join(argv) for argv, _ in BAD])
def test_bad_input_is_one_line_and_status_2(cli, argv, message, tmp_path):
    status, out, err = cli("search", "--workers", "1", *argv)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "studies").exists()


def test_a_study_for_other_platforms_is_refused(cli):
    argv = ("search", "--workers", "1", "--evaluations", "12", "--study", "s")
    assert cli(*argv, "--platform", "bitfusion,silago")[0] == 0
    assert cli(*argv, "--platform", "silago", "--platform", "bitfusion")[0] == 0  # their order says nothing
    for other, message in (
        ("bitfusion:level=ideal,silago", "platforms.bitfusion: stored bitfusion, now bitfusion:level=ideal"),
        ("silago,bitfusion,loom", "platforms.loom: stored none, now loom"),
    ):
        status, out, err = cli(*argv, "--platform", other)
        assert (status, out) == (2, "")
        assert message in err
    assert "platforms.silago: stored silago, now none" in cli(*argv, "--weight-bits", "4,8,16")[2]


def test_a_changed_chip_is_another_study(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(CHIP.read_text())
    first = search(tmp_path, str(mine), study="s", evaluations=12)
    assert "mine.speedup" in first.baseline.metrics
    (tmp_path / "elsewhere").mkdir()
    moved = mine.rename(tmp_path / "elsewhere/mine.toml")
    assert search(tmp_path, str(moved), study="s", evaluations=12).baseline == first.baseline
    moved.write_text(CHIP.read_text().replace('"2x4" = 512', '"2x4" = 256'))
    with pytest.raises(StoreError, match=r"platforms.mine: stored sha256:\w+, now sha256:\w+"):
        search(tmp_path, str(moved), study="s", evaluations=12)


def test_a_study_without_its_workload_cannot_be_repriced(tmp_path):
    result = search(tmp_path, evaluations=12)
    with pytest.raises(ValueError, match="holds no workload to price"):
        replace(result, workload=None).on("silago")
    assert load_study(result.name, settings(tmp_path).storage).workload == WORKLOAD


def test_dry_run_shows_what_the_baseline_costs(cli):
    status, out, _ = cli("search", "--dry-run", "--platform", "silago,stripes")
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    baseline = Configuration.uniform(WORKLOAD, 16)
    costs = [open_platform(spec).estimate(WORKLOAD, baseline) for spec in ("silago", "stripes")]
    assert rows["frame"] == [
        f"{costs[0].cycles_per_frame:.2f}",
        f"{costs[0].energy_pj_per_frame:,.0f}",
        f"{costs[1].cycles_per_frame:.2f}",
        "–",
    ]
    assert rows["output"][0] == f"{48 * 64 / 32:.2f}"  # 32 multiply-accumulates a cycle
    assert set(WORKLOAD.names) < set(rows)
