"""Stored records and the user's cache."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from campaign import Reader
from fake_task import WORKLOAD, FakeMeasurer, FakeTask
from mutations import mutated, mutated_value

from dse.corpora.content import Content, Problem, examined
from dse.design.evaluation import Evaluation, failed
from dse.design.genes import search_space
from dse.design.limits import Limit
from dse.evaluator.calibrate import _kept
from dse.evaluator.evaluate import evaluate
from dse.exploration.plan import make_plan
from dse.exploration.run import run_search
from dse.exploration.settings import SearchSettings
from dse.study.beside import Beacon
from dse.study.record import from_record, read_identity, read_workload
from dse.study.result import load_study
from dse.study.store import find_study
from models.engines.width import Width
from models.quantization.quantizer import ActivationQuantizer, QuantizedMatrix

SPACE = search_space(WORKLOAD)
RECORD = "record.json"


def of_value(
    values: Callable[[], list[Any]], read: Callable[[Any], Any], wrong: Callable[[Any, Any], str | None]
) -> Reader:
    """Reader of a value out of JSON, which is mutated in one or two places."""

    def write(folder: Path) -> list[Any]:
        made: list[Any] = json.loads(json.dumps(values()))
        folder.joinpath(RECORD).write_text(json.dumps(made[0]))
        return made

    def damage(folder: Path, made: list[Any], rng: random.Random) -> None:
        value = rng.choice(made)
        for _ in range(rng.randint(1, 2)):
            value = mutated_value(value, rng)
        folder.joinpath(RECORD).write_text(json.dumps(value))

    return Reader(write, damage, lambda folder: read(json.loads(folder.joinpath(RECORD).read_text())), wrong)


def evaluations() -> list[Any]:
    genomes = SPACE.uniform()
    limits = (Limit("size", 0.015), Limit("error", 21.0))
    made = [evaluate(SPACE.decode(genome), FakeMeasurer(), limits, genome) for genome in genomes]
    made.append(replace(made[1], beacon=1, base=dict(made[0].metrics)))
    return [e.to_json() for e in (*made, failed(SPACE.decode(genomes[0]), "RuntimeError: broke", genomes[0]))]


def wrong_evaluation(found: Evaluation, _: Evaluation) -> str | None:
    fractions = found.computed.values()
    if not all(0 <= fraction <= 1 for fraction in fractions):
        return "a computed fraction outside 0 to 1"
    if found.computed and set(found.computed) != {name for name, _ in found.configuration}:
        return "computed fractions of other matvecs"
    if found.violation < 0 or found.seconds < 0:
        return "a violation or seconds below 0"
    if not all(math.isfinite(value) for value in (*found.metrics.values(), found.violation, found.seconds)):
        return "a number that is not finite"
    if found.status == "ok" and found.violation:
        return "ok with a violation"
    if any(value < 0 for value in found.metrics.values()):
        return "a metric below 0"
    if not all(type(choice) is int and choice >= 0 for choice in found.genome):
        return "a genome of something else than choices"
    return None


def identities() -> list[Any]:
    plans = (make_plan(SearchSettings(FakeTask(), platforms=p, limits=("size=1",))) for p in ((), ("silago",)))
    return [plan.identity for plan in plans]


def wrong_identity(found: Any, _: Any) -> str | None:
    identity, _worst = found
    good = all(isinstance(identity[name], str) for name in ("model", "preset", "corpus"))
    return None if good and isinstance(identity["content"], dict) else "a field of another kind"


def beacons() -> list[Any]:
    return [
        Beacon(SPACE.decode(genome), "0123456789abcdef", "/a/b.safetensors", 61.5).to_json()
        for genome in SPACE.uniform()
    ]


def wrong_beacon(found: Beacon, _: Any) -> str | None:
    if not math.isfinite(found.seconds) or found.seconds < 0 or isinstance(found.seconds, bool):
        return "no seconds"
    return None if isinstance(found.checkpoint, str) and isinstance(found.path, str) else "no texts"


def workloads() -> list[Any]:
    from dataclasses import asdict

    return [asdict(WORKLOAD)]


def wrong_workload(found: Any, _: Any) -> str | None:
    counts = [getattr(m, name) for m in found.matvecs for name in ("rows", "cols", "passes")]
    if not all(type(count) is int and count > 0 for count in counts):
        return "a matvec of no rows, columns or passes"
    if not all(
        type(m.name) is str and m.path in ("input", "recurrent", "candidate", "projection", "output")
        for m in found.matvecs
    ):
        return "a matvec on no path"
    names = [m.name for m in found.matvecs]
    if not names or len(set(names)) != len(names):
        return "matvecs of one name, or none"
    others = (found.vector_weights, found.elementwise_ops_per_frame)
    return None if all(type(n) in (int, float) and 0 <= n < math.inf for n in others) else "a count that cannot be"


def database(folder: Path) -> bytes:
    path = folder / "dse.db"
    given = {"evaluations": 6, "population": 4, "workers": 1, "storage": f"sqlite:///{path}", "study": "s"}
    run_search(SearchSettings(FakeTask(), **given))
    return path.read_bytes()


def damage_database(folder: Path, content: bytes, rng: random.Random) -> None:
    for path in folder.glob("dse.db*"):
        path.unlink()
    folder.joinpath("dse.db").write_bytes(mutated(content, rng))


def read_database(folder: Path) -> Any:
    load_study("s", f"sqlite:///{folder}/dse.db").front.frame()
    return find_study(f"sqlite:///{folder}/dse.db", "s")


def wrong_study(found: Any, sound: Any) -> str | None:
    for evaluation in (found.baseline, *found.evaluations.values()):
        if wrong := wrong_evaluation(evaluation, evaluation):
            return wrong
    return None if len(found.evaluations) <= len(sound.evaluations) else "more evaluations than there were"


def width() -> Width:
    rng = np.random.default_rng(0)
    codes, names = rng.integers(-7, 8, (12, 9)).astype(np.int16), ("l0.input", "output")
    matrices = {name: QuantizedMatrix(codes, np.float32(0.01), np.ones(12, np.int8), 4) for name in names}
    return Width(matrices, {name: ActivationQuantizer(np.float32(0.5), 1.25) for name in names})


def read_kept(folder: Path) -> Width:
    return _kept(folder / "kept.npz", width, Width.to_arrays, Width.from_arrays)


def keep(folder: Path) -> bytes:
    read_kept(folder)
    return (folder / "kept.npz").read_bytes()


def damage_kept(folder: Path, content: bytes, rng: random.Random) -> None:
    (folder / "kept.npz").write_bytes(mutated(content, rng))


def wrong_width(found: Width, sound: Width) -> str | None:
    arrays, wanted = found.to_arrays(), sound.to_arrays()
    same = arrays.keys() == wanted.keys() and all(np.array_equal(arrays[name], wanted[name]) for name in wanted)
    return None if same else "another width than was kept"


CONTENT = Content("0123456789abcdef", 12, (Problem("u1", "u1.wav: truncated"),), ("u2",))


def examine(folder: Path) -> Content:
    return examined("fuzz", [], lambda: CONTENT, {p.name: p for p in CONTENT.problems}.get)


def keep_verdict(folder: Path) -> bytes:
    shutil.rmtree(folder / "corpora", ignore_errors=True)
    examine(folder)
    (path,) = (folder / "corpora").iterdir()
    return path.read_bytes()


def damage_verdict(folder: Path, content: bytes, rng: random.Random) -> None:
    (path,) = (folder / "corpora").iterdir()
    path.write_bytes(mutated(content, rng))


def wrong_verdict(found: Content, sound: Content) -> str | None:
    kinds = (type(found.fingerprint), type(found.utterances), type(found.problems), type(found.repaired))
    if kinds != (str, int, tuple, tuple) or not all(
        type(p.what) is str and type(p.name) is str for p in found.problems
    ):
        return "a field of another kind"
    return None if found == sound else "another verdict than was kept"


RECORDS = {
    "evaluation": of_value(evaluations, from_record, wrong_evaluation),
    "identity": of_value(identities, lambda value: read_identity({"format": 2, "identity": value}), wrong_identity),
    "beacon": of_value(beacons, Beacon.from_json, wrong_beacon),
    "workload": of_value(workloads, read_workload, wrong_workload),
    "study's database": Reader(database, damage_database, read_database, wrong_study),
    "kept width": Reader(keep, damage_kept, read_kept, wrong_width),
    "kept verdict": Reader(keep_verdict, damage_verdict, examine, wrong_verdict),
}
