"""Table of faults: what each one's harm is, and what searches lose by it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harm import kills, services, storages
from harm.search import MissingForFaultError, Search

FAULTS: dict[str, Callable[[Search], int]] = {
    "search killed": kills.parent_killed,
    "worker killed": kills.workers_killed,
    "group killed": kills.group_killed,
    "two searches of one study": kills.two_of_one_study,
    "two searches make one database": kills.two_in_one_new_database,
    "clock stepped a day on and back": kills.clock_stepped,
    "database locked 5 s": partial(storages.locked, seconds=5),
    "database locked 60 s": partial(storages.locked, seconds=60),
    "database truncated": storages.truncated,
    "a page zeroed": storages.page_zeroed,
    "database removed": storages.removed,
    "read-only": storages.read_only,
    "disk full": storages.disk_full,
    "PostgreSQL restarted": partial(services.postgresql_restarted, mode="fast"),
    "PostgreSQL crashed and back": partial(services.postgresql_restarted, mode="immediate"),
    "PostgreSQL: two searches of one study": services.on_postgresql(kills.two_of_one_study),
    "PostgreSQL: search killed": services.on_postgresql(partial(kills.parent_killed, moments=5)),
    "scheduler lost and back": services.scheduler_lost,
}


@dataclass(frozen=True)
class Harm:
    """What a fault did; `skipped` is why it was not done."""

    times: int = 0
    lost: int = 0
    double: int = 0
    fronts: tuple[str, ...] = ()
    message: str = ""
    skipped: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        if self.skipped:
            return ("0", "", "", "", f"skipped: {self.skipped}")
        return (str(self.times), str(self.lost), str(self.double), ", ".join(self.fronts), self.message)


def do(fault: Callable[[Search], int]) -> Harm:
    """Do a fault to searches in a folder of their own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        search = Search(Path(folder))
        try:
            times = fault(search)
        except MissingForFaultError as reason:
            return Harm(skipped=str(reason))
        finally:
            search.stop()
        return Harm(times, search.lost, search.double, tuple(sorted(search.fronts)), search.message)
