"""Sixteen numbers at once against numpy, element by element."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from models.kernels.lanes import LANES, greatest, load, load_four_bytes, load_two_bytes, quotient, splat, store

RNG = np.random.default_rng(0)
X, Y = (RNG.normal(size=5 * LANES).astype(np.float32) * 1000 for _ in range(2))


def over_lanes(step):
    """Runs step(x, y) on all lanes; results float32."""
    compiled = njit(step)

    @njit
    def run(x, y, out):
        for i in range(0, len(out), LANES):
            store(out, i, compiled(load(x, i), load(y, i)))

    out = np.empty(len(X), np.float32)
    run(X, Y, out)
    return out


@pytest.mark.parametrize(
    "step",
    [
        lambda x, y: x + y,
        lambda x, y: x - y,
        lambda x, y: x * y,
        lambda x, y: x / y,
        lambda x, y: np.float32(3) / x,
        lambda x, y: x * np.float32(0.1) + y,
    ],
)
def test_arithmetic_is_numpys(step):
    assert (over_lanes(step) == step(X, Y)).all()


def test_order_is_numpys():
    assert (over_lanes(lambda x, y: min(x, y)) == np.minimum(X, Y)).all()
    assert (over_lanes(lambda x, y: max(x, splat(np.float32(7)))) == np.maximum(X, 7)).all()


def test_a_product_and_a_sum_are_rounded_apart():
    expected = (X * Y).astype(np.float32) + X
    fused = (X.astype(np.float64) * Y + X).astype(np.float32)
    assert (expected != fused).any()
    assert (over_lanes(lambda x, y: x * y + x) == expected).all()


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_loads_anywhere_and_any_type(dtype):
    values = RNG.integers(-(2**15), 2**15, 3 * LANES).astype(dtype)

    @njit
    def run(x, out):
        store(out, 3, load(x, 5))
        return greatest(load(x, 1))

    out = np.zeros(2 * LANES, np.float32)
    assert run(values, out) == values[1 : 1 + LANES].max()
    assert (out[3 : 3 + LANES] == values[5 : 5 + LANES]).all() and not out[:3].any() and not out[3 + LANES :].any()


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.uint16])
def test_stores_whole_numbers(dtype):
    limits = np.iinfo(dtype)
    values = RNG.integers(limits.min, limits.max + 1, LANES)

    @njit
    def run(x, out):
        store(out, 0, load(x, 0))

    out = np.zeros(LANES, dtype)
    run(values.astype(np.float32), out)
    assert (out == values).all()


def test_sums_of_bytes_are_rounded_once():
    parts = RNG.integers(-(2**29), 2**29, (4, LANES)).astype(np.int32)

    @njit
    def run(x, out):
        store(out, 0, load_two_bytes(x, 0, LANES))
        store(out, LANES, load_four_bytes(x, 0, LANES))

    out = np.empty(2 * LANES, np.float32)
    run(parts.ravel(), out)
    wide = parts.astype(np.int64)
    assert (out[:LANES] == (wide[0] * 256 + wide[1]).astype(np.float32)).all()
    assert (out[LANES:] == (wide[0] * 65536 + (wide[1] + wide[2]) * 256 + wide[3]).astype(np.float32)).all()


@settings(max_examples=200, deadline=None)
@given(st.floats(2.0**-20, 2.0**20, width=32) | st.integers(1, 2**15))
def test_a_quotient_of_any_code_is_the_divisions(divisor):
    """Also where it lies close to between two numbers, and is one of them or a half exactly."""
    codes, whole = np.arange(-(2**15), 2**15), 1 / np.float64(divisor)
    quotients = np.empty(len(codes), np.float32)
    near, rest = np.float32(whole), np.float32(whole - np.float32(whole))
    divide(codes.astype(np.int16), np.float32(divisor), near, rest, quotients)
    assert (quotients == codes.astype(np.float32) / np.float32(divisor)).all()


@njit
def divide(codes, divisor, near, rest, quotients):
    for i in range(0, len(codes), LANES):
        store(quotients, i, quotient(load(codes, i), splat(divisor), splat(near), splat(rest)))
