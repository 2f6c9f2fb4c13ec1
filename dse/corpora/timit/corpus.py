"""TIMIT, whole or a sample, read from its folder.

Layouts of the folder are in `dse.corpora.timit.files`, splits in `dse.corpora.timit.protocol`. SA sentences are left
out everywhere. Silence (h#, pau, epi and closures) is a phone like any other and is scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path

from tqdm import tqdm

from dse.corpora.base import SAMPLE_RATE_HZ, Utterance, check_split, content_fingerprint
from dse.corpora.content import Content, Problem, examined
from dse.corpora.timit.audio import read_audio, read_segments
from dse.corpora.timit.files import HOW_TO_GET, Recording, find_recordings
from dse.corpora.timit.protocol import split_speakers
from models.workload import InputError, MissingError

NORMALISATION = (
    "mean log-mel frame of each speaker subtracted, over the utterances loaded; "
    "silence (h#, pau, epi, closures) kept and scored as sil, adjacent sil merged"
)


class TimitCorpus:
    """TIMIT corpus read from a folder; see `dse.corpora.base.Corpus` and `FileCorpus`.

    Damaged utterances raise InputError, or are left out and counted with `skip_bad`. Raises MissingError where there is
    no TIMIT at `path`, InputError for fewer than three speakers.
    """

    name = "timit"
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, path: str | None = None, skip_bad: bool = False, reread: bool = False) -> None:
        if path is None:
            raise MissingError(f"the timit corpus needs its folder (--corpus-path); {HOW_TO_GET}")
        self.root = Path(path)
        self.skip_bad, self.reread = skip_bad, reread
        self.recordings = find_recordings(self.root)
        self._split = split_speakers(
            {recording.speaker: recording.part for recording in self.recordings},
            {recording.speaker: recording.region for recording in self.recordings},
        )

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Notes on what is in the folder and how it is used, for people and for the files of results."""
        speakers = {recording.speaker for recording in self.recordings}
        used = {speaker for split in self._split.speakers.values() for speaker in split}
        dialect = sum(recording.is_dialect_sentence for recording in self.recordings)
        unused = [r for r in self.recordings if r.speaker not in used and not r.is_dialect_sentence]
        found = f"{len(speakers)} speakers, {len(self.recordings)} utterances; {dialect} SA sentences left out"
        if unused:
            found += f"; {len(speakers - used)} speakers of TEST in neither list left out ({len(unused)} utterances)"
        return found, self._split.rule, NORMALISATION

    def speakers(self, split: str) -> tuple[str, ...]:
        check_split(split)
        return self._split.speakers[split]

    def utterances(self, split: str, per_speaker: int | None = None) -> list[Utterance]:
        """Read utterances speaker by speaker, sentences by name.

        Raises InputError for damage and for a `per_speaker` below 1.
        """
        if per_speaker is not None and per_speaker < 1:
            raise InputError(f"per_speaker must be at least 1, not {per_speaker}")
        self.fingerprint(split)
        damaged = {problem.name for problem in self.problems(split)}
        by_speaker: dict[str, list[Recording]] = {speaker: [] for speaker in self.speakers(split)}
        for recording in self._recordings(split):
            if recording.name not in damaged:
                by_speaker[recording.speaker].append(recording)
        return [self._read(recording)[0] for own in by_speaker.values() for recording in own[:per_speaker]]

    def fingerprint(self, split: str) -> str:
        """SHA-256 of the names, samples and segments of the sound utterances, the same for every layout of files.

        Raises InputError for damage.
        """
        content = self._content(split)
        content.raise_problems(f"timit {split}", self.skip_bad)
        return content.fingerprint

    def problems(self, split: str | None) -> tuple[Problem, ...]:
        """Damaged utterances of the split; None stands for all that no split uses."""
        return self._content(split).problems

    def repaired(self, split: str | None) -> tuple[str, ...]:
        """Names of utterances whose audio had lost carriage returns, see `dse.corpora.timit.newlines`."""
        return self._content(split).repaired

    def _recordings(self, split: str | None) -> Sequence[Recording]:
        """Recordings of the split, or those in no split."""
        splits = self._split.speakers
        if split is not None:
            check_split(split)
            return [r for r in self.recordings if r.speaker in splits[split] and not r.is_dialect_sentence]
        used = {speaker for speakers in splits.values() for speaker in speakers}
        return [r for r in self.recordings if r.speaker not in used or r.is_dialect_sentence]

    @cache  # noqa: B019  a corpus lives as long as its process
    def _content(self, split: str | None) -> Content:
        recordings = self._recordings(split)
        label = f"timit {split or 'unused'}"
        files = [path for recording in recordings for path in (*recording.audio, *recording.phones)]

        def problem_of(name: str) -> Problem | None:
            read = [self._attempt(recording) for recording in recordings if recording.name == name]
            return read[0] if read and isinstance(read[0], Problem) else None

        return examined(label, files, lambda: self._examine(label, recordings), problem_of, self.reread)

    def _examine(self, label: str, recordings: Sequence[Recording]) -> Content:
        problems: list[Problem] = []
        repaired: list[str] = []

        def sound() -> Iterator[Utterance]:
            for recording in tqdm(recordings, f"reading {label}", unit="", disable=None):
                read = self._attempt(recording)
                if isinstance(read, Problem):
                    problems.append(read)
                    continue
                utterance, was_repaired = read
                if was_repaired:
                    repaired.append(recording.name)
                yield utterance

        fingerprint = content_fingerprint(sound())
        return Content(fingerprint, len(recordings), tuple(problems), tuple(repaired))

    def _attempt(self, recording: Recording) -> tuple[Utterance, bool] | Problem:
        try:
            return self._read(recording)
        except (ValueError, OSError) as error:
            return Problem.of(recording.name, str(error), error)

    def _read(self, recording: Recording) -> tuple[Utterance, bool]:
        """Read the first sound audio file with the first label file that fits; returns whether it was repaired too.

        Raises InputError naming the first file and what is wrong with it, OSError where the system could not read one.
        """
        for kind, files in (("audio", recording.audio), ("phone labels (.PHN)", recording.phones)):
            if not files:
                beside = (recording.audio + recording.phones)[0].relative_to(self.root)
                raise InputError(f"{beside}: no {kind} beside it")
        errors: list[str] = []
        kind_of_error: type[Exception] = InputError
        for audio in recording.audio:
            for phones in recording.phones:
                file = audio
                try:
                    samples, repaired = read_audio(audio)
                    file = phones
                    segments = read_segments(phones, len(samples))
                except (ValueError, OSError) as error:
                    what: object = error
                    if isinstance(error, OSError):
                        what, kind_of_error = error.strerror, OSError
                    errors.append(f"{file.relative_to(self.root)}: {what}")
                    continue
                return Utterance(recording.name, recording.speaker, samples, segments), repaired
        raise kind_of_error(errors[0])
