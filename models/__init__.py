"""Networks, their quantized evaluation and the vocabulary every package shares. Never imports dse or platforms."""

import hashlib
import os
import re
import sys
from pathlib import Path

import platformdirs

OURS = re.compile("numba-[0-9a-f]{16}")


def sources_digest(*folders: Path) -> str:
    """16 hex digits of the content of this package's sources, its rooms included, and of those below `folders`."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, *folders):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def keep_compiled_code_apart(*folders: Path) -> None:
    """Have numba keep compiled code in a folder for each content of the sources: of this package and below `folders`.

    Numba takes compiled code for current while the file of the function is unchanged, whatever became of constants and
    steps that were compiled into it from other files: an upgrade would go on with the old integers. The folder lies in
    DSE_CACHE_DIR where that is set. One that a user chose for numba stays; one inherited from a process that runs other
    sources is not a user's choice.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and not OURS.fullmatch(Path(chosen).name):
        return
    beside = Path(__file__).parent
    if given := os.environ.get("DSE_CACHE_DIR"):
        folder = Path(given)
    else:
        writable = os.access(beside, os.W_OK)
        folder = beside / "__pycache__" if writable else Path(platformdirs.user_cache_dir("dse"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder / f"numba-{sources_digest(*folders)}")
    if "numba" in sys.modules:  # it has read the environment already
        sys.modules["numba"].config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]


keep_compiled_code_apart()
