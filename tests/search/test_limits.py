"""Limits on objectives: read, made absolute, judged with their reasons."""

import pytest

from dse.design.limits import Limit, parse_limit, resolve, violations


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
