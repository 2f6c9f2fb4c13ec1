"""Networks, their quantized evaluation and the vocabulary every package shares. Never imports dse or platforms."""

import hashlib
import os
import re
import sys
from pathlib import Path

import platformdirs


def compiled_code_folder() -> Path:
    """A folder for each content of this package's sources.

    Numba takes compiled code for current while the file of the function is unchanged, whatever became of constants and
    steps that were compiled into it from other files: an upgrade would go on with the old integers.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    beside = Path(__file__).parent
    writable = os.access(beside, os.W_OK)
    folder = beside / "__pycache__" if writable else Path(platformdirs.user_cache_dir("dse"))
    return folder / f"numba-{digest.hexdigest()[:16]}"


def _keep_compiled_code_apart() -> None:
    """Not where a user chose a folder; one inherited from a process that runs other sources is not a user's choice."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and not re.fullmatch("numba-[0-9a-f]{16}", Path(chosen).name):
        return
    os.environ["NUMBA_CACHE_DIR"] = str(compiled_code_folder())
    if "numba" in sys.modules:  # it has read the environment already
        sys.modules["numba"].config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]


_keep_compiled_code_apart()
