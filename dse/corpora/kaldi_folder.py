"""The folder of one split as Kaldi has it: tables of features, alignments, speakers, phones and means."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.corpora.kaldi_files import Ark, Line, read_ark, read_rows, read_scp, read_table
from models.workload import InputError, MissingError

FOLDERS = {"train": ("train",), "validation": ("validation", "dev"), "test": ("test",)}
NEEDED = "feats.scp, ali.scp or ali.txt, utt2spk and text"


@dataclass(frozen=True)
class KaldiFolder:
    """Tables of one split, by utterance (`means` by speaker)."""

    path: Path
    features: dict[str, Ark]
    alignments: dict[str, Ark] | dict[str, Line]
    speakers: dict[str, str]
    texts: dict[str, tuple[str, ...]]
    means: dict[str, Ark]
    tables: tuple[Path, ...]

    @cached_property
    def width(self) -> int | None:
        """Features a frame of the first utterance that can be read; None where none can."""
        return _columns(self.features)

    def files(self) -> list[Path]:
        """Paths of the tables, and of the .ark files that they name and that exist."""
        arks = [a.path for t in (self.features, self.alignments, self.means) for a in t.values() if isinstance(a, Ark)]
        return [*self.tables, *sorted({path for path in arks if path.is_file()})]

    def mean(self, speaker: str) -> NDArray[np.float32]:
        """Mean [D] of a speaker's features. Raises InputError for statistics that are absent or cannot be."""
        if speaker not in self.means:
            raise InputError(f"speaker {speaker} is not in cmvn.scp")
        sums = read_ark(self.means[speaker], dimensions=2)
        if sums.shape[1] - 1 != self.width:
            raise InputError(f"statistics of {sums.shape[1] - 1} features for speaker {speaker}, not of {self.width}")
        if not (np.isfinite(sums[0]).all() and sums[0, -1] > 0):
            raise InputError(f"statistics of speaker {speaker} over {sums[0, -1]} frames, or not finite")
        return (sums[0, :-1] / sums[0, -1]).astype(np.float32)

    def without_features(self) -> list[str]:
        """Lines that say which utterances of the other tables feats.scp lacks."""
        tables: dict[str, Iterable[str]] = {
            "text": self.texts,
            "utt2spk": self.speakers,
            "the alignments": self.alignments,
        }
        lines = []
        for name, table in tables.items():
            if lacking := [utterance for utterance in table if utterance not in self.features]:
                counts = f"{len(lacking)} of {len(list(table))} utterances"
                lines.append(f"{self.path.name}: {counts} of {name} are not in feats.scp, such as {lacking[0]}")
        return lines


def _columns(table: Mapping[str, Ark]) -> int | None:
    for name in sorted(table):
        with contextlib.suppress(ValueError, OSError):
            return int(read_ark(table[name], dimensions=2).shape[1])
    return None


def check_together(folders: Mapping[str, KaldiFolder]) -> None:
    """Check that the splits' features are of one kind: of one width, all or none with a mean, of just that width.

    Raises InputError naming what differs.
    """
    widths = {split: folder.width for split, folder in folders.items() if folder.width is not None}
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{width} in {split}" for split, width in widths.items())
        raise InputError(f"kaldi: features a frame differ between splits: {told}")
    having = [split for split, folder in folders.items() if folder.means]
    if lacking := [split for split in folders if split not in having]:
        if having:
            raise InputError(
                f"kaldi: cmvn.scp is in {' and '.join(having)} but not in {' and '.join(lacking)}, so that means would "
                "be subtracted of some splits only; give it to all of them, or to none for features as they are"
            )
        return
    for split, folder in folders.items():
        columns = _columns(folder.means)
        if columns is not None and folder.width is not None and columns - 1 != folder.width:
            raise InputError(
                f"kaldi: {folder.path / 'cmvn.scp'} has statistics of {columns - 1} features, the features of {split} "
                f"have {folder.width}"
            )


def read_folder(root: Path, split: str) -> KaldiFolder:
    """Read the tables of a split below `root`.

    Raises MissingError where the folder or one of its files is missing, InputError for a damaged table.
    """
    for name in FOLDERS[split]:
        if (folder := root / name).is_dir():
            break
    else:
        raise MissingError(f"kaldi: no folder '{root / FOLDERS[split][0]}'; it needs {NEEDED}")
    files = {name: folder / name for name in ("feats.scp", "ali.scp", "ali.txt", "utt2spk", "text", "cmvn.scp")}
    present = {name: path for name, path in files.items() if path.is_file()}
    missing = [name for name in ("feats.scp", "utt2spk", "text") if name not in present]
    missing += [] if present.keys() & {"ali.scp", "ali.txt"} else ["ali.scp"]
    if missing:
        raise MissingError(f"kaldi: no {' and no '.join(missing)} in '{folder}'; it needs {NEEDED}")
    speakers = {utterance: words[0] for utterance, words in read_table(present["utt2spk"]).items() if words}
    arks = {name: read_scp(present[name]) for name in ("feats.scp", "cmvn.scp") if name in present}
    for table, what in (("feats.scp", "utterance"), ("cmvn.scp", "speaker")):
        if table in arks and not arks[table]:
            raise InputError(f"kaldi: {present[table]} lists no {what}")
    return KaldiFolder(
        path=folder,
        features=arks["feats.scp"],
        alignments=read_scp(present["ali.scp"]) if "ali.scp" in present else read_rows(present["ali.txt"]),
        speakers=speakers,
        texts=read_table(present["text"]),
        means=arks.get("cmvn.scp", {}),
        tables=tuple(present.values()),
    )
