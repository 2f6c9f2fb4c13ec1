"""optuna-dashboard as a user starts it, on a free port of this machine."""

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

# Its command, in this Python, whatever the PATH is.
COMMAND = "import sys; from optuna_dashboard._cli import main; sys.argv[0] = 'optuna-dashboard'; main()"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def dashboard(storage, patience_seconds=120):
    """Address of a dashboard on the storage, from when it answers; it ends with the block."""
    port = free_port()
    argv = [sys.executable, "-c", COMMAND, storage, "--port", str(port), "--server", "wsgiref", "--quiet"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + patience_seconds
    try:
        while not _answers(address):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, f"no answer after {patience_seconds} s"
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.communicate()


def asked(address, path):
    """What the dashboard answers as JSON."""
    with urlopen(f"{address}/api/{path}") as answer:
        return json.load(answer)


def _answers(address):
    try:
        return asked(address, "meta")
    except (URLError, ConnectionError):
        return False
