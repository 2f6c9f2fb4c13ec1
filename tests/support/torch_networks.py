"""Networks of plain torch as their owners have them, the import of their files, and logits of either."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from dse.import_torch import main
from models.checkpoint import load

FEATURES, HIDDEN, OUTPUTS = 5, 6, 9
LENGTHS = [1, 2, 9, 17]
CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class Net(nn.Module):
    """A recurrent network and a linear layer: logits [1, T, outputs] of features [1, T, features]."""

    def __init__(self, rnn: nn.Module, width: int, outputs: int = OUTPUTS, bias: bool = True) -> None:
        super().__init__()
        self.rnn, self.fc = rnn, nn.Linear(width, outputs, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.rnn(x)[0])


def net(model: str, layers: int = 2, ways: int = 1, bias: bool = True, hidden: int = HIDDEN, features: int = FEATURES):
    """A network of torch.nn with every weight its own; half of them large enough to saturate gates."""
    cell = CELLS[model](features, hidden, layers, batch_first=True, bias=bias, bidirectional=ways == 2)
    made = Net(cell, ways * hidden, bias=bias).eval()
    for value in made.state_dict().values():
        value.copy_(torch.randn_like(value) * 0.5)
    return made


def utterances(features: int = FEATURES) -> list[torch.Tensor]:
    return [torch.randn(length, features) * 1.5 for length in LENGTHS]


def own_logits(network: nn.Module, speech: list[torch.Tensor]) -> np.ndarray:
    """What the network itself gives, an utterance at a time: [N, outputs]."""
    with torch.no_grad():
        return torch.cat([network(x[None])[0] for x in speech]).numpy()


def imported_logits(path: Path, speech: list[torch.Tensor]) -> np.ndarray:
    """What the checkpoint gives of all utterances at once: [N, outputs]."""
    offsets = torch.tensor(np.cumsum([0, *map(len, speech)]))
    with torch.no_grad():
        return load(path).network()(torch.cat(speech), offsets).numpy()


def imported(path: Path, *more: str) -> Path:
    """Import a file, which must succeed; the checkpoint's path."""
    out = path.with_suffix(".out.safetensors")
    assert main([str(path), "--out", str(out), *more]) == 0
    return out


def refusal(capsys, path: Path, *more: str) -> str:
    """The one line that refuses an import."""
    assert main([str(path), "--out", str(path.parent / "no.safetensors"), *more]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and not (path.parent / "no.safetensors").exists()
    return told
