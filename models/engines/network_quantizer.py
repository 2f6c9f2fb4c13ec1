"""Quantization of a trained network, given its calibration and a configuration, to the integers that are deployed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import numpy as np

from models.engines import gated_integers, sru_integers
from models.engines.float_matvec import FloatMatVec
from models.engines.integer_network import Floats, IntegerMatVec, IntegerNetwork
from models.engines.threads import cpu_threads
from models.engines.width import Width
from models.networks.recurrent import Recurrent
from models.networks.sru import Sru
from models.quantization.calibration import Calibration, Vector
from models.quantization.fixed_point import to_grid
from models.quantization.learned import NOTHING_LEARNED, Learned
from models.quantization.quantizer import ActivationQuantizer, QuantizedMatrix, activation_quantizer
from models.quantization.rounding import Factors, quantize_matrix
from models.quantization.scheme import Scheme
from models.workload import BASELINE_BITS, Configuration

# class of sizes -> module with `float_matvecs(spec, weights, calibration)`, the matvecs before any configuration, and
# `layer(spec, weights, calibration, number, matvec)`, one layer in integers, whose matvecs `matvec(name)` quantizes.
FAMILIES = {Sru: sru_integers, Recurrent: gated_integers}
GRID = ActivationQuantizer(np.float32(1))  # at 16 bits an activation is the grid's own code
# Gives the width of so many bits, by a function that makes it; a caller may keep it from one run to the next.
Keep = Callable[[int, Callable[[], Width]], Width]


class NetworkQuantizer:
    """Quantizer of a trained network for any configuration. Every width is made once, on all cores.

    What was `learned` is taken at the widths that it is of, if the scheme stores it. Raises TypeError for sizes of no
    class in FAMILIES.
    """

    def __init__(
        self,
        spec: Any,
        weights: dict[str, Floats],
        calibration: Calibration,
        scheme: Scheme,
        keep: Keep = lambda bits, make: make(),
        learned: Learned = NOTHING_LEARNED,
    ) -> None:
        self.spec, self.weights, self.calibration, self.scheme = spec, weights, calibration, scheme
        self._keep, self._learned = keep, learned if learned.fits(scheme) else NOTHING_LEARNED
        families = [family for kind, family in FAMILIES.items() if isinstance(spec, kind)]
        if not families:
            raise TypeError(f"no description in integers of a {type(spec).__name__}")
        self._family: Any = families[0]
        self._widths: dict[int, Width] = {}
        self._factors: dict[Vector, Factors] = {}

    @cached_property
    def float_matvecs(self) -> dict[str, FloatMatVec]:
        """All matvecs before any configuration, by name, in the workload's order."""
        bits, out = (self.calibration.fraction_bits(site) for site in (f"l{self.spec.layers - 1}.state", "logits"))
        bias = to_grid(self.weights["output_bias"], out)
        output = FloatMatVec("output", self.weights["output"], bits, np.full(len(bias), out, np.int8), bias)
        inner = self._family.float_matvecs(self.spec, self.weights, self.calibration)
        return {matvec.name: matvec for matvec in (*inner, output)}

    def width(self, bits: int) -> Width:
        """Matrices and activation quantizers of `bits` bits."""
        if bits not in self._widths:
            make = partial(self._make_width, bits)
            self._widths[bits] = make() if bits == BASELINE_BITS else self._keep(bits, make)
        return self._widths[bits]

    def _make_width(self, bits: int) -> Width:
        """Quantize all matrices and distinct vectors: those that read one vector share its factors and quantizer."""
        vectors, integer = self.calibration.vectors, bits != BASELINE_BITS
        distinct = list(dict.fromkeys(vectors.values())) if integer else []
        with ThreadPoolExecutor(cpu_threads()) as threads:
            if self.scheme.needs_moments:
                todo = [vector for vector in distinct if vector not in self._factors]
                made = threads.map(lambda vector: Factors.of(vector.moments), todo)
                self._factors |= dict(zip(todo, made, strict=True))
            matrices = threads.map(lambda matvec: self._quantize(matvec, bits), self.float_matvecs.values())
            zero_points = self.scheme.zero_points
            found = threads.map(lambda vector: activation_quantizer(vector.counts, bits, zero_points), distinct)
            quantizers = dict(zip(distinct, found, strict=True))
            activations = {name: quantizers[vector] for name, vector in vectors.items()} if integer else {}
            return Width(dict(zip(self.float_matvecs, matrices, strict=True)), activations)

    def _quantize(self, matvec: FloatMatVec, bits: int) -> QuantizedMatrix:
        vector = self.calibration.vectors.get(matvec.name)
        return quantize_matrix(matvec.matrix, bits, self.scheme, None if vector is None else self._factors.get(vector))

    def matvec(self, name: str, configuration: Configuration) -> IntegerMatVec:
        """Matvec in integers at its setting of the configuration."""
        before = self.float_matvecs[name]
        weight_bits, act_bits, delta = configuration[name].effect
        matrix = self._learned.matrix(name, weight_bits, before.matrix)
        if matrix is None:
            matrix = self.width(weight_bits).matrices[name]
        quantizer = self._learned.activation(name, act_bits) or self.width(act_bits).activations.get(name, GRID)
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
            spec.directions,
            weights["input_mean"],
            weights["input_std"],
            calibration.fraction_bits("features"),
            tuple(self._family.layer(spec, weights, calibration, layer, matvec) for layer in range(spec.layers)),
            matvec("output"),
        )
