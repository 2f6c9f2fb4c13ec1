"""Searches for platforms: their widths and memory in the space, their objectives and limits."""

from itertools import product

import numpy as np
import pytest
from fake_task import WORKLOAD, counting
from searches import EXAMPLE_CHIP, TIGHT, priced, priced_search, priced_settings

from dse.design.genes import search_space
from dse.design.limits import parse_limit
from dse.exploration.plan import make_plan
from dse.exploration.run import run_search
from dse.searchers import draw_new
from dse.study.result import load_study
from dse.study.store import StoreError
from models.workload import Configuration
from platforms import open_platform


def test_a_memory_limit_is_kept_and_spends_no_inference(tmp_path):
    task, calls = counting()
    result = run_search(priced_settings(tmp_path, TIGHT, task=task))
    too_big = [e for e in result.evaluations if e.metrics["size_mib"] > 0.008]
    assert len(too_big) > 1
    assert {e.status for e in too_big} == {"infeasible"}
    assert all("> 0.008 MiB limit by" in reason for e in too_big for reason in e.reasons if "size" in reason)
    measured = {e.configuration for e in result.evaluations if e.measured}
    assert calls.count == len(measured | {result.baseline.configuration})
    assert result.baseline.metrics["silago.speedup"] == 1.0
    assert result.front and not set(map(id, too_big)) & set(map(id, result.front))


def test_the_first_generation_holds_only_uniform_genomes_that_run(tmp_path):
    uniform = [Configuration.uniform(WORKLOAD, bits) for bits in (16, 8, 4)]
    free = priced_search(tmp_path, "silago", study="free").evaluations[:3]
    assert [e.configuration for e in free] == uniform
    tight = priced_search(tmp_path, TIGHT, study="tight").evaluations
    assert tight[0].configuration == uniform[2]
    assert not [e for e in tight[:12] if e.configuration in uniform[:2]]


def test_tied_operands_share_a_gene_and_waste_no_evaluation(tmp_path):
    plan = make_plan(priced_settings(tmp_path, "bitfusion", "silago"))
    assert [gene.choices for gene in plan.space.genes if gene.name.endswith("bits")] == [(4, 8, 16)] * 4
    task, calls = counting()
    result = run_search(priced_settings(tmp_path, "bitfusion", "silago", limits=("none",), task=task))
    assert result.count("ok") == calls.count == 40
    assert all(s.weight_bits == s.act_bits for e in result.evaluations for _, s in e.configuration)


def test_a_chip_with_some_combinations_of_widths_has_a_gene_over_them(tmp_path):
    chip = open_platform(str(EXAMPLE_CHIP))
    space = make_plan(priced_settings(tmp_path, str(EXAMPLE_CHIP), delta=(0,))).space
    assert [gene.choices for gene in space.genes] == [("2x4", "4x4", "4x8", "8x8", "8x16", "16x16")] * 4
    found = {space.decode(genome) for genome in product(range(6), repeat=4)}
    assert len(found) == 6**4
    assert all(chip.check(WORKLOAD, configuration) == () for configuration in found)
    for genome in draw_new(space, np.random.default_rng(0), set(), 20):
        assert space.encode(space.decode(genome)) == genome
    result = priced_search(tmp_path, str(EXAMPLE_CHIP), objectives=("error", "speedup"))
    assert result.count("infeasible") == sum("error" in reason for e in result.evaluations for reason in e.reasons)
    again = load_study(result.name, priced_settings(tmp_path).storage)
    assert [e.metrics for e in again.front] == [e.metrics for e in result.front]


def test_free_combinations_keep_two_genes():
    names = [gene.name for gene in search_space(WORKLOAD, (2, 4), (8,), (0,)).genes]
    free = search_space(WORKLOAD, (2, 4, 16), (8, 16), (0,), pairs={(2, 8), (4, 8), (16, 16), (8, 8)})
    assert [gene.name for gene in free.genes] == [f"{n.rpartition('.')[0]}.bits" for n in names[::2]]
    restricted = search_space(WORKLOAD, (2, 4, 16), (8, 16), (0,), pairs={(2, 8), (4, 8)})
    assert [(gene.name, gene.choices) for gene in restricted.genes] == list(zip(names, [(2, 4), (8,)] * 4, strict=True))


@pytest.mark.parametrize("workers", [1, 2])
def test_limits_on_platform_objectives(tmp_path, workers):
    limits = ("silago.speedup=2", "edgedrnn.latency=0.00002")
    result = priced_search(tmp_path, "silago", "edgedrnn", limits=(*limits, "none"), workers=workers)
    for e in result.evaluations:
        cost = open_platform("silago").estimate(WORKLOAD, e.configuration)
        slow = cost.speedup < 2
        assert not (slow and e.measured) or e.configuration == result.baseline.configuration
        if e.measured:
            late = priced("edgedrnn", e).latency_seconds > 0.00002
            assert e.status == ("infeasible" if slow or late else "ok")
    statuses = {(e.status, e.measured) for e in result.evaluations}
    assert ("ok", True) in statuses and ("infeasible", False) in statuses
    assert result.limits == (parse_limit(limits[0], ["silago"]), parse_limit(limits[1], ["edgedrnn"]))


def test_a_changed_chip_is_another_study(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(EXAMPLE_CHIP.read_text())
    first = priced_search(tmp_path, str(mine), study="s", evaluations=12)
    assert "example_chip.speedup" in first.baseline.metrics
    (tmp_path / "elsewhere").mkdir()
    moved = mine.rename(tmp_path / "elsewhere/mine.toml")
    assert priced_search(tmp_path, str(moved), study="s", evaluations=12).baseline == first.baseline
    moved.write_text(EXAMPLE_CHIP.read_text().replace('"2x4" = 512', '"2x4" = 256'))
    with pytest.raises(StoreError, match=r"platforms.example_chip: stored sha256:\w+, now sha256:\w+"):
        priced_search(tmp_path, str(moved), study="s", evaluations=12)
