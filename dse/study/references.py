"""What a front is looked at beside: all that was measured, uniform configurations among it."""

from __future__ import annotations

from dataclasses import replace

from dse.design.evaluation import Evaluation
from dse.study.result import Study
from models.workload import Configuration

REFERENCE_BITS = (16, 8, 4, 2)


def uniform_configurations(study: Study) -> dict[int, Configuration]:
    """Configurations with one width for all weights and activations, without delta, by bits."""
    settings = study.baseline.configuration.settings
    return {
        bits: Configuration(tuple((n, replace(s, weight_bits=bits, act_bits=bits, delta=0)) for n, s in settings))
        for bits in REFERENCE_BITS
    }


def uniform_references(study: Study) -> dict[int, Evaluation]:
    """Uniform configurations that were measured, by bits: the baseline, evaluations of the search, those put aside."""
    known = measured(study)
    wanted = uniform_configurations(study)
    return {bits: known[configuration] for bits, configuration in wanted.items() if configuration in known}


def measured(study: Study, beacon: int | None = None) -> dict[Configuration, Evaluation]:
    """Everything that the study measured with a beacon's weights, or the base network's, by configuration.

    These are candidates and what was put aside.
    """
    every = (*study.aside.values(), *study.evaluations, study.baseline)
    return {e.configuration: e for e in every if e.measured and e.beacon == beacon}
