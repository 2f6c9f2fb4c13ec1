"""Matvecs of a network before any configuration is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FloatMatVec:
    """One matvec before quantization: float matrix, grids of its input and its results, bias on the results' grid."""

    name: str
    matrix: NDArray[np.float32]  # [rows, cols]
    input_bits: int  # fraction bits of the grid of the vector it reads
    result_bits: NDArray[np.int8]  # [rows] fraction bits of each result's grid
    bias: NDArray[np.int16]  # [rows] codes of that grid
