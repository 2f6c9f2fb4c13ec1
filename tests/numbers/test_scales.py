"""Scales of weight matrices, of rows and of whole ones: each the best of what is tried, by weights and by output."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.quantization.fixed_point import CODE_MAX, fraction_bits, to_float, to_grid
from models.quantization.quantizer import Histogram, code_range
from models.quantization.rounding import Factors, quantize_matrix
from models.quantization.scheme import Scheme
from models.workload import INTEGER_BITS, InputError

BY_WEIGHTS = Scheme("nearest", "row", "weights")


def problem(seed, rows=6, cols=9):
    """Weights of rows of unlike sizes, and the moments of vectors whose elements go together."""
    rng = np.random.default_rng(seed)
    x = np.rint(rng.normal(size=(30, cols)) @ rng.normal(size=(cols, cols)) * 20).astype(np.int64)
    sizes = np.exp(rng.normal(size=(rows, 1)))
    return (rng.normal(size=(rows, cols)) * sizes).astype(np.float32), x.T @ x


def output_errors(weights, factors, scales, bits):
    """Damped errors of every row's products [rows] with nearest codes of a scale each."""
    ordered = weights[:, factors.order].astype(np.float64)
    low, high = code_range(bits)
    wrong = ordered - np.clip(np.rint(ordered / scales[:, None]), low, high) * scales[:, None]
    return ((wrong @ factors.damped) * wrong).sum(axis=1)


@given(st.integers(0, 2**32 - 1), st.sampled_from(INTEGER_BITS))
@settings(max_examples=20, deadline=None)
def test_a_row_clipped_by_its_weights_has_the_scale_of_its_own_histogram(seed, bits):
    weights, _ = problem(seed)
    weights[2] = 0.0
    matrix = quantize_matrix(weights, bits, BY_WEIGHTS)
    own = np.array([Histogram.of(row).scale(bits) if row.any() else 0.0 for row in weights])
    assert matrix.step == np.float32(own.max() / 127) and matrix.multiples.max() == 127
    off = np.abs(matrix.multiples * float(matrix.step) - own) / float(matrix.step)
    assert (off <= np.where(own < matrix.step, 1.0, 0.501)).all() and matrix.multiples.min() >= 1
    low, high = code_range(bits)
    assert (matrix.codes == np.clip(np.rint(weights / matrix.scale[:, None]), low, high)).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 4, 8]))
@settings(max_examples=20, deadline=None)
def test_a_scale_by_output_is_no_worse_than_any_of_the_range(seed, bits):
    """Of a whole matrix, from 0.08 of the one that clips nothing up to it."""
    weights, moments = problem(seed)
    factors = Factors.of(moments)
    matrix = quantize_matrix(weights, bits, Scheme("nearest", "matrix", "output"), factors)
    assert (matrix.multiples == 1).all()
    found = output_errors(weights, factors, matrix.scale.astype(np.float64), bits).sum()
    widest = float(np.abs(weights).max()) / code_range(bits)[1]
    tried = [output_errors(weights, factors, np.full(6, widest * s), bits).sum() for s in np.linspace(0.08, 1, 32)]
    assert found <= min(tried) * (1 + 1e-2)  # the fine steps around the best coarse one pass it by a little
    assert 0.08 * widest * 0.999 <= matrix.step <= widest * 1.001


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 4, 8]))
@settings(max_examples=20, deadline=None)
def test_scales_of_rows_by_output_are_no_worse_than_any_multiple_that_is_tried(seed, bits):
    """Whole multiples of either sign, from 0.08 of the one that clips nothing of the row up to it."""
    weights, moments = problem(seed)
    factors = Factors.of(moments)
    matrix = quantize_matrix(weights, bits, Scheme("nearest", "row", "output"), factors)
    whole = np.abs(weights).max(axis=1).astype(np.float64) / code_range(bits)[1]
    assert matrix.step == pytest.approx(whole.max() / 127)
    step = float(matrix.step)
    most = np.clip(np.ceil(whole / step), 1, 127)
    found = output_errors(weights, factors, matrix.multiples * step, bits)
    for share in np.linspace(0.08, 1, 32):
        for sign in (1, -1):
            tried = sign * np.clip(np.rint(most * share), 1, 127) * step
            assert (found <= output_errors(weights, factors, tried, bits) * (1 + 1e-9)).all(), (share, sign)
    assert (np.abs(matrix.multiples.astype(int)) <= most).all()


def test_negative_scales_are_taken_where_codes_reach_further_down():
    """At 2 bits codes are -2 to 1: a row of 2 and -1 has exact codes with a negative scale alone."""
    weights = np.array([[2.0, -1.0], [-2.0, 1.0]], np.float32)
    matrix = quantize_matrix(weights, 2, Scheme(), Factors.of(np.eye(2, dtype=np.int64) * 100))
    assert matrix.multiples[0] < 0 < matrix.multiples[1]
    assert (matrix.codes == [[-2, 1], [-2, 1]]).all()


def test_moments_are_damped_by_a_hundredth_of_their_mean_power():
    moments = np.array([[100, 5, 0], [5, 900, 0], [0, 0, 0]], np.int64)
    factors = Factors.of(moments)
    assert factors.order.tolist() == [1, 0, 2] and factors.damping == pytest.approx(0.01 * 1000 / 3)
    assert (factors.damped - np.diag([factors.damping] * 3) == [[900, 5, 0], [5, 100, 0], [0, 0, 0]]).all()
    silent = Factors.of(np.zeros((2, 2), np.int64))
    assert silent.damping == 1.0 and (silent.damped == np.eye(2)).all() and silent.order.tolist() == [0, 1]


def test_a_scheme_without_moments_takes_none_and_16_bits_are_fixed_point():
    weights, moments = problem(1)
    with_them = quantize_matrix(weights, 4, BY_WEIGHTS, Factors.of(moments))
    assert (with_them.codes == quantize_matrix(weights, 4, BY_WEIGHTS).codes).all()
    for scheme in (Scheme(), BY_WEIGHTS):
        wide = quantize_matrix(weights, 16, scheme)
        assert wide.bits == 16 and np.abs(wide.values - weights).max() <= wide.step / 2
    blank = quantize_matrix(np.zeros((3, 2)), 4, Scheme())
    assert (blank.step, blank.multiples.tolist(), blank.bits) == (1, [1, 1, 1], 4) and not blank.codes.any()


@pytest.mark.parametrize(("peak", "bits"), [(0.0, 15), (CODE_MAX / 2**15, 15), (1.0, 14), (32767.0, 0), (32768.0, -1)])
def test_a_grid_is_the_finest_that_holds_a_peak(peak, bits):
    assert fraction_bits(peak) == bits
    assert to_float(to_grid(np.array([peak, -peak]), bits), bits) == pytest.approx([peak, -peak], abs=2.0**-bits)


def test_what_no_grid_holds_saturates_and_what_is_no_range_is_refused():
    assert fraction_bits(1e30) == -15
    assert to_float(to_grid(np.array([1e30]), -15), -15)[0] == 32767 * 2.0**15
    for bad in (-1.0, -1e-9, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"a fixed-point range needs a finite peak of at least 0, not {bad}"):
            fraction_bits(bad)
