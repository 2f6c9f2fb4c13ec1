"""Turn a pytorch-kaldi network into this tool's checkpoint."""

from __future__ import annotations

import configparser
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.console import Parser, one_line_errors, require_file
from dse.corpora import introduction, open_corpus
from dse.corpora.base import Corpus
from models.checkpoint import Checkpoint, content_hash, save
from models.kaldi_layout import to_spec_and_weights
from models.named_tensors import Tensors
from models.state_dict import arrays_of, read_content
from models.workload import InputError, MissingError

EXAMPLE = (
    "python -m dse.import_kaldi --model ligru --architecture final_architecture1.pkl --output final_architecture2.pkl "
    "--out ligru.safetensors"
)
DROPOUT = 0.2  # Source: pytorch-kaldi's TIMIT recipes for LSTM, GRU and liGRU
# Properties that tensors do not show. model: (pytorch-kaldi's arch_class, options that must have these values)
RECIPES = {
    "lstm": ("LSTM", {"lstm_act": "tanh", "lstm_use_laynorm": "false"}),
    "gru": ("GRU", {"gru_act": "tanh", "gru_use_laynorm": "false"}),
    "ligru": ("liGRU", {"ligru_act": "relu", "ligru_use_laynorm": "false"}),
    "sru": (
        "SRU",
        {"sru_bidirectional": "true", "sru_use_tanh": "false", "sru_use_relu": "false", "sru_use_selu": "false"},
    ),
}
DESCRIPTION = """Turn a network trained by pytorch-kaldi into this tool's checkpoint.

Sizes, directions, batch normalisation and projections are read off the tensors. Networks of the papers' kind are
taken: LSTM and GRU with tanh, liGRU with ReLU, SRU without activation, one linear output layer; all but the SRU of one
direction too. Layer normalisation and whatever else this tool's models do not do are refused by the tensor's name.
Tensors do not tell activations, dropout, a liGRU from a minimalGRU, nor an SRU of two directions from one of double
width: --cfg checks those. The pickles are read by torch's weights-only loader: nothing in them is run."""
EPILOG = """The network expects its features as pytorch-kaldi feeds them: normalised by speaker, then to mean 0 and
deviation 1 in each dimension. Priors and phone bigram are not in its files: --corpus kaldi --corpus-path DIR
takes them, and the features' mean and deviation, from your data, so that the checkpoint can be searched."""


def read_parameters(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the tensors of one final_architecture*.pkl by name. Nothing in the file is executed.

    Raises MissingError without the file, InputError in one line where it is damaged or holds anything but plain data.
    """
    content = read_content(path, "pytorch-kaldi network (final_architecture*.pkl)")
    parameters = content.get("model_par") if isinstance(content, dict) else None
    if not isinstance(parameters, dict):
        raise InputError(f"{path} holds no 'model_par', so pytorch-kaldi did not write it")
    return arrays_of(parameters, f"{path}, model_par")


def read_dropout(path: Path, model: str) -> float:
    """Check the experiment's cfg against the properties of the model; returns its dropout.

    Raises InputError naming the option that does not fit; MissingError where there is no file.
    """
    cfg = configparser.ConfigParser(interpolation=None)
    if not path.is_file():
        raise MissingError(f"no pytorch-kaldi cfg at {path}" + (", it is a folder" if path.is_dir() else ""))
    try:
        cfg.read_string(path.read_text(encoding="utf-8-sig"))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a pytorch-kaldi cfg: {error}") from error
    arch_class, required = RECIPES[model]
    found = {name: cfg[name]["arch_class"] for name in cfg.sections() if "arch_class" in cfg[name]}
    sections = [name for name, kind in found.items() if kind == arch_class]
    if len(sections) != 1:
        raise InputError(
            f"{path} has {len(sections)} architectures of arch_class {arch_class}, should be 1; it has "
            + (", ".join(found.values()) or "none at all")
        )
    section = cfg[sections[0]]
    for option, wanted in required.items():
        values = _values(section.get(option, ""))
        if set(values) != {wanted}:
            raise InputError(f"{path}: {option} is '{','.join(values)}', only {wanted} in every layer is supported")
    if model == "sru":
        return 0.0
    dropouts = set(_values(section.get(f"{model}_drop", "")))
    try:
        (dropout,) = {float(value) for value in dropouts}
    except ValueError:
        raise InputError(
            f"{path}: {model}_drop is '{section.get(f'{model}_drop', '')}', which is not one number for all layers; "
            "leave out --cfg and give --dropout"
        ) from None
    return dropout


def _values(text: str) -> list[str]:
    return [part.strip().lower() for part in text.split(",")]


def import_kaldi(
    model: str, architecture: Path, output: Path, dropout: float | None = None, cfg: Path | None = None
) -> Checkpoint:
    """Make a checkpoint, without decoder, of a network trained by pytorch-kaldi.

    `architecture` holds the recurrent network, `output` the layer of context-dependent targets. The dropout of LSTM,
    GRU and liGRU scales the candidate at inference; it comes from `dropout`, from `cfg`, or is the recipes' 0.2. SRU
    has none. Raises MissingError where a file is missing, InputError for an unknown model, a file that does not fit or
    an invalid dropout.
    """
    if model not in RECIPES:
        raise InputError(f"unknown model '{model}'; there are {', '.join(RECIPES)}")
    if model == "sru" and dropout is not None:
        raise InputError("--dropout does not apply to sru, whose dropout leaves nothing at inference")
    if cfg is not None:
        dropout = read_dropout(cfg, model)
    if dropout is None:
        dropout = 0.0 if model == "sru" else DROPOUT
    if not 0 <= dropout < 1:
        raise InputError(f"dropout must be in [0, 1), not {dropout}")
    spec, weights = to_spec_and_weights(
        model,
        Tensors(str(architecture), f"pytorch-kaldi's {RECIPES[model][0]} network", read_parameters(architecture)),
        Tensors(str(output), "pytorch-kaldi's output layer", read_parameters(output)),
        candidate_scale=1.0 - dropout,
    )
    card = {
        "command": "python -m dse.import_kaldi",
        "date": date.today().isoformat(),
        "imported": {
            "from": "pytorch-kaldi",
            "architecture": {"name": architecture.name, "sha256_16": content_hash(architecture)},
            "output": {"name": output.name, "sha256_16": content_hash(output)},
            "dropout": dropout,
            "cfg_checked": cfg is not None,
        },
        "features": "as pytorch-kaldi feeds them, normalised; the network adds nothing (mean 0, deviation 1)",
        "decoder": "none: priors and phone bigram are not in pytorch-kaldi's files",
    }
    return Checkpoint(spec, weights, {}, card)


def with_corpus(checkpoint: Checkpoint, corpus: Corpus) -> Checkpoint:
    """Complete an imported checkpoint with what pytorch-kaldi takes from its data: standardisation and decoder.

    Features are standardised by the training split's mean and deviation (pytorch-kaldi: by every chunk's own); the
    decoder's bigram and priors come from the training split, its scales are tuned on the validation split.
    Raises InputError where the corpus' features or senones do not fit the network.
    """
    from dse.training.imported import decoded_by_viterbi, standardised

    completed = decoded_by_viterbi(standardised(checkpoint, corpus), corpus)
    told = {"features": "standardised by the training split's mean and deviation"}
    return replace(completed, card=completed.card | told)


def parser() -> Parser:
    result = Parser(prog="python -m dse.import_kaldi", description=DESCRIPTION, epilog=EPILOG, example=EXAMPLE)
    result.add_argument("--model", required=True, help=f"one of {', '.join(RECIPES)}")
    result.add_argument(
        "--architecture", type=Path, required=True, help="the recurrent network, as in final_architecture1.pkl"
    )
    result.add_argument(
        "--output", type=Path, required=True, help="its context-dependent output layer, as in final_architecture2.pkl"
    )
    result.add_argument("--out", type=Path, required=True, help="checkpoint to write, as in ligru.safetensors")
    result.add_argument("--corpus", help="corpus to take the decoder and the features' mean and deviation from: kaldi")
    result.add_argument("--corpus-path", help="its folder")
    result.add_argument("--skip-bad", action="store_true", help="leave its damaged utterances out")
    origin = result.add_mutually_exclusive_group()
    origin.add_argument(
        "--dropout",
        type=float,
        help=f"dropout of LSTM, GRU and liGRU in training (default {DROPOUT}, the recipes'): pytorch-kaldi multiplies "
        "the candidate by 1 - dropout at inference, and so does the checkpoint",
    )
    origin.add_argument("--cfg", type=Path, help="the experiment's cfg: gives the dropout and checks the rest")
    return result


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    options = vars(parser().parse_args(arguments))
    out: Path = options.pop("out")
    corpus, corpus_path, skip_bad = (options.pop(name) for name in ("corpus", "corpus_path", "skip_bad"))
    require_file(out, options["architecture"], options["output"], options["cfg"])
    checkpoint = import_kaldi(**options)
    if corpus is not None:
        opened = open_corpus(corpus, corpus_path, skip_bad)
        print("\n".join(introduction(opened)))
        checkpoint = with_corpus(checkpoint, opened)
    elif corpus_path is not None or skip_bad:
        raise InputError("--corpus-path and --skip-bad need --corpus")
    save(out, checkpoint)
    sizes = ", ".join(f"{name} {value}" for name, value in checkpoint.spec.to_json().items())
    print(f"{out}: {checkpoint.spec.name} ({sizes})")
    if corpus is None:
        print("features must come normalised; without a decoder it cannot be searched: give --corpus for that")
    else:
        print(f"float PER validation {checkpoint.card['float_error_percent']['validation']:.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
