"""The C sources on an emulated Cortex-M4: built by arm-none-eabi-gcc with newlib, run by QEMU, instructions counted."""

import shutil
import subprocess
from pathlib import Path

from dse.exporters.c99 import library, read_outputs, write_features

BOARD = Path(__file__).parent / "board"
CROSS = "arm-none-eabi-gcc"
CORE = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
EXACT = ("-std=c99", "-ffp-contract=off")
EMULATOR = "qemu-system-arm"
RUNS = ("-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0")
ARGUMENTS = "enable=on,target=native,arg=replay,arg=in,arg=out"


def missing() -> str | None:
    """A program that is not installed."""
    return next((name for name in (CROSS, EMULATOR) if shutil.which(name) is None), None)


def build(folder: Path, beside: Path, flags=("-O2",)) -> None:
    """Cross-compile the replay of a folder to `beside`/replay.elf."""
    sources = [BOARD / "start.c", BOARD / "count.c", folder / "replay.c", *library(folder)]
    where = ["--specs=rdimon.specs", "-T", BOARD / "board.ld", "-Wl,--wrap=model_run", "-I", folder]
    command = [CROSS, *CORE, *EXACT, *flags, *where, *sources, "-o", beside / "replay.elf"]
    subprocess.run(command, check=True, capture_output=True)


def run(beside: Path, features, offsets):
    """What the board gives for utterances, and its instructions a frame."""
    write_features(beside / "in", features, offsets)
    command = [EMULATOR, *RUNS, "-semihosting-config", ARGUMENTS, "-kernel", "replay.elf"]
    done = subprocess.run(command, cwd=beside, check=True, capture_output=True, timeout=600, stdin=subprocess.DEVNULL)
    ticks, frames, million = map(int, done.stderr.split())
    lengths = (offsets[1:] - offsets[:-1]).tolist()
    return read_outputs((beside / "out").read_bytes(), lengths), ticks / million * 1e6 / frames
