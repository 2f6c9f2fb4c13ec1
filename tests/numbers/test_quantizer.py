"""Weights and ranges: clipping against brute force, codes against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.quantization.fixed_point import fraction_bits, sigmoid_table, to_float, to_grid
from models.quantization.quantizer import WEIGHT_CODE_MAX, Histogram, code_range, quantize_matrix


def mean_square_error(values: np.ndarray, scale: float, bits: int) -> float:
    low, high = code_range(bits)
    return float(((np.clip(np.rint(values / scale), low, high) * scale - values) ** 2).mean())


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("shape", ["normal", "laplace", "one-sided"])
def test_clipping_is_as_good_as_an_exhaustive_search_over_the_values(bits, shape):
    rng = np.random.default_rng(bits)
    values = {"normal": rng.normal, "laplace": rng.laplace, "one-sided": rng.exponential}[shape](size=20_000)
    high = code_range(bits)[1]
    best = min(mean_square_error(values, np.abs(values).max() * k / 400 / high, bits) for k in range(1, 401))
    assert mean_square_error(values, Histogram.of(values).scale(bits), bits) <= 1.02 * best + 1e-12


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 8, 16]), st.floats(1e-3, 100.0))
@settings(max_examples=40, deadline=None)
def test_codes_are_the_nearest_steps_in_range(seed, bits, size):
    weights = (np.random.default_rng(seed).normal(size=(7, 11)) * size).astype(np.float32)
    matrix = quantize_matrix(weights, bits)
    low, high = (-WEIGHT_CODE_MAX, WEIGHT_CODE_MAX) if bits == 16 else code_range(bits)
    assert matrix.codes.min() >= low and matrix.codes.max() <= high
    inside = (matrix.codes > low) & (matrix.codes < high)
    error = np.abs(matrix.values - weights)
    assert (error[inside] <= 0.5001 * matrix.scale[0]).all()
    if bits == 16:
        assert np.log2(matrix.scale[0]) == np.rint(np.log2(matrix.scale[0]))
        assert error.max() <= max(size * 1e-3, 2.0**-16)


def test_constant_zero_and_bad_values():
    assert (quantize_matrix(np.zeros((2, 3), np.float32), 4).codes == 0).all()
    assert (quantize_matrix(np.zeros((2, 3), np.float32), 16).codes == 0).all()
    with pytest.raises(ValueError, match="not finite"):
        quantize_matrix(np.full((2, 2), np.nan), 4)


@given(st.floats(0, 1e4))
def test_fraction_bits_are_the_finest_grid_that_holds_the_peak(peak):
    bits = fraction_bits(peak)
    assert peak * 2.0**bits <= 2**15 - 1
    assert bits == 15 or peak * 2.0 ** (bits + 1) > 2**15 - 1


def test_grid_rounds_half_to_even_and_saturates():
    assert to_grid(np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e9, -1e9]), 0).tolist() == [0, 2, 2, 0, -2, 32767, -32768]
    assert to_float(to_grid(np.array([0.3]), 10), 10)[0] == np.float32(307 / 1024)


def test_sigmoid_table_is_exact_monotone_symmetric_and_far_from_ties():
    from decimal import Decimal, getcontext

    getcontext().prec = 40
    table = sigmoid_table()
    codes = np.arange(-(2**14), 2**14 + 1)
    exact = 2.0**14 / (1 + np.exp(-codes / 1024.0))
    tie = np.abs(exact - np.floor(exact) - 0.5)
    middle = codes == 0
    assert tie[~middle].min() > 1e-7
    assert (np.diff(table) >= 0).all() and table[0] == 0 and table[-1] == 2**14
    assert (table + table[::-1] == 2**14).all()
    for code in (-16384, -5000, -1, 0, 1, 777, 12345):
        value = Decimal(2**14) / (1 + (-(Decimal(code) / 1024)).exp())
        assert table[code + 2**14] == int(value.to_integral_value(rounding="ROUND_HALF_EVEN"))
