"""An experiment as its study.toml describes it."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from models.workload import InputError, MissingError

FILE = "study.toml"
TEXTS = ("title", "question", "kind")
TABLES = ("search", "vary")


@dataclass(frozen=True)
class Variation:
    """One of an experiment's searches: its value on each axis, and its options as a settings file has them."""

    values: Mapping[str, str]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return ", ".join(self.values.values())


@dataclass(frozen=True)
class Experiment:
    """A question and the searches that answer it.

    `search` are options that all of them have, `vary` by axis and value those that some have; there is a search for
    every combination of values. `own` is the table of the experiment's kind, `surprise` what nobody expected.
    """

    name: str
    source: str  # its file, for messages
    title: str
    question: str
    kind: str
    search: Mapping[str, Any]
    vary: Mapping[str, Mapping[str, Mapping[str, Any]]]
    own: Mapping[str, Any]
    surprise: str = ""

    @property
    def variations(self) -> list[Variation]:
        """All searches, those of the last axis side by side."""
        found = []
        for chosen in product(*(values.items() for values in self.vary.values())):
            options = dict(self.search)
            for _, more in chosen:
                options |= more
            found.append(Variation(dict(zip(self.vary, (value for value, _ in chosen), strict=True)), options))
        return found


def read_experiment(folder: Path, kinds: Mapping[str, object]) -> Experiment:
    """The experiment of a folder. Raises MissingError without its study.toml, InputError naming what is wrong in it."""
    path = folder / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        there = [each.parent.name for each in sorted(folder.parent.glob(f"*/{FILE}"))]
        near = difflib.get_close_matches(folder.name, there, 1)
        hint = f"; {near[0]}?" if near else f"; there are {', '.join(there)}" if there else ""
        raise MissingError(f"no experiment at {path}{hint}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    for name in TEXTS:
        if not isinstance(table.get(name), str):
            raise InputError(f"{path}: {name} is {'not a text' if name in table else 'missing'}")
    kind = table["kind"]
    if kind not in kinds:
        raise InputError(f"{path}: kind '{kind}' is none of {', '.join(kinds)}")
    known = (*TEXTS, *TABLES, kind, "surprise")
    for name in table:
        if name not in known:
            raise InputError(f"{path}: unknown key '{name}'; there are {', '.join(known)}")
    tables = {name: table.get(name, {}) for name in (*TABLES, kind)}
    for name, value in tables.items():
        if not isinstance(value, dict):
            raise InputError(f"{path}: {name} is {value!r:.60}, not a table")
    for axis, values in tables["vary"].items():
        if not isinstance(values, dict) or not values or not all(isinstance(each, dict) for each in values.values()):
            raise InputError(f"{path}: [vary.{axis}] holds no tables of options, as in sru = {{ model = 'sru' }}")
    varied: dict[str, str] = {}
    for axis, values in tables["vary"].items():
        for option in dict.fromkeys(option for options in values.values() for option in options):
            if (other := varied.setdefault(option.replace("-", "_"), axis)) != axis:
                raise InputError(f"{path}: [vary.{other}] and [vary.{axis}] both vary {option}")
    texts = {name: table[name].strip() for name in TEXTS}
    given = {"search": tables["search"], "vary": tables["vary"], "own": tables[kind]}
    return Experiment(
        folder.resolve().name, str(path), **texts, **given, surprise=str(table.get("surprise", "")).strip()
    )


def read_experiments(folder: Path, kinds: Mapping[str, object]) -> tuple[list[Experiment], list[str]]:
    """The experiments of all folders in one, by name, and what is wrong with those that cannot be read."""
    found, damaged = [], []
    for path in sorted(folder.glob(f"*/{FILE}")):
        try:
            found.append(read_experiment(path.parent, kinds))
        except InputError as error:
            damaged.append(str(error))
    return found, damaged


def own_of(experiment: Experiment, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The kind's own table with its defaults. Raises InputError on an unknown key and a value of another type."""
    for name, value in experiment.own.items():
        if name not in defaults:
            raise InputError(
                f"{experiment.source} [{experiment.kind}]: unknown key '{name}'; there are {', '.join(defaults)}"
            )
        if type(value) is not type(defaults[name]):
            wanted = type(defaults[name]).__name__
            raise InputError(f"{experiment.source} [{experiment.kind}]: {name} is {value!r:.60}, not of type {wanted}")
    return {**defaults, **experiment.own}
