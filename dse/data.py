"""Check a corpus: `python -m dse.data check --corpus timit --corpus-path DIR` counts, reads all and names damage."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dse.console import Parser, one_line_errors, require_folder
from dse.corpora import CORPORA, introduction, open_corpus
from dse.corpora.base import SAMPLE_RATE_HZ, SPLITS, Corpus, FileCorpus
from dse.corpora.features import FRAME_SECONDS, SHIFT_SAMPLES, WINDOW_SAMPLES, unvarying
from dse.corpora.load import load_split
from dse.corpora.split import Split
from dse.phones.sets import FOLD_61_TO_39, FOLD_61_TO_48, PHONES_39, PHONES_48, PHONES_61
from models.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXIT_DAMAGED = 1


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run the command: exit status 0 if all is sound (or damage is skipped), 1 with damage, 2 without the corpus."""
    options = parser().parse_args(argv)
    require_folder(options.out)
    corpus = open_corpus(options.corpus, options.corpus_path, skip_bad=True, reread=True)
    damaged = report_damage(corpus)
    if damaged:
        print(
            f"{damaged} damaged utterance{'s' * (damaged > 1)}"
            + (" left out" if options.skip_bad else "; --skip-bad leaves them out")
        )
    else:
        print("no errors")
    splits = {name: load_split(corpus, name) for name in SPLITS}
    print_counts(splits)
    picture = options.out / f"check-{corpus.name}.png"
    draw_utterance(splits["validation"], 0, picture)
    print(f"picture: {picture}")
    return EXIT_DAMAGED if damaged and not options.skip_bad else 0


def parser() -> Parser:
    result = Parser(
        prog="python -m dse.data",
        description="Look at a corpus before it is used.",
        example="python -m dse.data check --corpus synthetic",
    )
    command = result.add_subparsers(dest="command", required=True, metavar="check")
    check = command.add_parser(
        "check", help="count, read everything, name what is damaged, draw an utterance", example=result.example
    )
    check.add_argument("--corpus", default="synthetic", choices=tuple(CORPORA))
    check.add_argument("--corpus-path", metavar="DIR", help="the corpus' folder")
    check.add_argument("--skip-bad", action="store_true", help="damaged utterances are left out, not an error")
    check.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="of the picture (default: here)")
    return result


def report_damage(corpus: Corpus) -> int:
    """Print the notes, each damaged utterance and how many were repaired; returns the number of damaged ones."""
    print("\n".join(introduction(corpus) or (f"corpus: {corpus.name}",)))
    if not isinstance(corpus, FileCorpus):
        return 0
    damaged = repaired = 0
    for split in (*SPLITS, None):
        for problem in corpus.problems(split):
            print(f"damaged ({split or 'in no split'}): {problem.what}")
        damaged += len(corpus.problems(split))
        repaired += len(corpus.repaired(split))
    if repaired:
        print(f"repaired while reading: {repaired} utterances whose audio had lost carriage returns")
    return damaged


def print_counts(splits: dict[str, Split]) -> None:
    """Speakers, utterances, durations and phones of each split, unseen phones, and features that never vary."""
    print(f"{'':<12}{'speakers':>9}{'utterances':>12}{'minutes':>9}{'s each':>8}{'phones':>9}{'of 61':>7}{'of 39':>7}")
    for name, split in splits.items():
        seen = np.unique(split.segment_phones)
        folded = np.unique(FOLD_61_TO_39[seen][FOLD_61_TO_39[seen] >= 0])
        print(
            f"{name:<12}{len(set(split.speakers)):>9}{len(split):>12}{split.seconds / 60:>9.1f}"
            f"{split.seconds / len(split):>8.2f}{len(split.segment_phones):>9}{len(seen):>7}{len(folded):>7}"
        )
    for name, split in splits.items():
        print(f"{name} speakers: {' '.join(sorted(set(split.speakers)))}")
    for name, split in splits.items():
        folded = FOLD_61_TO_39[split.segment_phones]
        absent = [phone for index, phone in enumerate(PHONES_39) if index not in folded]
        print(f"phones of 39 absent in {name}: {' '.join(absent) or 'none'}")
    for name, split in splits.items():
        if flat := unvarying(split.features):
            last = split.features.shape[1] - 1
            print(f"features that never vary in {name}: {' '.join(map(str, flat))} (of 0 to {last})")
    modelled = FOLD_61_TO_48[splits["train"].phones]
    absent = [phone for index, phone in enumerate(PHONES_48) if index not in modelled]
    print(f"phones of 48 without a frame in train: {' '.join(absent) or 'none'}")


def draw_utterance(split: Split, index: int, path: Path) -> None:
    """Draw a PNG of the utterance's features, [bins, frames], under the phones of its frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    frames = slice(split.offsets[index], split.offsets[index + 1])
    features, phones = split.features[frames], split.phones[frames]
    # A frame is drawn over the shift around its window's centre, so that phones and features line up.
    start = (WINDOW_SAMPLES - SHIFT_SAMPLES) / 2 / SAMPLE_RATE_HZ
    end = start + len(features) * FRAME_SECONDS
    figure = Figure(figsize=(max(8.0, 4.0 * (end - start)), 3.6), layout="constrained")
    labels, image = figure.subplots(2, 1, sharex=True, height_ratios=(1, 6))
    image.imshow(
        features.T, origin="lower", aspect="auto", extent=(start, end, 0, features.shape[1]), interpolation="nearest"
    )
    image.set_xlabel("time (s)")
    image.set_ylabel("log-mel bin" if split.targets is None else "feature")
    _draw_phones(labels, image, phones, start)
    labels.set_title(f"{split.names[index]}, speaker {split.speakers[index]} ({split.name})", fontsize=10)
    with whole_file(path) as beside:
        figure.savefig(beside, dpi=120)


def _draw_phones(labels: Axes, image: Axes, phones: np.ndarray, start: float) -> None:
    labels.set_axis_off()
    edges = [0, *(np.flatnonzero(np.diff(phones)) + 1), len(phones)]
    for row, (first, last) in enumerate(pairwise(edges)):
        centre = start + (first + last) / 2 * FRAME_SECONDS
        labels.text(centre, 0.6 - 0.5 * (row % 2), PHONES_61[phones[first]], ha="center", fontsize=8)
        image.axvline(start + first * FRAME_SECONDS, color="white", linewidth=0.6)


if __name__ == "__main__":
    sys.exit(main())
