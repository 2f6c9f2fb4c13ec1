"""The final report: a front's points on the test split, which no search touches."""

from __future__ import annotations

from dataclasses import replace

from tqdm import tqdm

from dse.design.evaluation import Evaluation
from dse.design.objective import TEST_ERROR
from dse.evaluator.measurement import Task
from dse.study.result import Study


def with_test_error(study: Study, task: Task) -> Study:
    """The study with `test_error_percent` among the metrics of its baseline and its front's points."""
    measurer = task.open("test")

    def tested(evaluation: Evaluation) -> Evaluation:
        percent = measurer.measure(evaluation.configuration).error_percent
        return replace(evaluation, metrics={**evaluation.metrics, TEST_ERROR.metric: percent})

    points = tqdm(study.front, desc="test split", unit="point", disable=None, leave=False)
    by_genome = {evaluation.genome: tested(evaluation) for evaluation in points}
    evaluations = tuple(by_genome.get(evaluation.genome, evaluation) for evaluation in study.evaluations)
    return replace(study, baseline=tested(study.baseline), evaluations=evaluations)
