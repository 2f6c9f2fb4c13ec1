"""A point by rule: the best among those that keep all limits, and why there is none."""

import pytest
from fake_task import WORKLOAD

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit
from dse.design.objective import OBJECTIVES
from dse.study.choose import best, limits_of, objective_of, within
from models.workload import Configuration, InputError

ERROR, SIZE, OPS = (OBJECTIVES[name] for name in ("error", "size", "ops"))


def point(number, error, size, ops):
    metrics = {"error_percent": error, "size_mib": size, "eliminated_percent": ops}
    return Evaluation((number,), Configuration.uniform(WORKLOAD, 8), "ok", metrics=metrics)


BASELINE = point(0, 20.0, 8.0, 0.0)
POINTS = [point(1, 20.0, 4.0, 10.0), point(2, 21.0, 2.0, 40.0), point(3, 25.0, 1.0, 60.0), point(4, 26.0, 1.0, 60.0)]


def chosen(limits, objective, points=POINTS):
    return best(within(points, limits_of(limits, (), BASELINE)), objective).genome


def test_bounds_are_read_as_limits_and_made_absolute():
    found = limits_of({"error": "+1.5", "size": 3}, (), BASELINE)
    assert found == (Limit("error", 21.5), Limit("size", 3.0))
    assert limits_of({"speedup": 2}, ["silago"], BASELINE) == (Limit("silago.speedup", 2.0),)
    with pytest.raises(InputError, match="limit on 'speedup', which is none of"):
        limits_of({"speedup": 2}, (), BASELINE)


def test_the_best_of_those_within_all_limits_is_taken_the_first_of_equals():
    assert chosen({}, ERROR) == (1,)
    assert chosen({}, SIZE) == chosen({}, OPS) == (3,)
    assert chosen({"error": "+1"}, SIZE) == (2,), "a limit is kept by what reaches it"
    assert chosen({"error": "+1", "ops": 41, "size": 8} | {"error": 25.5}, SIZE) == (3,)
    assert chosen({"error": 20}, OPS) == (1,)
    assert chosen({}, SIZE, POINTS[::-1]) == (4,)


def test_where_no_point_keeps_the_limits_the_nearest_is_told_by_the_sum_of_its_gaps():
    """As shares of the bounds: 0.4, then 0.1 + 0.1, 0.05 + 0.9, and 0.25 twice."""
    points = [point(1, 28, 2, 0), point(2, 22, 2.2, 0), point(3, 21, 3.8, 0), point(4, 25, 2, 0), point(5, 20, 2.5, 0)]
    with pytest.raises(InputError) as told:
        chosen({"error": 20, "size": 2}, OPS, points)
    assert str(told.value) == (
        "no point of the front keeps the limits; the nearest: "
        "error 22 % > 20 % limit by 2 points; size 2.2 MiB > 2 MiB limit by 0.2 MiB"
    )
    with pytest.raises(InputError, match=r"nearest: size 2\.5 MiB > 2 MiB limit by 0\.5 MiB$"):
        chosen({"error": 20, "size": 2}, OPS, [points[0], points[4]])
    with pytest.raises(InputError, match="the front is empty: no evaluation keeps the study's limits"):
        chosen({}, OPS, [])
    speed = objective_of(None, "silago.speedup", ["silago"])
    with pytest.raises(InputError, match=r"these evaluations have no silago\.speedup"):
        chosen({}, speed)


def test_the_objective_is_one_and_goes_its_own_way():
    assert objective_of("size", None, ()) == SIZE and objective_of(None, "ops", ()) == OPS
    assert objective_of(None, "speedup", ["silago"]).name == "silago.speedup"
    for given in ((None, None), ("size", "ops")):
        with pytest.raises(
            InputError, match="say which point: minimize or maximize an objective, number, knee or weights"
        ):
            objective_of(*given, ())
    with pytest.raises(InputError, match="ops is better the other way: maximize='ops'"):
        objective_of("ops", None, ())
    with pytest.raises(InputError, match="size is better the other way: minimize='size'"):
        objective_of(None, "size", ())
    for name in ("sizes", ["size"]):
        with pytest.raises(InputError, match="is none of error, size"):
            objective_of(name, None, ())
