"""Every registered model keeps what every model must keep."""

import pytest
from conformance.models import ModelConformance
from networks import SPECS

from models.registry import MODELS, Spec


class TestModels(ModelConformance):
    @pytest.fixture(autouse=True, params=SPECS)
    def small(self, request: pytest.FixtureRequest) -> None:
        self._spec = SPECS[request.param]

    def spec(self) -> Spec:
        return self._spec


def test_every_model_has_small_sizes() -> None:
    assert {spec.name for spec in SPECS.values()} == set(MODELS)
