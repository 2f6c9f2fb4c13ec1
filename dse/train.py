"""Train a model on a corpus. Seeded, resumable, minutes on two cores."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dse.console import Parser, one_line_errors, require_file
from dse.corpora import CORPORA
from dse.phones.kinds import SHORT_NAMES, VITERBI, kind_of
from dse.training.loop import train
from dse.training.settings import AUTO, TrainSettings
from models.devices import DEVICES
from models.registry import MODELS


def parser() -> Parser:
    result = Parser(prog="python -m dse.train", description=__doc__, example="python -m dse.train --model sru")
    result.add_argument("--model", required=True, help=f"one of {', '.join(MODELS)}")
    result.add_argument("--preset", default="edge", help="sizes: edge (default), stream (forward in time) or paper")
    result.add_argument("--corpus", default="synthetic", help=f"one of {', '.join(CORPORA)}")
    result.add_argument("--corpus-path", help="folder of a corpus that is not generated")
    result.add_argument("--skip-bad", action="store_true", help="leave damaged utterances out, and count them")
    result.add_argument("--epochs", type=int, default=TrainSettings.epochs)
    result.add_argument("--seed", type=int, default=TrainSettings.seed)
    result.add_argument("--batch-utterances", type=int, default=TrainSettings.batch_utterances)
    result.add_argument("--learning-rate", type=float, default=TrainSettings.learning_rate)
    result.add_argument("--dropout", type=float, default=TrainSettings.dropout)
    result.add_argument(
        "--device", default=TrainSettings.device, help=f"{', '.join((AUTO, *DEVICES))}; default %(default)s"
    )
    result.add_argument(
        "--threads", type=int, default=TrainSettings.threads, help="of torch on the CPU; default %(default)s"
    )
    result.add_argument("--out", type=Path, help="checkpoint to write (default: studies/<model>-<preset>.safetensors)")
    result.add_argument("--force", action="store_true", help="train anew over a checkpoint that is there")
    return result


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    options = vars(parser().parse_args(arguments))
    out = options.pop("out") or Path("studies") / f"{options['model']}-{options['preset']}.safetensors"
    require_file(out)
    force = options.pop("force")
    card = train(TrainSettings(**options), out, force)
    kind = kind_of(card.get("decoder"))
    errors = ", ".join(f"{split} {percent:.2f} %" for split, percent in card["float_error_percent"].items())
    before = min(epoch["validation_error_percent"] for epoch in card["history"])
    tuned = f" with the decoder tuned on validation (best epoch before: {before:.2f} %)" if kind == VITERBI else ""
    print(f"{out}: float {SHORT_NAMES[kind]} {errors}{tuned}; {card['minutes']} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
