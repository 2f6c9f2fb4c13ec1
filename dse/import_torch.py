"""Turn a network of torch.nn, library sru or SpeechBrain into this tool's checkpoint."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dse.console import Parser, names, one_line_errors, require_file
from dse.corpora import CORPORA, introduction, open_corpus
from dse.corpora.base import Corpus, LabelCorpus
from dse.phones.greedy import BLANKS, FIRST, CtcDecoder, FrameDecoder
from dse.phones.kinds import CTC, ERROR_NAMES, FRAMES, VITERBI
from models.checkpoint import Checkpoint, content_hash, save
from models.named_tensors import Tensors
from models.state_dict import Arrays, arrays_of, read_content, state_dicts
from models.torch_layout import SUPPORTED, Found, find_network
from models.torch_modules import modules_in
from models.workload import InputError

if TYPE_CHECKING:
    from dse.phones.decoders import LabelDecoder

EXAMPLE = (
    "python -m dse.import_torch net.pt --corpus arrays --corpus-path DIR --decoder ctc --blank first "
    "--out net.safetensors"
)
DESCRIPTION = """Turn a network of torch.nn, library sru or SpeechBrain into this tool's checkpoint.

The file holds a state_dict, as safetensors or by torch.save, which is read by torch's weights-only loader: nothing in
it is run. Taken are torch.nn.LSTM and GRU, sru.SRU and SpeechBrain's LiGRU, of any layers, in one or two directions,
under any names, with a linear output layer. Modules are found by the names and shapes of their tensors, and told.
What else is in the file is refused by name: normalisation between layers, layer normalisation, proj_size, attention.
Tensors do not tell what else the code does, such as residual connections, another activation, SpeechBrain's SLiGRU
from its LiGRU, or its instance normalisation from that of batches: with --corpus the error of the imported network is
printed, which should be the one you know."""
EPILOG = f"""Features are read as they come, unless --standardise is given. Weights are read as float32, from float16
and bfloat16 too. {SUPPORTED[0].upper()}{SUPPORTED[1:]}."""
ROLES = ("state_dict", "network", "output")
FROM_TRAIN = "train"
LOST_PERCENT = 80.0  # an error beyond is rather that of a wrong import
ADVICE = ", as a whole module does; write torch.save(net.state_dict(), FILE)"


def import_torch(
    path: Path, roles: Mapping[str, str], ignored: Sequence[str] = (), directions: int | None = None
) -> tuple[Checkpoint, tuple[str, ...]]:
    """Make a checkpoint, without decoder, of a state_dict; and lines that say what was found.

    `roles` name what is not clear: the state_dict in the file, the modules of the network, its output layer. Tensors
    under `ignored` names are left out. Raises MissingError without the file, InputError for what cannot be taken.
    """
    source, arrays = _read(path, roles.get("state_dict"))
    for name in ignored:
        kept = {key: array for key, array in arrays.items() if key != name and not key.startswith(f"{name}.")}
        if len(kept) == len(arrays):
            raise InputError(f"{source} holds nothing named '{name}' to ignore")
        arrays = kept
    found: Found = find_network(
        Tensors(source, "the network", arrays), names(roles.get("network", "")), roles.get("output"), directions
    )
    card = {
        "command": "python -m dse.import_torch",
        "imported": {
            "from": {"name": path.name, "sha256_16": content_hash(path)},
            "as": list(found.told),
            "ignored": list(ignored),
        },
        "features": "as they come (mean 0, deviation 1)",
        "decoder": "none",
    }
    return Checkpoint(found.spec, found.weights, {}, card), found.told


def _read(path: Path, wanted: str | None) -> tuple[str, Arrays]:
    """The state_dict with a recurrent module in it, and what to call it."""
    found = dict(state_dicts(read_content(path, "network", ADVICE)))
    having = {where: tensors for where, tensors in found.items() if modules_in(map(str, tensors))} or found
    if wanted is not None:
        having = {where: tensors for where, tensors in found.items() if where == wanted}
    if len(having) != 1:
        there = ", ".join(f"'{where}'" for where in found) or "none"
        what = "no state_dict" if not having else f"{len(having)} state_dicts; --map state_dict=NAME takes one"
        raise InputError(f"{path} holds {what}" + (f" named '{wanted}'" if wanted else "") + f"; there are {there}")
    ((where, tensors),) = having.items()
    source = f"{path}, {where}" if where else str(path)
    return source, arrays_of(tensors, source)


def decoder_for(
    kind: str | None, blank: str | None, labels: Path | None, corpus: Corpus | None, outputs: int
) -> LabelDecoder | None:
    """Decoder of the outputs: of labels of a file, or of the corpus. None where Viterbi decodes, or nothing is told.

    Raises InputError for what is missing or does not fit the number of outputs.
    """
    if kind in (None, VITERBI):
        if isinstance(corpus, LabelCorpus):
            raise InputError(
                f"corpus {corpus.name} has no bigram and priors for {VITERBI}; give --decoder {CTC} or {FRAMES}"
            )
        if labels is not None or blank is not None:
            raise InputError(f"--labels and --blank need --decoder {CTC} or {FRAMES}")
        return None
    if kind not in ERROR_NAMES:
        raise InputError(f"unknown decoder '{kind}'; there are {', '.join(ERROR_NAMES)}")
    if blank is not None and kind != CTC:
        raise InputError(f"--blank needs --decoder {CTC}")
    if labels is not None:
        from dse.corpora.arrays.files import read_labels

        texts = read_labels(labels)
    elif isinstance(corpus, LabelCorpus):
        texts = corpus.labels
    else:
        raise InputError(f"--decoder {kind} needs --labels FILE or --corpus arrays, which has them")
    decoder = CtcDecoder(texts, blank or FIRST) if kind == CTC else FrameDecoder(texts)
    if decoder.outputs != outputs:
        more = " and the blank" if kind == CTC else ""
        raise InputError(
            f"the output layer has {outputs} outputs, decoder {kind} {decoder.outputs}: {len(texts)} labels{more}"
        )
    return decoder


def with_decoder(checkpoint: Checkpoint, corpus: Corpus | None, decoder: LabelDecoder | None) -> Checkpoint:
    """Complete the checkpoint with its decoder, and its error where there is a corpus.

    Raises InputError where the corpus does not fit the network.
    """
    if corpus is None:
        card = {} if decoder is None else {"decoder": decoder.to_json()}
        return replace(checkpoint, card=checkpoint.card | card)
    from dse.training.imported import decoded_by, decoded_by_viterbi

    return decoded_by_viterbi(checkpoint, corpus) if decoder is None else decoded_by(checkpoint, corpus, decoder)


def parser() -> Parser:
    result = Parser(prog="python -m dse.import_torch", description=DESCRIPTION, epilog=EPILOG, example=EXAMPLE)
    result.add_argument("file", type=Path, help="state_dict, as in net.pt or net.safetensors")
    result.add_argument("--out", type=Path, required=True, help="checkpoint to write, as in net.safetensors")
    result.add_argument("--corpus", help=f"corpus to score the network on: {', '.join(CORPORA)}")
    result.add_argument("--corpus-path", help="its folder")
    result.add_argument("--skip-bad", action="store_true", help="leave its damaged utterances out")
    result.add_argument(
        "--decoder",
        help=f"what the outputs are: {CTC} (labels and a blank), {FRAMES} (a label for each frame) or {VITERBI} (phone "
        "states or senones of the corpus, the default but for arrays)",
    )
    result.add_argument("--blank", help=f"where the blank of {CTC} is among the outputs: {FIRST} (default) or last")
    result.add_argument(
        "--labels", type=Path, help="labels, a line each in the order of the outputs; default: the corpus'"
    )
    result.add_argument(
        "--standardise",
        metavar=f"FILE|{FROM_TRAIN}",
        help="mean and deviation to take off the features, as your code does: arrays mean and std of a .npz file, or "
        f"those of the corpus' {FROM_TRAIN} split; default: none",
    )
    result.add_argument(
        "--directions", type=int, choices=(1, 2), help="of the network, where tensors do not tell: sru.SRU"
    )
    result.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="where several could be meant: state_dict=NAME in the file, network=MODULE (or FIRST,SECOND, one after "
        "the other), output=LAYER",
    )
    result.add_argument(
        "--ignore", type=names, default=(), metavar="NAME,...", help="modules that inference does not use"
    )
    return result


def roles_of(given: Sequence[str]) -> dict[str, str]:
    """Roles by name: ['output=fc'] gives {'output': 'fc'}. Raises InputError for an unknown role."""
    roles = {}
    for text in given:
        role, _, name = text.partition("=")
        if role not in ROLES or not name:
            raise InputError(f"--map {text}: should be ROLE=NAME, with a role of {', '.join(ROLES)}")
        roles[role] = name
    return roles


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.blank not in (None, *BLANKS):
        raise InputError(f"--blank {options.blank}: it is {' or '.join(BLANKS)}")
    if options.corpus is None and (options.corpus_path or options.skip_bad or options.standardise == FROM_TRAIN):
        raise InputError(f"--corpus-path, --skip-bad and --standardise {FROM_TRAIN} need --corpus")
    of_arrays = Path(options.standardise) if options.standardise not in (None, FROM_TRAIN) else None
    require_file(options.out, options.file, options.labels, of_arrays)
    checkpoint, told = import_torch(options.file, roles_of(options.map), options.ignore, options.directions)
    print("\n".join(("found:", *(f"  {line}" for line in told))))
    corpus = None if options.corpus is None else open_corpus(options.corpus, options.corpus_path, options.skip_bad)
    decoder = decoder_for(options.decoder, options.blank, options.labels, corpus, checkpoint.spec.outputs)
    if corpus is not None:
        print("\n".join(introduction(corpus)))
    checkpoint = _standardised(checkpoint, options.standardise, corpus)
    checkpoint = with_decoder(checkpoint, corpus, decoder)
    save(options.out, checkpoint)
    print(f"features: {checkpoint.card['features']}")
    _tell_rest(checkpoint, options, decoder)
    return 0


def _standardised(checkpoint: Checkpoint, given: str | None, corpus: Corpus | None) -> Checkpoint:
    if given is None:
        return checkpoint
    from dse.training.imported import read_standardisation, standardised, with_standardisation

    if given == FROM_TRAIN and corpus is not None:
        done, by = standardised(checkpoint, corpus), "the training split's mean and deviation"
    else:
        arrays = read_standardisation(Path(given), checkpoint.spec.features)
        done, by = with_standardisation(checkpoint, *arrays), f"mean and std of {Path(given).name}"
    return replace(done, card=done.card | {"features": f"standardised by {by}"})


def _tell_rest(checkpoint: Checkpoint, options: Any, decoder: LabelDecoder | None) -> None:
    """Say what the network scores, and what to run next."""
    sizes = ", ".join(f"{name} {value}" for name, value in checkpoint.spec.to_json().items())
    print(f"{options.out}: {checkpoint.spec.name} ({sizes})")
    if options.corpus is None:
        print(
            "not scored: --corpus tells its error on the validation split"
            + (", and gives it the decoder without which it cannot be searched" if decoder is None else "")
        )
        return
    what = ERROR_NAMES[VITERBI if decoder is None else decoder.kind]
    percent = checkpoint.card["float_error_percent"]["validation"]
    print(f"{what} in float on the validation split: {percent:.2f} %")
    if percent >= LOST_PERCENT:
        print("which a trained network does not make: compare --standardise, --blank and the labels with your code")
    command = ["--model", checkpoint.spec.name, "--checkpoint", str(options.out), "--corpus", options.corpus]
    command += ["--corpus-path", options.corpus_path] * (options.corpus_path is not None)
    command += ["--skip-bad"] * options.skip_bad
    print(f"\npython -m dse.search {shlex.join(command)} --objectives error,size,ops")


if __name__ == "__main__":
    sys.exit(main())
