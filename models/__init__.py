"""Networks, their quantized evaluation and the vocabulary every package shares. Never imports dse or platforms."""

import hashlib
import os
from pathlib import Path


def compiled_code_folder() -> Path:
    """A folder for each content of this package's sources.

    Numba takes compiled code for current while the file of the function is unchanged, whatever became of constants and
    steps that were compiled into it from other files: an upgrade would go on with the old integers.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return Path(__file__).parent / "__pycache__" / f"numba-{digest.hexdigest()[:16]}"


os.environ.setdefault("NUMBA_CACHE_DIR", str(compiled_code_folder()))
