"""A network trained by a script that knows nothing of this repository goes to a verified bundle in four commands."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from models.checkpoint import read_card

ROOT = Path(__file__).parents[2]
SCRIPT = '''
"""Trains a torch.nn.GRU by CTC, and prints its label error rate on the validation split in percent."""
import itertools
import numpy as np
import torch
from torch import nn

LABELS = "abcde"
rng = np.random.default_rng(0)
torch.manual_seed(0)
centres = rng.normal(0, 2, (len(LABELS), 6))


def make(count):
    found = []
    for _ in range(count):
        text = rng.integers(1, len(LABELS), rng.integers(3, 8)).cumsum() % len(LABELS)  # no label twice in a row
        frames = np.repeat(text, rng.integers(3, 7, len(text)))
        found.append((text, (10 + centres[frames] + rng.normal(0, 1.5, (len(frames), 6))).astype("float32")))
    return found


def write(name, split):
    np.savez(
        f"data/{name}.npz",
        utterances=[f"{name}-{number}" for number in range(len(split))],
        lengths=[len(x) for _, x in split],
        features=np.concatenate([x for _, x in split]),
        labels=[" ".join(LABELS[label] for label in text) for text, _ in split],
    )


class Recogniser(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(6, 16, num_layers=2, batch_first=True, bidirectional=True)
        self.ctc = nn.Linear(32, 1 + len(LABELS))

    def forward(self, x):
        return self.ctc(self.encoder(x)[0])


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i] + list(itertools.accumulate(
            range(len(b)), lambda left, j: min(left + 1, row[j + 1] + 1, row[j] + (x != b[j])), initial=i))[1:]
    return row[-1]


train, validation, test = make(48), make(12), make(12)
for name, split in ("train", train), ("validation", validation), ("test", test):
    write(name, split)
open("data/labels.txt", "w").write("".join(f"{label}\\n" for label in LABELS))
frames = np.concatenate([x for _, x in train])
mean, std = frames.mean(axis=0), frames.std(axis=0)
np.savez("norm.npz", mean=mean, std=std)
ready = lambda x: torch.tensor((x - mean) / std)[None]
net, loss = Recogniser(), nn.CTCLoss(blank=0)
optimiser = torch.optim.Adam(net.parameters(), 0.01)
for epoch in range(6):
    for text, x in train:
        scores = net(ready(x)).log_softmax(2).transpose(0, 1)
        value = loss(scores, torch.tensor(text[None] + 1), [len(x)], [len(text)])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
torch.save({"epoch": epoch, "model": net.state_dict(), "optimizer": optimiser.state_dict()}, "net.pt")
errors = 0
with torch.no_grad():
    for text, x in validation:
        best = [label for label, _ in itertools.groupby(net(ready(x))[0].argmax(1).tolist()) if label]
        errors += distance([label - 1 for label in best], text.tolist())
print(f"{100 * errors / sum(len(text) for text, _ in validation):.2f} %")
'''


def said(folder: Path, *command: str) -> str:
    """What a command prints, which must succeed; it runs in the folder, as its user would."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_plain_scripts_network_is_imported_searched_exported_and_verified(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "data").mkdir()
    (tmp_path / "train.py").write_text(SCRIPT)
    own = said(tmp_path, "train.py").strip()
    assert float(own.split()[0]) < 40

    given = "net.pt --out net.safetensors --corpus arrays --corpus-path data --decoder ctc --standardise norm.npz"
    printed = said(tmp_path, "-m", "dse.import_torch", *shlex.split(given))
    assert "encoder: torch.nn.GRU, 2 layers of 16 units, both directions" in printed
    assert f"label error rate in float on the validation split: {own}\n" in printed
    spec, card = read_card(tmp_path / "net.safetensors")
    assert (spec.directions, card["decoder"]["blank"]) == ("separate", "first")

    next_one = shlex.split(printed.splitlines()[-1])
    assert next_one[:3] == ["python", "-m", "dse.search"]
    small = ["--evaluations", "6", "--population", "4", "--workers", "1", "--study", "own"]
    assert "study own: 6 evaluations" in said(tmp_path, *next_one[1:], *small)
    said(tmp_path, *shlex.split("-m dse.export --study own --number 1 --to out"))
    verified = said(tmp_path, *shlex.split("-m dse.verify out"))
    assert [line.split()[:2] for line in verified.splitlines() if "equal" in line] == [
        ["evaluator", "equal"],
        ["onnx", "equal"],
        ["c", "equal"],
    ]
