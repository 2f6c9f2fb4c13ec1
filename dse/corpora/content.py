"""Content of corpora read from files: damage that is reported or skipped, and a cached fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from dse.corpora.cache import cache_dir, write_atomically
from models.workload import InputError

FORMAT = 3  # raise it when the content read from the same files changes


@dataclass(frozen=True)
class Problem:
    """Damaged utterance and the reason it cannot be used; `what` starts with the file.

    `passing` where the system could not read it (permissions, a lost disk), which says nothing of the file.
    """

    name: str
    what: str
    passing: bool = False

    @classmethod
    def of(cls, name: str, what: str, error: Exception) -> Problem:
        """Problem of an utterance whose reading ended in `error`."""
        return cls(name, what, isinstance(error, OSError))


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


def examined(
    label: str,
    files: Iterable[Path],
    examine: Callable[[], Content],
    problem_of: Callable[[str], Problem | None],
    reread: bool = False,
) -> Content:
    """Return `examine()`, or its cached result if the files look unchanged since then.

    Unchanged are names, sizes and times. What was damaged is read again all the same, by `problem_of` an utterance's
    name, and everything is where the verdict is another or `reread` asks for it. What the system could not read is
    never cached.
    """
    key = hashlib.sha256(json.dumps([FORMAT, label, [_looks(path) for path in files]]).encode()).hexdigest()[:16]
    stored = cache_dir() / "corpora" / f"{label.replace(' ', '-')}-{key}.json"
    found = None if reread else _stored(stored)
    if found is not None and all(problem_of(problem.name) == problem for problem in found.problems):
        return found
    content = examine()
    if any(problem.passing for problem in content.problems):
        stored.unlink(missing_ok=True)
    else:
        verdict = json.dumps(asdict(content)).encode()
        write_atomically(stored, lambda file: file.write(_digest(verdict) + b"\n" + verdict))
    return content


def _looks(path: Path) -> tuple[str, ...]:
    """What tells that a file was changed without reading it; its name alone where the system shows no more."""
    try:
        stat = path.stat()
    except OSError:
        return (str(path),)
    # The time of the last change of its entry cannot be set back, as that of its content is by copies that keep it.
    return str(path), str(stat.st_size), str(stat.st_mtime_ns), str(stat.st_ctime_ns)


def _stored(path: Path) -> Content | None:
    """Read a cached result; None where it is absent or damaged."""
    try:
        digest, _, verdict = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != _digest(verdict):
        return None
    fields = json.loads(verdict)
    problems = tuple(Problem(**problem) for problem in fields.pop("problems"))
    return Content(**{**fields, "problems": problems, "repaired": tuple(fields["repaired"])})


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
