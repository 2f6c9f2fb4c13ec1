"""Networks of library sru and of SpeechBrain, which the extra `oracles` installs, and their stored outputs."""

import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

GOLDEN = Path(__file__).parents[1] / "golden" / "libraries"
FEATURES, HIDDEN, OUTPUTS = 5, 6, 4
# name: (library, options of its network); units in a direction are HIDDEN, features FEATURES, unless they say
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "sru-forward": ("sru", {"num_layers": 3}),
    "sru-both": ("sru", {"num_layers": 2, "bidirectional": True}),
    "sru-projected": ("sru", {"num_layers": 3, "bidirectional": True, "projection_size": 4, "rescale": True}),
    "sru-rescaled": ("sru", {"num_layers": 2, "input_size": HIDDEN, "rescale": True, "highway_bias": -2.0}),
    "sru-v1": ("sru", {"num_layers": 2, "input_size": HIDDEN, "v1": True, "projection_size": 3, "highway_bias": -1.0}),
    "ligru-forward": ("speechbrain", {"num_layers": 3, "bidirectional": False}),
    "ligru-both": ("speechbrain", {"num_layers": 2, "bidirectional": True}),
    "ligru-single": ("speechbrain", {"num_layers": 1, "bidirectional": True, "bias": False}),
}


class LibraryNet(nn.Module):
    """A library's network and a linear layer: logits [T, outputs] of features [T, features]."""

    def __init__(self, library: str, options: dict[str, Any]) -> None:
        super().__init__()
        self.library = library
        if library == "sru":
            given = {"input_size": FEATURES, "hidden_size": HIDDEN, **options}
            self.encoder = sru().SRU(**given)
            self.features = given["input_size"]
        else:
            self.features = FEATURES
            self.encoder = speechbrain_rnn().LiGRU(HIDDEN, input_shape=(1, None, FEATURES), **options)
        width = HIDDEN * (2 if options.get("bidirectional") else 1)
        self.head = nn.Linear(width, OUTPUTS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.library == "sru":
            return self.head(self.encoder(x[:, None])[0][:, 0])
        return self.head(self.encoder(x[None])[0][0])


def library_net(name: str) -> LibraryNet:
    """The network with trained-like values: all of its parameters and running statistics are its own."""
    net = LibraryNet(*NETWORKS[name]).eval()
    for key, value in net.state_dict().items():
        if key.endswith("running_var"):
            value.copy_(torch.rand_like(value) + 0.5)
        elif key.endswith(("running_mean", "norm.weight", "norm.bias", ".bias", "weight_c")):
            learned = not (key.endswith("weight_c") and NETWORKS[name][1].get("v1"))
            learned &= not (key.endswith("norm.bias") and NETWORKS[name][1].get("bias") is False)
            value.add_(torch.randn_like(value) * 0.5 * learned)
    return net


def sru() -> ModuleType:
    """Library sru, without its warning that it compiles nothing for a GPU."""
    with warnings.catch_warnings(action="ignore"):
        return import_module("sru")


def speechbrain_rnn() -> ModuleType:
    """SpeechBrain's recurrent networks. It imports torchaudio, for audio alone, whose builds fit few of torch's."""
    try:
        import_module("torchaudio")
    except (ImportError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules["torchaudio"] = ModuleType("torchaudio")
    return import_module("speechbrain.nnet.RNN")
