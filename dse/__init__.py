"""Finds how far a speech RNN can be shrunk for edge hardware before its phone error suffers.

    import dse
    study = dse.run_search(model="sru", objectives=("error", "size"), evaluations=100)
    study = dse.load_study("sru-edge-01234567")
    study.front.frame(), study.pick(error="+1", minimize="size"), study.on("edgedrnn"), study.plot()

Everything is loaded at its first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import keep_compiled_code_apart

if TYPE_CHECKING:
    from dse.exploration.settings import SearchSettings
    from dse.study.result import Study, load_study
    from platforms import open_platform

# The decoder is compiled too, with constants of the phone sets in it. Before anything loads the compiler.
keep_compiled_code_apart(Path(__file__).parent / "phones")

__all__ = ["SearchSettings", "Study", "__version__", "load_study", "open_platform", "run_search"]

_HOMES = {
    "SearchSettings": "dse.exploration.settings",
    "Study": "dse.study.result",
    "load_study": "dse.study.result",
    "open_platform": "platforms",
}

try:
    __version__ = version("dse")
except PackageNotFoundError:  # run from its sources alone
    __version__ = "0"


def run_search(settings: SearchSettings | None = None, /, **given: Any) -> Study:
    """Run a search, or go on with it: `run_search(model="sru", objectives=("error", "size"), limits=("error=+3",))`.

    Settings are those of `SearchSettings` and of what is searched (model, preset, checkpoint, corpus, corpus_path,
    skip_bad, device, cache_mib), or made before. Every evaluation is stored as soon as it is done.
    Raises InputError (a ValueError), in one line, for whatever is wrong with them.
    """
    from dse.exploration.run import run_search as run
    from dse.exploration.settings import SearchSettings

    if settings is not None and given:
        raise TypeError("run_search takes settings made before or the names of settings, not both")
    return run(settings or SearchSettings.of(**given))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dse' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
