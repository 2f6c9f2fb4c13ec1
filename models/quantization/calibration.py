"""What calibration speech tells of a network: ranges of the float one, statistics of the 16-bit one's integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.quantization.fixed_point import CODE_MIN, fraction_bits

# One bit of head room: a quantized network's values may grow past the float network's before they saturate.
HEADROOM = 2.0
Trace = Callable[[str, object], None]  # called with the name of a site and its values
ROWS_AT_ONCE = 2**12  # of vectors whose products, up to 2^30, are summed at once: in float64 exact below 2^53


@dataclass(frozen=True, eq=False)
class Vector:
    """Statistics of a vector that matvecs read, in codes of its grid, over calibration speech; exact.

    counts int64 [2^16], how often each code from CODE_MIN on occurs; moments int64 [cols, cols], the sum of x x^T.
    """

    counts: NDArray[np.int64]
    moments: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Largest magnitude at each fixed-point site, and what each matvec reads; matvecs that read one vector share it.

    Without vectors it serves a 16-bit network only.
    """

    peaks: Mapping[str, float]
    vectors: Mapping[str, Vector] = field(default_factory=dict)

    def fraction_bits(self, site: str) -> int:
        """Fraction bits of a fixed-point site's 16-bit grid."""
        return fraction_bits(HEADROOM * self.peaks[site])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Convert to named arrays; each distinct vector stands once."""
        distinct = list(dict.fromkeys(self.vectors.values()))
        arrays: dict[str, NDArray[Any]] = {
            "sites": np.array(list(self.peaks)),
            "peaks": np.array(list(self.peaks.values())),
            "matvecs": np.array(list(self.vectors)),
            "vector": np.array([distinct.index(vector) for vector in self.vectors.values()], np.int64),
        }
        for number, vector in enumerate(distinct):
            arrays |= {f"counts.{number}": vector.counts, f"moments.{number}": vector.moments}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Calibration:
        """Calibration from the arrays of `to_arrays`. Raises KeyError if an array is missing."""
        numbers = arrays["vector"].tolist()
        made = {n: Vector(arrays[f"counts.{n}"], arrays[f"moments.{n}"]) for n in dict.fromkeys(numbers)}
        peaks = {str(site): float(peak) for site, peak in zip(arrays["sites"], arrays["peaks"], strict=True)}
        vectors = {str(name): made[n] for name, n in zip(arrays["matvecs"], numbers, strict=True)}
        return cls(peaks, vectors)


class PeakTrace:
    """Trace of a float network that records the largest magnitude of every site."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}

    def __call__(self, name: str, value: object) -> None:
        peak = float(np.abs(np.asarray(value, np.float32)).max(initial=0.0))
        self.peaks[name] = float(np.maximum(self.peaks.get(name, 0.0), peak))  # which keeps what is not a number


class VectorTrace:
    """Trace of a 16-bit network that sums up what matvecs read."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, ...], list[NDArray[np.int16]]] = {}
        self._vectors: dict[tuple[str, ...], Vector] = {}

    def __call__(self, matvecs: tuple[str, ...], codes: NDArray[np.int16]) -> None:
        """Add codes [n, cols] of the vector that these matvecs read; the array is kept until it is summed."""
        if matvecs not in self._vectors:
            cols = codes.shape[1]
            self._vectors[matvecs] = Vector(np.zeros(2**16, np.int64), np.zeros((cols, cols), np.int64))
        waiting = self._waiting.setdefault(matvecs, [])
        waiting.append(codes)
        if sum(map(len, waiting)) >= ROWS_AT_ONCE:
            self._sum(matvecs)

    def _sum(self, matvecs: tuple[str, ...]) -> None:
        vector, codes = self._vectors[matvecs], np.concatenate(self._waiting.pop(matvecs))
        vector.counts[:] += np.bincount(codes.ravel().astype(np.int64) - CODE_MIN, minlength=2**16)
        for first in range(0, len(codes), ROWS_AT_ONCE):
            part = codes[first : first + ROWS_AT_ONCE].astype(np.float64)
            vector.moments[:] += (part.T @ part).astype(np.int64)

    def vectors(self) -> dict[str, Vector]:
        """Statistics of all vectors, by the matvecs that read them."""
        for matvecs in list(self._waiting):
            self._sum(matvecs)
        return {name: vector for matvecs, vector in self._vectors.items() for name in matvecs}
