"""Samplers of Optuna over each gene's choice index. Each sampler is a file of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from dse.design.space import Genome
from dse.searchers import Outcome, Problem, draw_new

TRIES_PER_GENOME = 20  # proposals that were asked before, after which a random new genome is taken


class OptunaSampler:
    """Search by a sampler of Optuna's.

    Genomes asked before are proposed again up to TRIES_PER_GENOME times, then a new one is drawn at random.
    """

    def __init__(self, problem: Problem, seed: int, population: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = problem.space
        self._rng = np.random.default_rng(seed)
        self._waiting = list(problem.start)
        self._seen = set(problem.start)
        self._study = optuna.create_study(
            directions=["minimize"] * problem.objectives,
            sampler=self.sampler(seed, population),
        )
        self._distributions: dict[str, BaseDistribution] = {
            gene.name: IntDistribution(0, len(gene.choices) - 1) for gene in problem.space.genes
        }

    def sampler(self, seed: int, population: int) -> BaseSampler:
        """The sampler, which begins with `population` random genomes."""
        raise NotImplementedError

    def ask(self, n: int) -> list[Genome]:
        genomes, self._waiting = self._waiting[:n], self._waiting[n:]
        while len(genomes) < n:
            new = self._propose()
            if new is None:
                break
            genomes.append(new)
        return genomes

    def _propose(self) -> Genome | None:
        for _ in range(TRIES_PER_GENOME):
            trial = self._study.ask(self._distributions)
            genome = self._space.canonical(tuple(trial.params[gene.name] for gene in self._space.genes))
            self._study.tell(trial, state=TrialState.FAIL)  # outcomes come as trials of their own, see tell
            if genome not in self._seen:
                self._seen.add(genome)
                return genome
        return next(iter(draw_new(self._space, self._rng, self._seen, 1)), None)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.values is None:
                continue
            names = (gene.name for gene in self._space.genes)
            self._study.add_trial(
                create_trial(
                    params=dict(zip(names, outcome.genome, strict=True)),
                    distributions=self._distributions,
                    values=[float(value) for value in outcome.values],
                    system_attrs={"constraints": [outcome.violation]},
                )
            )
