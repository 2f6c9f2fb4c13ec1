"""Every registered exporter whose part runs keeps what every one must keep."""

import pytest
from conformance.exporters import ExporterConformance

from dse.exporters import EXPORTERS, REPLAYED, exporter_named, replayer_named


class TestExporters(ExporterConformance):
    @pytest.fixture(autouse=True, params=REPLAYED)
    def named(self, request: pytest.FixtureRequest) -> None:
        self.exporter = replayer_named(request.param)


@pytest.mark.parametrize("name", EXPORTERS)
def test_those_that_run_are_replayed(name):
    assert hasattr(exporter_named(name), "replay") == (name in REPLAYED)
