"""Every registered exporter keeps what every exporter must keep."""

import pytest
from conformance.exporters import ExporterConformance

from dse.exporters import EXPORTERS, exporter_named


class TestExporters(ExporterConformance):
    @pytest.fixture(autouse=True, params=EXPORTERS)
    def named(self, request: pytest.FixtureRequest) -> None:
        self.exporter = exporter_named(request.param)
