import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models import sources_digest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import numpy as np
from models.kernels.features import quantize_features
rows, one = np.zeros((1, 32), np.int16), np.ones(1, np.float32)
quantize_features(np.full((1, 1), 1.5, np.float32), 0 * one, one, one[0], rows)
print(rows[0, 0])
"""


@pytest.mark.parametrize("before", ["", "import numba\n", "inherited"])
def test_a_constant_changed_in_another_file_is_compiled_anew(tmp_path, monkeypatch, before):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("DSE_CACHE_DIR", raising=False)
    if before == "inherited":
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba-0123456789abcdef"))
        before = ""
    shutil.copytree(ROOT / "models", tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__", "checkpoints"))

    def run() -> str:
        command = [sys.executable, "-c", before + SCRIPT]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    assert (run(), run()) == ("2", "2")  # 1.5, half to even; compiled, then read back
    constants = tmp_path / "models" / "quantization" / "fixed_point.py"
    text = constants.read_text()
    assert "ROUNDER = np.float32(1.5 * 2**23)" in text
    constants.write_text(text.replace("ROUNDER = np.float32(1.5 * 2**23)", "ROUNDER = np.float32(1.5 * 2**22)"))
    assert run() == "1"  # rounded to halves


def test_a_folder_of_the_users_own_is_kept(monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere/else")
    command = [sys.executable, "-c", "import dse, os; print(os.environ['NUMBA_CACHE_DIR'])"]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "/somewhere/else\n"


def test_a_constant_of_the_phone_sets_gives_the_decoder_another_folder(tmp_path, monkeypatch):
    """Constants of the phone sets are compiled into the decoder, which lies in another file and package."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("DSE_CACHE_DIR", raising=False)
    for package in ("models", "dse"):
        ignored = shutil.ignore_patterns("__pycache__", "checkpoints")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)

    def folder() -> str:
        command = [sys.executable, "-c", "import dse, os; print(os.environ['NUMBA_CACHE_DIR'])"]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    before = folder()
    assert folder() == before and str(tmp_path) in before
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "given"))
    assert folder() == f"{tmp_path}/given/{before.rsplit('/', 1)[1]}"
    constants = tmp_path / "dse" / "phones" / "sets.py"
    constants.write_text(constants.read_text().replace("STATES_PER_PHONE = 3", "STATES_PER_PHONE = 2"))
    assert folder() != before


@pytest.mark.parametrize("room", ["kernels", "quantization", "engines", "networks", "gpu"])
def test_the_digest_covers_every_room(tmp_path, room):
    (tmp_path / room).mkdir()
    file = tmp_path / room / "some.py"
    file.write_text("x = 1\n")
    before = sources_digest(tmp_path)
    file.write_text("x = 2\n")
    assert sources_digest(tmp_path) != before
    assert list((ROOT / "models" / room).glob("*.py"))
