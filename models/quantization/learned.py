"""What retraining under quantization learned besides weights: grids, scales of rows, steps of activations.

It holds for the widths that a network was retrained at. Its weights then have the codes nearest to them, which are the
codes that were trained; at any other width a network is calibrated and rounded as usual, on the same grids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.quantization.quantizer import ZERO_QUARTERS, ActivationQuantizer, QuantizedMatrix, code_range
from models.quantization.rounding import MULTIPLE_MAX, nearest
from models.quantization.scheme import ROW, Scheme
from models.workload import INTEGER_BITS, InputError, Workload


@dataclass(frozen=True, eq=False)
class RowScales:
    """Scales of a matrix at `bits` bits: each row's is its multiple times the step."""

    bits: int
    step: np.float32
    multiples: NDArray[np.int8]  # [rows]

    def matrix(self, weights: NDArray[np.floating]) -> QuantizedMatrix:
        """Quantize a matrix [rows, cols]: each weight to the nearest code."""
        scale = self.multiples.astype(np.float32) * self.step
        codes = nearest(weights.astype(np.float32), scale, self.bits)
        return QuantizedMatrix(codes, self.step, self.multiples, self.bits)


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned, by matvec; nothing of a network that was trained in float.

    `peaks` are the largest magnitudes at fixed-point sites, which make the grids; `activations` are pairs of bits and
    quantizer.
    """

    peaks: Mapping[str, float] = field(default_factory=dict)
    scales: Mapping[str, RowScales] = field(default_factory=dict)
    activations: Mapping[str, tuple[int, ActivationQuantizer]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.peaks or self.scales or self.activations)

    def fits(self, scheme: Scheme) -> bool:
        """Whether a scheme stores all of it: scales of rows, zero points."""
        one_scale = all((scales.multiples == 1).all() for scales in self.scales.values())
        exact_zero = all(quantizer.zero == 0 for _, quantizer in self.activations.values())
        return (scheme.scales == ROW or one_scale) and (scheme.zero_points or exact_zero)

    def matrix(self, name: str, bits: int, weights: NDArray[np.floating]) -> QuantizedMatrix | None:
        """Matrix of a matvec at its learned scales; None at a width that it was not trained at."""
        scales = self.scales.get(name)
        return scales.matrix(weights) if scales is not None and scales.bits == bits else None

    def activation(self, name: str, bits: int) -> ActivationQuantizer | None:
        """Learned quantizer of what a matvec reads; None at a width that it was not trained at."""
        trained_bits, quantizer = self.activations.get(name, (None, None))
        return quantizer if trained_bits == bits else None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Convert to named float32 arrays, which hold every value exactly."""
        arrays: dict[str, NDArray[Any]] = {}
        for site, peak in self.peaks.items():
            arrays[f"peak.{site}"] = np.array([peak], np.float32)
        for name, scales in self.scales.items():
            arrays[f"weights.{name}"] = np.array([scales.bits, scales.step, *scales.multiples], np.float32)
        for name, (bits, quantizer) in self.activations.items():
            arrays[f"activations.{name}"] = np.array([bits, quantizer.step, quantizer.zero], np.float32)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], workload: Workload) -> Learned:
        """Learned quantizers of a network from the arrays of `to_arrays`.

        Raises InputError naming an array that is none of such a network, or holds what cannot be.
        """
        peaks: dict[str, float] = {}
        scales: dict[str, RowScales] = {}
        activations: dict[str, tuple[int, ActivationQuantizer]] = {}
        rows = {matvec.name: matvec.rows for matvec in workload}
        for key, array in arrays.items():
            kind, _, name = key.partition(".")
            values = array.tolist() if array.ndim == 1 else []
            if kind == "peak" and len(values) == 1 and values[0] >= 0:
                peaks[name] = values[0]
            elif kind == "weights" and len(values) == 2 + rows.get(name, -3) and _are_scales(*values):
                scales[name] = RowScales(int(values[0]), np.float32(values[1]), np.array(values[2:], np.int8))
            elif kind == "activations" and name in rows and len(values) == 3 and _is_quantizer(*values):
                activations[name] = int(values[0]), ActivationQuantizer(np.float32(values[1]), values[2])
            else:
                raise InputError(f"quantizer.{key} is no learned quantizer of a {workload.model}")
        return cls(peaks, scales, activations)


NOTHING_LEARNED = Learned()


def _are_scales(bits: float, step: float, *multiples: float) -> bool:
    return (
        bits in INTEGER_BITS and step > 0 and _whole(multiples) and all(0 < abs(m) <= MULTIPLE_MAX for m in multiples)
    )


def _is_quantizer(bits: float, step: float, zero: float) -> bool:
    if bits not in INTEGER_BITS or not step > 0:
        return False
    low, high = code_range(int(bits))
    return _whole([zero * ZERO_QUARTERS]) and -high <= zero <= -low


def _whole(values: Iterable[float]) -> bool:
    return all(value == round(value) for value in values)
