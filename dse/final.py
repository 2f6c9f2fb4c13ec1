"""The final report: a front's points on the test split, which no search touches."""

from __future__ import annotations

from dataclasses import replace

from dse.evaluate import WHOLE, Evaluation
from dse.objective import TEST_ERROR
from dse.result import SearchResult
from dse.store import differences
from models.devices import CPU


def with_test_error(
    result: SearchResult, checkpoint: str | None, corpus_path: str | None, device: str = CPU
) -> SearchResult:
    """The result with `test_error_percent` among the metrics of its baseline and its front's points.

    `checkpoint` and `corpus_path` as given to the search. Raises ValueError where they are not what it ran on.
    """
    from tqdm import tqdm

    from dse.measure import Task, open_measurer, task_fingerprint

    settings = result.settings
    skip_bad = settings["content"].get("skipped", "") not in ("", NOTHING_SKIPPED)
    corpus = settings["corpus"]
    error = settings.get("error", WHOLE)
    task = Task(settings["model"], settings["preset"], checkpoint, corpus, corpus_path, skip_bad, error, device)
    if different := differences(settings["content"], task_fingerprint(task)):
        raise ValueError(f"study '{result.study}' ran on another checkpoint or corpus: {'; '.join(different)}")
    measurer = open_measurer(task, "test")

    def tested(evaluation: Evaluation) -> Evaluation:
        percent = measurer.measure(evaluation.configuration).error_percent
        return replace(evaluation, metrics={**evaluation.metrics, TEST_ERROR.metric: percent})

    points = tqdm(result.front, desc="test split", unit="point", disable=None, leave=False)
    by_genome = {evaluation.genome: tested(evaluation) for evaluation in points}
    evaluations = tuple(by_genome.get(evaluation.genome, evaluation) for evaluation in result.evaluations)
    return replace(result, baseline=tested(result.baseline), evaluations=evaluations)


NOTHING_SKIPPED = str({"train": 0, "validation": 0, "test": 0})
