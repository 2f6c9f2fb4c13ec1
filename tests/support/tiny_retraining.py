"""A retraining of seconds, for tests that kill it: python -m tiny_retraining FOLDER MODEL [EPOCH to die in]."""

import os
import signal
import sys
import zlib
from pathlib import Path

import numpy as np
import torch

from dse.corpora.split import Split
from dse.retraining.settings import RetrainSettings
from dse.training.float_network import first_decoder, frame_targets_of
from dse.training.loop import run_epoch
from models.checkpoint import Checkpoint, save
from models.networks.gru import Gru
from models.networks.sru import Sru
from models.registry import build_network
from models.workload import Configuration

SPECS = {"sru": Sru(layers=2, hidden=16, projection=12), "gru": Gru(layers=1, hidden=16)}
SETTINGS = RetrainSettings(epochs=3, batch_utterances=4, learning_rate=1e-2)
FLOAT_EPOCHS = 20
UTTERANCES = {"train": 24, "validation": 8, "test": 4}


class TinyCorpus:
    """Features that betray the phone, so that a little training shows."""

    name = "tiny"

    def fingerprint(self, split: str) -> str:
        return f"tiny-{split}-{zlib.crc32(self.split_arrays(split).features.tobytes())}"

    def speakers(self, split: str) -> tuple[str, ...]:
        return (f"{split}-speaker",)

    def split_arrays(self, split: str, per_speaker: int | None = None) -> Split:
        rng = np.random.default_rng(len(split))
        counts = rng.integers(3, 6, UTTERANCES[split])[:per_speaker]
        phones = rng.integers(0, 61, counts.sum()).astype(np.int16)
        frames = np.repeat(phones, 6)
        centres = np.random.default_rng(99).normal(size=(61, 23))
        return Split(
            name=split,
            features=(centres[frames] + 0.3 * rng.normal(size=(len(frames), 23))).astype(np.float32),
            lengths=counts.astype(np.int64) * 6,
            phones=frames,
            states=np.tile(np.repeat([0, 1, 2], 2), len(phones)).astype(np.int8),
            segment_phones=phones,
            segment_counts=counts.astype(np.int64),
            names=tuple(f"{split}{u}" for u in range(len(counts))),
            speakers=(f"{split}-speaker",) * len(counts),
            fingerprint=f"{split}-{per_speaker}",
        )


def base(folder: Path, model: str) -> Path:
    """A checkpoint to start from, trained in float for a moment."""
    path, data = folder / f"{model}.safetensors", TinyCorpus().split_arrays("train")
    torch.manual_seed(3)
    torch.set_num_threads(1)
    network = build_network(SPECS[model])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    targets, _ = frame_targets_of(TinyCorpus(), data)
    for epoch in range(FLOAT_EPOCHS):
        run_epoch(network, optimizer, data, targets, SETTINGS, epoch)
    save(path, Checkpoint(SPECS[model], network.arrays(), first_decoder(data).to_arrays(), {}))
    return path


def configuration(model: str, *bits: int) -> Configuration:
    return Configuration.uniform(SPECS[model].workload(), *bits)


def retrain(folder: Path, model: str, out: str, **changes):
    from dse.retraining.retrain import retrain

    given = {"settings": SETTINGS, **changes}
    chosen = given.pop("configuration", configuration(model, 2, 3, 1))
    return retrain(base(folder, model), chosen, given.pop("corpus", TinyCorpus()), folder / out, **given)


def main() -> None:
    folder, model, *dies = sys.argv[1:]
    from dse.retraining import retrain as module

    epochs = module.run_epoch

    def run_epoch(network, optimizer, data, targets, settings, epoch, rate):
        def fatal(part: float) -> float:
            if [str(epoch)] == dies and part > 0.5:
                os.kill(os.getpid(), signal.SIGKILL)
            return rate(part)

        return epochs(network, optimizer, data, targets, settings, epoch, fatal)

    module.run_epoch = run_epoch
    retrain(Path(folder), model, "out.safetensors")


if __name__ == "__main__":
    main()
