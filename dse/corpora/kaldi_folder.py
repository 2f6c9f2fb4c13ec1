"""The folder of one split as Kaldi has it: tables of features, alignments, speakers, phones and means."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dse.corpora.kaldi_files import Ark, read_ark, read_scp, read_table
from models.workload import MissingError

FOLDERS = {"train": ("train",), "validation": ("validation", "dev"), "test": ("test",)}
NEEDED = "feats.scp, ali.scp or ali.txt, utt2spk and text"


@dataclass(frozen=True)
class KaldiFolder:
    """Tables of one split, by utterance (`means` by speaker)."""

    features: dict[str, Ark]
    alignments: dict[str, Ark] | dict[str, list[str]]
    speakers: dict[str, str]
    texts: dict[str, list[str]]
    means: dict[str, Ark]
    tables: tuple[Path, ...]

    @cached_property
    def width(self) -> int | None:
        """Features a frame of the first utterance that can be read; None where none can."""
        for name in sorted(self.features):
            with contextlib.suppress(ValueError, OSError):
                return int(read_ark(self.features[name], dimensions=2).shape[1])
        return None

    def files(self) -> list[Path]:
        """Paths of the tables, and of the .ark files that they name and that exist."""
        arks = [a.path for t in (self.features, self.alignments, self.means) for a in t.values() if isinstance(a, Ark)]
        return [*self.tables, *sorted({path for path in arks if path.is_file()})]


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
    return KaldiFolder(
        features=read_scp(present["feats.scp"]),
        alignments=read_scp(present["ali.scp"]) if "ali.scp" in present else read_table(present["ali.txt"]),
        speakers=speakers,
        texts=read_table(present["text"]),
        means=read_scp(present["cmvn.scp"]) if "cmvn.scp" in present else {},
        tables=tuple(present.values()),
    )
