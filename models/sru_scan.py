"""SRU's elementwise recurrence as compiled scans: float with gradients, and 16-bit fixed point.

Frames of all utterances stand one after another, [N, ...]; `offsets` int64 [U + 1] bounds the utterances. u is
[N, k D] in blocks u0, u1, u2 (, u3), each D = 2 H wide: forward direction's units, then backward's.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from models.compiled import clip, grid, look_up
from models.fixed_point import GATE_FRACTION_BITS, SIGMOID_REACH

GATE_STEP = np.float32(2.0**-GATE_FRACTION_BITS)
REACH = np.float32(SIGMOID_REACH)


@njit(cache=True, nogil=True)
def scan_float(u, highway, v, b, offsets):  # type: ignore[no-untyped-def]
    """h, c, f, r float32 [N, D]. `highway` [N, D] is x'; v and b are [2, D] (forget, reset)."""
    frames, width = highway.shape
    half = width // 2
    h = np.empty((frames, width), np.float32)
    c = np.empty_like(h)
    f = np.empty_like(h)
    r = np.empty_like(h)
    one = np.float32(1.0)
    state = np.empty(half, np.float32)
    for utterance in range(len(offsets) - 1):
        start, end = offsets[utterance], offsets[utterance + 1]
        for direction in range(2):
            state[:] = 0
            shift = direction * half
            for step in range(end - start):
                n = start + step if direction == 0 else end - 1 - step
                for i in range(half):
                    j = shift + i
                    before = state[i]
                    ft = one / (one + math.exp(-(u[n, width + j] + v[0, j] * before + b[0, j])))
                    rt = one / (one + math.exp(-(u[n, 2 * width + j] + v[1, j] * before + b[1, j])))
                    ct = u[n, j] + ft * (before - u[n, j])
                    h[n, j] = highway[n, j] + rt * (ct - highway[n, j])
                    c[n, j] = ct
                    f[n, j] = ft
                    r[n, j] = rt
                    state[i] = ct
    return h, c, f, r


@njit(cache=True, nogil=True)
def scan_float_gradient(dh, u, highway, c, f, r, v, offsets):  # type: ignore[no-untyped-def]
    """Gradients du [N, 3 D], dhighway [N, D], dv [2, D], db [2, D] of `scan_float`'s h."""
    frames, width = highway.shape
    half = width // 2
    du = np.empty((frames, 3 * width), np.float32)
    dhighway = np.empty((frames, width), np.float32)
    dv = np.zeros((2, width), np.float32)
    db = np.zeros((2, width), np.float32)
    one = np.float32(1.0)
    carry = np.empty(half, np.float32)
    for utterance in range(len(offsets) - 1):
        start, end = offsets[utterance], offsets[utterance + 1]
        for direction in range(2):
            carry[:] = 0
            shift = direction * half
            back = -1 if direction == 0 else 1
            for step in range(end - start):
                n = end - 1 - step if direction == 0 else start + step
                first = step == end - start - 1
                for i in range(half):
                    j = shift + i
                    before = np.float32(0.0) if first else c[n + back, j]
                    ft, rt = f[n, j], r[n, j]
                    dc = carry[i] + dh[n, j] * rt
                    dhighway[n, j] = dh[n, j] * (one - rt)
                    reset = dh[n, j] * (c[n, j] - highway[n, j]) * rt * (one - rt)
                    forget = dc * (before - u[n, j]) * ft * (one - ft)
                    du[n, j] = dc * (one - ft)
                    du[n, width + j] = forget
                    du[n, 2 * width + j] = reset
                    dv[0, j] += forget * before
                    dv[1, j] += reset * before
                    db[0, j] += forget
                    db[1, j] += reset
                    carry[i] = dc * ft + forget * v[0, j] + reset * v[1, j]
    return du, dhighway, dv, db


@njit(nogil=True, cache=True)
def _table_index(sums, scale, v, v_scale, b, state, index):  # type: ignore[no-untyped-def]
    for i in range(len(index)):
        pre = clip(grid(np.float32(sums[i]) * scale[i]) + b[i])
        pre = clip(pre + grid(v[i] * state[i] * v_scale))
        index[i] = np.int32(min(max(pre, -REACH), REACH)) + SIGMOID_REACH


@njit(nogil=True, cache=True)
def _update(sums, scale, through, forget, reset, state, row):  # type: ignore[no-untyped-def]
    for i in range(len(row)):
        u0 = grid(np.float32(sums[i]) * scale[i])
        after = clip(u0 + grid(forget[i] * clip(state[i] - u0) * GATE_STEP))
        row[i] = np.int16(clip(through[i] + grid(reset[i] * clip(after - through[i]) * GATE_STEP)))
        state[i] = after


@njit(nogil=True, cache=True)
def _rescale(codes, scale, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = grid(np.float32(codes[i]) * scale[i])


@njit(cache=True, nogil=True)
def scan_fixed(u, u_scale, x, x_scale, v, v_scale, b, table, offsets, out):  # type: ignore[no-untyped-def]
    """h into `out` int16 [N, D], on the layer's state grid; every step one float32 operation, rounded to a grid.

    u: exact sums [N, k D] (int32, or float32 where 16-bit operands took part); u_scale float32 [k D]: what one sum is
    worth in steps of its grid (state grid for u0 and u3, preactivation grid for u1 and u2). x: int16 codes [N, D] of
    the layer's input, added as it is where k = 3, with x_scale [D] = alpha in steps of the state grid; unused where
    k = 4. v: codes float32 [2, D], v_scale what v's code times a state code is worth in preactivation steps. b: codes
    float32 [2, D] on the preactivation grid. table: the shared sigmoid.

    The steps are split into short loops over contiguous rows, and the table look-ups stand alone, so that the
    arithmetic vectorises; views that do not change from step to step are made once.
    """
    frames, width = out.shape
    half = width // 2
    highway = u.shape[1] == 4 * width
    parts = u.reshape(frames, u.shape[1] // width, 2, half)
    rows = out.reshape(frames, 2, half)
    same = rows if highway else x.reshape(frames, 2, half)
    state = np.empty(half, np.float32)
    forget_index = np.empty(half, np.int32)
    reset_index = np.empty(half, np.int32)
    forget = np.empty(half, np.float32)
    reset = np.empty(half, np.float32)
    through = np.empty(half, np.float32)
    for d in range(2):
        j, m = d * half, (d + 1) * half
        scale = u_scale[j:m]
        forget_scale, reset_scale = u_scale[width + j : width + m], u_scale[2 * width + j : 2 * width + m]
        through_scale = u_scale[3 * width + j : 3 * width + m] if highway else x_scale[j:m]
        forget_v, reset_v, forget_b, reset_b = v[0, j:m], v[1, j:m], b[0, j:m], b[1, j:m]
        for utterance in range(len(offsets) - 1):
            start, end = offsets[utterance], offsets[utterance + 1]
            state[:] = 0
            for step in range(end - start):
                n = start + step if d == 0 else end - 1 - step
                _table_index(parts[n, 1, d], forget_scale, forget_v, v_scale, forget_b, state, forget_index)
                _table_index(parts[n, 2, d], reset_scale, reset_v, v_scale, reset_b, state, reset_index)
                look_up(table, forget_index, forget)
                look_up(table, reset_index, reset)
                if highway:
                    _rescale(parts[n, 3, d], through_scale, through)
                else:
                    _rescale(same[n, d], through_scale, through)
                _update(parts[n, 0, d], scale, through, forget, reset, state, rows[n, d])
