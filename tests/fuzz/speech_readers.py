"""Sound, labels, Kaldi's archives, tables and folders, and arrays of one's own."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from arrays_tree import write_npz, write_parquet
from campaign import Reader
from kaldi_tree import write_kaldi
from mutations import mutated
from text_readers import of_file
from timit_tree import SAMPLES, labels, riff, sphere, tone

from dse.corpora.arrays.corpus import ArraysCorpus
from dse.corpora.kaldi import KaldiCorpus
from dse.corpora.kaldi_files import Ark, read_ark, read_scp, read_table
from dse.corpora.timit.audio import read_audio, read_segments
from dse.phones.sets import PHONES_61
from models.workload import InputError

MOST_GROWTH = 16  # bytes of an array, over those of its archive
SCP = b"".join(b"utterance_%d beside/feats.ark:%d\n" % (n, 17 * n) for n in range(20))
TABLE = b"".join(b"utterance_%d sil aa sh eh %d\n" % (n, n) for n in range(20))


def wrong_sound(found: Any, _: Any) -> str | None:
    samples, _repaired = found
    if samples.dtype != np.int16 or samples.ndim != 1:
        return f"{samples.dtype} of {samples.ndim} dimensions"
    return None if 720 <= len(samples) <= 2 * SAMPLES else f"{len(samples)} samples"


def wrong_segments(found: Any, _: Any) -> str | None:
    bounds = [(segment.start_sample, segment.end_sample) for segment in found]
    if bounds[0][0] != 0 or bounds[-1][1] != SAMPLES:
        return "not all of the speech"
    if any(end != start for (_, end), (start, _) in pairwise(bounds)):
        return "gaps or overlaps"
    if any(start >= end for start, end in bounds):
        return "an empty segment"
    return None if all(segment.phone in PHONES_61 for segment in found) else "an unknown phone"


def ark() -> bytes:
    import io

    from kaldiio import save_ark

    file = io.BytesIO()
    save_ark(file, {"u": np.random.default_rng(0).normal(5, 2, (50, 13)).astype(np.float32)}, compression_method=2)
    return file.getvalue()[2:]  # without its key


def wrong_array(array: Any, _: Any) -> str | None:
    if array.dtype.kind not in "fi":
        return f"an array of {array.dtype}"
    return None if array.nbytes <= MOST_GROWTH * (len(ark()) + 10_000) else f"{array.nbytes} bytes"


def wrong_places(found: Any, _: Any) -> str | None:
    good = all(key and place.offset_bytes >= 0 and str(place.path) for key, place in found.items())
    return None if good else "a place that cannot be"


def wrong_table(found: Any, _: Any) -> str | None:
    good = all(key and not set(key) & set(" \n\t") and all(words) for key, words in found.items())
    return None if good else "a key or word that cannot be"


def kaldi_folder(folder: Path) -> dict[str, bytes]:
    """One split's files, of which one is damaged at a time."""
    write_kaldi(folder / "k", means=True)
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted((folder / "k").rglob("*")) if p.is_file()}


def damage_folder(folder: Path, sound: dict[str, bytes], rng: random.Random) -> None:
    for name, content in sound.items():
        folder.joinpath(name).write_bytes(content)
    name = rng.choice([name for name in sound if "/train/" in name or "phone_map" in name])
    folder.joinpath(name).write_bytes(mutated(sound[name], rng))
    folder.joinpath("skip").write_text("yes" if rng.random() < 0.5 else "")


def read_folder(folder: Path) -> Any:
    skip = folder / "skip"
    return KaldiCorpus(str(folder / "k"), skip_bad=skip.exists() and bool(skip.read_text())).split_arrays("train")


def wrong_split(found: Any, sound: Any) -> str | None:
    if found.features.shape[1] != sound.features.shape[1]:
        return "features of another width"
    if not np.isfinite(found.features).all():
        return "features that are not finite"
    if len(found.features) != found.lengths.sum() or not 1 <= len(found.lengths) <= len(sound.lengths):
        return "other lengths"
    if np.abs(found.features).max() > 1e6:
        return "a feature over a million"
    return None


def arrays_folder(write: Callable[..., Any]) -> Callable[[Path], dict[str, bytes]]:
    def make(folder: Path) -> dict[str, bytes]:
        write(folder / "a", targets=True)
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted((folder / "a").iterdir())}

    return make


def damage_arrays(folder: Path, sound: dict[str, bytes], rng: random.Random) -> None:
    """The training split or labels; half of the time past the checksums of zip, where the archive is not packed."""
    for name, content in sound.items():
        folder.joinpath(name).write_bytes(content)
    name = rng.choice([name for name in sound if "train" in name] * 4 + ["a/labels.txt"])
    content = mutated(sound[name], rng)
    if name.endswith(".npz") and rng.random() < 0.5:
        with zipfile.ZipFile(io.BytesIO(sound[name])) as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        chosen = rng.choice(sorted(members))
        members[chosen] = mutated(members[chosen], rng)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        content = packed.getvalue()
    folder.joinpath(name).write_bytes(content)
    folder.joinpath("skip").write_text("yes" if rng.random() < 0.5 else "")


def read_own(folder: Path) -> Any:
    skip = folder / "skip"
    return ArraysCorpus(str(folder / "a"), skip_bad=skip.exists() and bool(skip.read_text())).split_arrays("train")


def wrong_own(found: Any, sound: Any) -> str | None:
    if not np.isfinite(found.features).all() or len(found.features) != found.lengths.sum():
        return "features that cannot be"
    if found.lengths.min() < 1 or len(found.targets) != len(found.features):
        return "other lengths"
    return None if found.segment_phones.min() >= 0 and found.targets.min() >= 0 else "a label below 0"


def checked_array(path: Path) -> Any:
    array = read_ark(Ark(path, 0), 2)
    if not np.isfinite(array).all():
        raise InputError("the corpus refuses what is not finite")
    return array


SPEECH = {
    "PHN": of_file(lambda: labels().encode(), lambda path: read_segments(path, SAMPLES), wrong_segments),
    "SPHERE": of_file(lambda: sphere(tone(0)), read_audio, wrong_sound),
    "RIFF": of_file(lambda: riff(tone(0)), read_audio, wrong_sound),
    "Kaldi archive": of_file(ark, checked_array, wrong_array),
    "Kaldi scp": of_file(lambda: SCP, read_scp, wrong_places),
    "Kaldi table": of_file(lambda: TABLE, read_table, wrong_table),
    "arrays of one's own": Reader(arrays_folder(write_npz), damage_arrays, read_own, wrong_own),
    "arrays in Parquet": Reader(arrays_folder(write_parquet), damage_arrays, read_own, wrong_own),
    "Kaldi folder": Reader(kaldi_folder, damage_folder, read_folder, wrong_split),
}
