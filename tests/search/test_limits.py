"""Limits on objectives: read, made absolute, judged with their reasons."""

from itertools import product

import pytest
from fake_task import counting
from searches import search, settings

from dse.design.limits import Limit, parse_limit, parse_limits, resolve, violations, with_default
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


def test_limits_are_read_with_spaces_with_0_and_for_platforms():
    assert parse_limit(" size = 0 ") == Limit("size", 0.0)
    assert parse_limit("error=+0") == Limit("error", 0.0, relative=True)
    assert parse_limit("max4=+2.5") == Limit("max4", 2.5, relative=True)
    assert parse_limit("ops=100") == Limit("ops", 100.0)
    assert parse_limit("speedup=2", ["silago"]) == Limit("silago.speedup", 2.0)
    both = parse_limits(["error=+3, size=2,", "loom.energy=5e6"], iter(("silago", "loom")))
    assert both == (Limit("error", 3.0, relative=True), Limit("size", 2.0), Limit("loom.energy", 5e6))
    assert [str(limit) for limit in both] == ["error=+3", "size=2", "loom.energy=5e+06"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size", "limit 'size' is not NAME=VALUE, as in error=+3 or size=2"),
        ("size=", "limit 'size=' is not NAME=VALUE"),
        ("=3", "limit '=3' is not NAME=VALUE"),
        ("speedup=3", "limit on 'speedup', which is none of error, size"),
        ("size=small", "limit size=small: 'small' is not a number"),
        ("size=nan", "limit size=nan: 'nan' is not a finite number"),
        ("size=inf", "limit size=inf: 'inf' is not a finite number"),
        ("size=-1", "limit size=-1 is negative; a limit is 0 or more"),
        ("size=-0", "limit size=-0 is negative"),
        ("size=+1", "limit size=+1: only error and max4 take a limit relative to the baseline"),
    ],
)
def test_a_limit_that_cannot_be_read_says_why(text, message):
    with pytest.raises(InputError) as told:
        parse_limit(text)
    assert str(told.value).startswith(message)


def test_an_error_is_limited_unless_one_is_or_none_shall_be():
    assert with_default([]) == ("error=+10",)
    assert with_default(["size=2, ops=3"]) == ("error=+10", "size=2", "ops=3")
    for given in (["error=+3"], ["size=2", " max4 = 30"]):
        assert with_default(given) == tuple(text.strip() for text in given)
    assert with_default(["none"]) == ()
    assert with_default(["size=2,none", "ops=4,error=30"]) == ("size=2", "ops=4", "error=30")


def test_a_relative_limit_is_over_its_own_metric():
    limits = parse_limits(["error=+3,max4=+1,size=2"])
    assert resolve(limits, {"error_percent": 20.0, "error_max4_percent": 22.0, "size_mib": 9.0}) == (
        Limit("error", 23.0), Limit("max4", 23.0), Limit("size", 2.0)
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"limit error=\+3 is relative; resolve it with the baseline first"):
        violations(limits, {"error_percent": 20.0})


def test_gaps_are_shares_of_the_bound():
    metrics = {"error_percent": 21.0, "size_mib": 0.5, "eliminated_percent": 30.0}
    gaps = [found.gap_fraction for found in violations(parse_limits(["error=20", "size=0.4", "ops=40"]), metrics)]
    assert gaps == pytest.approx([1 / 20, 0.1 / 0.4, 10 / 40])
    (none_at_all,) = violations([Limit("size", 0.0)], metrics)
    assert none_at_all.gap_fraction == pytest.approx(0.5e9), "far off, and no division by 0"
    assert none_at_all.reason == "size 0.5 MiB > 0 MiB limit by 0.5 MiB"
    (speed,) = violations([Limit("silago.speedup", 2.0)], {"silago.speedup": 1.5})
    assert speed.reason == "silago.speedup 1.5 × < 2 × limit by 0.5 ×"


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
    assert hopeless.ended == "hopeless" and not hopeless.front
    assert len(hopeless.evaluations) == 12  # the first population
    assert "nearest infeasible: error" in summary(hopeless)
    again = search(tmp_path, **{**given, "evaluations": 300})
    assert len(again.evaluations) == 12 and calls.count <= 13


@pytest.mark.parametrize("limits", [("error=15.2",), ("error=+0", "size=0.006"), ("ops=90", "none")])
def test_a_search_goes_on_where_its_limits_are_hard_but_near_or_not_of_an_error(tmp_path, limits):
    found = search(tmp_path, limits=limits)
    assert found.ended is None and len(found.evaluations) == 40
