"""Inferences that were made priced for other platforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dse.design.evaluation import Evaluation
from dse.evaluator.pricing import broken_rules, price
from models.workload import Workload, total
from platforms import Platform


def repriced(
    evaluation: Evaluation, platforms: Mapping[str, Platform], workload: Workload, ruled: bool = True
) -> Evaluation:
    """The same inference with these platforms' prices; infeasible where it breaks their rules unless `ruled` is off."""
    configuration = evaluation.configuration
    others = {metric: v for metric, v in evaluation.metrics.items() if metric.rpartition(".")[0] not in platforms}
    if not evaluation.measured:
        return replace(evaluation, metrics=others)
    broken = broken_rules(platforms, workload, configuration) if ruled else ()
    if broken:
        return replace(
            evaluation,
            status="infeasible",
            reasons=(*evaluation.reasons, *(violation.reason for violation in broken)),
            metrics=others,
            violation=evaluation.violation + total(violation.gap_fraction for violation in broken),
        )
    return replace(evaluation, metrics={**others, **price(platforms, workload, configuration, evaluation.computed)})
