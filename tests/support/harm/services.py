"""PostgreSQL restarted, and the scheduler of a cluster lost, under a search."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harm.search import PATIENCE_SECONDS, MissingForFaultError, Search
from harm.storages import ROOT, UNDER_WAY

OWNER = "postgres"  # PostgreSQL does not run as root


@dataclass(frozen=True)
class Server:
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{OWNER}@127.0.0.1:{self.port}/postgres"

    def control(self, *argv: str) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -c unix_socket_directories="
        _as_owner("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", "-o", options, *argv)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server of its own, on loopback. Raises MissingForFaultError where PostgreSQL or psycopg is not installed."""
    if not _program("pg_ctl"):
        raise MissingForFaultError("no PostgreSQL: apt-get install postgresql")
    if importlib.util.find_spec("psycopg") is None:
        raise MissingForFaultError("no psycopg: pip install 'psycopg[binary]'")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.getuid() == ROOT:
            shutil.chown(folder, OWNER)
        _as_owner("initdb", "-D", folder / "data", "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")
        server = Server(folder, free_port())
        server.control("start")
        try:
            yield server
        finally:
            server.control("-m", "immediate", "stop")


def _program(name: str) -> str | None:
    there = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(there[-1]) if there else None)


def _as_owner(name: str, *argv: object) -> None:
    owner = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups"] if os.getuid() == ROOT else []
    command = [*owner, str(_program(name)), *map(str, argv)]
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def on_postgresql(fault: Callable[[Search], int]) -> Callable[[Search], int]:
    def with_server(search: Search) -> int:
        with postgresql() as server:
            search.database_url = server.url
            return fault(search)

    return with_server


def postgresql_restarted(search: Search, mode: str, times: int = 3) -> int:
    """Restarted, or as after a crash with the mode "immediate", under a running search."""
    with postgresql() as server:
        search.database_url = server.url
        for _ in range(times):
            search.start()
            search.wait_for(UNDER_WAY)
            server.control("-m", mode, "restart")
            search.end()
            search.begin_anew()
    return times


def scheduler_lost(search: Search) -> int:
    """The scheduler of a dask cluster is killed, and comes back with a worker."""
    if importlib.util.find_spec("distributed") is None:
        raise MissingForFaultError("no distributed: pip install distributed")
    port = free_port()
    search.argv = ("--cluster", f"tcp://127.0.0.1:{port}")
    with ExitStack() as stack:
        scheduler = _dask(search, port, stack)
        search.start()
        search.wait_for(UNDER_WAY)
        search.account()
        scheduler.kill()
        search.end()
        search.account()
        _dask(search, port, stack)
        search.finish()
    return 1


def _dask(search: Search, port: int, stack: ExitStack) -> subprocess.Popen[bytes]:
    """A scheduler and a worker, ended with the stack: the scheduler's process."""

    def start(*argv: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *argv]
        ran = subprocess.Popen(
            command,
            cwd=search.folder,
            env=search.surroundings(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(ran.wait)
        stack.callback(ran.kill)
        return ran

    address = ("--host", "127.0.0.1", "--port", str(port))
    scheduler = start("distributed.cli.dask_scheduler", *address, "--no-dashboard")
    start("distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny", "--no-dashboard")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _answers(port):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return scheduler


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
