"""Search for TIMIT's utterances below a folder: the LDC's layout, its copies, and NLTK's sample.

The LDC has TRAIN/DR1/FCJF0/SA1.WAV in either case, NLTK dr1-fcjf0/sa1.wav, and copies have SA1.WAV.wav beside it. Audio
is NIST SPHERE or RIFF. An utterance is a speaker's folder and a sentence; however many files hold it, it counts once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.workload import MissingError

HOW_TO_GET = (
    "get TIMIT from the LDC (LDC93S1, https://catalog.ldc.upenn.edu/LDC93S1), or a sample of 16 speakers with "
    "python -c \"import nltk; nltk.download('timit')\" (in ~/nltk_data/corpora/timit)"
)
_FILE = re.compile(r"(s[aix]\d+)((?:\.wav)+|\.phn)", re.IGNORECASE)
_FOLDER = re.compile(r"(?:(dr\d)-)?(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Recording:
    """Files of one utterance, each kind in the order in which they are tried; `part` is "train", "test" or ""."""

    speaker: str
    sentence: str
    region: str
    part: str
    audio: tuple[Path, ...]
    phones: tuple[Path, ...]

    @property
    def name(self) -> str:
        return f"{self.speaker}_{self.sentence}"

    @property
    def is_dialect_sentence(self) -> bool:
        """Whether it is SA1 or SA2, which all speakers speak and which stay out of training and tests alike."""
        return self.sentence.startswith("SA")


def find_recordings(root: Path) -> list[Recording]:
    """Find all recordings below `root`, sorted by speaker and sentence.

    Raises MissingError if there is no such folder or no utterance in it.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise MissingError(f"no TIMIT: '{root}' {what}; {HOW_TO_GET}")
    files: dict[tuple[str, str], list[Path]] = {}
    for folder, names in _folders(root):
        for name in names:
            if (match := _FILE.fullmatch(name)) and (folder / name).is_file():  # a pipe would wait for ever
                speaker = _FOLDER.fullmatch(folder.name)
                key = ((speaker[2] if speaker else folder.name).upper(), match[1].upper())
                files.setdefault(key, []).append(folder / name)
    if not files:
        raise MissingError(
            f"no TIMIT in '{root}': expected TRAIN/DR1/FCJF0/SX37.WAV with SX37.PHN (LDC) or dr1-fcjf0/sx37.wav with "
            f"sx37.phn (NLTK) below it; {HOW_TO_GET}"
        )
    return [_recording(root, speaker, sentence, files[speaker, sentence]) for speaker, sentence in sorted(files)]


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below `root` once, with the names of its files; links are followed after all that is no link."""
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        links: list[Path] = []
        for start in waiting:
            for name, folders, files in os.walk(start):
                folder = Path(name)
                status = folder.stat()
                if (status.st_dev, status.st_ino) in seen:
                    folders.clear()
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders.sort()
                links += [folder / each for each in folders if (folder / each).is_symlink()]
                yield folder, files
        waiting = links


def _recording(root: Path, speaker: str, sentence: str, files: list[Path]) -> Recording:
    files = sorted(files, key=lambda path: (len(path.suffixes), str(path)))
    folders = [part.lower() for part in files[0].relative_to(root).parts[:-1]]
    regions = [folder[:3].upper() for folder in folders if re.match(r"dr\d(-|$)", folder)]
    return Recording(
        speaker,
        sentence,
        region=regions[0] if regions else "",
        part=next((folder for folder in folders if folder in ("train", "test")), ""),
        audio=tuple(path for path in files if path.suffix.lower() == ".wav"),
        phones=tuple(path for path in files if path.suffix.lower() == ".phn"),
    )
