"""What imports of pytorch-kaldi's networks start from."""

import pytest
import torch
from pytorch_kaldi import FILES, output_layer, state_of, write


@pytest.fixture
def folder(tmp_path):
    """Holds the output layer's file; the architecture's is the test's to write."""
    torch.manual_seed(7)
    write(tmp_path / FILES["output"], state_of(output_layer()))
    return tmp_path
