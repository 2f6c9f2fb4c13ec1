"""Checkpoints of a study's beacons: where they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dse.corpora.cache import cache_dir
from dse.study.beside import Beacon
from models.workload import InputError, MissingError


def beacons_folder() -> Path:
    """Folder of the retrained networks of all studies, named by what they are made of."""
    return cache_dir() / "beacons"


def found(beacon: Beacon) -> Path | None:
    """Where a beacon's checkpoint is now: at its path or in the user's cache; None where it is neither."""
    from models.checkpoint import content_hash

    for path in (Path(beacon.path), beacons_folder() / Path(beacon.path).name):
        if path.is_file() and content_hash(path) == beacon.checkpoint:
            return path
    return None


def checkpoint_of(beacons: Sequence[Beacon], number: int | None) -> str | None:
    """Path of the checkpoint of the beacon of a number; None, the base network's, for None.

    Raises MissingError where it is gone, InputError where the study has no record of it.
    """
    if number is None:
        return None
    if number > len(beacons):
        raise InputError(f"an evaluation was scored by beacon {number}, and its study's record has {len(beacons)}")
    if (path := found(beacons[number - 1])) is None:
        where = beacons[number - 1].path
        raise MissingError(
            f"beacon {number} is gone from {where}, or damaged there; the study's search command makes it again"
        )
    return str(path)
