"""The engines of every small network."""

import pytest
from networks import DEVICES, SPECS, engine_of, on_torch, trained


@pytest.fixture(scope="module", params=[(name, device) for name in SPECS for device in DEVICES], ids="-".join)
def engines(request):
    """(spec, compiled engine, torch engine) of one network."""
    name, device = request.param
    spec = SPECS[name]
    weights, calibration = trained(spec)
    return spec, engine_of(spec, weights, calibration), on_torch(spec, weights, calibration, device)
