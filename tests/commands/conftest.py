"""What imports of pytorch-kaldi's networks, and commands on users' own arrays, start from."""

from pathlib import Path

import pytest
import torch
from arrays_tree import write_npz
from pytorch_kaldi import FILES, output_layer, state_of, write

import models.networks.sru


@pytest.fixture
def folder(tmp_path):
    """Holds the output layer's file; the architecture's is the test's to write."""
    torch.manual_seed(7)
    write(tmp_path / FILES["output"], state_of(output_layer()))
    return tmp_path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Folder of users' own arrays; the SRU has a preset tiny, and the working folder is empty but for them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.networks.sru.PRESETS, "tiny", models.networks.sru.Sru(layers=1, hidden=12, projection=8))
    write_npz(tmp_path / "data", targets=True)
    return str(tmp_path / "data")
