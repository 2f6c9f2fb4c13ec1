"""Calibration of a trained network on speech."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.devices import CPU
from models.quantization.calibration import Calibration, PeakTrace, VectorTrace
from models.registry import Spec, build_engine, build_network
from models.workload import BASELINE_BITS, Configuration


def calibrate(
    spec: Spec, weights: dict[str, NDArray[np.float32]], features: NDArray[np.float32], offsets: NDArray[np.int64]
) -> Calibration:
    """Run the float network for its ranges, then the 16-bit network in the grids that they give for its vectors.

    features float32 [N, features], utterances concatenated, bounded by offsets int64 [U + 1]. The float network runs on
    one thread, since the last bits of its sums depend on their number. Of them only powers of two remain; what the
    integers show is the same on every machine. Raises InputError where the network's values are not finite.
    """
    import torch

    from models.engines.network_quantizer import NetworkQuantizer
    from models.quantization.scheme import PAPERS

    torch.set_num_threads(1)
    network, peaks, vectors = build_network(spec).eval(), PeakTrace(), VectorTrace()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    with torch.no_grad():
        network(torch.tensor(features), torch.tensor(offsets), peaks)
    ranges = Calibration(peaks.peaks)
    # The engine in torch operations shows what every matvec reads, whatever the model, and on any device of torch.
    engine: Any = build_engine(NetworkQuantizer(spec, weights, ranges, PAPERS), f"{CPU}:0")
    engine.on_device.trace = vectors
    torch.set_num_threads(os.cpu_count() or 1)
    engine.run(features, offsets, Configuration.uniform(spec.workload(), BASELINE_BITS))
    torch.set_num_threads(1)
    return Calibration(peaks.peaks, vectors.vectors())
