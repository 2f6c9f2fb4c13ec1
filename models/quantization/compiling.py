"""Compiled functions, kept on disk for the next process where that works, compiled anew where it does not."""

from __future__ import annotations

import hashlib
import os
import pickle
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

REMEDY = "DSE_CACHE_DIR or NUMBA_CACHE_DIR names another folder"


def compiled(function: Callable[..., Any], counts: bool = True) -> Any:
    """Compile a function at its first call; it runs without the interpreter's lock, and divides by zero as NumPy does.

    Without `counts` it must make no array and keeps no count of who holds those it is given.
    Warns once, naming the folder, where its code cannot be kept and where what was kept is damaged.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": counts}
    dispatcher: Any = njit(**options)(function)
    try:
        dispatcher._cache = _Kept(function)
    except (RuntimeError, OSError):  # numba would end the process
        _warn(f"compiled code cannot be kept, {os.environ['NUMBA_CACHE_DIR']} cannot be written; {REMEDY}")
    return dispatcher


def compiled_uncounted(function: Callable[..., Any]) -> Any:
    """`compiled` without counts, which take a tenth to a quarter of a recurrent step's product."""
    return compiled(function, counts=False)


class _Kept(FunctionCache):
    """Cache of one function that loses what it cannot read or write, where numba's ends the process."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        if not self.cache_path.startswith(os.environ["NUMBA_CACHE_DIR"]):
            # numba's next choice lies beside the source, for whatever content of the other files
            raise OSError("its folder cannot be written")
        locator = self._impl.locator
        self._cache_file = _Verified(self.cache_path, self._impl.filename_base, locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever unpickling of damaged files raises
            _warn(f"compiled code in {self.cache_path} is damaged ({type(error).__name__}) and compiled anew")
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn(f"compiled code cannot be kept in {self.cache_path}: {error.strerror}; {REMEDY}")


class _Verified(IndexDataCacheFile):
    """Files of compiled code with key and digest: damaged code would run."""

    def save(self, key: Any, data: Any) -> None:
        payload = self._dump((key, data))
        super().save(key, (hashlib.sha256(payload).digest(), payload))

    def load(self, key: Any) -> Any:
        found = super().load(key)
        if found is None:
            return None
        digest, payload = found
        if hashlib.sha256(payload).digest() != digest:
            raise ValueError("its digest differs")
        kept_key, data = pickle.loads(payload)
        return data if kept_key == key else None


@cache  # so that each is told once
def _warn(what: str) -> None:
    warnings.warn(what, stacklevel=3)
