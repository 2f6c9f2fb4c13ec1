"""Bundles: changed as they are, which the manifest tells, and with a manifest of the changed files."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from bundles import write_small
from campaign import Reader
from mutations import mutated, mutated_value

from dse.exporters import write
from dse.exporters.bundle import CONFIGURATION, Bundle, open_bundle
from dse.exporters.manifest import MANIFEST, seal
from dse.exporters.replay import verify

FOLDER = "out"


def make(folder: Path) -> dict[str, bytes]:
    write.EXPORTERS = {}  # in a process of its own; what runs is read by its library
    write_small(folder / FOLDER, bits=(3, 4, 1))
    return {path.name: path.read_bytes() for path in (folder / FOLDER).iterdir()}


def damage(folder: Path, files: dict[str, bytes], rng: random.Random) -> None:
    for name, content in files.items():
        (folder / FOLDER / name).write_bytes(content)
    name = rng.choice(sorted(files))
    (folder / FOLDER / name).write_bytes(mutated(files[name], rng))


def damage_and_seal(folder: Path, files: dict[str, bytes], rng: random.Random) -> None:
    """Half of the time a value of the configuration, else bytes of any file."""
    damage(folder, files, rng)
    if rng.random() < 0.5:
        for name, content in files.items():
            (folder / FOLDER / name).write_bytes(content)
        record = mutated_value(json.loads(files[CONFIGURATION]), rng)
        (folder / FOLDER / CONFIGURATION).write_text(json.dumps(record))
    (folder / FOLDER / MANIFEST).unlink()
    seal(folder / FOLDER)


def read(folder: Path) -> Bundle:
    bundle = open_bundle(folder / FOLDER)
    list(verify(bundle, ()))
    return bundle


def changed(found: Bundle, sound: Bundle) -> str | None:
    """What was changed is refused, unless it is the same in other words: the manifest's own blanks."""
    same = found.record == sound.record and np.array_equal(found.golden.logits, sound.golden.logits)
    return None if same else "a bundle that was changed"


def impossible(found: Bundle, _: Any) -> str | None:
    for matvec in found.network.matvecs:
        if not np.isfinite(matvec.scale).all() or not np.isfinite(matvec.divisor) or matvec.divisor <= 0:
            return "a scale that cannot be"
        if (matvec.matrix.bits, matvec.act_bits, matvec.delta) != found.configuration[matvec.name].effect:
            return "integers of another configuration"
    return None


BUNDLES = {
    "bundle": Reader(make, damage, read, changed),
    "bundle with its own manifest": Reader(make, damage_and_seal, read, impossible),
}
