"""Elementwise recurrence of the SRU as compiled scans: float with gradients, and 16-bit fixed point.

Frames of all utterances are concatenated, [N, ...]; `offsets` int64 [U + 1] bounds the utterances. u is
[N, k D] in blocks u0, u1, u2 (, u3), each D = `directions` H wide: forward direction's units, then backward's.
"""

from __future__ import annotations

import math

import numpy as np

from models.kernels.elementwise import blend, clip, grid, look_up, place_in_table
from models.kernels.lanes import LANES, load, store
from models.quantization.compiling import compiled


@compiled
def scan_float(u, highway, v, b, offsets, directions):  # type: ignore[no-untyped-def]
    """Run the float recurrence; returns h, c, f, r float32 [N, D].

    u float32 [N, 3 D or more]; `highway` [N, D] is x'; v and b are [2, D] (forget, reset).
    """
    frames, width = highway.shape
    half = width // directions
    h = np.empty((frames, width), np.float32)
    c = np.empty_like(h)
    f = np.empty_like(h)
    r = np.empty_like(h)
    one = np.float32(1.0)
    state = np.empty(half, np.float32)
    for utterance in range(len(offsets) - 1):
        start, end = offsets[utterance], offsets[utterance + 1]
        for direction in range(directions):
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


@compiled
def scan_float_gradient(dh, u, highway, c, f, r, v, offsets, directions):  # type: ignore[no-untyped-def]
    """Gradients du [N, 3 D], dhighway [N, D], dv [2, D], db [2, D] of `scan_float`'s h."""
    frames, width = highway.shape
    half = width // directions
    du = np.empty((frames, 3 * width), np.float32)
    dhighway = np.empty((frames, width), np.float32)
    dv = np.zeros((2, width), np.float32)
    db = np.zeros((2, width), np.float32)
    one = np.float32(1.0)
    carry = np.empty(half, np.float32)
    for utterance in range(len(offsets) - 1):
        start, end = offsets[utterance], offsets[utterance + 1]
        for direction in range(directions):
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


@compiled
def scan_fixed(u, x, x_scale, v, v_scale, table, offsets, out, half, directions, highway):  # type: ignore[no-untyped-def]
    """Run the fixed-point recurrence: h goes to `out` int16 [N, D, padded], on the layer's state grid; H = half.

    u: codes int16 [N + 1, k D, padded], u0 and u3 on the state grid, u1 and u2 with their bias on the preactivation
    grid. x: codes int16 [N, D, padded] of the layer's input; times x_scale, which is alpha in steps of the state
    grid, they are the highway. x is unused where u3 is the highway (`highway`). v: codes float32 [2, D + LANES];
    v_scale: a code of v times a state code, in preactivation steps. table: the shared sigmoid.

    Every operation is one float32 operation, rounded to a grid. Lanes past H hold the numbers that follow, and their
    results are not kept: backward's overwrite forward's, and out is zeroed past both.
    """
    width, stride = directions * half, u.shape[1]
    lanes = -(-half // LANES) * LANES
    state = np.empty(lanes, np.float32)
    index, gates = np.empty(2 * lanes, np.uint16), np.empty(2 * lanes, np.float32)
    for direction in range(directions):
        shift = direction * half
        for utterance in range(len(offsets) - 1):
            start, end = offsets[utterance], offsets[utterance + 1]
            state[:] = 0
            for step in range(end - start):
                n = start + step if direction == 0 else end - 1 - step
                for i in range(0, lanes, LANES):
                    before = load(state, i)
                    for gate in range(2):
                        through_v = grid(load(v, gate * v.shape[1] + shift + i) * before * v_scale)
                        x_gate = clip(load(u, n * stride + (1 + gate) * width + shift + i) + through_v)
                        store(index, gate * lanes + i, place_in_table(x_gate))
                look_up(table, index, gates)
                for i in range(0, lanes, LANES):
                    u0 = load(u, n * stride + shift + i)
                    after = blend(load(gates, i), u0, load(state, i))
                    if highway:
                        through = load(u, n * stride + 3 * width + shift + i)
                    else:
                        through = grid(load(x, n * x.shape[1] + shift + i) * x_scale)
                    store(state, i, after)
                    store(out, n * out.shape[1] + shift + i, blend(load(gates, lanes + i), through, after))
    if out.shape[1] > width:
        out[:, width:] = 0
