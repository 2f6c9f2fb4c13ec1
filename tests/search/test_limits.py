"""Limits on objectives: read, made absolute, judged with their reasons."""

from itertools import product

import pytest
from fake_task import counting
from searches import search, settings

from dse.design.limits import Limit, parse_limit, resolve, violations
from dse.design.objective import size_metrics
from dse.exploration.plan import make_plan
from dse.reports.table import summary
from models.workload import InputError


def test_limits():
    metrics = {"error_percent": 20.0, "size_mib": 7.1, "eliminated_percent": 40.0}
    assert parse_limit("error=+3") == Limit("error", 3.0, relative=True)
    assert resolve([parse_limit("error=+3")], metrics) == (Limit("error", 23.0),)
    (size,) = violations([parse_limit("size=6")], metrics)
    assert size.reason == "size 7.1 MiB > 6 MiB limit by 1.1 MiB"
    assert size.gap_fraction == pytest.approx(1.1 / 6)
    (ops,) = violations([parse_limit("ops=50")], metrics)
    assert ops.reason == "ops 40 % < 50 % limit by 10 points"
    assert violations([parse_limit("error=20"), parse_limit("ops=40"), parse_limit("compression=2")], metrics) == ()


@pytest.mark.parametrize("limit", ["ops=200", "ops=100.5"])
def test_a_limit_beyond_what_a_metric_can_be_is_refused(limit):
    with pytest.raises(ValueError, match=f"limit {limit}: nothing keeps it, ops is 100 % at most"):
        parse_limit(limit)


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("size=0.001", r"size \S+ MiB > 0.001 MiB limit by \S+ MiB"),
        ("compression=16", r"compression \S+ × < 16 × limit by"),
    ],
)
def test_limits_below_the_smallest_design_point_are_refused_before_anything_runs(tmp_path, limit, reason):
    task, calls = counting()
    with pytest.raises(InputError, match=f"no design point keeps the limits: the smallest has {reason}"):
        search(tmp_path, task=task, limits=(limit,))
    assert calls.count == 0 and not (tmp_path / "dse.db").exists()
    plan = make_plan(settings(tmp_path))
    smallest = min(size_metrics(plan.workload, plan.space.decode(g))["size_mib"] for g in genomes(plan.space))
    assert make_plan(settings(tmp_path, limits=(f"size={smallest + 1e-6}",)))
    with pytest.raises(InputError, match="no design point"):
        make_plan(settings(tmp_path, limits=(f"size={smallest - 1e-6}",)))


def genomes(space):
    """Every genome of first and last choices, without thresholds, which no size knows."""
    return product(*({0} if gene.name.endswith(".delta") else {0, len(gene.choices) - 1} for gene in space.genes))


@pytest.mark.parametrize("searcher", ["surrogate", "nsga2", "random", "optuna-tpe"])
def test_a_search_gives_up_where_no_error_comes_near_its_limit(tmp_path, searcher):
    task, calls = counting()
    given = {"task": task, "searcher": searcher, "limits": ("error=1",)}
    hopeless = search(tmp_path, **given)
    assert hopeless.gave_up and not hopeless.exhausted and not hopeless.front
    assert len(hopeless.evaluations) == 12  # the first population
    assert "nearest infeasible: error" in summary(hopeless)
    again = search(tmp_path, **{**given, "evaluations": 300})
    assert len(again.evaluations) == 12 and calls.count <= 13


@pytest.mark.parametrize("limits", [("error=15.2",), ("error=+0", "size=0.006"), ("ops=90", "none")])
def test_a_search_goes_on_where_its_limits_are_hard_but_near_or_not_of_an_error(tmp_path, limits):
    found = search(tmp_path, limits=limits)
    assert not found.gave_up and len(found.evaluations) == 40
