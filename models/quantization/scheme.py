"""Quantization schemes: how weights are rounded and scaled, and whether activations have zero points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.workload import InputError, StoredScales

COMPENSATED, NEAREST = "compensated", "nearest"
ROW, MATRIX = "row", "matrix"
OUTPUT, WEIGHTS = "output", "weights"
CHOICES = {"rounding": (COMPENSATED, NEAREST), "scales": (ROW, MATRIX), "clipping": (OUTPUT, WEIGHTS)}
STEP_BITS = 32  # float32
ROW_SCALE_BITS = 8  # a row's scale is a whole multiple of the matrix's step, -127 to 127
ZERO_POINT_BITS = 8


@dataclass(frozen=True)
class Scheme:
    """Scheme of all integer operands of a network; see `models.quantization.rounding` for what handles each part.

    `rounding`: compensated, so that the products change least over calibration speech, or each weight to the nearest
    code. `scales`: one for each row of a matrix, or one a matrix. `clipping`: where a scale saturates, chosen by the
    least error of the output or of the weights. `zero_points`: whether activations have them.
    Raises InputError on an unknown choice.
    """

    rounding: str = COMPENSATED
    scales: str = ROW
    clipping: str = OUTPUT
    zero_points: bool = True

    def __post_init__(self) -> None:
        for name, valid in CHOICES.items():
            if getattr(self, name) not in valid:
                raise InputError(f"{name} '{getattr(self, name)}' is none of {', '.join(valid)}")
        if type(self.zero_points) is not bool:
            raise InputError(f"zero_points {self.zero_points!r} is neither true nor false")

    @property
    def needs_moments(self) -> bool:
        """Whether weights are quantized by what they multiply."""
        return self.clipping == OUTPUT or self.rounding == COMPENSATED

    @property
    def stored(self) -> StoredScales:
        """Bits that the scheme stores beside the weights."""
        return StoredScales(
            STEP_BITS, ROW_SCALE_BITS if self.scales == ROW else 0, ZERO_POINT_BITS if self.zero_points else 0
        )

    def __str__(self) -> str:
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield f"{self.rounding} rounding"
        yield f"a scale a {self.scales}"
        if self.clipping != (OUTPUT if self.rounding == COMPENSATED else WEIGHTS):
            yield f"clipped by the error of the {self.clipping}"
        yield f"{'zero' if self.zero_points else 'no zero'} points"


def scheme_of(rounding: str, scales: str, zero_points: bool) -> Scheme:
    """Scheme whose scales are chosen by the error that its rounding aims at. Raises InputError on an unknown choice."""
    return Scheme(rounding, scales, OUTPUT if rounding == COMPENSATED else WEIGHTS, zero_points)


# Source: the method of Rezk et al., MOHAQ and "Shrink and Eliminate".
PAPERS = Scheme(NEAREST, MATRIX, WEIGHTS, zero_points=False)
