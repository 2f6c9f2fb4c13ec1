"""Quantization of a trained network, given its calibration and a configuration, to the integers that are deployed."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import numpy as np

from models.engines import gated_integers, sru_integers
from models.engines.float_matvec import FloatMatVec
from models.engines.integer_network import Floats, IntegerMatVec, IntegerNetwork
from models.networks.recurrent import Recurrent
from models.networks.sru import Sru
from models.quantization.calibration import Calibration
from models.quantization.fixed_point import to_grid
from models.quantization.quantizer import ActivationQuantizer, QuantizedMatrix
from models.quantization.rounding import Factors, quantize_matrix
from models.quantization.scheme import Scheme
from models.workload import BASELINE_BITS, Configuration

# class of sizes -> module with `float_matvecs(spec, weights, calibration)`, the matvecs before any configuration, and
# `layer(spec, weights, calibration, number, matvec)`, one layer in integers, whose matvecs `matvec(name)` quantizes.
FAMILIES = {Sru: sru_integers, Recurrent: gated_integers}


Matrices = dict[str, QuantizedMatrix]  # of all matvecs, by name
# Gives the matrices of a width, by a function that makes them; a caller may keep them from one run to the next.
Keep = Callable[[int, Callable[[], Matrices]], Matrices]


class NetworkQuantizer:
    """Quantizer of a trained network for any configuration. All matrices are quantized once per width, on all cores.

    Raises TypeError for sizes of no class in FAMILIES.
    """

    def __init__(
        self,
        spec: Any,
        weights: dict[str, Floats],
        calibration: Calibration,
        scheme: Scheme,
        keep: Keep = lambda bits, make: make(),
    ) -> None:
        self.spec, self.weights, self.calibration, self.scheme = spec, weights, calibration, scheme
        self._keep = keep
        families = [family for kind, family in FAMILIES.items() if isinstance(spec, kind)]
        if not families:
            raise TypeError(f"no description in integers of a {type(spec).__name__}")
        self._family: Any = families[0]
        self._quantized: dict[int, Matrices] = {}
        self._factors: dict[int, Factors] = {}

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
        if bits not in self._quantized:
            make = partial(self._quantize_all, bits)
            self._quantized[bits] = make() if bits == BASELINE_BITS else self._keep(bits, make)
        return self._quantized[bits][name]

    def _quantize_all(self, bits: int) -> Matrices:
        names = list(self.float_matvecs)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            if bits != BASELINE_BITS and self.scheme.needs_moments:  # those that read one vector share its factors
                vectors = {id(vector): vector for vector in self.calibration.vectors.values()}
                todo = [key for key in vectors if key not in self._factors]
                made = threads.map(lambda key: Factors.of(vectors[key].moments), todo)
                self._factors |= dict(zip(todo, made, strict=True))
            return dict(zip(names, threads.map(lambda name: self._quantize(name, bits), names), strict=True))

    def _quantize(self, name: str, bits: int) -> QuantizedMatrix:
        factors = self._factors.get(id(self.calibration.vectors.get(name)))
        return quantize_matrix(self.float_matvecs[name].matrix, bits, self.scheme, factors)

    def matvec(self, name: str, configuration: Configuration) -> IntegerMatVec:
        """Matvec in integers at its setting of the configuration."""
        before = self.float_matvecs[name]
        weight_bits, act_bits, delta = configuration[name].effect
        matrix = self.quantized(name, weight_bits)
        quantizer = ActivationQuantizer(np.float32(1))  # at 16 bits an activation is the grid's own code
        if act_bits != BASELINE_BITS:
            quantizer = self.calibration.quantizer(name, act_bits, self.scheme.zero_points)
        return IntegerMatVec(
            name,
            matrix,
            act_bits,
            round(quantizer.zero),
            np.float32(quantizer.zero - round(quantizer.zero)),
            delta,
            before.input_bits,
            quantizer.step,
            matrix.scale * quantizer.step * np.ldexp(np.float32(1), before.result_bits - before.input_bits),
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
