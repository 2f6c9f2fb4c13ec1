"""Optuna's multi-objective tree-structured Parzen estimator.

Source: Ozaki et al., "Multiobjective Tree-Structured Parzen Estimator" (2022), as implemented by optuna.
"""

from optuna.samplers import BaseSampler, TPESampler

from dse.searchers.optuna_samplers import OptunaSampler


class OptunaTpe(OptunaSampler):
    def sampler(self, seed: int, population: int) -> BaseSampler:
        return TPESampler(seed=seed, n_startup_trials=population, multivariate=True)
