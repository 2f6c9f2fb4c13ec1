"""Features and alignments that Kaldi computed, so that a pytorch-kaldi user can evaluate on what they trained with.

    DIR/phone_map.txt                      lines `pdf-id phone [hmm-state]`, see `dse.phones.senones.read_senone_map`
    DIR/train, DIR/validation (or dev), DIR/test, each with
        feats.scp                          matrices [T, D] in .ark files, any D
        ali.scp or ali.txt                 T pdf-ids an utterance (ali-to-pdf final.mdl "ark:gunzip -c ali.*.gz |" ...)
        utt2spk, text                      speakers; reference phones of the 61, 48 or 39 set
        cmvn.scp                           its speaker means are subtracted; may be absent, of all splits or none

An utterance is a line of feats.scp. Paths in .scp files are relative to the working directory, as in Kaldi, or to the
.scp file. Commands in .scp files are not run, and only Kaldi's own binary matrices and vectors are loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dse.corpora.base import SAMPLE_RATE_HZ, SPLITS, Utterance, check_split
from dse.corpora.content import Content, Problem, examined
from dse.corpora.kaldi_files import Ark, Line, read_ark
from dse.corpora.kaldi_folder import NEEDED, KaldiFolder, check_together, read_folder
from dse.corpora.split import Split
from dse.phones.senones import SenoneMap, phone_61, read_senone_map
from dse.phones.sets import FOLD_61_TO_39, PHONES_39
from models.workload import InputError, MissingError

PHONE_MAP = "phone_map.txt"
LARGEST_FEATURE = 1e6  # energies, cepstra and what is made of them lie within some hundreds


@dataclass(frozen=True)
class _Utterance:
    name: str
    speaker: str
    features: NDArray[np.float32]  # [T, D]
    senones: NDArray[np.int32]  # [T]
    phones: NDArray[np.int16]  # [P] index in PHONES_61


class KaldiCorpus:
    """Corpus of features and alignments that Kaldi computed. It has no audio, so `utterances` raises InputError.

    See `dse.corpora.base.Corpus` and `dse.corpora.split.FeatureCorpus`. Damaged utterances raise InputError, or are
    left out and counted with `skip_bad`. Raises MissingError where a file is missing, InputError for a damaged table,
    a speaker in two splits, and splits whose features are not of one kind.
    """

    name = "kaldi"
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, path: str | None = None, skip_bad: bool = False, reread: bool = False) -> None:
        layout = f"{PHONE_MAP} and the folders train, validation (or dev) and test, each with {NEEDED}"
        if path is None or not Path(path).is_dir():
            where = "no folder given (--corpus-path)" if path is None else f"no folder '{path}'"
            raise MissingError(f"the kaldi corpus: {where}; it needs one with {layout}")
        self.skip_bad, self.reread = skip_bad, reread
        self.senones: SenoneMap = read_senone_map(Path(path) / PHONE_MAP)
        self._folders = {split: read_folder(Path(path), split) for split in SPLITS}
        for one, other in combinations(SPLITS, 2):
            if both := sorted(set(self.speakers(one)) & set(self.speakers(other))):
                raise InputError(f"kaldi: speaker {both[0]} is in {one} and in {other}; splits must share no speaker")
        check_together(self._folders)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        means = ["subtracted" if self._folders[split].means else "not subtracted" for split in SPLITS]
        return (
            f"{sum(len(f.features) for f in self._folders.values())} utterances, {len(self.senones)} senones",
            "splits by folder",
            f"speaker means of cmvn.scp {' / '.join(means)} ({' / '.join(SPLITS)}); silence scored as text has it",
            *(line for folder in self._folders.values() for line in folder.without_features()),
        )

    def speakers(self, split: str) -> tuple[str, ...]:
        check_split(split)
        folder = self._folders[split]
        return tuple(sorted({folder.speakers[name] for name in folder.features if name in folder.speakers}))

    def utterances(self, split: str, per_speaker: int | None = None) -> list[Utterance]:
        raise InputError("the kaldi corpus holds features, not audio")

    def split_arrays(self, split: str, per_speaker: int | None = None) -> Split:
        """Split with features as stored (minus cmvn.scp's means), senones as `targets`, phones and states by phone map.

        Raises InputError for damage and for a `per_speaker` below 1.
        """
        if per_speaker is not None and per_speaker < 1:
            raise InputError(f"per_speaker must be at least 1, not {per_speaker}")
        self.fingerprint(split)
        damaged = {problem.name for problem in self.problems(split)}
        folder = self._folders[split]
        names: list[str] = []
        for speaker in self.speakers(split):
            own = (name for name in folder.features if folder.speakers.get(name) == speaker)
            names += sorted(name for name in own if name not in damaged)[:per_speaker]
        utterances = [self._read(folder, name) for name in names]
        senones = np.concatenate([u.senones for u in utterances])
        return Split(
            split,
            np.concatenate([u.features for u in utterances]),
            np.array([len(u.features) for u in utterances], np.int64),
            self.senones.phones[senones],
            np.concatenate([self.senones.frame_states(u.senones) for u in utterances]),
            np.concatenate([u.phones for u in utterances]),
            np.array([len(u.phones) for u in utterances], np.int64),
            tuple(names),
            tuple(u.speaker for u in utterances),
            _digest(utterances),
            senones,
        )

    def fingerprint(self, split: str) -> str:
        """SHA-256 of the sound utterances' features, senones and phones. Raises InputError for damage."""
        content = self._content(split)
        content.raise_problems(f"kaldi {split}", self.skip_bad)
        return content.fingerprint

    def problems(self, split: str | None) -> tuple[Problem, ...]:
        """Damaged utterances of the split; every utterance is in a split, so None gives none."""
        return self._content(split).problems if split else ()

    def repaired(self, split: str | None) -> tuple[str, ...]:
        """Names of repaired utterances: none, nothing is repaired."""
        return ()

    @cache  # noqa: B019  a corpus lives as long as its process
    def _content(self, split: str) -> Content:
        check_split(split)
        folder = self._folders[split]

        def problem_of(name: str) -> Problem | None:
            read = self._attempt(folder, name) if name in folder.features else None
            return read if isinstance(read, Problem) else None

        label = f"kaldi {split}"
        return examined(label, folder.files(), lambda: self._examine(label, folder), problem_of, self.reread)

    def _examine(self, label: str, folder: KaldiFolder) -> Content:
        problems: list[Problem] = []

        def sound() -> Iterator[_Utterance]:
            for name in tqdm(sorted(folder.features), f"reading {label}", unit="", disable=None):
                read = self._attempt(folder, name)
                if isinstance(read, Problem):
                    problems.append(read)
                else:
                    yield read

        return Content(_digest(sound()), len(folder.features), tuple(problems))

    def _attempt(self, folder: KaldiFolder, name: str) -> _Utterance | Problem:
        try:
            return self._read(folder, name)
        except (ValueError, OSError) as error:
            return Problem.of(name, f"{name}: {error}", error)

    def _read(self, folder: KaldiFolder, name: str) -> _Utterance:
        for table, what in ((folder.speakers, "utt2spk"), (folder.texts, "text"), (folder.alignments, "alignment")):
            if name not in table:
                raise InputError(f"not in {what}")
        speaker = folder.speakers[name]
        features = np.asarray(read_ark(folder.features[name], dimensions=2), np.float32)
        if features.shape[1] != folder.width:
            raise InputError(f"{features.shape[1]} features a frame, others have {folder.width}")
        if folder.means:
            features = features - folder.mean(speaker)
        if not np.isfinite(features).all():
            raise InputError("features are not finite")
        if (peak := np.abs(features).max(initial=0)) > LARGEST_FEATURE:
            raise InputError(f"features hold {peak:g}, damage: no more than {LARGEST_FEATURE:g} is possible")
        senones = _alignment(folder.alignments[name])
        if len(senones) != len(features):
            raise InputError(f"{len(features)} frames of features but {len(senones)} of alignment")
        if len(features) < 3:
            raise InputError(f"too short: {len(features)} frames, at least 3 are needed")
        wrong = (senones < 0) | (senones >= len(self.senones))
        wrong[~wrong] = self.senones.phones[senones[~wrong]] < 0
        if wrong.any():
            raise InputError(f"pdf-id {senones[wrong][0]} is not in {PHONE_MAP}")
        phones = np.array([phone_61(phone) for phone in folder.texts[name]], np.int16)
        if not len(phones):
            raise InputError("no phone in text")
        fewer, more = sorted(counts := (_spoken(phones), _spoken(self.senones.phones[senones])))
        if 2 * fewer < more:
            raise InputError(
                f"text has {counts[0]} phones where the alignment has {counts[1]}, silence not counted: not one speech"
            )
        return _Utterance(name, speaker, features, senones, phones)


def _alignment(entry: Ark | Line) -> NDArray[np.int32]:
    if isinstance(entry, Line):
        return entry.integers()
    senones = read_ark(entry, dimensions=1)
    if not np.issubdtype(senones.dtype, np.integer):
        raise InputError(f"the alignment in '{entry.path}' holds no whole numbers")
    return senones.astype(np.int32)


def _spoken(phones: NDArray[np.int16]) -> int:
    """Number of runs of one phone of the 39 that is not silence, of phones [P] in PHONES_61."""
    folded = FOLD_61_TO_39[phones]
    folded = folded[(folded >= 0) & (folded != PHONES_39.index("sil"))]
    return int(np.count_nonzero(np.diff(folded, prepend=-1)))


def _digest(utterances: Iterable[_Utterance]) -> str:
    digest = hashlib.sha256()
    for u in utterances:
        digest.update(f"{u.name} {u.speaker} {u.features.shape} {u.phones.tolist()}\n".encode())
        digest.update(u.features.astype("<f4").tobytes() + u.senones.astype("<i4").tobytes())
    return digest.hexdigest()
