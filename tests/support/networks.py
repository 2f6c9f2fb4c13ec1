"""Small networks of every model, features for them, and which models have a shipped network."""

from dataclasses import replace

import numpy as np
import torch

from models.calibrate import calibrate
from models.checkpoint import SHIPPED
from models.devices import CPU
from models.engines.network_quantizer import NetworkQuantizer
from models.networks.gru import Gru
from models.networks.ligru import Ligru
from models.networks.lstm import Lstm
from models.networks.sru import Sru
from models.quantization.calibration import Calibration
from models.quantization.scheme import Scheme
from models.registry import MODELS, build_engine, build_network, preset

SIZES = {"features": 5, "layers": 2, "hidden": 7, "outputs": 9}
SPECS = {
    "sru": Sru(features=5, layers=3, hidden=6, projection=8, outputs=9),
    "sru-highway": Sru(features=12, layers=2, hidden=6, projection=20, outputs=3),
    "sru-unscaled": Sru(features=12, layers=2, hidden=6, projection=20, outputs=3, highway_scale=1.0),
    "sru-rescaled": Sru(features=5, layers=2, hidden=6, projection=8, outputs=3, highway_scale=2.5374),
    "sru-forward": Sru(features=5, layers=3, hidden=9, projection=7, outputs=9, directions="forward"),
    "lstm": Lstm(**SIZES),
    "lstm-scaled": Lstm(**SIZES, candidate_scale=0.8),
    "lstm-separate": Lstm(**SIZES, directions="separate"),
    "lstm-forward": Lstm(**SIZES, directions="forward"),
    "gru": Gru(**SIZES, candidate_scale=0.7),
    "gru-separate": Gru(**SIZES, candidate_scale=0.7, directions="separate"),
    "gru-forward": Gru(**SIZES, directions="forward"),
    "gru-after": Gru(**SIZES, reset_after=True),
    "gru-after-separate": Gru(**SIZES, reset_after=True, batch_norm=False, directions="separate"),
    "gru-after-forward": Gru(**SIZES, reset_after=True, batch_norm=False, directions="forward"),
    "ligru": Ligru(**SIZES, candidate_scale=0.8),
    "ligru-separate": Ligru(**SIZES, directions="separate"),
    "ligru-forward": Ligru(**SIZES, candidate_scale=0.8, directions="forward"),
}
# A model without variants worth a line above is tested at its edge preset, shrunk.
SPECS |= {
    model: replace(preset(model, "edge"), **SIZES)
    for model in MODELS
    if model not in {spec.name for spec in SPECS.values()}
}
SHIPPED_MODELS = [model for model in MODELS if (SHIPPED / f"{model}-edge.safetensors").exists()]
DEVICES = [CPU, *(["cuda"] if torch.cuda.is_available() else [])]  # that the torch engine is tried on
DEFAULT = Scheme()
LENGTHS = [7, 1, 12, 13, 1, 4]


def offsets_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def features_of(spec, lengths, seed=0):
    return np.random.default_rng(seed).normal(size=(sum(lengths), spec.features)).astype(np.float32) * 1.5


def trained(spec) -> tuple[dict[str, np.ndarray], Calibration]:
    """Weights of a network whose biases, norms and weights are off their first values, and their calibration."""
    torch.manual_seed(5)
    network = build_network(spec).eval()
    for key, value in network.state_dict().items():
        if "norm_var" in key or "norm_scale" in key:
            value.copy_(torch.rand_like(value) + 0.5)
        elif "bias" in key or "norm_mean" in key or key.startswith("b."):
            value.copy_(torch.randn_like(value) * 0.3)
        elif "input_" not in key:
            value.mul_(1.3)
    return network.arrays(), calibrate(spec, network.arrays(), features_of(spec, LENGTHS), offsets_of(LENGTHS))


def engine_of(spec, weights, calibration, scheme=DEFAULT):
    """The compiled engine."""
    return build_engine(NetworkQuantizer(spec, weights, calibration, scheme))


def on_torch(spec, weights, calibration, device=CPU, scheme=DEFAULT):
    """The GPU engine on any device of torch, the CPU too: `cpu:0` is a torch device of its own name."""
    quantizer = NetworkQuantizer(spec, weights, calibration, scheme)
    return build_engine(quantizer, f"{CPU}:0" if device == CPU else device)
