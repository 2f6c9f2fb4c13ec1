"""Page of the corpora: what each holds, how its folder is laid out, how it is split. Markdown.

What it says of a corpus stands in the docstrings of the corpus' modules, and is read from there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from inspect import cleandoc

from tabulate import tabulate

from dse.corpora import CORPORA
from dse.corpora.synthetic.corpus import CARD
from dse.corpora.timit.files import HOW_TO_GET
from models.workload import InputError

DESCRIBED_IN = {
    "synthetic": ("dse.corpora.synthetic.corpus", "dse.corpora.synthetic.text"),
    "timit": (
        "dse.corpora.timit.corpus",
        "dse.corpora.timit.files",
        "dse.corpora.timit.newlines",
        "dse.corpora.timit.protocol",
    ),
    "kaldi": ("dse.corpora.kaldi",),
    "arrays": ("dse.corpora.arrays.corpus",),
}
HEAD = """\
# Corpora

`--corpus NAME` chooses one, `--corpus-path DIR` is its folder. `python -m dse.data check --corpus timit --corpus-path
DIR` counts, names what is damaged and draws an utterance with its alignment; `--skip-bad`, for every command that
reads a corpus, leaves damaged utterances out and counts them in the result. A search warns where the checkpoint was
trained on another corpus, or on speakers that validate or test; `train` and `search` print what a corpus holds and
how it is split. What is made of a corpus is kept in the user's cache, or in `DSE_CACHE_DIR`.

This page is printed by `python -m dse.report corpora`, from the modules' own words."""
TRAINED = """\
On two cores, shared with other work, one epoch of the papers' SRU (`--preset paper`) takes 1.9 minutes on the
embedded corpus; [studies/models](../../studies/models/README.md) has the shipped networks' times. Full TIMIT has 4
times the speech, so expect 4 times the minutes; neither it nor a GPU was there to be measured. For orientation,
pytorch-kaldi reports a test PER of 16.6 (SRU), 14.3 (LSTM), 15.2 (GRU) and 14.9 % (LiGRU) on TIMIT, for networks of
the papers' size with context-dependent targets and Kaldi's decoder. On a sample of 12 speakers of NLTK's 16 (9 train,
1 validates, 2 test) SRU took 0.3 minutes to train to 39.0 / 45.1 % (validation / test):

```bash
python -m dse.train --model sru --corpus timit --corpus-path DIR --epochs 25 --batch-utterances 4 \\
    --out sample.safetensors
python -m dse.search --model sru --checkpoint sample.safetensors --corpus timit --corpus-path DIR \\
    --objectives error,size,ops
```"""


def page(names: Sequence[str] = ()) -> str:
    """The page; of `names`, the corpora's own parts alone. Raises InputError for an unknown name."""
    for name in names:
        if name not in CORPORA:
            raise InputError(f"no corpus '{name}'; there are {', '.join(CORPORA)}")
    parts = [_corpus(name) for name in names or CORPORA]
    if not names:
        training = f"## Training\n\n{_told('dse.training.loop')}\n\n{TRAINED}"
        adding = "## Adding a corpus\n\n" + _told("dse.corpora").partition("To add a corpus:\n")[2]
        parts = [HEAD, *parts, training, adding]
    return "\n\n".join(parts)


def _corpus(name: str) -> str:
    first, *more = map(_told, DESCRIBED_IN[name])
    parts = [f"## {name}", first]
    if name == "synthetic":
        parts.append(_synthesised())
    if name == "timit":
        parts.append(f"To have it, {HOW_TO_GET}.")
    return "\n\n".join((*parts, *(f"### {text}".replace(".\n", "\n", 1) for text in more)))


def _synthesised() -> str:
    """Table of each split of the embedded corpus, as measured for its card: nothing need be synthesised to print it."""
    rows = []
    for split, figures in json.loads(CARD.read_text(encoding="utf-8"))["splits"].items():
        seconds, phones = 3600 * figures["hours"], figures["phones"]
        each = f"{seconds / figures['utterances']:.2f}"
        lengths = (figures["speakers"], figures["utterances"], f"{seconds / 60:.1f}", each)
        rows.append((split, *lengths, sum(phones.values()), len(phones), " ".join(figures["phones_missing"])))
    headers = ("", "speakers", "utterances", "minutes", "s each", "phones", "of 61", "lacking")
    align = ("left", *["right"] * 6, "left")
    return str(tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=align))


def _told(module: str) -> str:
    return cleandoc(import_module(module).__doc__ or "")
