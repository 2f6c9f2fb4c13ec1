"""Small search spaces of real networks, measured whole: what every genome of them scores, from a file each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
from moocore import hypervolume, is_nondominated
from numpy.typing import NDArray
from tqdm import tqdm

from dse.design.limits import Limit, resolve, violations
from dse.design.space import Genome
from dse.exploration.plan import Plan, make_plan
from dse.exploration.settings import SearchSettings
from dse.exploration.worker import Job, Worker
from dse.exploration.workers import open_workers
from dse.searchers import Outcome
from models.workload import BITS_PER_MIB, size_bits, total

FOLDER = Path(__file__).parents[1] / "golden/search"
EVERY = ("error", "size", "ops")
NARROW = ("weight_bits=8", "act_bits=8", "delta=0")  # what the rules after them leave free is all that varies
DELTAS = "delta=0,4,8,16"
# By name: the model, and rules as of `--gene`.
SPACES = {
    "sru-bits": (
        "sru",
        *NARROW,
        *(f"l{layer}.{path}.weight_bits=2,4,8" for layer in (1, 2, 3) for path in ("projection", "input")),
        "output.weight_bits=2,4,8",
    ),
    "sru-delta": (
        "sru",
        *NARROW,
        *(f"l{layer}.input.act_bits=4,8" for layer in (1, 2, 3)),
        "l3.input.weight_bits=2,4,8",
        *(f"l{layer}.input.{DELTAS}" for layer in (1, 2, 3)),
    ),
    "gru-bits": (
        "gru",
        *NARROW,
        "skip=0",
        *(f"l{layer}.recurrent.weight_bits=2,4,8" for layer in range(5)),
        "l4.input.weight_bits=2,4,8",
        "output.weight_bits=2,4,8",
    ),
    "gru-delta": (
        "gru",
        *NARROW,
        "skip=0",
        *(f"l{layer}.recurrent.act_bits=4,8" for layer in (2, 3, 4)),
        "l4.recurrent.weight_bits=2,4,8",
        *(f"l{layer}.input.{DELTAS}" for layer in (2, 3, 4)),
    ),
}

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """What every genome of a space scores, in the order of `genomes`, and the error of the 16-bit baseline.

    `metrics` are columns [genomes]: error_percent, size_mib, eliminated_percent.
    """

    plan: Plan
    metrics: dict[str, Values]
    baseline_error_percent: float

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of choices of each gene."""
        return tuple(len(gene.choices) for gene in self.plan.space.genes)

    @cached_property
    def free(self) -> list[int]:
        """Positions of the genes that have a choice."""
        return [position for position, count in enumerate(self.counts) if count > 1]

    def genome(self, free: Sequence[int]) -> Genome:
        """Genome with these choices of the free genes."""
        choices = dict(zip(self.free, map(int, free), strict=True))
        return tuple(choices.get(position, 0) for position in range(len(self.counts)))

    def row(self, genome: Genome) -> int:
        return int(np.ravel_multi_index(genome, self.counts))

    @cached_property
    def values(self) -> Values:
        """Objective values [genomes, objectives], smaller is better."""
        return np.column_stack(
            [objective.minimised(self.metrics[objective.metric]) for objective in self.plan.objectives]
        )

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """The limits, absolute."""
        return resolve(self.plan.limits, {"error_percent": self.baseline_error_percent})

    @cached_property
    def violation(self) -> list[float]:
        """How far each genome exceeds the limits, 0 where it keeps them."""
        rows = (dict(zip(self.metrics, row, strict=True)) for row in zip(*self.metrics.values(), strict=True))
        return [total(broken.gap_fraction for broken in violations(self.limits, row)) for row in rows]

    def outcome(self, genome: Genome) -> Outcome:
        row = self.row(genome)
        return Outcome(genome, tuple(self.values[row].tolist()), self.violation[row])

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Whether each genome keeps the limits [genomes]."""
        return np.array(self.violation) == 0

    @cached_property
    def reference(self) -> Values:
        """The limit of the error; of the other objectives the worst value within it."""
        bounds = {limit.objective: limit.bound for limit in self.limits}
        worst = self.values[self.kept].max(axis=0)
        return np.array([bounds.get(o.name, value) for o, value in zip(self.plan.objectives, worst, strict=True)])

    @cached_property
    def front(self) -> Values:
        """Objective values of the true front [points, objectives]."""
        values = np.unique(self.values[self.kept], axis=0)
        front: Values = values[is_nondominated(values)]
        return front

    def shares(self, genomes: Sequence[Genome], most: int) -> Values:
        """Share of the true hypervolume that the first 1, 2, ... genomes dominate [most]; the last one goes on."""
        whole = float(hypervolume(self.front, ref=self.reference))
        front, share, shares = self.front[:0], 0.0, np.zeros(most)
        for position, genome in enumerate(genomes[:most]):
            row = self.row(genome)
            value = self.values[row]
            if self.kept[row] and not (front <= value).all(axis=1).any():
                front = np.vstack([front[~(value <= front).all(axis=1)], value])
                share = float(hypervolume(front, ref=self.reference)) / whole
            shares[position:] = share
        return shares


def plan_of(name: str, objectives: Sequence[str] = EVERY) -> Plan:
    """The plan of a search of a space."""
    model, *genes = SPACES[name]
    return make_plan(SearchSettings.of(model=model, objectives=tuple(objectives), genes=tuple(genes)))


def genomes(plan: Plan) -> Iterator[Genome]:
    """Genomes of the space, the last gene fastest."""
    return product(*(range(len(gene.choices)) for gene in plan.space.genes))


def load_table(name: str, objectives: Sequence[str] = EVERY, folder: Path = FOLDER) -> Table:
    """The table of a space. Raises FileNotFoundError where none was made."""
    with np.load(folder / f"{name}.npz") as stored:
        phones = int(stored["reference_phones"])
        metrics = {
            "error_percent": 100.0 * stored["errors"] / phones,
            "size_mib": stored["size_bits"] / BITS_PER_MIB,
            "eliminated_percent": stored["eliminated_percent"],
        }
        return Table(plan_of(name, objectives), metrics, 100.0 * int(stored["baseline_errors"]) / phones)


def make_table(name: str, workers: int | None = None, folder: Path = FOLDER) -> None:
    """Measure a whole space and write its table; minutes to an hour."""
    plan = plan_of(name)
    space, errors, phones, eliminated = plan.space, {}, 0, {}
    jobs = [Job((), space.base), *(Job(genome, space.decode(genome)) for genome in genomes(plan))]
    with open_workers(workers or os.cpu_count() or 1, Worker(plan.task)) as opened:
        for evaluation in tqdm(opened.evaluate(jobs), name, len(jobs), unit="evaluation"):
            if evaluation.errors is None:
                raise RuntimeError(f"{evaluation.genome} failed: {', '.join(evaluation.reasons)}")
            genome, phones = evaluation.genome, sum(evaluation.errors.reference_phones)
            errors[genome] = sum(evaluation.errors.errors)
            eliminated[genome] = evaluation.metrics["eliminated_percent"]
    baseline, *rows = [job.genome for job in jobs]
    write_table(
        folder / f"{name}.npz",
        [errors[genome] for genome in rows],
        [size_bits(plan.workload, job.configuration) for job in jobs[1:]],
        [eliminated[genome] for genome in rows],
        errors[baseline],
        phones,
    )


def write_table(
    path: Path,
    errors: Sequence[int],
    size_bits: Sequence[int],
    eliminated_percent: Sequence[float],
    baseline_errors: int,
    reference_phones: int,
) -> None:
    """Write columns [genomes] in integers, as far as they are, so that nothing is lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        errors=np.asarray(errors, np.uint32),
        size_bits=np.asarray(size_bits, np.uint32),
        eliminated_percent=np.asarray(eliminated_percent, np.float64),
        baseline_errors=np.uint32(baseline_errors),
        reference_phones=np.uint32(reference_phones),
    )
