"""Files of pytorch-kaldi that are damaged, of other content or unsafe: refused in one line, nothing run."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_kaldi import FEATURES, FILES, GATED, gated, one_line, output_layer, run_import, sru, state_of, write

from models.kaldi_layout import to_spec_and_weights
from models.named_tensors import Tensors


class Marks:
    """Unpickled by the ordinary loader, runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("how", ["torch zip", "torch legacy", "bare pickle", "optimiser"])
@pytest.mark.parametrize("file", ["architecture", "output"])
def test_a_pickle_with_other_objects_is_refused_and_not_run(folder, capsys, how, file):
    write(folder / FILES["architecture"], state_of(gated("ligru")))
    path, mark = folder / FILES[file], folder / "ran"
    if how == "bare pickle":
        path.write_bytes(pickle.dumps({"model_par": Marks(mark)}))
        pickle.loads(path.read_bytes())
        assert mark.exists()  # the file does bite
        mark.unlink()
    elif how == "optimiser":
        torch.save({"model_par": {"a": torch.zeros(1)}, "optimizer_par": Marks(mark)}, path)
    else:
        torch.save({"model_par": Marks(mark)}, path, _use_new_zipfile_serialization=how == "torch zip")
    assert run_import(folder, "ligru") == 2
    assert not mark.exists() and not (folder / FILES["out"]).exists()
    assert one_line(capsys).endswith("it is damaged, or holds objects other than tensors, numbers and text")


@pytest.mark.parametrize("content", [b"", b"\x80", b"PK\x03\x04 not a zip", b"plain text\n" * 9, bytes(range(256)) * 9])
def test_damaged_files_are_named(folder, capsys, content):
    (folder / FILES["architecture"]).write_bytes(content)
    assert run_import(folder, "gru") == 2
    assert FILES["architecture"] in one_line(capsys)


def test_truncated_files_are_named(folder, capsys):
    path = write(folder / FILES["architecture"], state_of(gated("gru")))
    whole = path.read_bytes()
    for length in range(0, len(whole), len(whole) // 23):
        path.write_bytes(whole[:length])
        assert run_import(folder, "gru") == 2
        assert FILES["architecture"] in one_line(capsys)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "no 'model_par'"),
        ({"state": {}}, "no 'model_par'"),
        ({"model_par": {"wz.0.weight": 3}}, "model_par: 'wz.0.weight' is not a plain tensor"),
        ({"model_par": {"wz.0.weight": torch.eye(3).to_sparse()}}, "not a plain tensor"),
        ({"model_par": {"wz.0.weight": torch.ones(3, 3, device="meta")}}, "not a plain tensor"),
        ({"model_par": {"wz.0.weight": torch.ones(3, 3, dtype=torch.complex64)}}, "not a plain tensor"),
        ({"model_par": {}}, "tensor wz.0.weight is missing"),
    ],
)
def test_files_of_other_content_are_refused(folder, capsys, content, said):
    torch.save(content, folder / FILES["architecture"])
    assert run_import(folder, "ligru") == 2
    assert said in one_line(capsys)


def test_a_missing_file_is_named(folder, capsys):
    assert run_import(folder, "ligru") == 2
    assert FILES["architecture"] in one_line(capsys)


@pytest.mark.parametrize("model", [*GATED, "sru"])
def test_every_missing_or_misshapen_tensor_is_named(model):
    """Each tensor in turn left out, cut by a column, given a dimension more, or made infinite."""
    torch.manual_seed(1)
    arrays = {
        name: value.numpy()
        for name, value in (sru(FEATURES, 8) if model == "sru" else state_of(gated(model))).items()
        if not name.startswith("ln.") and not name.endswith("num_batches_tracked")
    }
    output = {name: value.numpy() for name, value in state_of(output_layer()).items() if name.startswith("wx.")}
    fixed = lambda given, other: to_spec_and_weights(model, Tensors("a", "net", given), Tensors("b", "mlp", other))  # noqa: E731
    fixed(arrays, output)
    damage = {
        "missing": lambda whole, name: {n: a for n, a in whole.items() if n != name},
        "narrower": lambda whole, name: whole | {name: whole[name][..., :-1]},
        "deeper": lambda whole, name: whole | {name: whole[name][None]},
        "infinite": lambda whole, name: whole | {name: np.full_like(whole[name], np.inf)},
    }
    for harm in damage.values():
        for name in arrays:
            with pytest.raises(ValueError, match=r"^a: tensor \S+ .*") as caught:
                fixed(harm(arrays, name), output)
            assert "\n" not in str(caught.value)
        for name in output:
            with pytest.raises(ValueError, match=rf"^b: tensor {name} "):
                fixed(arrays, harm(output, name))


def test_help_loads_no_torch():
    code = (
        "import sys\nfrom dse.import_kaldi import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'torch', 'numba'} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "--architecture" in shown and "normalised" in shown
