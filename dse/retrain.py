"""Retrain a point of a stored study's front under its own quantization and delta gates; write it as a checkpoint.

Weights, scales of rows and steps of activations are learned, on the study's corpus, in minutes on a core.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dse.console import FIRST_STUDY, Parser, moved, one_line_errors, require_file
from dse.design.evaluation import Evaluation
from dse.evaluator.task import NetworkTask
from dse.phones.kinds import SHORT_NAMES, kind_of
from dse.pick import add_rules, picked
from dse.reports.provenance import search_command
from dse.retraining.settings import RetrainSettings
from dse.study.beacon import checkpoint_of
from dse.study.result import Study, load_study
from dse.study.task import task_of

DEFAULT = vars(RetrainSettings())


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parser().parse_args(argv)
    settings = RetrainSettings(**{name: getattr(options, name) for name in DEFAULT})
    from dse.retraining.retrain import ELIMINATED, ERROR, require_free, retrain

    require_free(options.out, options.force)
    require_file(options.out)
    study, point = picked(options)
    number = study.front.number(point)
    task = task_of(study, **moved(options))
    if not isinstance(task, NetworkTask):
        raise TypeError("only networks are retrained")
    given = {name: value for name, value in vars(settings).items() if value != DEFAULT[name]}
    recipe = "".join(f" --{name.replace('_', '-')} {value}" for name, value in given.items())
    print(f"point {number} of {len(study.front)} on the front of study {study.name}")
    if path := checkpoint_of(study.beacons, point.beacon):
        task = task.at(path)
    card = retrain(
        task.checkpoint_path,
        point.configuration,
        task.open_corpus(),
        options.out,
        scheme=task.scheme,
        settings=settings,
        told={"command": f"python -m dse.retrain --study {study.name} --number {number}{recipe}"},
        force=options.force,
    )
    before, after = (card["retrained"][when] for when in ("before", "after"))
    error_name = SHORT_NAMES[kind_of(card.get("decoder"))]
    percent, eliminated = ((before[name], after[name]) for name in (ERROR, ELIMINATED))
    print(
        f"{options.out}: validation {error_name} {percent[1]:.2f} %, {percent[1] - percent[0]:+.2f} points; "
        f"{eliminated[1]:.1f} % eliminated, before {eliminated[0]:.1f} %\n"
    )
    print(_search(load_study(options.study, options.storage), point, task, options.out))
    return 0


def _search(study: Study, point: Evaluation, task: NetworkTask, out: Path) -> str:
    """The command that evaluates the retrained point first, in a study of its own."""
    changes: dict[str, Any] = {
        "checkpoint": out,
        "corpus-path": task.corpus_path,
        "study": None,
        "from": None,
        "evaluations": None,
        "beacons": None,
        "beacon-epochs": None,
    }
    if point.genome in {each.genome for each in study.front}:  # else it is of a front under other objectives
        changes |= {"from": f"{study.name}:{study.front.number(point)}", "evaluations": 1}
    return search_command(study, changes)


def parser() -> Parser:
    example = f"python -m dse.retrain --study {FIRST_STUDY} --number 81 --out net.safetensors"
    result = Parser(prog="python -m dse.retrain", description=__doc__, example=example)
    add_rules(result)
    result.add_argument("--out", type=Path, required=True, metavar="FILE", help="checkpoint to write")
    result.add_argument("--force", action="store_true", help="write over a checkpoint that is there")
    how = result.add_argument_group("how to train")
    how.add_argument("--epochs", type=int, default=RetrainSettings.epochs, help="default %(default)s")
    how.add_argument("--seed", type=int, default=RetrainSettings.seed, help="default %(default)s")
    how.add_argument("--batch-utterances", type=int, default=RetrainSettings.batch_utterances)
    how.add_argument("--learning-rate", type=float, default=RetrainSettings.learning_rate)
    how.add_argument("--threads", type=int, default=RetrainSettings.threads, help="of torch; default %(default)s")
    return result


if __name__ == "__main__":
    sys.exit(main())
