"""Every registered objective keeps what every objective must keep, each of a platform on a platform that gives it."""

import pytest
from conformance.objectives import ObjectiveConformance, platforms_that_give

from dse.design.objective import OBJECTIVES, PLATFORM_OBJECTIVES, Objective


class TestObjectives(ObjectiveConformance):
    @pytest.fixture(autouse=True, params=OBJECTIVES)
    def named(self, request: pytest.FixtureRequest) -> None:
        self._objective = OBJECTIVES[request.param]

    def objective(self) -> Objective:
        return self._objective


class TestPlatformObjectives(ObjectiveConformance):
    @pytest.fixture(autouse=True, params=PLATFORM_OBJECTIVES)
    def named(self, request: pytest.FixtureRequest) -> None:
        self._objective = PLATFORM_OBJECTIVES[request.param]

    def objective(self) -> Objective:
        return self._objective

    def spec(self) -> str:
        return platforms_that_give(self._objective)[0]


def test_names_and_metrics_are_told_apart() -> None:
    everything = [*OBJECTIVES.items(), *PLATFORM_OBJECTIVES.items()]
    assert all(name == objective.name for name, objective in everything)
    assert len({name for name, _ in everything}) == len({o.metric for _, o in everything}) == len(everything)
