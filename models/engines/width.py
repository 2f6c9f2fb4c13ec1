"""All of a network that is quantized to one width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.quantization.quantizer import ActivationQuantizer, QuantizedMatrix


@dataclass(frozen=True, eq=False)
class Width:
    """Matrices of all matvecs at one width, and quantizers of the vectors that they read, by matvec.

    At 16 bits there are no quantizers: an activation is the grid's own code.
    """

    matrices: Mapping[str, QuantizedMatrix]
    activations: Mapping[str, ActivationQuantizer]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Convert an integer width to named arrays."""
        arrays: dict[str, NDArray[Any]] = {
            "matvecs": np.array(list(self.matrices)),
            "bits": np.array([matrix.bits for matrix in self.matrices.values()]),
            "steps": np.array([matrix.step for matrix in self.matrices.values()]),
            "activation_steps": np.array([self.activations[name].step for name in self.matrices]),
            "zeros": np.array([self.activations[name].zero for name in self.matrices]),
        }
        for name, matrix in self.matrices.items():
            arrays |= {f"codes.{name}": matrix.codes.astype(np.int8), f"multiples.{name}": matrix.multiples}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Width:
        """Width from the arrays of `to_arrays`. Raises KeyError if an array is missing."""
        names, found = arrays["matvecs"].tolist(), {}
        for name, step, bits in zip(names, arrays["steps"], arrays["bits"].tolist(), strict=True):
            codes = arrays[f"codes.{name}"].astype(np.int16)
            found[name] = QuantizedMatrix(codes, step, arrays[f"multiples.{name}"], bits)
        pairs = zip(arrays["activation_steps"], arrays["zeros"].tolist(), strict=True)
        return cls(found, dict(zip(names, (ActivationQuantizer(step, zero) for step, zero in pairs), strict=True)))
