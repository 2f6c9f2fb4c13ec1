"""A study as large as long searches leave, made up."""

from dataclasses import replace

import numpy as np
from fake_task import WORKLOAD

from dse.design.evaluation import Evaluation
from dse.design.genes import search_space
from dse.design.utterance_errors import UtteranceErrors
from dse.study.result import Study


def enlarged(study: Study, points: int, evaluations: int) -> Study:
    """The study with so many evaluations in place of its own, so many of which are a front."""
    rng = np.random.default_rng(0)
    space = search_space(WORKLOAD)
    genomes = {tuple(int(rng.integers(len(gene.choices))) for gene in space.genes) for _ in range(2 * evaluations)}
    base, none = rng.binomial(40, 0.12, 400), (0,) * 400  # wrong of 40 phones each
    made = []
    for k, genome in enumerate(sorted(genomes)[:evaluations]):
        share = k / points if k < points else 1.5
        more = np.bincount(rng.integers(400, size=k if k < points else 2 * points), minlength=400)
        errors = UtteranceErrors(np.minimum(base + more, 40).tolist(), none, none, (40,) * 400)
        size = 0.02 - 0.01 * share if k < points else 0.03
        measured = {"error_percent": errors.percent, "size_mib": size, "eliminated_percent": 10 + 5 * rng.random()}
        metrics = {**study.baseline.metrics, **measured}
        computed = dict.fromkeys(WORKLOAD.names, 0.5)
        made.append(Evaluation(genome, space.decode(genome), "ok", metrics=metrics, computed=computed, errors=errors))
    metrics = {**study.baseline.metrics, "error_percent": made[0].metrics["error_percent"]}
    baseline = replace(study.baseline, errors=made[0].errors, metrics=metrics)
    speakers = tuple(f"s{u // 20}" for u in range(400))
    return replace(study, evaluations=tuple(made), speakers=speakers, baseline=baseline)
