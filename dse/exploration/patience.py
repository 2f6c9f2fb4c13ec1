"""When a search gives up: its limit on an error is below what the network reaches at any width."""

from __future__ import annotations

from collections.abc import Sequence

from dse.design.evaluation import Evaluation
from dse.design.limits import Limit
from dse.design.objective import full_objective

FAR = (
    0.1  # of the limit, beyond it; assumed: quantized networks win a few points of a hundred over the baseline at most
)


def hopeless(limits: Sequence[Limit], baseline: Evaluation, evaluations: Sequence[Evaluation], population: int) -> bool:
    """Whether a search should give up after these evaluations, in whatever order.

    So it is when a population was measured and, as the baseline, all of it is FAR from a limit on an error. Limits of
    other metrics are no reason: these get better with every generation.
    """
    measured = [evaluation for evaluation in evaluations if evaluation.measured]
    if len(measured) < population:
        return False
    objectives = ((full_objective(limit.objective), limit.bound) for limit in limits)
    return any(
        all(e.metrics[objective.metric] > bound * (1 + FAR) for e in (baseline, *measured))
        for objective, bound in objectives
        if objective.relative_limits
    )
