"""Steps and zero points are those with the least square error of all that the definition tries, exactly."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.quantization.fixed_point import CODE_MIN
from models.quantization.quantizer import (
    BINS,
    WEIGHT_CODE_MAX,
    Histogram,
    QuantizedMatrix,
    activation_quantizer,
    code_range,
    fixed_point_matrix,
    require_integer,
    weight_bytes,
)
from models.workload import INTEGER_BITS, InputError

# Of each width: zero points that are tried, from that of an unsigned code down by this much.
APART = {2: 0.25, 3: 0.25, 4: 0.25, 5: 1, 6: 2, 7: 4, 8: 8}


def histogram(codes):
    return np.bincount(np.asarray(codes, np.int64) - CODE_MIN, minlength=2**16)


def square_error(values, counts, step, bits, zero=0.0):
    low, high = code_range(bits)
    code = np.clip(np.rint(values / step - zero), low, high)
    return float((((code + zero) * step - values) ** 2 * counts).sum())


def zeros(bits):
    low, high = code_range(bits)
    return np.arange(-low, -high - 1e-9, -APART[bits])


codes_of = st.one_of(
    st.lists(st.integers(-2000, 2000), min_size=1, max_size=40),
    st.lists(st.integers(1, 3000), min_size=1, max_size=40),
    st.lists(st.integers(-3000, -1), min_size=1, max_size=40),
).filter(any)


@given(codes_of, st.sampled_from(INTEGER_BITS), st.booleans())
@settings(max_examples=60, deadline=None)
def test_of_steps_and_zero_points_none_that_is_tried_is_better(codes, bits, zero_points):
    """Few codes lie in bins of their own: the least error is that of brute force over the codes themselves."""
    values, counts = np.unique(np.array(codes, float), return_counts=True)
    low, high = code_range(bits)
    widest = (max(*codes, 0) - min(*codes, 0)) / (high - low) if zero_points else max(map(abs, codes)) / high
    tried = product(range(1, 101), zeros(bits) if zero_points else [0.0])
    least = min(square_error(values, counts, widest * share / 100, bits, zero) for share, zero in tried)
    found = activation_quantizer(histogram(codes), bits, zero_points)
    assert square_error(values, counts, float(found.step), bits, found.zero) == pytest.approx(least, rel=1e-3, abs=1e-2)
    assert found.step.dtype == np.float32 and any(found.zero == (zeros(bits) if zero_points else np.zeros(1)))


@pytest.mark.parametrize("bits", INTEGER_BITS)
def test_0_is_a_code_whatever_the_zero_point(bits):
    """What was not sent yet is 0: a delta gate holds it, and a byte has to."""
    low, high = code_range(bits)
    rng = np.random.default_rng(bits)
    for codes in (np.arange(-16_000, -60), -np.abs(rng.normal(size=500) * 5000).round() - 1, np.arange(60, 16_000)):
        found = activation_quantizer(histogram(codes), bits, zero_points=True)
        assert low <= -found.zero <= high


@pytest.mark.parametrize(("bits", "zero_points"), list(product((2, 4, 8), (False, True))))
def test_codes_in_common_bins_cost_little(bits, zero_points):
    """Codes up to 32767 share bins of 15, counted at their middle."""
    codes = np.random.default_rng(bits).normal(size=4000) * 7000 + 2000
    codes = np.clip(codes.round(), CODE_MIN, 2**15 - 1).astype(int)
    codes[0] = 2**15 - 1
    values, counts = np.unique(codes.astype(float), return_counts=True)
    low, high = code_range(bits)
    widest = (codes.max() - codes.min()) / (high - low) if zero_points else np.abs(codes).max() / high
    tried = product(range(1, 101), zeros(bits) if zero_points else [0.0])
    least = min(square_error(values, counts, widest * share / 100, bits, zero) for share, zero in tried)
    found = activation_quantizer(histogram(codes), bits, zero_points)
    assert square_error(values, counts, float(found.step), bits, found.zero) <= 1.005 * least


@given(st.integers(0, 2**32 - 1), st.sampled_from(INTEGER_BITS), st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_a_weight_step_is_the_best_of_a_hundred_over_the_bins(seed, bits, size):
    values = np.random.default_rng(seed).laplace(size=200) * size
    found = Histogram.of(values)
    assert found.peak == np.abs(values).max() and found.counts.sum() == 200 and len(found.counts) == BINS
    middles = (
        (np.floor((values + found.peak) / (2 * found.peak / BINS)).clip(0, BINS - 1) + 0.5) * 2 * found.peak / BINS
    )
    middles -= found.peak
    assert np.abs(middles - values).max() <= found.peak / BINS * (1 + 1e-9)
    steps = [found.peak / code_range(bits)[1] * share / 100 for share in range(1, 101)]
    least = min(square_error(middles, 1.0, step, bits) for step in steps)
    step = found.scale(bits)
    assert square_error(middles, 1.0, step, bits) == pytest.approx(least, rel=1e-4)
    assert step == np.float32(step)


def test_edges_of_a_histogram():
    assert Histogram.of(np.zeros(5)).scale(4) == Histogram.of(np.zeros(0)).scale(4) == 1.0
    one = Histogram.of(np.array([0.5, -0.25]), peak=2.0)
    assert one.peak == 2.0 and one.centres[0] == -2 + 2 / BINS and one.centres[-1] == 2 - 2 / BINS
    assert one.centres[one.counts > 0] == pytest.approx([-0.25, 0.5], abs=2 / BINS)
    assert (Histogram.of(np.zeros(3)).centres == -Histogram.of(np.zeros(3)).centres[::-1]).all()
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="values to quantize are not finite"):
            Histogram.of(np.array([1.0, bad]))
    for bits in (1, 9, 16):
        with pytest.raises(InputError, match=f"{bits} bits is not an integer quantizer; there are 2, 3, 4, 5, 6, 7, 8"):
            one.scale(bits)
        with pytest.raises(InputError):
            require_integer(bits)


@pytest.mark.parametrize("peak", [1e-6, 0.7, 127 / 128, 1.0, 255.0, 3e4])
def test_16_bit_weights_use_their_range_and_split_into_two_signed_bytes(peak):
    weights = np.array([[peak, -peak, peak / 3, 0.0]], np.float32)
    matrix = fixed_point_matrix(weights)
    codes = matrix.codes.astype(np.int32)
    assert (matrix.multiples == 1).all() and matrix.bits == 16 and matrix.step == 2.0 ** np.log2(matrix.step).round()
    assert np.abs(matrix.values - weights).max() <= matrix.step / 2
    assert np.abs(codes).max() <= WEIGHT_CODE_MAX
    assert matrix.step == 2.0**-15 or peak / (matrix.step / 2) > WEIGHT_CODE_MAX, "half the step would not do"
    high, low = weight_bytes(codes, 16)
    assert (256 * high + low == codes).all() and max(np.abs(high).max(), -low.min(), low.max() + 1) <= 128
    assert weight_bytes(codes, 8)[0] is codes and len(weight_bytes(codes, 8)) == 1


def test_all_16_bit_weight_codes_split_into_signed_bytes():
    codes = np.arange(-WEIGHT_CODE_MAX, WEIGHT_CODE_MAX + 1, dtype=np.int32)
    high, low = weight_bytes(codes, 16)
    assert (256 * high + low == codes).all()
    assert (high.min(), high.max(), low.min(), low.max()) == (-127, 127, -128, 127)


def test_a_matrix_is_its_codes_times_its_rows_scales():
    matrix = QuantizedMatrix(np.array([[1, -2], [3, 30_000]], np.int16), np.float32(0.5), np.array([2, -3], np.int8), 8)
    assert matrix.scale.tolist() == [1.0, -1.5] and matrix.scale.dtype == np.float32
    assert matrix.values.tolist() == [[1.0, -2.0], [-4.5, -45_000.0]]
    assert matrix.row_sums.tolist() == [-1, 30_003] and matrix.row_sums.dtype == np.int64
