"""Content of corpora read from files: damage that is reported or skipped, and a cached fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from dse.corpora.cache import cache_dir, write_atomically
from models.workload import InputError

FORMAT = 2  # raise it when the content read from the same files changes


@dataclass(frozen=True)
class Problem:
    """Damaged utterance and the reason it cannot be used; `what` starts with the file."""

    name: str
    what: str


@dataclass(frozen=True)
class Content:
    """Result of reading every utterance of a split: SHA-256 of the sound ones, the damaged ones, the repaired ones."""

    fingerprint: str
    utterances: int
    problems: tuple[Problem, ...]
    repaired: tuple[str, ...] = ()

    def raise_problems(self, where: str, skip_bad: bool) -> None:
        """Raise InputError if there are problems, unless `skip_bad` leaves sound utterances.

        It names the first problem and their number.
        """
        count = len(self.problems)
        if count and (count == self.utterances or not skip_bad):
            raise InputError(
                f"{where}: {count} of {self.utterances} utterances are damaged, first {self.problems[0].what}; "
                + ("none is left" if skip_bad else "`python -m dse.data check` names all, --skip-bad leaves them out")
            )


def examined(label: str, files: Iterable[Path], examine: Callable[[], Content]) -> Content:
    """Return `examine()`, or its cached result if names, sizes and times of the files are unchanged since then."""
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = hashlib.sha256(json.dumps([FORMAT, label, stats]).encode()).hexdigest()[:16]
    stored = cache_dir() / "corpora" / f"{label.replace(' ', '-')}-{key}.json"
    try:
        fields = json.loads(stored.read_text())
        problems = tuple(Problem(**problem) for problem in fields.pop("problems"))
        return Content(**{**fields, "problems": problems, "repaired": tuple(fields["repaired"])})
    except (OSError, ValueError, TypeError, KeyError):
        content = examine()
        write_atomically(stored, lambda file: file.write(json.dumps(asdict(content)).encode()))
        return content
