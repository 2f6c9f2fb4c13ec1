"""Export a point of a stored study's front as a bundle: integers, ONNX graph, C sources, golden outputs, card.

The graph needs onnx: `pip install -e '.[export]'`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dse.console import FIRST_STUDY, Parser, moved, one_line_errors, require_folder
from dse.pick import add_rules, picked


@one_line_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    options = parser().parse_args(argv)
    require_folder(options.to.parent)
    study, point = picked(options)
    given = {"test": options.test, "utterances": options.utterances, "force": options.force}
    study.export(point, options.to, **given, **moved(options))
    for path in sorted(options.to.iterdir()):
        print(path)
    print(f"\npython -m dse.verify {options.to}")
    return 0


def parser() -> Parser:
    example = f"python -m dse.export --study {FIRST_STUDY} --error +1 --minimize size --to out"
    result = Parser(prog="python -m dse.export", description=__doc__, example=example)
    add_rules(result)
    result.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a new folder")
    result.add_argument("--force", action="store_true", help="write over a bundle that is there")
    result.add_argument(
        "--test",
        action="store_true",
        help="score the point on the test split, for the card, if dse.report study has not; one point alone, recorded",
    )
    result.add_argument(
        "--utterances",
        type=int,
        default=20,
        metavar="N",
        help="golden ones, of the validation split, or as many as it has; default %(default)s",
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
