"""Weights and ranges: clipping against brute force, codes against their definition."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.quantization.fixed_point import (
    CODE_MIN,
    SIGMOID_REACH,
    fraction_bits,
    sigmoid,
    sigmoid_knots,
    sigmoid_table,
    to_float,
    to_grid,
)
from models.quantization.quantizer import (
    WEIGHT_CODE_MAX,
    ActivationQuantizer,
    Histogram,
    activation_quantizer,
    code_range,
)
from models.quantization.rounding import quantize_matrix
from models.quantization.scheme import PAPERS
from models.workload import InputError


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


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 4, 8, 16]), st.floats(1e-3, 100.0))
@settings(max_examples=40, deadline=None)
def test_nearest_codes_are_the_nearest_steps_in_range(seed, bits, size):
    weights = (np.random.default_rng(seed).normal(size=(7, 11)) * size).astype(np.float32)
    matrix = quantize_matrix(weights, bits, PAPERS)
    low, high = (-WEIGHT_CODE_MAX, WEIGHT_CODE_MAX) if bits == 16 else code_range(bits)
    assert matrix.codes.min() >= low and matrix.codes.max() <= high
    inside = (matrix.codes > low) & (matrix.codes < high)
    error = np.abs(matrix.values - weights)
    assert (error[inside] <= 0.5001 * matrix.scale[0]).all()
    if bits == 16:
        assert np.log2(matrix.scale[0]) == np.rint(np.log2(matrix.scale[0]))
        assert error.max() <= max(size * 1e-3, 2.0**-16)


def histogram(codes):
    return np.bincount(np.asarray(codes, np.int64) - CODE_MIN, minlength=2**16)


def square_error(codes, found, bits):
    low, high = code_range(bits)
    q = np.clip(np.rint(codes / float(found.step) - found.zero), low, high)
    return float((((q + found.zero) * float(found.step) - codes) ** 2).mean())


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("shape", ["normal", "one-sided", "shifted", "two lumps"])
def test_activation_quantizers_are_as_good_as_an_exhaustive_search(bits, shape):
    rng = np.random.default_rng(bits)
    codes = {
        "normal": rng.normal(size=3000) * 4000,
        "one-sided": np.abs(rng.normal(size=3000)) * 7000,
        "shifted": rng.normal(size=3000) * 2000 + 5000,
        "two lumps": np.where(rng.random(3000) < 0.7, 0, 12000 + rng.normal(size=3000) * 800),
    }[shape].round()
    counts = histogram(codes)
    for zero_points in (False, True):
        found = activation_quantizer(counts, bits, zero_points)
        low, high = code_range(bits)
        assert 4 * found.zero == round(4 * found.zero) and low <= round(-found.zero) <= high
        if not zero_points:
            assert found.zero == 0
        largest = (
            np.abs(codes).max() / high
            if not zero_points
            else (max(codes.max(), 0) - min(codes.min(), 0)) / (high - low)
        )
        zeros = np.linspace(-high, -low, 41) if zero_points else [0.0]
        tried = [ActivationQuantizer(np.float32(largest * k / 60), z) for k in range(1, 61) for z in zeros]
        best = min(square_error(codes, each, bits) for each in tried)
        assert square_error(codes, found, bits) <= 1.15 * best + 0.5


def test_what_cannot_be_negative_gets_an_unsigned_code():
    counts = histogram(np.arange(0, 16_000))
    for bits in (2, 4, 8):
        found = activation_quantizer(counts, bits, zero_points=True)
        assert abs(found.zero - 2 ** (bits - 1)) <= 0.5, "all codes are used"
        assert found.step * (2**bits - 1) == pytest.approx(16_000, rel=0.35)


@pytest.mark.parametrize("counts", [np.zeros(2**16, np.int64), histogram([0] * 9)], ids=["nothing", "zeros"])
def test_a_vector_without_values_has_a_step(counts):
    for zero_points in (False, True):
        assert activation_quantizer(counts, 4, zero_points) == ActivationQuantizer(np.float32(1), 0.0)
    with pytest.raises(InputError, match="16 bits is not an integer quantizer"):
        activation_quantizer(counts, 16, True)


@given(st.floats(0, 1e4))
def test_fraction_bits_are_the_finest_grid_that_holds_the_peak(peak):
    bits = fraction_bits(peak)
    assert peak * 2.0**bits <= 2**15 - 1
    assert bits == 15 or peak * 2.0 ** (bits + 1) > 2**15 - 1


def test_grid_rounds_half_to_even_and_saturates():
    assert to_grid(np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e9, -1e9]), 0).tolist() == [0, 2, 2, 0, -2, 32767, -32768]
    assert to_float(to_grid(np.array([0.3]), 10), 10)[0] == np.float32(307 / 1024)


def test_the_sigmoid_is_one_function_in_integers_near_the_real_one():
    knots = sigmoid_knots()
    assert knots.shape == (65,) and knots.dtype == np.int16 and knots.nbytes == 130
    exact = 2.0**14 / (1 + np.exp(-np.arange(64) / 8))
    assert (np.abs(exact - np.floor(exact) - 0.5) > 1e-3).all(), "a tie would be another machine's choice"
    codes = np.arange(-(2**15), 2**15)
    values = sigmoid(knots, codes)
    real = 2.0**14 / (1 + np.exp(-codes / 1024))
    assert np.abs(values - real).max() < 6
    assert np.abs(values / 2**14 - real / 2**14).max() < 3.5e-4
    assert (np.diff(values) >= 0).all() and values[0] == 0 and values[-1] == 2**14
    assert (values[1:] + values[1:][::-1] == 2**14).all()
    for code in range(-9000, 9000, 7):  # in exact arithmetic
        size = min(abs(code), 2**13)
        k, along = min(size // 128, 63), Fraction(size - 128 * min(size // 128, 63), 128)
        value = int(knots[k]) + round(along * (int(knots[k + 1]) - int(knots[k])))  # half to even
        assert values[code + 2**15] == (2**14 - value if code < 0 else value)


def test_the_table_is_the_function():
    table = sigmoid_table(sigmoid_knots())
    codes = np.arange(-SIGMOID_REACH, SIGMOID_REACH + 1)
    assert table.dtype == np.float32 and (table == sigmoid(sigmoid_knots(), codes)).all()
    assert (sigmoid(sigmoid_knots(), np.array([-(2**15), 2**15 - 1])) == table[[0, -1]]).all()
