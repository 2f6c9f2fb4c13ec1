"""Synthetic corpus that needs no licence and no download: TIMIT's shape, spoken by espeak-ng on first use.

88 speakers with voices of their own, a written vocabulary mixed with invented words, phones of TIMIT's 61. The shipped
card `card.json` holds the SHA-256 of what every machine should synthesise, and the phone inventory.
`python -m dse.corpora.synthetic` synthesises everything anew and rewrites the card.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dse.corpora.base import SAMPLE_RATE_HZ, Utterance, check_split, content_fingerprint
from dse.corpora.cache import cache_dir, make_folder
from dse.corpora.synthetic.speaker import DAMAGED, UTTERANCES, load_utterances, speaker_names
from models.workload import InputError

CARD = Path(__file__).with_name("card.json")
ENGINE = "espeakng-loader"  # the wheel that brings espeak-ng and its data


class SyntheticCorpus:
    """Synthetic corpus: 56 / 20 / 12 speakers with 30 / 20 / 16 utterances each; see `dse.corpora.base.Corpus`.

    Raises InputError when given a path: it is not read from files.
    """

    name = "synthetic"
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, path: str | None = None) -> None:
        if path is not None:
            raise InputError(f"the synthetic corpus is generated and takes no path, got '{path}'")

    def speakers(self, split: str) -> tuple[str, ...]:
        check_split(split)
        return speaker_names(split)

    def utterances(self, split: str, per_speaker: int | None = None) -> list[Utterance]:
        """Load utterances from the cache; those that are missing or damaged there are synthesised first.

        Warns where this machine synthesises other samples than the card states.
        Raises InputError for an unknown split or a `per_speaker` out of range or if synthesis fails.
        """
        speakers = self.speakers(split)
        count = UTTERANCES[split] if per_speaker is None else per_speaker
        if not 1 <= count <= UTTERANCES[split]:
            raise InputError(f"per_speaker {count} is out of range; {split} has 1 to {UTTERANCES[split]} per speaker")
        cached = {speaker: self._load(speaker, count) for speaker in speakers}
        missing = [speaker for speaker, utterances in cached.items() if utterances is None]
        if missing:
            synthesise({self._file(speaker, count): (speaker, count) for speaker in missing})
            for speaker in missing:
                cached[speaker] = load_utterances(self._file(speaker, count), speaker, count)
            self._compare({speaker: cached[speaker] or [] for speaker in missing}, count == UTTERANCES[split])
        return [utterance for speaker in speakers for utterance in cached[speaker] or []]

    def fingerprint(self, split: str) -> str:
        """SHA-256 of the split's names, samples and segments, as the card states it."""
        check_split(split)
        return str(self._card["splits"][split]["fingerprint"])

    @cached_property
    def _card(self) -> dict[str, Any]:
        card: dict[str, Any] = json.loads(CARD.read_text(encoding="utf-8"))
        return card

    @cached_property
    def _folder(self) -> Path:
        key = hashlib.sha256(CARD.read_bytes() + version(ENGINE).encode()).hexdigest()[:16]
        return cache_dir() / "corpora" / f"{self.name}-{key}"

    def _file(self, speaker: str, count: int) -> Path:
        return self._folder / f"{speaker}-{count}.npz"

    def _load(self, speaker: str, count: int) -> list[Utterance] | None:
        """Load from the speaker's complete file if there is one, else from that of the first `count` utterances."""
        for stored in (UTTERANCES[speaker.split("_")[0]], count):
            try:
                return load_utterances(self._file(speaker, stored), speaker, count)
            except DAMAGED:
                continue
        return None

    def _compare(self, synthesised: dict[str, list[Utterance]], complete: bool) -> None:
        declared = self._card["speakers"]
        differing = [
            speaker
            for speaker, utterances in synthesised.items()
            if not prints(utterances, complete).items() <= declared[speaker].items()
        ]
        if differing:
            warnings.warn(
                f"synthetic corpus: {len(differing)} of {len(synthesised)} speakers differ from the shipped card "
                f"(first: {differing[0]}); error figures of this machine are its own",
                stacklevel=3,
            )


def synthesise(files: dict[Path, tuple[str, int]]) -> None:
    """Write the first utterances of each (speaker, count) to its file, each speaker in a fresh process.

    Raises InputError with espeak-ng's message if one fails, OSError naming a folder that takes no files.
    """
    for folder in {path.parent for path in files}:
        make_folder(folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(_synthesise_one, path, speaker, count) for path, (speaker, count) in files.items()]
        try:
            for run in tqdm(as_completed(runs), "synthesising speech", len(runs), unit="speaker", disable=None):
                run.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _synthesise_one(path: Path, speaker: str, count: int) -> None:
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((root, os.environ.get("PYTHONPATH", "")))}
    command = [sys.executable, "-m", "dse.corpora.synthetic.speaker", speaker, str(count), str(path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        complaint = (run.stderr.strip() or f"exit status {run.returncode}").splitlines()[-1]
        raise InputError(f"synthetic corpus, speaker {speaker}: {complaint}")


def prints(utterances: Sequence[Utterance], complete: bool) -> dict[str, str]:
    """Fingerprints of one speaker for the card: of the first utterance and, of a complete list, of all."""
    found = {"first": content_fingerprint(utterances[:1])[:16]}
    return {**found, "all": content_fingerprint(utterances)[:16]} if complete else found
