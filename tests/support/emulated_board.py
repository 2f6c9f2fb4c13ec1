"""The C sources of a bundle on an emulated Cortex-M4: QEMU's mps2-an386 board, files by semihosting."""

import shutil
import subprocess
from pathlib import Path

import numpy as np

from dse.exporters.c99 import read_replay

BOARD = Path(__file__).parent / "cortex_m4"
TARGET = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
FLAGS = ("-O2", "-std=c99", "-ffp-contract=off")
MISSING = [name for name in ("arm-none-eabi-gcc", "qemu-system-arm") if shutil.which(name) is None]
INSTRUCTIONS_PER_TICK = 40


def build_for_board(folder: Path, into: Path, flags=FLAGS) -> Path:
    sources = [str(path) for path in sorted(folder.glob("*.c")) if path.name != "main.c"]
    program = into / "replay.elf"
    command = ["arm-none-eabi-gcc", *TARGET, *flags, "-DREPLAY_COUNTS", "--specs=rdimon.specs"]
    command += ["-T", str(BOARD / "board.ld"), f"-I{folder}", *sources, str(BOARD / "board.c"), "-o", str(program)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return program


def run_on_board(program: Path, features, offsets, seconds: float = 120):
    """What the program gave, see `Replayed`, and frames and instructions of each utterance's network run."""
    given, found = program.with_name("input"), program.with_name("output")
    head = np.array([features.shape[1], len(offsets) - 1, *np.diff(offsets)], np.uint32)
    given.write_bytes(head.tobytes() + np.ascontiguousarray(features, np.float32).tobytes())
    arguments = "".join(f",arg={argument}" for argument in ("replay", given, found))
    command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-icount", "shift=0", "-semihosting-config", f"enable=on,target=native{arguments}"]
    command += ["-kernel", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    counts = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    return read_replay(found.read_bytes(), offsets), [(t, ticks * INSTRUCTIONS_PER_TICK) for t, ticks in counts]
