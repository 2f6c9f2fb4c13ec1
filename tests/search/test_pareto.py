import math

import pytest
from fake_task import WORKLOAD
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.design.evaluation import Evaluation
from dse.design.objective import OBJECTIVES, minimised, objectives_named, values
from dse.design.pareto import front, hypervolume
from models.workload import Configuration

CONFIGURATION = Configuration.uniform(WORKLOAD, 8)
THREE = objectives_named(["error", "size", "ops"])
TWO = THREE[:2]


def evaluation(genome, point, status="ok"):
    metrics = dict(zip(("error_percent", "size_mib", "eliminated_percent"), map(float, point), strict=True))
    return Evaluation(genome, CONFIGURATION, status, metrics=metrics, computed={"output": 1.0})


few = st.integers(0, 6)  # few values, so that ties and duplicates happen
points = st.lists(st.tuples(few, few, few, st.sampled_from(["ok", "ok", "ok", "infeasible", "failed"])), max_size=30)


def dominates(a, b):
    """Lower error, lower size, more eliminated operations."""
    at_least = a[0] <= b[0] and a[1] <= b[1] and a[2] >= b[2]
    return at_least and a != b


@settings(deadline=None)
@given(points)
def test_front_is_the_non_dominated_set_by_brute_force(rows):
    evaluations = [evaluation((i,), row[:3], row[3]) for i, row in enumerate(rows)]
    ok = [row[:3] for row in rows if row[3] == "ok"]
    expected = {point for point in ok if not any(dominates(other, point) for other in ok)}
    found = front(evaluations, THREE)
    assert {values(THREE, e.metrics) for e in found} == expected
    assert len(found) == len(expected)  # equal objective values are kept once ...
    for e in found:  # ... by the smallest genome
        twins = [i for i, row in enumerate(rows) if row[3] == "ok" and row[:3] == values(THREE, e.metrics)]
        assert e.genome == (min(twins),)


@settings(deadline=None)
@given(points, st.randoms())
def test_front_does_not_depend_on_the_order(rows, random):
    evaluations = [evaluation((i,), row[:3], row[3]) for i, row in enumerate(rows)]
    shuffled = random.sample(evaluations, len(evaluations))
    found = front(evaluations, THREE)
    assert front(shuffled, THREE) == found
    assert [minimised(THREE, e.metrics) for e in found] == sorted(minimised(THREE, e.metrics) for e in found)


@settings(deadline=None)
@given(points)
def test_hypervolume_counts_the_dominated_cells(rows):
    """On integer points the dominated area is a number of unit cells."""
    evaluations = [evaluation((i,), row[:3], row[3]) for i, row in enumerate(rows)]
    ok = [row for row in rows if row[3] == "ok"]
    cells = sum(any(row[0] <= x and row[1] <= y for row in ok) for x in range(5) for y in range(5))
    assert hypervolume(evaluations, TWO, (5, 5)) == pytest.approx(cells)


def test_a_maximised_objective_fills_towards_less():
    chosen = objectives_named(["error", "ops"])
    assert hypervolume([evaluation((0,), (10, 0, 30))], chosen, (20, 10)) == pytest.approx(10 * 20)


def test_a_point_beyond_the_reference_in_one_objective_adds_nothing():
    inside, beyond, on_it = (evaluation((i,), point) for i, point in enumerate([(2, 3, 0), (1, 7, 0), (5, 1, 0)]))
    assert hypervolume([inside, beyond, on_it], TWO, (5, 5)) == pytest.approx(3 * 2)
    assert hypervolume([beyond, on_it], TWO, (5, 5)) == 0.0
    with pytest.raises(ValueError, match="zip"):
        hypervolume([inside], TWO, (5, 5, 5))


def test_signs():
    assert minimised(THREE, evaluation((0,), (20, 2, 50)).metrics) == (20, 2, -50)
    for objective in OBJECTIVES.values():
        assert objective.minimised(objective.minimised(3.0)) == 3.0


@pytest.mark.parametrize(
    ("names", "message"),
    [(["eror"], "none of error, size, ops, compression"), (["error", "error"], "more than once"), ([], "no objective")],
)
def test_bad_objectives(names, message):
    with pytest.raises(ValueError, match=message):
        objectives_named(names)


def test_nothing_gives_nothing():
    assert front([], THREE) == []
    assert hypervolume([], THREE, (1, 1, 1)) == 0.0
    assert math.isfinite(hypervolume([evaluation((0,), (9, 9, 9))], TWO, (5, 5)))
