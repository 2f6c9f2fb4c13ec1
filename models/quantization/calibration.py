"""Static ranges of the float network on training utterances, which set activation quantizers and fixed-point grids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.quantization.fixed_point import fraction_bits
from models.quantization.quantizer import Histogram

# One bit of head room: a quantized network's values may grow past the float network's before they saturate.
HEADROOM = 2.0

Trace = Callable[[str, "object"], None]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Histogram of each matvec's input, and the largest magnitude at each fixed-point site, by name."""

    histograms: Mapping[str, Histogram]
    peaks: Mapping[str, float]
    _scales: dict[tuple[str, int], float] = field(default_factory=dict, repr=False)

    def scale(self, matvec: str, bits: int) -> float:
        """Step of the matvec's `bits`-bit activation quantizer, a float32 value."""
        if (matvec, bits) not in self._scales:
            self._scales[matvec, bits] = self.histograms[matvec].scale(bits)
        return self._scales[matvec, bits]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Convert to named arrays; matvecs that read one vector share a histogram."""
        distinct = {id(histogram): histogram for histogram in self.histograms.values()}
        of = [list(distinct).index(id(histogram)) for histogram in self.histograms.values()]
        return {
            "matvecs": np.array(list(self.histograms)),
            "histogram": np.array(of),
            "histogram_peaks": np.array([histogram.peak for histogram in distinct.values()]),
            "counts": np.array([histogram.counts for histogram in distinct.values()]),
            "sites": np.array(list(self.peaks)),
            "peaks": np.array(list(self.peaks.values())),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Calibration:
        """Calibration from the arrays of `to_arrays`. Raises KeyError if an array is missing."""
        made = [Histogram(float(p), c) for p, c in zip(arrays["histogram_peaks"], arrays["counts"], strict=True)]
        histograms = {str(n): made[int(k)] for n, k in zip(arrays["matvecs"], arrays["histogram"], strict=True)}
        return cls(histograms, {str(n): float(p) for n, p in zip(arrays["sites"], arrays["peaks"], strict=True)})

    def fraction_bits(self, site: str) -> int:
        """Fraction bits of a fixed-point site's 16-bit grid."""
        return fraction_bits(HEADROOM * self.peaks[site])


class Recorder:
    """Trace that records peaks of all sites, and all values of those named in `matvecs`, for their histograms."""

    def __init__(self, matvecs: tuple[str, ...]) -> None:
        self.values: dict[str, list[NDArray[np.float32]]] = {name: [] for name in matvecs}
        self.peaks: dict[str, float] = {}
        self._shown: tuple[object, NDArray[np.float32], float] = (None, np.empty(0, np.float32), 0.0)

    def __call__(self, name: str, value: object) -> None:
        if value is not self._shown[0]:  # matvecs that read one vector show it one after another
            array = np.asarray(value, np.float32).copy()
            self._shown = value, array, float(np.abs(array).max(initial=0.0))
        _, array, peak = self._shown
        self.peaks[name] = max(self.peaks.get(name, 0.0), peak)
        if name in self.values:
            self.values[name].append(array)

    def calibration(self) -> Calibration:
        """Calibration from the values recorded so far. Raises InputError if a recorded value is not finite."""
        made: dict[tuple[int, ...], Histogram] = {}
        histograms = {}
        for name, arrays in self.values.items():
            same = tuple(map(id, arrays))
            if same not in made:
                made[same] = Histogram.of(np.concatenate([array.ravel() for array in arrays]))
            histograms[name] = made[same]
        return Calibration(histograms, dict(self.peaks))
