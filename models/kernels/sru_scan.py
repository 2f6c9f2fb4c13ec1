"""Elementwise recurrence of the SRU as compiled scans: float with gradients, and 16-bit fixed point.

Frames of all utterances are concatenated, [N, ...]; `offsets` int64 [U + 1] bounds the utterances. u is
[N, k D] in blocks u0, u1, u2 (, u3), each D = `directions` H wide: forward direction's units, then backward's.
"""

from __future__ import annotations

import math

import numpy as np

from models.kernels.codes import load_codes, product, scaled, store_codes
from models.kernels.elementwise import blend, copy_codes
from models.kernels.sigmoid import sigmoid
from models.kernels.words import CODES
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
def scan_fixed(u, x, x_scale, v, v_scale, lines, offsets, out, half, directions, highway):  # type: ignore[no-untyped-def]
    """Run the fixed-point recurrence: h goes to `out` int16 [N, D, padded], on the layer's state grid; H = half.

    u: codes int16 [N + 1, k D, padded], u0 and u3 on the state grid, u1 and u2 with their bias on the preactivation
    grid. x: codes int16 [N, D, padded] of the layer's input; times x_scale, which is alpha in steps of the state
    grid, they are the highway. x is unused where u3 is the highway (`highway`). v: codes int16 [2, D + CODES];
    v_scale: a code of v times a state code, in preactivation steps. lines: those of the sigmoid.

    Every operation is one float32 operation, rounded to a grid. Codes past H are the numbers that follow, and their
    results are not kept. out is zeroed past both directions.
    """
    width, stride = directions * half, u.shape[1]
    room = -(-half // CODES) * CODES
    x_codes, out_codes = x.reshape(-1), out.reshape(-1)
    state, h, below = np.empty(room, np.int16), np.empty(room, np.int16), np.zeros(room, np.int16)
    for direction in range(directions):
        shift = direction * half
        for utterance in range(len(offsets) - 1):
            start, end = offsets[utterance], offsets[utterance + 1]
            state[:] = 0
            for step in range(end - start):
                n = start + step if direction == 0 else end - 1 - step
                place = n * stride + shift
                if not highway:
                    copy_codes(x_codes, n * x.shape[1] + shift, below, 0, half)
                for i in range(0, room, CODES):
                    before = load_codes(state, i)
                    from_forget = product(load_codes(v, shift + i), before, v_scale)
                    forget = sigmoid(lines, load_codes(u, place + width + i) + from_forget)
                    from_reset = product(load_codes(v, v.shape[1] + shift + i), before, v_scale)
                    reset = sigmoid(lines, load_codes(u, place + 2 * width + i) + from_reset)
                    after = blend(forget, load_codes(u, place + i), before)
                    through = load_codes(u, place + 3 * width + i) if highway else scaled(load_codes(below, i), x_scale)
                    store_codes(state, i, after)
                    store_codes(h, i, blend(reset, through, after))
                copy_codes(h, 0, out_codes, n * out.shape[1] + shift, half)
    if out.shape[1] > width:
        out[:, width:] = 0
