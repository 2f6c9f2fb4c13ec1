import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import numpy as np
from models.sru_scan import _rescale
out = np.empty(1, np.float32)
_rescale(np.array([3], np.int32), np.array([0.5], np.float32), out)
print(out[0])
"""


@pytest.mark.parametrize("before", ["", "import numba\n", "inherited"])
def test_a_constant_changed_in_another_file_is_compiled_anew(tmp_path, monkeypatch, before):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    if before == "inherited":
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba-0123456789abcdef"))
        before = ""
    shutil.copytree(ROOT / "models", tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__", "checkpoints"))

    def run() -> str:
        command = [sys.executable, "-c", before + SCRIPT]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    assert (run(), run()) == ("2.0", "2.0")  # 1.5, half to even; compiled, then read back
    constants = tmp_path / "models" / "fixed_point.py"
    text = constants.read_text()
    assert "ROUNDER = np.float32(1.5 * 2**23)" in text
    constants.write_text(text.replace("ROUNDER = np.float32(1.5 * 2**23)", "ROUNDER = np.float32(1.5 * 2**22)"))
    assert run() == "1.5"


def test_a_folder_of_the_users_own_is_kept(monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere/else")
    command = [sys.executable, "-c", "import dse, os; print(os.environ['NUMBA_CACHE_DIR'])"]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "/somewhere/else\n"
