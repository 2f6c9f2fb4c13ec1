"""Compiled code that is damaged or cannot be kept is compiled anew: the same numbers, and a warning with the folder."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import NumbaError

from models.quantization import compiling

ROOT = Path(__file__).parents[2]
SCRIPT = """
import resource, sys
import numpy as np
if len(sys.argv) > 1:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from models.quantization.compiling import compiled

@compiled
def total(values):
    result = 0
    for value in values:
        result += value
    return result

print(total(np.arange(10)), total(np.arange(5.0)))
"""


@pytest.fixture
def run(tmp_path):
    """Sums numbers in compiled code in a new process: its result, its warnings, how many functions it compiled."""
    (tmp_path / "sums.py").write_text(SCRIPT)

    def in_a_process(*argv, folder=tmp_path / "cache"):
        done = subprocess.run(
            [sys.executable, "sums.py", *argv],
            cwd=tmp_path,
            env={"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "45 10.0\n"
        return done.stderr

    return in_a_process


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*.nb?"))}


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "not ours": lambda content: b"something else\n",
    "a bit flipped in the middle": lambda content: flipped(content, len(content) // 2),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["*.nbi", "*.nbc"])
def test_damaged_files_are_compiled_anew(run, tmp_path, kind, damage):
    assert run() == ""
    whole = files(tmp_path)
    assert len(whole) == 3 and run() == "" and files(tmp_path) == whole  # an index and two functions, read back
    for path in (tmp_path / "cache").rglob(kind):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    told = run()
    assert not told or (told.count("UserWarning") == 1 and f"compiled code in {tmp_path}/cache" in told)
    assert told or kind == "*.nbi"  # a damaged index may only seem to be another version's
    assert run() == ""  # mended


@pytest.mark.parametrize("room_bytes", ["0", "3000"])
def test_a_full_disk_compiles_in_memory(run, tmp_path, room_bytes):
    told = run(room_bytes)
    assert told.count("UserWarning") == 1 and f"cannot be kept in {tmp_path}/cache" in told
    assert "File too large; DSE_CACHE_DIR or NUMBA_CACHE_DIR names another folder" in told
    assert run() == ""


def test_no_folder_at_all_compiles_in_memory(monkeypatch):
    def no_folder(function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiling, "_Kept", no_folder)
    compiling._warn.cache_clear()
    with pytest.warns(UserWarning, match="cannot be kept, .* cannot be written; DSE_CACHE_DIR"):
        assert compiling.compiled(lambda x: x + 1)(2) == 3


def test_a_folder_that_cannot_be_written_has_none_in_its_place(run, tmp_path):
    """numba would write beside the source, where code of other constants would be found after a change of them."""
    told = run(folder="/proc/nowhere")
    assert told.count("UserWarning") == 1 and "cannot be kept, /proc/nowhere cannot be written; DSE_CACHE_DIR" in told
    assert not files(tmp_path)


def test_uncounted_functions_compute_the_same_and_make_no_arrays():
    def total(pair):
        return pair[0][1] + pair[1][0]

    def ones(count):
        return np.ones(count)

    pair = np.arange(3), np.arange(5, 7)
    counted, uncounted = compiling.compiled(total), compiling.compiled_uncounted(total)
    assert counted(pair) == uncounted(pair) == 6
    with pytest.raises(NumbaError, match="array passed into the function"):
        compiling.compiled_uncounted(ones)(3)
