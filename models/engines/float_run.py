"""Runs of the float networks on features, which every engine uses for a float configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.networks.recurrent import Recurrent
    from models.networks.sru import Sru

Floats = NDArray[np.float32]


def run_sru(spec: Sru, weights: dict[str, Floats], features: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Run the float SRU: logits float32 [N, outputs] of features [N, features]. Loads no torch."""
    from models.kernels.sru_scan import scan_float
    from models.networks.directions import count

    x = (features - weights["input_mean"]) / weights["input_std"]
    for layer in range(spec.layers):
        q = x @ weights[f"projections.l{layer}"].T if spec.projected(layer) else x
        u = q @ weights[f"weights.l{layer}"].T
        highway = u[:, 3 * spec.width :] if spec.parts(layer) == 4 else np.float32(spec.highway_scale) * x
        highway, v, b = np.ascontiguousarray(highway), weights[f"v.l{layer}"], weights[f"b.l{layer}"]
        x = scan_float(u, highway, v, b, offsets, count(spec.directions))[0]
    return np.asarray(x @ weights["output"].T + weights["output_bias"], np.float32)


def run_gated(spec: Recurrent, weights: dict[str, Floats], features: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Run the float LSTM, GRU or LiGRU: logits float32 [N, outputs] of features [N, features].

    It runs on one thread: the last bits of float sums depend on the number of threads.
    """
    import torch

    from models.networks.recurrent_network import RecurrentNetwork

    torch.set_num_threads(1)
    network = RecurrentNetwork(spec).eval()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    with torch.no_grad():
        logits: Floats = network(torch.tensor(features), torch.tensor(offsets)).numpy()
    return logits
