"""Compensated rounding against brute force and plain NumPy, its edges, and codes that every machine gives."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.quantization.compensation import factorise
from models.quantization.quantizer import QuantizedMatrix, code_range
from models.quantization.rounding import Factors, quantize_matrix
from models.quantization.scheme import CHOICES, PAPERS, Scheme
from models.workload import INTEGER_BITS, InputError

SCHEMES = [
    Scheme(rounding, scales, clipping, zero_points=True)
    for rounding, scales, clipping in itertools.product(*(CHOICES[k] for k in ("rounding", "scales", "clipping")))
]
DEFAULT = Scheme()


def vectors(rng, count, cols, spread=8.0):
    """Codes of vectors whose elements go together, some often zero, some large."""
    mix = rng.normal(size=(cols, cols)) * np.exp(rng.normal(size=cols))
    return np.clip(np.rint(rng.normal(size=(count, cols)) @ mix * spread + 3), -32768, 32767).astype(np.int64)


def output_error(weights, matrix, moments):
    """Error of every row's products, summed over the calibration set."""
    wrong = weights.astype(np.float64) - matrix.codes * matrix.scale.astype(np.float64)[:, None]
    return ((wrong @ moments) * wrong).sum(axis=1)


def nearest(weights, matrix):
    codes = np.clip(np.rint(weights / matrix.scale[:, None]), *code_range(matrix.bits)).astype(np.int16)
    return QuantizedMatrix(codes, matrix.step, matrix.multiples, matrix.bits)


shapes = st.tuples(st.integers(1, 40), st.integers(1, 24), st.integers(1, 60))


@given(st.integers(0, 2**32 - 1), shapes, st.sampled_from(INTEGER_BITS), st.sampled_from(["row", "matrix"]))
@settings(max_examples=60, deadline=None)
def test_no_row_is_off_by_more_than_with_nearest_codes_of_the_same_scales(seed, shape, bits, scales):
    (rows, cols, count), rng = shape, np.random.default_rng(seed)
    x = vectors(rng, count, cols)  # often fewer vectors than columns: rank-deficient moments
    moments, weights = x.T @ x, rng.normal(size=(rows, cols)).astype(np.float32)
    matrix = quantize_matrix(weights, bits, Scheme(scales=scales), Factors.of(moments))
    low, high = code_range(bits)
    assert matrix.codes.min() >= low and matrix.codes.max() <= high
    assert (np.abs(matrix.multiples.astype(int)) >= 1).all() and matrix.step > 0
    off, nearest_off = (output_error(weights, each, moments) for each in (matrix, nearest(weights, matrix)))
    assert (off <= nearest_off * (1 + 1e-9) + 1e-9 * np.trace(moments)).all()


def test_it_is_much_better_than_nearest_where_inputs_go_together():
    rng = np.random.default_rng(0)
    x = vectors(rng, 4000, 48)
    moments, weights = x.T @ x, rng.normal(size=(64, 48)).astype(np.float32)
    for bits, share in ((2, 0.5), (4, 0.4), (8, 0.4)):
        found = quantize_matrix(weights, bits, DEFAULT, Factors.of(moments))
        papers = quantize_matrix(weights, bits, PAPERS)
        assert output_error(weights, found, moments).sum() < share * output_error(weights, papers, moments).sum()


def test_few_columns_are_near_the_best_of_all_codes():
    """Brute force over all codes of a row with the scale that was chosen."""
    rng = np.random.default_rng(1)
    x = vectors(rng, 200, 4)
    moments, weights = x.T @ x, rng.normal(size=(40, 4)).astype(np.float32)
    matrix = quantize_matrix(weights, 2, DEFAULT, Factors.of(moments))
    every = np.array(list(itertools.product(range(-2, 2), repeat=4)))
    off, best = output_error(weights, matrix, moments), []
    for row, scale in zip(weights.astype(np.float64), matrix.scale.astype(np.float64), strict=True):
        wrong = row - every * scale
        best.append(((wrong @ moments) * wrong).sum(axis=1).min())
    assert (off >= np.array(best) * (1 - 1e-9)).all()
    assert off.sum() < 1.1 * sum(best) and (off <= np.array(best) * (1 + 1e-9)).mean() > 0.8


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_factors_are_those_of_the_damped_moments(seed, cols):
    rng = np.random.default_rng(seed)
    x = vectors(rng, 30, cols)
    factors = Factors.of(x.T @ x)
    unit = factors.unit.T + np.eye(cols)
    again = unit * factors.diagonal @ unit.T
    damped = (x.T @ x)[np.ix_(factors.order, factors.order)] + factors.damping * np.eye(cols)
    assert np.abs(again - damped).max() <= 1e-9 * np.abs(damped).max()
    assert (factors.damped == damped).all() and (factors.diagonal > 0).all()
    assert (np.diff(np.diagonal(x.T @ x)[factors.order]) <= 0).all()
    assert (np.triu(factors.unit) == 0).all()
    blank, ones = factorise(np.eye(3))
    assert (blank == 0).all() and (ones == 1).all()


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("bits", [2, 8])
def test_edges(scheme, bits):
    rng = np.random.default_rng(2)
    low, high = code_range(bits)
    cases = {
        "constant input": (rng.normal(size=(5, 3)), np.full((20, 3), 700)),
        "no input": (rng.normal(size=(5, 3)), np.zeros((20, 3))),
        "a dead column": (rng.normal(size=(5, 3)), rng.integers(-9, 9, (20, 3)) * [1, 0, 1]),
        "one column": (rng.normal(size=(5, 1)), rng.integers(-9, 9, (20, 1))),
        "one row": (rng.normal(size=(1, 6)), rng.integers(-9, 9, (20, 6))),
        "a row of zeros": (rng.normal(size=(5, 3)) * [[1], [0], [1], [1], [1]], rng.integers(-9, 9, (20, 3))),
        "nothing": (np.zeros((4, 3)), rng.integers(-9, 9, (20, 3))),
        "tiny and huge rows": (rng.normal(size=(3, 4)) * [[1e-30], [1], [1e6]], rng.integers(-9, 9, (20, 4))),
    }
    for name, (weights, x) in cases.items():
        wide = x.astype(np.int64)
        matrix = quantize_matrix(weights.astype(np.float32), bits, scheme, Factors.of(wide.T @ wide))
        assert matrix.codes.shape == weights.shape and np.isfinite(matrix.values).all(), name
        assert matrix.codes.min() >= low and matrix.codes.max() <= high, name
        if name in ("a row of zeros", "nothing"):
            assert (matrix.codes[np.abs(weights).max(axis=1) == 0] == 0).all()
    factors = Factors.of(np.eye(2, dtype=np.int64))
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(InputError, match="not finite"):
            quantize_matrix(np.array([[1.0, bad]], np.float32), bits, scheme, factors)
    with pytest.raises(InputError, match="32 bits is not an integer quantizer"):
        quantize_matrix(np.ones((2, 2), np.float32), 32, scheme, factors)


def test_a_scheme_that_needs_moments_says_so_and_unknown_choices_are_one_line():
    with pytest.raises(ValueError, match="needs the moments"):
        quantize_matrix(np.ones((2, 2), np.float32), 4, DEFAULT)
    for name in CHOICES:
        with pytest.raises(InputError, match=f"{name} 'best' is none of "):
            Scheme(**{name: "best"})
    with pytest.raises(InputError, match="zero_points 1 is neither true nor false"):
        Scheme(zero_points=1)


def test_a_scale_a_matrix_is_one():
    rng = np.random.default_rng(3)
    x = vectors(rng, 100, 12)
    for rounding in CHOICES["rounding"]:
        matrix = quantize_matrix(rng.normal(size=(9, 12)).astype(np.float32), 4, Scheme(rounding, "matrix"),
                                 Factors.of(x.T @ x))  # fmt: skip
        assert (matrix.multiples == 1).all() and len(set(matrix.scale.tolist())) == 1


def codes_hash(bits: int, scheme: Scheme) -> str:
    """Of weights and vectors made by whole numbers alone, so that nothing but the rounding can differ."""
    state, numbers = np.uint64(1), []
    for _ in range(96 * 40 + 300 * 40):
        state = np.uint64((int(state) * 6364136223846793005 + 1442695040888963407) % 2**64)
        numbers.append(int(state) >> 44)
    values = np.array(numbers, np.int64) - 2**19
    weights = (values[: 96 * 40].reshape(96, 40) / 2.0**19).astype(np.float32)
    x = values[96 * 40 :].reshape(300, 40) >> 5
    x = np.clip(x + np.roll(x, 1, axis=1) + 1000, -32768, 32767)
    matrix = quantize_matrix(weights, bits, scheme, Factors.of(x.T @ x))
    content = matrix.codes.tobytes() + matrix.multiples.tobytes() + matrix.step.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


HASHES = {
    ("row", 2): "310957f3181fe43b",
    ("row", 4): "d323b51fed1a846c",
    ("row", 8): "eb6ff71d662a70f6",
    ("matrix", 2): "6c0f6aa3def22875",
    ("matrix", 4): "72b9735801254b7f",
    ("matrix", 8): "be94612b39e56009",
}


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("scales", ["row", "matrix"])
def test_codes_are_the_same_on_every_machine(bits, scales):
    assert codes_hash(bits, Scheme(scales=scales)) == HASHES[scales, bits]
