"""What calibration speech tells of a network: peaks, exact sums over vectors however they come, and arrays of both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.quantization import calibration
from models.quantization.calibration import Calibration, PeakTrace, Vector, VectorTrace

CODE_MIN = -(2**15)


def test_a_grid_holds_twice_the_peak_of_its_site():
    found = Calibration({"state": 0.75, "features": 1.0, "cell": 100.0, "silent": 0.0})
    bits = {site: found.fraction_bits(site) for site in found.peaks}
    assert bits == {"state": 14, "features": 13, "cell": 7, "silent": 15}
    for site, peak in found.peaks.items():
        assert 2 * peak * 2.0 ** bits[site] <= 2**15 - 1, "it saturates nothing up to twice the peak"


def test_peaks_are_the_largest_magnitudes_of_all_batches():
    trace = PeakTrace()
    for values in ([0.5, -3.0], [[2.0]], [1.0]):
        trace("state", np.array(values, np.float32))
    trace("cell", [1.5, 0.25])
    trace("empty", np.zeros((0, 3)))
    assert trace.peaks == {"state": 3.0, "cell": 1.5, "empty": 0.0}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_peak_that_is_no_number_stays_one(bad):
    trace = PeakTrace()
    for value in (1.0, bad, 2.0):
        trace("state", np.array([value], np.float32))
    assert not np.isfinite(trace.peaks["state"])


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_sums_over_vectors_are_exact_in_whatever_parts_they_come(seed, parts, at_once):
    rng, before = np.random.default_rng(seed), calibration.ROWS_AT_ONCE
    codes = [rng.integers(CODE_MIN, 2**15, (count, 3)).astype(np.int16) for count in parts]
    calibration.ROWS_AT_ONCE = at_once
    try:
        trace = VectorTrace()
        for part in codes:
            trace(("l0.input_z", "l0.input_c"), part)
            trace(("output",), part[:, :2])
        vectors = trace.vectors()
    finally:
        calibration.ROWS_AT_ONCE = before
    every = np.concatenate(codes).astype(np.int64)
    assert list(vectors) == ["l0.input_z", "l0.input_c", "output"]
    assert vectors["l0.input_z"] is vectors["l0.input_c"]
    for vector, expected in ((vectors["l0.input_z"], every), (vectors["output"], every[:, :2])):
        assert (vector.moments == expected.T @ expected).all() and vector.moments.dtype == np.int64
        values, counts = np.unique(expected, return_counts=True)
        occurring = np.flatnonzero(vector.counts)
        assert (occurring + CODE_MIN == values).all() and (vector.counts[occurring] == counts).all()
        assert vector.counts.shape == (2**16,)


def test_products_of_the_largest_codes_are_summed_without_rounding():
    codes = np.full((2 * calibration.ROWS_AT_ONCE + 1, 2), CODE_MIN, np.int16)
    codes[:, 1] = 2**15 - 1
    trace = VectorTrace()
    trace(("output",), codes)
    low, high = CODE_MIN, 2**15 - 1
    assert trace.vectors()["output"].moments.tolist() == [
        [len(codes) * low * low, len(codes) * low * high],
        [len(codes) * low * high, len(codes) * high * high],
    ]


def test_vectors_are_summed_before_they_fill_the_memory(monkeypatch):
    """No more than ROWS_AT_ONCE rows and one batch wait."""
    monkeypatch.setattr(calibration, "ROWS_AT_ONCE", 10)
    trace = VectorTrace()
    for _ in range(7):
        trace(("output",), np.ones((5, 1), np.int16))
        assert sum(len(part) for part in trace._waiting.get(("output",), [])) < 10
    assert trace.vectors()["output"].moments[0, 0] == 35
    assert trace.vectors()["output"].moments[0, 0] == 35, "what was summed is not summed again"


def test_arrays_hold_each_distinct_vector_once_and_give_all_back():
    one, other = (Vector(np.full(2**16, n), np.full((2, 2), n)) for n in (1, 2))
    kept = Calibration({"features": 1.5, "state": 0.25}, {"a": one, "b": one, "c": other})
    arrays = kept.to_arrays()
    assert sorted(name for name in arrays if "." in name) == ["counts.0", "counts.1", "moments.0", "moments.1"]
    again = Calibration.from_arrays(arrays)
    assert again.peaks == kept.peaks and list(again.vectors) == ["a", "b", "c"]
    assert again.vectors["a"] is again.vectors["b"]
    for name, vector in kept.vectors.items():
        assert (again.vectors[name].counts == vector.counts).all()
        assert (again.vectors[name].moments == vector.moments).all()
    for missing in ("peaks", "counts.1", "moments.0", "vector"):
        with pytest.raises(KeyError):
            Calibration.from_arrays({name: array for name, array in arrays.items() if name != missing})
    with pytest.raises(ValueError, match="zip"):
        Calibration.from_arrays({**arrays, "peaks": arrays["peaks"][:1]})
