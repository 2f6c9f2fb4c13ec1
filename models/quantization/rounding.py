"""Quantization of weight matrices by a scheme: how each of its parts is done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.quantization.quantizer import (
    Histogram,
    QuantizedMatrix,
    code_range,
    fixed_point_matrix,
    require_integer,
)
from models.quantization.scheme import COMPENSATED, MATRIX, NEAREST, OUTPUT, WEIGHTS, Scheme
from models.workload import BASELINE_BITS, InputError

DAMPING = 0.01  # of the moments' mean diagonal, added to all of it; Source: GPTQ
MULTIPLE_MAX = 127
COARSE, FINE = 32, 32  # scales that are tried: over the whole range, then around the best of them
LEAST = 0.08  # smallest scale tried, of the one that clips nothing

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Factors:
    """Second moments [cols, cols] of the vectors that a matrix multiplies, factorised; see `compensation.factorise`.

    `order` int64 [cols]: columns by falling moment, in which all of this and the compensation run.
    """

    order: NDArray[np.int64]
    damped: Floats  # the moments, in this order
    damping: float  # what was added to their diagonal
    unit: Floats
    diagonal: Floats

    @classmethod
    def of(cls, moments: NDArray[np.int64]) -> Factors:
        """Factorise sums of products int64 [cols, cols]. Columns that are always 0 are damped like the others."""
        from models.quantization.compensation import factorise

        power = np.diagonal(moments)
        order = np.argsort(-power, kind="stable")
        dense = moments[np.ix_(order, order)].astype(np.float64)
        # the mean in whole numbers, so that no order of summation matters
        mean = int(power.sum(dtype=object)) / len(power)
        damping = DAMPING * mean if mean else 1.0
        dense[np.diag_indices(len(dense))] += damping
        return cls(order, dense, damping, *factorise(dense.copy()))


def quantize_matrix(
    weights: NDArray[np.floating], bits: int, scheme: Scheme, factors: Factors | None = None
) -> QuantizedMatrix:
    """Quantize a matrix [rows, cols]; 16 bits give binary fixed point whatever the scheme.

    `factors` are those of the vectors that it multiplies, needed where `scheme.needs_moments`.
    Raises InputError if a weight is not finite or bits are no width of matrices.
    """
    if not np.isfinite(weights).all():
        raise InputError("weights to quantize are not finite")
    if bits == BASELINE_BITS:
        return fixed_point_matrix(weights)
    require_integer(bits)
    weights = weights.astype(np.float32)
    if not weights.any():
        return QuantizedMatrix(np.zeros(weights.shape, np.int16), np.float32(1), np.ones(len(weights), np.int8), bits)
    if not scheme.needs_moments:
        factors = None
    elif factors is None:
        raise ValueError(f"{scheme} needs the moments of what the matrix multiplies")
    step, multiples = CLIPPINGS[scheme.clipping](weights, bits, scheme, factors)
    scale = multiples.astype(np.float32) * step
    codes = ROUNDINGS[scheme.rounding](weights, scale, bits, factors)
    return QuantizedMatrix(codes, step, multiples, bits)


def _clip_by_weights(
    weights: NDArray[np.float32], bits: int, scheme: Scheme, factors: Factors | None
) -> tuple[np.float32, NDArray[np.int8]]:
    """Scales with the least square error of the weights."""
    if scheme.scales == MATRIX:
        return np.float32(Histogram.of(weights).scale(bits)), np.ones(len(weights), np.int8)
    wanted = np.array([Histogram.of(row).scale(bits) if row.any() else 0.0 for row in weights])
    step = np.float32(wanted.max() / MULTIPLE_MAX)
    return step, np.clip(np.rint(wanted / step), 1, MULTIPLE_MAX).astype(np.int8)


def _clip_by_output(
    weights: NDArray[np.float32], bits: int, scheme: Scheme, factors: Factors | None
) -> tuple[np.float32, NDArray[np.int8]]:
    """Scales with the least error of the products, rounded as the scheme rounds.

    A row's scale may be negative: its codes then reach one step further up than down, which matters at few bits.
    """
    from models.quantization.compensation import output_errors

    assert factors is not None
    low, high = code_range(bits)
    ordered = weights[:, factors.order].astype(np.float64)
    whole = np.abs(ordered).max(axis=1) / high  # clips nothing
    carried = float(scheme.rounding == COMPENSATED)

    def errors(scales: Floats) -> Floats:
        """Output errors [rows, C] with scales [rows, C]."""
        found: Floats = output_errors(ordered, factors.unit, factors.diagonal, scales, low, high, carried)
        return found

    if scheme.scales == MATRIX:

        def total(scales: Floats) -> Floats:
            return errors(np.repeat(scales[None], len(weights), axis=0)).sum(axis=0)

        scales = whole.max() * np.linspace(LEAST, 1.0, COARSE)
        best = int(np.argmin(total(scales)))
        scales = np.linspace(scales[max(best - 1, 0)], scales[min(best + 1, COARSE - 1)], FINE)
        return np.float32(scales[np.argmin(total(scales))]), np.ones(len(weights), np.int8)

    step, rows = np.float32(whole.max() / MULTIPLE_MAX), np.arange(len(weights))
    most = np.clip(np.ceil(whole / step), 1, MULTIPLE_MAX)  # multiples that clip nothing
    sizes = np.clip(np.rint(most[:, None] * np.linspace(LEAST, 1.0, COARSE)), 1, MULTIPLE_MAX)
    either = np.hstack([errors(sign * sizes * float(step)) for sign in (1, -1)])
    sign, best = np.divmod(np.argmin(either, axis=1), COARSE)
    least, most = sizes[rows, np.maximum(best - 1, 0)], sizes[rows, np.minimum(best + 1, COARSE - 1)]
    sizes = np.rint(least[:, None] + (most - least)[:, None] * np.linspace(0.0, 1.0, FINE))
    multiples = np.where(sign, -1, 1)[:, None] * sizes
    found = multiples[rows, np.argmin(errors(multiples * float(step)), axis=1)]
    return step, found.astype(np.int8)


def nearest(
    weights: NDArray[np.float32], scale: NDArray[np.float32], bits: int, factors: Factors | None = None
) -> NDArray[np.int16]:
    """Codes int16 [rows, cols] nearest to weights, with a scale [rows] each."""
    return np.clip(np.rint(weights / scale[:, None]), *code_range(bits)).astype(np.int16)


def _compensated(
    weights: NDArray[np.float32], scale: NDArray[np.float32], bits: int, factors: Factors | None
) -> NDArray[np.int16]:
    """Codes that make up for each other's errors; row by row the nearest ones where they are off by less."""
    from models.quantization.compensation import errors_of_codes, round_rows, settle

    assert factors is not None
    ordered, wide, limits = weights[:, factors.order].astype(np.float64), scale.astype(np.float64), code_range(bits)
    codes = round_rows(ordered, factors.unit, factors.diagonal, wide, *limits)
    settle(ordered, factors.damped, wide, *limits, codes)
    nearest = np.clip(np.rint(ordered / wide[:, None]), *limits)
    better = [errors_of_codes(ordered, factors.damped, factors.damping, wide, tried) for tried in (codes, nearest)]
    found = np.empty(weights.shape, np.int16)
    found[:, factors.order] = np.where((better[0] <= better[1])[:, None], codes, nearest)
    return found


CLIPPINGS = {WEIGHTS: _clip_by_weights, OUTPUT: _clip_by_output}
ROUNDINGS = {COMPENSATED: _compensated, NEAREST: nearest}
