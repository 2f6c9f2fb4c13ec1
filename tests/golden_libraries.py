"""Writes tests/golden/libraries: small networks of library sru and SpeechBrain, and what these libraries make of them.

    pip install -e '.[oracles]' && python tests/golden_libraries.py

Each file holds the state_dict under its names, features [T, features], the logits [T, outputs] that the library gives
of them, and the library's version. `tests/commands/test_import_libraries.py` imports them where no library is there.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent / "support"))
from library_networks import GOLDEN, NETWORKS, library_net

FRAMES = 17


def write(name: str) -> str:
    """Write the golden file of one network; returns a line about it."""
    library = NETWORKS[name][0]
    torch.manual_seed(11)
    net = library_net(name)
    features = torch.randn(FRAMES, net.features)
    with torch.no_grad():
        logits = net(features)
    tensors = {f"state.{key}": value.numpy() for key, value in net.state_dict().items()}
    made_by = f"{library} {version(library)}, torch {torch.__version__}"
    path = GOLDEN / f"{name}.npz"
    np.savez_compressed(path, **tensors, features=features.numpy(), logits=logits.numpy(), made_by=made_by)
    return f"{path.name}: {path.stat().st_size} bytes, {made_by}"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in NETWORKS:
        print(write(name))
