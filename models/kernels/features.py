"""Quantizing of features, see `models.engines.integer_network.IntegerNetwork.input_codes`, to rows for the loops."""

from __future__ import annotations

import numpy as np

from models.quantization.compiling import compiled
from models.quantization.fixed_point import HIGH, LOW, ROUNDER


@compiled
def quantize_features(features, mean, std, unit, rows):  # type: ignore[no-untyped-def]
    """Set rows int16 [N, padded F] to the codes of features float32 [N, F], zeros past them.

    mean and std float32 [F]; unit is how many steps of the grid are 1.
    """
    width = len(mean)
    for n in range(len(features)):
        for i in range(width):
            code = (features[n, i] - mean[i]) / std[i] * unit
            code = code if code == code else np.float32(0)  # no number
            code = min(max(code, LOW), HIGH)
            rows[n, i] = np.int16((code + ROUNDER) - ROUNDER)
        rows[n, width:] = 0
