"""Optuna's Gaussian process, whose candidates add most expected hypervolume: seconds each, and it needs torch."""

from optuna.samplers import BaseSampler, GPSampler

from dse.searchers.optuna_samplers import OptunaSampler


class OptunaGp(OptunaSampler):
    def sampler(self, seed: int, population: int) -> BaseSampler:
        return GPSampler(seed=seed, n_startup_trials=population)
