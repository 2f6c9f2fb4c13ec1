"""Quantization of a trained network, given its calibration and a configuration, to the integers that are deployed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from models.engines import gated_integers, sru_integers
from models.engines.float_matvec import FloatMatVec
from models.engines.integer_network import Floats, IntegerMatVec, IntegerNetwork
from models.networks.recurrent import Recurrent
from models.networks.sru import Sru
from models.quantization.calibration import Calibration
from models.quantization.fixed_point import to_grid
from models.quantization.quantizer import QuantizedMatrix, quantize_matrix
from models.workload import BASELINE_BITS, Configuration

# class of sizes -> module with `float_matvecs(spec, weights, calibration)`, the matvecs before any configuration, and
# `layer(spec, weights, calibration, number, matvec)`, one layer in integers, whose matvecs `matvec(name)` quantizes.
FAMILIES = {Sru: sru_integers, Recurrent: gated_integers}


class NetworkQuantizer:
    """Quantizer of a trained network for any configuration. A matrix is quantized once per width.

    Raises TypeError for sizes of no class in FAMILIES.
    """

    def __init__(self, spec: Any, weights: Mapping[str, Floats], calibration: Calibration) -> None:
        self.spec, self.weights, self.calibration = spec, weights, calibration
        families = [family for kind, family in FAMILIES.items() if isinstance(spec, kind)]
        if not families:
            raise TypeError(f"no description in integers of a {type(spec).__name__}")
        self._family: Any = families[0]
        self._quantized: dict[tuple[str, int], QuantizedMatrix] = {}

    @cached_property
    def float_matvecs(self) -> dict[str, FloatMatVec]:
        """All matvecs before any configuration, by name, in the workload's order."""
        bits, out = (self.calibration.fraction_bits(site) for site in (f"l{self.spec.layers - 1}.state", "logits"))
        bias = to_grid(self.weights["output_bias"], out)
        output = FloatMatVec("output", self.weights["output"], bits, np.full(len(bias), out, np.int8), bias)
        inner = self._family.float_matvecs(self.spec, self.weights, self.calibration)
        return {matvec.name: matvec for matvec in (*inner, output)}

    def quantized(self, name: str, bits: int) -> QuantizedMatrix:
        """Matrix of a matvec, quantized to `bits` bits."""
        if (name, bits) not in self._quantized:
            self._quantized[name, bits] = quantize_matrix(self.float_matvecs[name].matrix, bits)
        return self._quantized[name, bits]

    def matvec(self, name: str, configuration: Configuration) -> IntegerMatVec:
        """Matvec in integers at its setting of the configuration."""
        before = self.float_matvecs[name]
        weight_bits, act_bits, delta = configuration[name].effect
        matrix = self.quantized(name, weight_bits)
        # At 16 bits an activation is the grid's own code.
        step = 2.0**-before.input_bits if act_bits == BASELINE_BITS else self.calibration.scale(name, act_bits)
        return IntegerMatVec(
            name,
            matrix,
            act_bits,
            delta,
            before.input_bits,
            np.float32(step * 2.0**before.input_bits),
            matrix.scale * np.float32(step) * np.ldexp(np.float32(1), before.result_bits),
            before.result_bits,
            before.bias,
        )

    def network(self, configuration: Configuration) -> IntegerNetwork:
        """Quantize the network at a configuration. Raises KeyError where the configuration lacks a matvec."""
        spec, weights, calibration = self.spec, self.weights, self.calibration

        def matvec(name: str) -> IntegerMatVec:
            return self.matvec(name, configuration)

        return IntegerNetwork(
            spec.name,
            spec.hidden,
            weights["input_mean"],
            weights["input_std"],
            calibration.fraction_bits("features"),
            tuple(self._family.layer(spec, weights, calibration, layer, matvec) for layer in range(spec.layers)),
            matvec("output"),
        )
