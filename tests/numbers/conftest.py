"""The engines of every small network."""

import pytest
from networks import DEVICES, SPECS, on_torch, trained

from models.registry import build_engine


@pytest.fixture(scope="module", params=[(name, device) for name in SPECS for device in DEVICES], ids="-".join)
def engines(request):
    """(spec, compiled engine, torch engine) of one network."""
    name, device = request.param
    spec = SPECS[name]
    weights, calibration = trained(spec)
    return spec, build_engine(spec, weights, calibration), on_torch(spec, weights, calibration, device)
