"""Check a corpus: `python -m dse.data check --corpus timit --corpus-path DIR` counts, reads all and names damage."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dse.console import Parser, one_line_errors, require_folder
from dse.corpora import CORPORA, introduction, open_corpus
from dse.corpora.base import SAMPLE_RATE_HZ, SPLITS, Corpus, FileCorpus, LabelCorpus, splits_of
from dse.corpora.features import FRAME_SECONDS, SHIFT_SAMPLES, WINDOW_SAMPLES, unvarying
from dse.corpora.load import load_split
from dse.corpora.split import Split
from dse.phones.sets import FOLD_61_TO_39, FOLD_61_TO_48, PHONES_39, PHONES_48, PHONES_61
from models.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXIT_DAMAGED = 1
SHOWN_LABELS, SHOWN_CHARACTERS = 20, 120
MOST_INCHES = 60.0


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
    splits = {name: load_split(corpus, name) for name in splits_of(corpus)}
    labels = corpus.labels if isinstance(corpus, LabelCorpus) else None
    if labels is None:
        print_counts(splits)
    else:
        print_label_counts(splits, labels)
    print_unvarying(splits)
    picture = options.out / f"check-{corpus.name}.png"
    draw_utterance(splits["validation"], 0, picture, labels)
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
    modelled = FOLD_61_TO_48[splits["train"].phones]
    absent = [phone for index, phone in enumerate(PHONES_48) if index not in modelled]
    print(f"phones of 48 without a frame in train: {' '.join(absent) or 'none'}")


def print_label_counts(splits: dict[str, Split], labels: Sequence[str]) -> None:
    """Speakers, utterances, frames and labels of each split of a corpus with its own, and labels that are absent."""
    print(
        f"{'':<12}{'speakers':>9}{'utterances':>12}{'frames':>10}{'features':>10}{'labels':>9}{f'of {len(labels)}':>9}"
        f"{'targets':>9}"
    )
    for name, split in splits.items():
        print(
            f"{name:<12}{len(set(split.speakers)):>9}{len(split):>12}{len(split.features):>10}"
            f"{split.features.shape[1]:>10}{len(split.segment_phones) if split.has_sequences else '–':>9}"
            f"{len(np.unique(split.segment_phones)):>9}{'–' if split.targets is None else 'yes':>9}"
        )
    for name, split in splits.items():
        seen = {*np.unique(split.segment_phones).tolist()}
        absent = [label for index, label in enumerate(labels) if index not in seen]
        more = f" and {len(absent) - SHOWN_LABELS} more" if len(absent) > SHOWN_LABELS else ""
        print(f"labels absent in {name}: {' '.join(absent[:SHOWN_LABELS]) or 'none'}{more}")


def print_unvarying(splits: dict[str, Split]) -> None:
    """Features of each split that never vary, where there are such."""
    for name, split in splits.items():
        if flat := unvarying(split.features):
            last = split.features.shape[1] - 1
            print(f"features that never vary in {name}: {' '.join(map(str, flat))} (of 0 to {last})")


def draw_utterance(split: Split, index: int, path: Path, labels: Sequence[str] | None = None) -> None:
    """Draw a PNG of the utterance's features, [bins, frames], under the phones or labels of its frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    frames = slice(split.offsets[index], split.offsets[index + 1])
    features = split.features[frames]
    # A frame is drawn over the shift around its window's centre, so that phones and features line up.
    start, step = (WINDOW_SAMPLES - SHIFT_SAMPLES) / 2 / SAMPLE_RATE_HZ, FRAME_SECONDS
    if labels is not None:
        start, step = 0.0, 1.0  # nobody told how long a frame is
    end = start + len(features) * step
    figure = Figure(figsize=(min(max(8.0, 0.04 * len(features)), MOST_INCHES), 3.6), layout="constrained")
    above, image = figure.subplots(2, 1, sharex=True, height_ratios=(1, 6))
    image.imshow(
        features.T, origin="lower", aspect="auto", extent=(start, end, 0, features.shape[1]), interpolation="nearest"
    )
    image.set_xlabel("time (s)" if labels is None else "frame")
    image.set_ylabel("log-mel bin" if labels is None and split.targets is None else "feature")
    of_frames = split.phones if labels is None else split.targets
    if of_frames is not None:
        _draw_labels(above, image, of_frames[frames], PHONES_61 if labels is None else labels, start, step)
    else:
        assert labels is not None
        above.set_axis_off()
        text = " ".join(labels[label] for label in split.references[index])
        above.text(
            0.5, 0.2, textwrap.shorten(text, SHOWN_CHARACTERS), ha="center", transform=above.transAxes, parse_math=False
        )
    above.set_title(
        f"{split.names[index]}, speaker {split.speakers[index]} ({split.name})", fontsize=10, parse_math=False
    )
    with whole_file(path) as beside:
        figure.savefig(beside, dpi=120)


def _draw_labels(
    above: Axes, image: Axes, of_frames: np.ndarray, names: Sequence[str], start: float, step: float
) -> None:
    above.set_axis_off()
    edges = [0, *(np.flatnonzero(np.diff(of_frames)) + 1), len(of_frames)]
    for row, (first, last) in enumerate(pairwise(edges)):
        centre = start + (first + last) / 2 * step
        above.text(centre, 0.6 - 0.5 * (row % 2), names[of_frames[first]], ha="center", fontsize=8, parse_math=False)
        image.axvline(start + first * step, color="white", linewidth=0.6)


if __name__ == "__main__":
    sys.exit(main())
