"""SRU in integers: grids of the rows of its input matvec, codes of v and of the highway's scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from models.engines.float_matvec import FloatMatVec
from models.engines.integer_network import Floats, IntegerMatVec, SruLayer
from models.networks.sru import Sru
from models.quantization.calibration import Calibration
from models.quantization.fixed_point import PREACTIVATION_FRACTION_BITS, fraction_bits, to_grid


def float_matvecs(spec: Sru, weights: Mapping[str, Floats], calibration: Calibration) -> Iterator[FloatMatVec]:
    """Sites of every layer's matvecs: the projection, where it has one, and the input matvec."""
    for layer in range(spec.layers):
        bits, state = _input_bits(calibration, layer), calibration.fraction_bits(f"l{layer}.state")
        if spec.projected(layer):
            q_bits = calibration.fraction_bits(f"l{layer}.projected")
            grids = np.full(spec.projection, q_bits, np.int8)
            nothing = np.zeros(spec.projection, np.int16)
            yield FloatMatVec(f"l{layer}.projection", weights[f"projections.l{layer}"], bits, grids, nothing)
            bits = q_bits
        gates = slice(spec.width, 3 * spec.width)
        grids = np.full(spec.parts(layer) * spec.width, state, np.int8)
        grids[gates] = PREACTIVATION_FRACTION_BITS
        bias = np.zeros(len(grids), np.int16)
        bias[gates] = to_grid(weights[f"b.l{layer}"], PREACTIVATION_FRACTION_BITS).ravel()
        yield FloatMatVec(f"l{layer}.input", weights[f"weights.l{layer}"], bits, grids, bias)


def layer(
    spec: Sru,
    weights: Mapping[str, Floats],
    calibration: Calibration,
    number: int,
    matvec: Callable[[str], IntegerMatVec],
) -> SruLayer:
    """Layer `number` in integers; `matvec(name)` quantizes its matvecs."""
    v = weights[f"v.l{number}"]
    v_bits, alpha_bits = fraction_bits(float(np.abs(v).max())), fraction_bits(spec.highway_scale)
    return SruLayer(
        projection=matvec(f"l{number}.projection") if spec.projected(number) else None,
        input=matvec(f"l{number}.input"),
        v=to_grid(v, v_bits),
        v_bits=v_bits,
        alpha=int(to_grid(np.array(spec.highway_scale), alpha_bits)),
        alpha_bits=alpha_bits,
        input_bits=_input_bits(calibration, number),
        state_bits=calibration.fraction_bits(f"l{number}.state"),
    )


def _input_bits(calibration: Calibration, layer: int) -> int:
    return calibration.fraction_bits(f"l{layer - 1}.state" if layer else "features")
