"""Recurrent modules in a state dict, found by the names of their tensors under any prefix. Loads no torch.

    torch.nn.LSTM, torch.nn.GRU     PREFIXweight_hh_l0, PREFIXweight_hh_l1, ...
    sru.SRU                         PREFIXrnn_lst.0.weight_c, ...
    SpeechBrain's LiGRU             PREFIXrnn.0.u.weight, ...
Modules whose names differ in numbers alone follow one another by these, as `rnns.0` and `rnns.1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.workload import InputError

TORCH, SRU, LIGRU = "torch.nn.LSTM or GRU", "sru.SRU", "SpeechBrain's LiGRU"
# family: (a tensor that every layer has, the name of a list of layers, which is no part of the module's)
PATTERNS = {
    TORCH: (r"(?P<module>(?:.*\.)?)weight_hh_l(?P<layer>\d{1,4})", ""),
    SRU: (r"(?P<module>(?:.*\.)?)(?P<layer>\d{1,4})\.weight_c", "rnn_lst"),
    LIGRU: (r"(?P<module>(?:.*\.)?)(?P<layer>\d{1,4})\.u\.weight", "rnn"),
}
NO_NAME = "the network itself"  # of a module whose tensors have no prefix


@dataclass(frozen=True)
class Module:
    """Recurrent module: its name, and the prefixes of its layers' tensors, the first layer's first."""

    family: str
    name: str
    layers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name or NO_NAME} ({self.family})"


def modules_in(names: Iterable[str]) -> list[Module]:
    """All recurrent modules of a state dict, by name.

    A layer's prefix ends where the name of its own tensors begins: 'rnn.' and 'l0' of torch's, which has its layer at
    the end, are kept as 'rnn.*_l0'.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for name in names:
        for family, (pattern, _) in PATTERNS.items():
            if match := re.fullmatch(pattern, name):
                found.setdefault((family, match["module"]), []).append(int(match["layer"]))
    modules = []
    for (family, prefix), layers in sorted(found.items()):
        ending = PATTERNS[family][1]
        name = prefix.removesuffix(".")
        if name == ending or name.endswith(f".{ending}"):
            name = name.removesuffix(ending).removesuffix(".")
        numbers = range(len(layers))  # of which none is left out, or a tensor is missing
        each = [f"{prefix}*_l{k}" if family == TORCH else f"{prefix}{k}.*" for k in numbers]
        modules.append(Module(family, name, tuple(each)))
    return modules


def chosen(modules: Sequence[Module], wanted: Sequence[str], source: str) -> list[Module]:
    """Modules that follow one another: those under the `wanted` names, or all that there are, where that is clear.

    Raises InputError where there is none, or more than one that are not numbered, or of several families.
    """
    there = "; ".join(map(str, modules)) or "none"
    if wanted:
        each = [[m for m in modules if f"{m.name}.".startswith(f"{name}.")] for name in wanted]
        if not all(each):
            name = next(name for name, under in zip(wanted, each, strict=True) if not under)
            raise InputError(f"{source}: no recurrent module '{name}'; there are {there}")
        taken = [module for under in each for module in _numbered(under, source, there)]
    else:
        taken = _numbered(modules, source, there)
    if len({module.family for module in taken}) > 1:
        raise InputError(f"{source} holds modules of several kinds: {there}; --map network=NAME takes one")
    return taken


def _numbered(modules: Sequence[Module], source: str, there: str) -> list[Module]:
    """Modules in the order of the numbers in their names, which must differ in nothing else."""
    if len({re.sub(r"\d+", "0", module.name) for module in modules}) > 1:
        raise InputError(
            f"{source} holds several recurrent modules: {there}; --map network=NAME takes one, "
            "--map network=FIRST,SECOND puts one after another"
        )
    return sorted(modules, key=lambda module: [int(number) for number in re.findall(r"\d+", module.name)])
