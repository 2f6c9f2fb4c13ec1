"""Optuna's Gaussian process, whose candidates add most expected hypervolume: seconds each, and it needs torch."""

from __future__ import annotations

from optuna.samplers import BaseSampler, GPSampler
from threadpoolctl import threadpool_limits

from dse.design.space import Genome
from dse.searchers.optuna_samplers import OptunaSampler


class OptunaGp(OptunaSampler):
    def sampler(self, seed: int, population: int) -> BaseSampler:
        return GPSampler(seed=seed, n_startup_trials=population)

    def ask(self, n: int) -> list[Genome]:
        with threadpool_limits(1):  # its matrices are small: beside the workers more threads take many times as long
            return super().ask(n)
