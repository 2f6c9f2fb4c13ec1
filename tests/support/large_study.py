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
    made = []
    for k, genome in enumerate(sorted(genomes)[:evaluations]):
        share = k / points if k < points else 1.5
        wrong = rng.binomial(40, 0.1 + 0.1 * min(share, 1), 400).tolist()
        none = (0,) * 400
        errors = UtteranceErrors(wrong, none, none, (40,) * 400)
        size = 0.02 - 0.01 * share if k < points else 0.03
        measured = {"error_percent": 12 + share, "size_mib": size, "eliminated_percent": 10 + 5 * rng.random()}
        metrics = {**study.baseline.metrics, **measured}
        computed = dict.fromkeys(WORKLOAD.names, 0.5)
        made.append(Evaluation(genome, space.decode(genome), "ok", metrics=metrics, computed=computed, errors=errors))
    return replace(study, evaluations=tuple(made), speakers=tuple(f"s{u // 20}" for u in range(400)),
                   baseline=replace(study.baseline, errors=made[0].errors))  # fmt: skip
