"""Compensated rounding in compiled loops: columns one after another, each making up for the errors of those before.

The rounding error of a matrix row is d = w - q s. Over vectors x with second moments H = sum x x^T its products are off
by d H d^T. With H = N D N^T, N unit upper triangular, it is the sum over columns j of D_j (d_j + sum_{k<j} d_k N_kj)^2:
column j is chosen so that its term is least, given those before. Equal to the updates of GPTQ without its inverse.
Every sum is in float64 and runs in the order written (no fused multiply-add, no reordering), so that every machine gets
the same codes.
Source: Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers" (ICLR 2023).
"""

from __future__ import annotations

import numpy as np

from models.quantization.compiling import compiled

LANES = 32  # rows, or scales of one row, that are rounded together; a column's factors are read once for all
SWEEPS = 10  # over a row's columns at most; most rows settle in three
ROUNDER = 1.5 * 2.0**52  # leaves a float64 no fraction bits: rounds half to even, see `fixed_point.ROUNDER`


@compiled
def factorise(moments):  # type: ignore[no-untyped-def]
    """Factorise a positive definite matrix [n, n], which is overwritten: transposed N [n, n] and D [n]."""
    n = len(moments)
    unit, diagonal = np.zeros((n, n)), np.zeros(n)
    for j in range(n - 1, -1, -1):
        diagonal[j] = moments[j, j]
        for k in range(j):
            unit[j, k] = moments[j, k] / diagonal[j]
        for i in range(j):
            factor = unit[j, i]
            for k in range(i + 1):
                moments[i, k] -= factor * moments[j, k]
    return unit, diagonal


@compiled
def _accumulate(total, factors, values, count):  # type: ignore[no-untyped-def]
    """Add factors [count] times values [count, n] to total [n], one after another; eight for each time it is stored.

    Three times as fast as storing it every time.
    """
    whole = count - count % 8
    for k in range(0, whole, 8):
        f0, f1, f2, f3 = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
        f4, f5, f6, f7 = factors[k + 4], factors[k + 5], factors[k + 6], factors[k + 7]
        for i in range(len(total)):
            value = total[i]
            value += f0 * values[k, i]
            value += f1 * values[k + 1, i]
            value += f2 * values[k + 2, i]
            value += f3 * values[k + 3, i]
            value += f4 * values[k + 4, i]
            value += f5 * values[k + 5, i]
            value += f6 * values[k + 6, i]
            value += f7 * values[k + 7, i]
            total[i] = value
    for k in range(whole, count):
        for i in range(len(total)):
            total[i] += factors[k] * values[k, i]


@compiled
def _round_lanes(weights, unit, diagonal, scales, low, high, carried, errors, codes, loss):  # type: ignore[no-untyped-def]
    """Round the LANES columns of weights [n, LANES], each by its scale, to codes [n, LANES], with the output errors.

    `carried` is 1 to make up for earlier errors, 0 to round each weight alone. errors [n, LANES] are scratch.
    """
    total = np.empty(LANES)
    loss[:] = 0.0
    for j in range(len(diagonal)):
        total[:] = 0.0
        _accumulate(total, unit[j], errors, j)
        for lane in range(LANES):
            wanted = (weights[j, lane] + carried * total[lane]) / scales[lane]
            code = (min(max(wanted, low), high) + ROUNDER) - ROUNDER
            error = weights[j, lane] - code * scales[lane]
            errors[j, lane], codes[j, lane] = error, code
            remains = error + total[lane]
            loss[lane] += diagonal[j] * remains * remains


@compiled
def output_errors(weights, unit, diagonal, scales, low, high, carried):  # type: ignore[no-untyped-def]
    """Output errors [rows, C] of weights [rows, n] rounded by each of their scales [rows, C]."""
    rows, n = weights.shape
    errors, codes, repeated = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((n, LANES))
    found, chosen, loss = np.empty(scales.shape), np.empty(LANES), np.empty(LANES)
    for row in range(rows):
        for j in range(n):
            repeated[j, :] = weights[row, j]
        for first in range(0, scales.shape[1], LANES):
            count = min(LANES, scales.shape[1] - first)
            chosen[:] = scales[row, first]
            chosen[:count] = scales[row, first : first + count]
            _round_lanes(repeated, unit, diagonal, chosen, low, high, carried, errors, codes, loss)
            found[row, first : first + count] = loss[:count]
    return found


@compiled
def round_rows(weights, unit, diagonal, scales, low, high):  # type: ignore[no-untyped-def]
    """Codes float64 [rows, n] of weights [rows, n] with a scale [rows] each, columns making up for earlier ones."""
    rows, n = weights.shape
    errors, codes, block = np.empty((n, LANES)), np.empty((n, LANES)), np.zeros((n, LANES))
    chosen, loss = np.ones(LANES), np.empty(LANES)
    found = np.empty((rows, n))
    for first in range(0, rows, LANES):
        count = min(LANES, rows - first)
        for lane in range(count):
            chosen[lane] = scales[first + lane]
            block[:, lane] = weights[first + lane]
        _round_lanes(block, unit, diagonal, chosen, low, high, 1.0, errors, codes, loss)
        for lane in range(count):
            found[first + lane] = codes[:, lane]
    return found


@compiled
def errors_of_codes(weights, damped, damping, scales, codes):  # type: ignore[no-untyped-def]
    """Output errors [rows] of codes [rows, n], without the damping's share."""
    rows, n = weights.shape
    found, error, moved = np.zeros(rows), np.empty(n), np.empty(n)
    for row in range(rows):
        for k in range(n):
            error[k] = weights[row, k] - codes[row, k] * scales[row]
            moved[k] = -damping * error[k]
        _accumulate(moved, error, damped, n)
        for k in range(n):
            found[row] += error[k] * moved[k]
    return found


@compiled
def settle(weights, moments, scales, low, high, codes):  # type: ignore[no-untyped-def]
    """Move single codes of codes float64 [rows, n], in place, as long as that lessens a row's output error.

    moments [n, n] are the matrix that was factorised, in the same order.
    """
    rows, n = weights.shape
    slope, error = np.empty(n), np.empty(n)
    for row in range(rows):
        scale = scales[row]
        slope[:] = 0.0
        for k in range(n):
            error[k] = weights[row, k] - codes[row, k] * scale
        _accumulate(slope, error, moments, n)
        for _ in range(SWEEPS):
            moved = False
            for j in range(n):
                wanted = codes[row, j] + slope[j] / (scale * moments[j, j])
                code = (min(max(wanted, low), high) + ROUNDER) - ROUNDER
                if code != codes[row, j]:
                    moved, step = True, (code - codes[row, j]) * scale
                    codes[row, j] = code
                    for k in range(n):
                        slope[k] -= step * moments[j, k]
            if not moved:
                break
