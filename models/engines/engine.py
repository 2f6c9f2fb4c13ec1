"""Common base of all engines: a configuration becomes an `IntegerNetwork`, which it runs; runs can share prefixes."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from models.engines.counter import Counter
from models.engines.integer_network import IntegerNetwork
from models.engines.network_quantizer import NetworkQuantizer
from models.engines.prefix_cache import Prefix, PrefixCache
from models.quantization.fixed_point import to_float
from models.workload import Configuration, is_float

# Logit codes int16 [N, outputs], counts of all matvecs, and outputs of the layers that are to be kept.
IntegerRun = tuple[NDArray[np.int16], Counter, dict[int, NDArray[np.int16]]]


class Engine:
    """Engine of a network in the integers that are deployed; subclasses implement `_run_integers` and `_run_float`."""

    def __init__(self, quantizer: NetworkQuantizer) -> None:
        self.quantizer = quantizer
        self.spec, self.weights, self.calibration = quantizer.spec, quantizer.weights, quantizer.calibration
        self.workload = self.spec.workload()
        self.prefixes = PrefixCache(self.workload)

    def run(
        self,
        features: NDArray[np.float32],
        offsets: NDArray[np.int64],
        configuration: Configuration,
        batch: Hashable = None,
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Run the network at a configuration: logits float32 [N, outputs] and each matvec's computed fraction.

        features float32 [N, features], utterances concatenated, bounded by offsets int64 [U + 1]. `batch` identifies
        them: runs over the same batch share the first layers in which their configurations agree, see `prefixes`.
        Raises InputError where only some matvecs are float, KeyError where the configuration lacks a matvec.
        """
        logits, bits, computed = self.outputs(features, offsets, configuration, batch)
        return to_float(logits, bits), computed

    def outputs(
        self,
        features: NDArray[np.float32],
        offsets: NDArray[np.int64],
        configuration: Configuration,
        batch: Hashable = None,
    ) -> tuple[NDArray[np.int16] | NDArray[np.float32], int, dict[str, float]]:
        """`run` with logits as they are computed: codes int16 [N, outputs] on 2^-bits, bits, and computed fractions.

        Before quantization they are float32, on 2^0. Codes are half as large, and decoders take them.
        """
        if is_float(configuration):
            return self._run_float(features, offsets), 0, dict.fromkeys(self.workload.names, 1.0)
        network = self.quantizer.network(configuration)
        prefix = Prefix() if batch is None else self.prefixes.longest(batch, configuration)
        codes, counter, outputs = self._run_integers(network, features, offsets, prefix)
        for layer, output in outputs.items():
            self.prefixes.keep(prefix.kept[layer], layer, output, counter)
        return codes, network.logit_bits, counter.computed

    def trace(
        self, network: IntegerNetwork, features: NDArray[np.float32], offsets: NDArray[np.int64]
    ) -> tuple[dict[str, NDArray[np.int16]], Counter]:
        """Run an integer network of this engine's sizes: codes [N, width] by site, counts.

        Sites are the output of every layer, "l0.state" and so on, and "logits". Arguments are as `run` has them.
        """
        prefix = Prefix(kept={layer: layer for layer in range(len(network.layers))})
        logits, counter, outputs = self._run_integers(network, features, offsets, prefix)
        states = {f"l{layer}.state": outputs[layer][:, : network.width] for layer in sorted(outputs)}
        return states | {"logits": logits}, counter

    def _run_integers(
        self, network: IntegerNetwork, features: NDArray[np.float32], offsets: NDArray[np.int64], prefix: Prefix
    ) -> IntegerRun:
        """Run from features [N, features], or from the output of `prefix` with the layers after it."""
        raise NotImplementedError

    def _run_float(self, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits of the network before quantization."""
        raise NotImplementedError
