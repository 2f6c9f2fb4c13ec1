"""The settings of a search, worked out, as a file that `dse.search --settings` takes and finds the same study by."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dse.design.limits import NO_LIMIT, with_default
from dse.design.rules import parse_rules
from dse.evaluator.pricing import CHIP_FILE
from dse.exploration.plan import Plan
from dse.study.storage import hide_password
from models.whole_file import whole_file

SETTINGS_FILE = "settings.toml"  # not study.toml, which a user may have written by hand in the same folder
OPTIONS = {"limits": "limit", "platforms": "platform", "genes": "gene", "start": "from"}  # other than their setting's
PACKAGES = ("dse", "torch", "numpy", "numba", "scipy", "pandas", "optuna", "pymoo", "moocore")


def write_settings(plan: Plan, path: Path) -> None:
    """Write the file. Raises OSError naming it where it cannot be written; it is then as it was before."""
    with whole_file(path) as beside:
        beside.write_text(settings_text(plan), encoding="utf-8")


def settings_text(plan: Plan) -> str:
    """Every setting of a search with its value, those left alone by name; in comments what the values rest on.

    A password in the storage's address is left out, and with it the address.
    """
    values = resolved(plan)
    told = {name: value for name, value in values.items() if value is not None}
    comments = [
        f"study {plan.study}; its identity: sha256 {plan.digest}",
        f"python {platform.python_version()}, {', '.join(map(_versioned, PACKAGES))}",
        *(f"{name}: {value}" for name, value in plan.identity["content"].items()),
        f"seed {plan.settings.seed}",
        f"left alone: {', '.join(name for name in values if name not in told) or 'nothing'}",
    ]
    if (storage := hide_password(plan.settings.storage)) != plan.settings.storage:
        comments.append(f"--storage {storage} is to be given, with its password")
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    return "\n".join([*lines, "", *(f"{name} = {_toml(value)}" for name, value in told.items()), ""])


def resolved(plan: Plan) -> dict[str, Any]:
    """Values by option, in the words of a settings file; None is what is left alone. Paths are from the root."""
    settings = plan.settings
    task = {**vars(plan.task), **plan.task.record()}
    own = {name: value for name, value in vars(settings).items() if name != "task"}
    own["limits"] = with_default(settings.limits) or (NO_LIMIT,)
    own["platforms"] = [str(Path(s).absolute()) if s.endswith(CHIP_FILE) else s for s in settings.platforms]
    own["genes"] = [str(rule) for rule in parse_rules(settings.genes, ())]
    own["freeze"] = [str(rule) for rule in parse_rules((), settings.freeze)]
    own |= {name: own[name] or None for name in ("platforms", "genes", "freeze")}  # an empty text names none
    if hide_password(settings.storage) != settings.storage:
        own["storage"] = None
    return {OPTIONS.get(name, name): value for name, value in {**task, **own}.items()}


def _toml(value: Any) -> str:
    """A value as TOML writes it, whose texts are JSON's but for one character."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _versioned(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
