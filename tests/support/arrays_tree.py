"""A small folder as the arrays corpus wants it, in .npz or Parquet, and networks of its labels."""

from pathlib import Path
from typing import Any

import numpy as np

from models.checkpoint import Checkpoint, save
from models.networks.gru import Gru
from models.registry import build_network

LABELS = ("a", "b", "c", "|", "é")
DIMENSIONS = 6
SPEAKERS = {"train": ("ta", "tb"), "validation": ("va", "vb"), "test": ("sa", "sb")}


def contents(sequences: bool = True, targets: bool = False, speakers: bool = True, each: int = 3) -> dict[str, Any]:
    """Arrays of every split by name: utterances, speakers, lengths, features, labels and targets, as asked for.

    Features betray the label of a frame; a label takes two to five frames.
    """
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 2, (len(LABELS), DIMENSIONS))
    found: dict[str, Any] = {}
    for split, names in SPEAKERS.items():
        texts = [rng.choice(len(LABELS), rng.integers(3, 8)) for _ in range(each * len(names))]
        frames = [np.repeat(text, rng.integers(2, 6, len(text))) for text in texts]
        together = np.concatenate(frames)
        arrays = {
            "utterances": np.array([f"{split}{number}" for number in range(len(texts))]),
            "lengths": np.array([len(frame) for frame in frames]),
            "features": (centres[together] + rng.normal(0, 0.5, (len(together), DIMENSIONS))).astype(np.float32),
        }
        if speakers:
            arrays["speakers"] = np.repeat(names, each)
        if sequences:
            arrays["labels"] = np.array([" ".join(LABELS[label] for label in text) for text in texts])
        if targets:
            arrays["targets"] = together
        found[split] = arrays
    return found


def write_npz(folder: Path, splits: dict[str, Any] | None = None, **asked: Any) -> dict[str, Any]:
    """Write the splits, those of `contents` unless given, and labels.txt; returns the splits."""
    splits = contents(**asked) if splits is None else splits
    folder.mkdir(exist_ok=True)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    for split, arrays in splits.items():
        np.savez(folder / f"{split}.npz", **arrays)
    return splits


def table_of(arrays: dict[str, Any]) -> Any:
    """The same as a pandas frame, a row a frame."""
    import pandas as pd

    table = pd.DataFrame(arrays["features"], columns=[f"f{place}" for place in range(arrays["features"].shape[1])])
    for column, name in (("utterance", "utterances"), ("speaker", "speakers"), ("labels", "labels")):
        if name in arrays:
            table[column] = np.repeat(arrays[name], arrays["lengths"])
    if "targets" in arrays:
        table["target"] = arrays["targets"]
    return table


def write_parquet(folder: Path, splits: dict[str, Any] | None = None, **asked: Any) -> dict[str, Any]:
    """As `write_npz`, in Parquet."""
    splits = write_npz(folder, splits, **asked)
    for split, arrays in splits.items():
        (folder / f"{split}.npz").unlink()
        table_of(arrays).to_parquet(folder / f"{split}.parquet", index=False)
    return splits


def checkpoint(decoder, outputs: int | None = None, path: str = "net.safetensors", named=None) -> Path:
    """A random network of the decoder's labels."""
    import torch

    torch.manual_seed(1)
    spec = Gru(features=DIMENSIONS, layers=1, hidden=8, outputs=decoder.outputs if outputs is None else outputs)
    weights = build_network(spec).arrays()
    save(Path(path), Checkpoint(spec, weights, {}, {"decoder": named or decoder.to_json()}))
    return Path(path)
