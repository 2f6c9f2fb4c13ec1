"""Locks of a storage: what one process may do at a time, on this machine or others.

For SQLite a locked file beside the database, for PostgreSQL a lock that it keeps itself. Either is free again as soon
as its holder is gone, killed or not. Other databases have none, nor has a folder that cannot be written to.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

POLL_SECONDS = 0.2


@contextmanager
def locked(url: str, what: str, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock called `what` of a storage; where another process holds it, call `waiting` and wait."""
    with ExitStack() as until_the_end:
        try:
            take = _lock(url, hashlib.sha256(what.encode()).hexdigest()[:12], until_the_end)
            if not take():
                waiting()
                while not take():
                    time.sleep(POLL_SECONDS)
        except (SQLAlchemyError, ImportError, OSError, NotImplementedError):
            pass  # whoever opens the storage tells what is wrong with it
        yield


def _lock(url: str, digest: str, until_the_end: ExitStack) -> Callable[[], bool]:
    """A function that takes the lock, or tells that another process has it."""
    address = sqlalchemy.make_url(url)
    kind = address.get_backend_name()
    if kind == "sqlite" and address.database:
        path = address.database
        if "uri" in address.query:  # the file as SQLite's own address: file:PATH
            path = unquote(urlsplit(path).path)
        database = Path(path).resolve()
        lock = FileLock(database.with_name(f".{database.name}.{digest}.lock"))
        until_the_end.callback(lock.release)

        def take_file() -> bool:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return False
            return True

        return take_file
    if kind == "postgresql":
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
        connection = until_the_end.enter_context(engine.connect())
        query = sqlalchemy.select(sqlalchemy.func.pg_try_advisory_lock(int(digest, 16)))
        return lambda: bool(connection.execute(query).scalar())
    return lambda: True
