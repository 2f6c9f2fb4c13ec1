"""Building and running the C sources of a bundle on this machine, in a temporary folder."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.workload import InputError

FLAGS = ("-std=c99", "-ffp-contract=off")
BUILD_SECONDS, SECONDS_AT_LEAST, SECONDS_PER_FRAME = 600, 60, 1.0


def compiler() -> list[str]:
    """Command of the C compiler: CC, or cc. Raises InputError where there is none."""
    command = shlex.split(os.environ.get("CC", "cc")) or ["cc"]
    if shutil.which(command[0]) is None:
        raise InputError(f"there is no C compiler '{command[0]}' here; install one, or name one in CC")
    return command


def build(folder: Path, program: str, into: Path, flags: Sequence[str] = ()) -> Path:
    """Compile the library and `program`.c of a folder, with CFLAGS or -O2; returns the executable in `into`.

    Raises InputError.
    """
    sources = sorted(folder.glob("*.c"))
    chosen = [str(path) for path in sources if path.stem not in ("main", "replay") or path.stem == program]
    if not (folder / f"{program}.c").is_file():
        raise InputError(f"{folder} holds no {program}.c")
    executable = into / program
    optimised = shlex.split(os.environ.get("CFLAGS", "-O2"))
    command = [*compiler(), *optimised, *flags, *FLAGS, *chosen, "-o", str(executable)]
    _run(command, f"{folder} does not compile", BUILD_SECONDS)
    return executable


def run_replay(executable: Path, features: NDArray[np.float32], offsets: NDArray[np.int64]) -> bytes:
    """Output of the replay program, see replay.c. Raises InputError where it fails."""
    lengths = np.diff(offsets).astype(np.uint32)
    with tempfile.TemporaryDirectory(prefix="dse-") as name:
        given, found = Path(name) / "input", Path(name) / "output"
        head = np.array([features.shape[1], len(lengths), *lengths], np.uint32)
        given.write_bytes(head.tobytes() + np.ascontiguousarray(features, np.float32).tobytes())
        seconds = SECONDS_AT_LEAST + SECONDS_PER_FRAME * len(features)
        _run([str(executable), str(given), str(found)], "the compiled network does not run", seconds)
        return found.read_bytes()


def _run(command: list[str], what: str, seconds: float) -> None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{what}: it takes more than {seconds:.0f} s") from error
    except OSError as error:
        raise InputError(f"{what}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode(errors="replace").strip() or f"status {done.returncode}"
        raise InputError(f"{what}: {said.splitlines()[0]}")
