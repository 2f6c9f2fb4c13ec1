"""Thirty-two codes at once against numpy, code by code; `test_matmul` runs the same as other processors compile it."""

import numpy as np
import pytest
from numba import njit

from models.kernels.code_bytes import count_moves, move, store_lower_bytes, store_upper_bytes
from models.kernels.codes import gated, load_codes, nearest, product, rectified, scaled, spread, store_codes, to_codes
from models.kernels.elementwise import copy_codes
from models.kernels.lanes import LANES, load
from models.kernels.sigmoid import sigmoid, sigmoid_lines
from models.kernels.words import CODES
from models.quantization.fixed_point import sigmoid as plain_sigmoid
from models.quantization.fixed_point import sigmoid_knots

f32 = np.float32
EVERY = np.arange(-(2**15), 2**15).astype(np.int16)
RNG = np.random.default_rng(0)
EXTREMES = [-(2**15), -(2**15) + 1, -1, 0, 1, 2**15 - 1]
X, Y = (np.resize(each.ravel(), 64 * CODES).astype(np.int16) for each in np.meshgrid(EXTREMES, EXTREMES))
X[36:], Y[36:] = RNG.integers(-(2**15), 2**15, (2, len(X) - 36))
GATES = np.resize(np.concatenate([[0, 1, 2**14 - 1, 2**14], RNG.integers(0, 2**14 + 1, 60)]), len(X)).astype(np.int16)
STEPS = [2.0**-43, 2.0**-20, 2.0**-15, 2.0**-14, 1.0, 2.0**40]


def grid(x):
    return np.rint(np.clip(x, -(2**15), 2**15 - 1))


@njit
def steps(x, y, gates, step, out):
    for i in range(0, len(x), CODES):
        a, b = load_codes(x, i), load_codes(y, i)
        store_codes(out[0], i, a + b)
        store_codes(out[1], i, a - b)
        store_codes(out[2], i, product(a, b, step))
        store_codes(out[3], i, gated(load_codes(gates, i), b))
        store_codes(out[4], i, scaled(a, step * np.float32(0.7)))
        store_codes(out[5], i, rectified(a))
        store_codes(out[6], i, to_codes(load(x, i) * step, load(x, i + LANES) * step))
        store_codes(out[7], i, spread(np.int16(-3)))


@njit
def moves(x, y, limit, out):
    count = 0
    for i in range(0, len(x), CODES):
        a, b = load_codes(x, i), load_codes(y, i)
        count += count_moves(a, b, limit)
        store_codes(out, i, move(a, b, limit))
    return count


@njit
def in_bytes(x, out):
    for i in range(0, len(x), CODES):
        store_upper_bytes(out, i, load_codes(x, i))
        store_lower_bytes(out, len(x) + i, load_codes(x, i))


@njit
def roundings(x, out):
    for i in range(0, len(x), CODES):
        store_codes(out[0], i, to_codes(load(x, i), load(x, i + LANES)))
        low, high = np.float32(-(2**15)), np.float32(2**15 - 1)
        first, second = min(max(load(x, i), low), high), min(max(load(x, i + LANES), low), high)
        store_codes(out[1], i, nearest(first, second))


@njit
def sigmoids(lines, x, out):
    for i in range(0, len(x), CODES):
        store_codes(out, i, sigmoid(lines, load_codes(x, i)))


@pytest.mark.parametrize("step", STEPS)
def test_steps_are_numpys(step):
    out = np.empty((8, len(X)), np.int16)
    steps(X, Y, GATES, f32(step), out)
    x, y, gates = (each.astype(f32) for each in (X, Y, GATES))
    expected = [
        np.clip(x + y, -(2**15), 2**15 - 1),
        np.clip(x - y, -(2**15), 2**15 - 1),
        grid(x * y * f32(step)),
        grid(gates * y * f32(2.0**-14)),
        grid(x * (f32(step) * f32(0.7))),
        np.maximum(x, 0),
        grid(x * f32(step)),
        np.full_like(x, -3),
    ]
    for found, wanted in zip(out, expected, strict=True):
        assert (found == wanted).all()


def test_rounding_is_half_to_even_and_saturates():
    values = np.concatenate([X * f32(0.3), np.arange(-20, 28) + f32(0.5), [1e9, -1e9, 32767.5, -32768.5]])
    values = np.resize(values, 72 * CODES).astype(f32)
    out = np.empty((2, len(values)), np.int16)
    roundings(values, out)
    assert (out == grid(values)).all()


@pytest.mark.parametrize("limit", [0, 1, 255, 2**15, 2**16 - 2, 2**16 - 1])
def test_moves_beyond_a_limit(limit):
    out = np.empty_like(X)
    count = moves(X, Y, np.uint16(limit), out)
    moved = np.abs(X.astype(np.int64) - Y) > limit
    assert count == moved.sum() and (out == np.where(moved, X, Y)).all()


def test_bytes_of_every_code():
    out = np.empty(2 * len(EVERY), np.uint8)
    in_bytes(EVERY, out)
    high, low = out.reshape(2, -1).astype(np.int64)
    assert ((high - 128) * 256 + low == EVERY).all()


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_sigmoid_of_every_code(scale):
    knots = (sigmoid_knots() * scale).astype(np.int16)  # others too: nothing of the sigmoid is in the arithmetic
    out = np.empty_like(EVERY)
    sigmoids(sigmoid_lines(knots), EVERY, out)
    assert (out == plain_sigmoid(knots, EVERY)).all()


@pytest.mark.parametrize("knots", [np.arange(65)[::-1], np.arange(65) * 516, np.r_[np.zeros(64), 64]])
def test_knots_that_words_have_no_room_for_are_refused(knots):
    with pytest.raises(ValueError, match="knots of a sigmoid rise, by less than 515, and 64 at last"):
        sigmoid_lines(knots.astype(np.int64))


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 64, 70])
def test_copies_no_code_more(count):
    out = np.zeros(100, np.int16)
    copy_codes(EVERY, 7, out, 5, count)
    assert (out[5 : 5 + count] == EVERY[7 : 7 + count]).all() and not out[:5].any() and not out[5 + count :].any()


def check_all():
    """All of the above, for `test_matmul`."""
    for step in STEPS:
        test_steps_are_numpys(step)
    test_the_sigmoid_of_every_code(1.0)
    test_rounding_is_half_to_even_and_saturates()
    test_moves_beyond_a_limit(2**15)
    test_bytes_of_every_code()
    test_copies_no_code_more(70)
