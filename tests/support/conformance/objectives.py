"""What every objective must keep: a metric that evaluations have, one better direction everywhere, limits that bind."""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from fake_task import WORKLOAD, FakeMeasurer, answer

import platforms
from dse.design.evaluation import Evaluation
from dse.design.limits import NO_LIMIT, Limit, parse_limit, resolve, violations
from dse.design.objective import Objective, objectives_named, valid_objectives
from dse.design.pareto import front
from dse.evaluator.evaluate import evaluate
from dse.evaluator.measurement import Measurement
from dse.evaluator.pricing import name_of, open_platforms
from models.workload import Configuration, InputError
from platforms import PLATFORMS, open_platform

EXAMPLE = str(Path(platforms.__file__).with_name("example_chip.toml"))
CONFIGURATION = Configuration.uniform(WORKLOAD, 8, delta=2)


class SharesMeasurer(FakeMeasurer):
    """The fake's errors, with computed fractions that are `share` of the fake's."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def measure(self, configuration: Configuration) -> Measurement:
        found = super().measure(configuration)
        computed = {name: self.share * fraction for name, fraction in answer(configuration)[1].items()}
        return Measurement(found.errors, computed, found.seconds)


@cache
def metrics_on(spec: str | None, share: float = 1.0) -> Mapping[str, float]:
    """All metrics of the fake network, priced by a platform."""
    opened = open_platforms([spec] if spec else [])
    return evaluate(CONFIGURATION, SharesMeasurer(share), platforms=opened).metrics


def platforms_that_give(objective: Objective) -> list[str]:
    """Registered platforms, and the example chip, whose metrics have the objective's."""
    every = {spec: name_of(open_platform(spec)) for spec in (*PLATFORMS, EXAMPLE)}
    found = [spec for spec, name in every.items() if f"{name}.{objective.metric}" in metrics_on(spec)]
    assert found, f"no platform gives {objective.metric}"
    return found


class ObjectiveConformance:
    """An objective as its registry has it; `spec` names a platform that gives its metric, where it is a platform's."""

    def objective(self) -> Objective:
        raise NotImplementedError

    def spec(self) -> str | None:
        return None

    def specs(self) -> list[str]:
        spec = self.spec()
        return [] if spec is None else [spec]

    def names(self) -> list[str]:
        """Of the platforms that price."""
        return [name_of(open_platform(spec)) for spec in self.specs()]

    def full(self) -> Objective:
        """As a search sees it: named after its platform."""
        return valid_objectives(self.names())[self.objective().name]

    def limit(self, bound: str) -> Limit:
        return parse_limit(f"{self.objective().name}={bound}", self.names())

    def better_and_worse(self) -> tuple[float, float]:
        return (1.0, 2.0) if self.objective().direction == "minimize" else (2.0, 1.0)

    def test_evaluations_have_its_metric(self) -> None:
        metrics = metrics_on(self.spec())
        assert math.isfinite(metrics[self.full().metric])

    def test_it_goes_by_its_name(self) -> None:
        for name in (self.objective().name, self.full().name):
            assert objectives_named([name], self.names()) == (self.full(),)
        # lists are parted at commas, limits at their sign, and platforms' names end at a point
        assert not set(self.objective().name) & set(",=. +") and self.objective().name != NO_LIMIT

    def test_it_has_unit_and_description(self) -> None:
        objective = self.full()
        assert objective.unit.strip() and objective.description.strip()
        assert objective.label == f"{objective.description} ({objective.unit})"
        assert all(name in objective.label for name in self.names())

    def test_minimised_is_its_own_inverse_and_puts_the_better_first(self) -> None:
        objective = self.full()
        better, worse = self.better_and_worse()
        for value in (better, worse, 0.0, -3.5):
            assert objective.minimised(objective.minimised(value)) == value
        assert objective.direction in ("minimize", "maximize")
        assert objective.minimised(better) < objective.minimised(worse)

    def test_a_front_keeps_the_better(self) -> None:
        evaluations = [
            Evaluation((k,), CONFIGURATION, "ok", metrics={self.full().metric: value})
            for k, value in enumerate(self.better_and_worse())
        ]
        assert front(evaluations, [self.full()]) == evaluations[:1]

    def test_a_limit_binds_in_the_better_direction(self) -> None:
        better, worse = self.better_and_worse()
        metric = self.full().metric
        limit = self.limit("1.5")
        assert limit == Limit(self.full().name, 1.5)
        assert violations([limit], {metric: better}) == violations([limit], {metric: 1.5}) == ()
        (broken,) = violations([limit], {metric: worse})
        assert broken.gap_fraction == pytest.approx(0.5 / 1.5)
        assert self.full().name in broken.reason and self.full().unit in broken.reason
        assert violations([limit], {}) == ()  # what is not known yet is not judged

    def test_a_limit_makes_an_evaluation_infeasible(self) -> None:
        value = metrics_on(self.spec())[self.full().metric]
        strict, loose = (0.75, 1.25) if self.objective().direction == "minimize" else (1.25, 0.75)
        for factor, status in ((strict, "infeasible"), (1.0, "ok"), (loose, "ok")):
            limits = [Limit(self.full().name, value * factor)]
            found = evaluate(CONFIGURATION, SharesMeasurer(1.0), limits, platforms=open_platforms(self.specs()))
            assert found.status == status

    def test_only_where_it_says_so_a_limit_counts_from_the_baseline(self) -> None:
        if not self.objective().relative_limits:
            with pytest.raises(InputError, match="take a limit relative to the baseline"):
                self.limit("+3")
            return
        assert self.limit("+3") == Limit(self.full().name, 3.0, relative=True)
        assert resolve([self.limit("+3")], {self.full().metric: 20.0}) == (Limit(self.full().name, 23.0),)

    def test_it_gains_from_eliminated_operations_where_it_says_so(self) -> None:
        """Elsewhere only a platform that exploits them makes them count."""
        exploited = any(platform.exploits_computed for platform in open_platforms(self.specs()).values())
        metric = self.full().metric
        many, few = (self.full().minimised(metrics_on(self.spec(), share)[metric]) for share in (1.0, 0.25))
        if self.objective().gains_from_delta:
            assert few < many
        else:
            assert exploited or few == many
