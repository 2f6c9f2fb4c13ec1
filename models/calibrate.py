"""Calibration of a trained network on speech."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.devices import CPU
from models.engines.threads import cpu_threads
from models.quantization.calibration import Calibration, PeakTrace, VectorTrace
from models.registry import Spec, build_engine, build_network
from models.workload import BASELINE_BITS, Configuration, InputError


def calibrate(
    spec: Spec,
    weights: dict[str, NDArray[np.float32]],
    features: NDArray[np.float32],
    offsets: NDArray[np.int64],
    known: Mapping[str, float] = MappingProxyType({}),
) -> Calibration:
    """Run the float network for its ranges, then the 16-bit network in the grids that they give for its vectors.

    features float32 [N, features], utterances concatenated, bounded by offsets int64 [U + 1]. The float network runs on
    one thread, since the last bits of its sums depend on their number. Of them only powers of two remain; what the
    integers show is the same on every machine. `known` peaks, by site, stand for those that would be found.
    Raises InputError where the network's values are not finite, or a known site is none of its own.
    """
    import torch

    from models.engines.network_quantizer import NetworkQuantizer
    from models.quantization.scheme import PAPERS

    torch.set_num_threads(1)
    network, peaks, vectors = build_network(spec).eval(), PeakTrace(), VectorTrace()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    with torch.no_grad():
        network(torch.tensor(features), torch.tensor(offsets), peaks)
    if unknown := known.keys() - peaks.peaks:
        raise InputError(f"a {spec.name} of these sizes has no fixed-point site '{min(unknown)}'")
    ranges = Calibration({**peaks.peaks, **known})
    # The engine in torch operations shows what every matvec reads, whatever the model, and on any device of torch.
    engine: Any = build_engine(NetworkQuantizer(spec, weights, ranges, PAPERS), f"{CPU}:0")
    engine.on_device.trace = vectors
    torch.set_num_threads(cpu_threads())
    engine.run(features, offsets, Configuration.uniform(spec.workload(), BASELINE_BITS))
    torch.set_num_threads(1)
    return Calibration(ranges.peaks, vectors.vectors())
