"""Files are written whole or not at all: a full disk leaves what was there before and the message names the file."""

import os
import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from searches import search

from dse.corpora.cache import write_atomically
from dse.corpora.split import Split
from dse.data import draw_utterance
from dse.reports.files import write_files
from dse.training.loop import draw_curves
from dse.training.state import TrainState
from models.checkpoint import load, save, shipped_path
from models.whole_file import whole_file

HISTORY = [{"loss": 1.0, "validation_error_percent": 50.0}]


@contextmanager
def room_for(file_bytes):
    """No file can grow beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def report_html(folder):
    write_files(search(folder, evaluations=8, population=4), folder)


def checkpoint(folder):
    save(folder / "file.safetensors", load(shipped_path("sru", "edge")))


def training_state(folder):
    network = torch.nn.Linear(200, 200)
    TrainState(folder / "file.safetensors", {"model": "sru"}).save(
        network, torch.optim.Adam(network.parameters()), HISTORY, is_best=True
    )


def curves(folder):
    draw_curves(HISTORY, folder / "file.png")


def picture(folder):
    frames, phones = np.zeros((30, 40), np.float32), np.zeros(30, np.int16)
    split = Split("validation", frames, np.array([30]), phones, phones, phones[:1], np.array([1]), ("u",), ("s",), "x")
    draw_utterance(split, 0, folder / "file.png")


def cached(folder):
    write_atomically(folder / "file.npz", lambda file: np.savez(file, a=np.zeros(10_000)))


WRITERS = {
    report_html: ("report.html", 200_000),
    checkpoint: ("file.safetensors", 20_000),
    training_state: ("file.safetensors", 20_000),
    curves: ("file.png", 2_000),
    picture: ("file.png", 2_000),
    cached: ("file.npz", 20_000),
}


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_full_disk_leaves_the_file_before_and_names_it(tmp_path, write):
    name, limit_bytes = WRITERS[write]
    write(tmp_path)
    first = (tmp_path / name).read_bytes()
    assert len(first) > limit_bytes
    (tmp_path / name).write_bytes(b"before")
    with room_for(limit_bytes), pytest.raises((ValueError, OSError)) as caught:
        write(tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert (tmp_path / name).read_bytes() == b"before"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".") and path.suffix != ".lock"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
@pytest.mark.parametrize("write", [checkpoint, training_state, curves, cached], ids=lambda write: write.__name__)
def test_files_have_the_permissions_of_any_new_file(tmp_path, write, umask):
    before = os.umask(umask)
    try:
        write(tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask}


def test_no_file_of_the_users_is_taken_for_a_temporary_one(tmp_path):
    for name in ("file.tmp", "file", ".file.safetensors"):
        (tmp_path / name).write_text("mine")
    checkpoint(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"file.tmp", "file", ".file.safetensors", "file.safetensors"}


def test_a_failed_write_is_as_if_it_had_not_begun(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "new" / "file") as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert not list((tmp_path / "new").iterdir())
