"""Networks that were trained elsewhere, completed with what a corpus gives: standardisation, decoder, error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dse.corpora import training_record
from dse.corpora.base import Corpus
from dse.corpora.features import standardisation
from dse.corpora.load import load_split
from dse.evaluator.fit import fitted
from dse.training.float_network import first_decoder, float_error, references, run_float
from models.checkpoint import Checkpoint
from models.workload import InputError, MissingError

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder


def read_standardisation(path: Path, features: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation [features] of a .npz file's arrays mean and std.

    Raises MissingError without the file, InputError where it is damaged or an array cannot be used.
    """
    if not path.is_file():
        raise MissingError(f"no .npz file of mean and std at {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], np.float32) for name in ("mean", "std") if name in file}
    except Exception as error:  # a damaged zip or array fails in many ways
        raise InputError(f"{path} is not a .npz file of numbers, with arrays mean and std") from error
    for name in ("mean", "std"):
        if name not in arrays:
            raise InputError(f"{path} holds no array '{name}'")
        if arrays[name].shape != (features,):
            raise InputError(f"{path}: {name} is {list(arrays[name].shape)}, should be [{features}]")
        if not np.isfinite(arrays[name]).all() or (name == "std" and (arrays[name] <= 0).any()):
            raise InputError(f"{path}: {name} holds values that are not finite" + " or not over 0" * (name == "std"))
    return arrays["mean"], arrays["std"]


def standardised(checkpoint: Checkpoint, corpus: Corpus) -> Checkpoint:
    """The network with the mean and deviation of the corpus' training split.

    Raises InputError where the features are not the network's.
    """
    train = load_split(corpus, "train")
    if checkpoint.spec.features != train.features.shape[1]:
        fitted("the network", checkpoint.spec, corpus, train)  # tells both numbers
    return with_standardisation(checkpoint, *standardisation(train.features))


def with_standardisation(
    checkpoint: Checkpoint, mean: NDArray[np.float32], deviation: NDArray[np.float32]
) -> Checkpoint:
    """The network that standardises its features by a mean and a deviation [features] of their own."""
    return replace(checkpoint, weights=checkpoint.weights | {"input_mean": mean, "input_std": deviation})


def decoded_by(checkpoint: Checkpoint, corpus: Corpus, decoder: LabelDecoder) -> Checkpoint:
    """The network with this decoder, and its error on the validation split in the card.

    Raises InputError where network, decoder and corpus do not fit.
    """
    split = fitted("the network", checkpoint.spec, corpus, load_split(corpus, "validation"), decoder)
    percent = float_error(checkpoint.network(), decoder, corpus, split)
    card = {"corpus": training_record(corpus), "float_error_percent": {"validation": percent}}
    return replace(
        checkpoint, decoder=decoder.to_arrays(), card=checkpoint.card | card | {"decoder": decoder.to_json()}
    )


def decoded_by_viterbi(checkpoint: Checkpoint, corpus: Corpus) -> Checkpoint:
    """The network with bigram and priors of the training split, scales tuned on the validation split.

    Raises InputError where the corpus' features, phones or senones do not fit the network.
    """
    from dse.phones.decode import Decoder, tune

    train, validation = load_split(corpus, "train"), load_split(corpus, "validation")
    fitted("the network", checkpoint.spec, corpus, train)
    scores = run_float(checkpoint.network(), corpus, validation)
    first = first_decoder(train)
    assert isinstance(first, Decoder)
    decoder = tune(first, scores, *references(validation))
    card = {
        "corpus": training_record(corpus),
        "decoder": "bigram and priors of the training split, tuned on the validation split",
        "float_error_percent": {"validation": decoder.error(scores, *references(validation)).percent},
    }
    return replace(checkpoint, decoder=decoder.to_arrays(), card=checkpoint.card | card)
