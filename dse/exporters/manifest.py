"""The manifest of a bundle: every file's hash, so that what was changed is refused; folders written whole."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from models.workload import InputError, MissingError

SCHEMA, VERSION = "dse.bundle", 1
MANIFEST = "manifest.json"
MOST_TEXT_BYTES = 16 << 20  # of a JSON file
MOST_BYTES = 256 << 20  # of any file; larger ones are not read. The papers' LSTM has 52 MB at 16 bits
CHUNK = 1 << 20


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_TEXT_BYTES + 1)
        if len(text) > MOST_TEXT_BYTES:
            raise InputError(f"{path} is longer than {MOST_TEXT_BYTES >> 20} MiB")
        value = json.loads(text.decode("utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} is damaged: it holds no fields by name")
    return value


def seal(folder: Path) -> None:
    """Write the manifest of all files in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): _hash(path) for path in files}
    manifest: dict[str, Any] = {"schema": SCHEMA, "version": VERSION, "files": hashes}
    write_json(folder / MANIFEST, {**manifest, "sha256": _digest(manifest)})


def require_whole(folder: Path, needed: Iterable[str] = ()) -> None:
    """Check every file of a bundle against the manifest, the `needed` ones among them.

    Raises MissingError where there is no bundle, InputError on the first file that is missing, changed or outside.
    """
    if not (folder / MANIFEST).is_file():
        raise MissingError(f"no bundle at {folder}: it has no {MANIFEST}")
    manifest = read_json(folder / MANIFEST)
    version, files = manifest.get("version"), manifest.get("files")
    if manifest.get("schema") != SCHEMA or type(version) is not int or not isinstance(files, dict):
        raise InputError(f"bundle {folder}: {MANIFEST} is not that of a bundle")
    if version > VERSION:
        raise InputError(f"bundle {folder} has version {version}, this one reads up to {VERSION}; install a newer one")
    if manifest.pop("sha256", None) != _digest(manifest):
        raise InputError(f"bundle {folder}: {MANIFEST} was changed: it is not that of its own hash")
    for name in needed:
        if name not in files:
            raise InputError(f"bundle {folder}: {MANIFEST} lacks {name}")
    for name, expected in files.items():
        path = folder / name
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        if not inside or not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"bundle {folder}: {MANIFEST} names {name!r}, which is not inside the bundle")
        if not path.is_file():
            raise InputError(f"bundle {folder}: {name} is missing")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"bundle {folder}: {name} is longer than {MOST_BYTES >> 20} MiB")
        if _hash(path) != expected:
            raise InputError(f"bundle {folder}: {name} was changed: it is not that of the manifest")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def require_free(folder: Path, force: bool) -> None:
    """Check that a bundle may be written here: over nothing, or with `force` over another bundle. Raises InputError."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        return
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder} is there and no bundle; name another folder")
    if not force:
        raise InputError(f"there is a bundle at {folder}; --force writes over it")


@contextmanager
def whole_folder(folder: Path, force: bool) -> Iterator[Path]:
    """New folder beside `folder` that is sealed and takes its place at the end; until then `folder` is as it was."""
    require_free(folder, force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside, before = (folder.with_name(f".{folder.name}.{secrets.token_hex(8)}") for _ in range(2))
    try:
        beside.mkdir()
        yield beside
        seal(beside)
        if folder.exists():
            folder.rename(before)
        beside.rename(folder)
    except OSError as error:
        if before.exists() and not folder.exists():
            before.rename(folder)
        raise OSError(error.errno, error.strerror or str(error), str(folder)) from error
    finally:
        for left in (beside, before):
            if left.exists():
                shutil.rmtree(left, ignore_errors=True)
