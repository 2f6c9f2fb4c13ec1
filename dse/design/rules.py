"""Rules that give some genes other choices than the rest: 'l2.weight_bits=4,8', 'bits=8x8', 'delta=0'."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dse.design.gene_kinds import GENE_BITS
from dse.design.space import Choice
from models.workload import InputError

KINDS = ("weight_bits", "act_bits", "bits", "delta", "skip")


@dataclass(frozen=True)
class Rule:
    """Choices of the genes whose names hold `words`, the kind last, in their order: 'l2.weight_bits', 'delta'.

    Without choices it freezes them where the search starts. Of `bits` they are pairs: '4x8' of weights x activations.
    """

    words: tuple[str, ...]
    choices: tuple[Choice, ...]
    freezes: bool = False

    @property
    def kind(self) -> str:
        return self.words[-1]

    @property
    def name(self) -> str:
        return ".".join(self.words)

    def __str__(self) -> str:
        return f"{self.name}={','.join(map(str, self.choices))}" if self.choices else self.name

    def meets(self, label: str) -> bool:
        """Whether it is about genes of this label, as in 'l2.input': all its words are there, in their order."""
        parts = iter(label.split("."))
        return all(word in parts for word in self.words[:-1])


def parse_rules(genes: Iterable[str], freeze: Iterable[str]) -> tuple[Rule, ...]:
    """Rules of `--gene NAME=CHOICES` and `--freeze NAME[=CHOICE]`, in the order in which a later one wins.

    Those of more words come later, of as many words those that freeze, and then the later ones. A text may hold
    several: 'l1.bits=8x8,delta=0,4'. Raises InputError.
    """
    given = (*(_gene(part, "gene") for part in _parts(genes)), *map(_freeze, _parts(freeze)))
    return tuple(sorted(given, key=lambda rule: len(rule.words)))


def _parts(texts: Iterable[str]) -> list[str]:
    """Single rules: choices begin with a digit, names with a letter."""
    return [part.strip() for text in texts for part in re.split(r",(?=\s*[A-Za-z])", text)]


def _gene(text: str, what: str) -> Rule:
    name, equals, given = (part.strip() for part in text.partition("="))
    if not equals or not given:
        raise InputError(f"{what} '{text}' is not NAME=CHOICES, as in l2.weight_bits=4,8 or delta=0,8")
    words = tuple(name.split("."))
    if words[-1] not in KINDS:
        near = difflib.get_close_matches(words[-1], KINDS, 1)
        raise InputError(f"{what} '{name}' ends in none of {', '.join(KINDS)}{f'; {near[0]}?' if near else ''}")
    return Rule(words, ordered(_choice(f"{what} '{text}'", words[-1], choice.strip()) for choice in given.split(",")))


def _freeze(text: str) -> Rule:
    name, equals, _ = (part.strip() for part in text.partition("="))
    if not equals:
        return replace(_gene(f"{name}=8", "freeze"), choices=(), freezes=True)
    rule = _gene(text, "freeze")
    if len(rule.choices) > 1:
        raise InputError(f"freeze '{text}' has {len(rule.choices)} choices; --gene {text} restricts to several")
    return replace(rule, freezes=True)


EXAMPLES = {"bits": "8x8", "skip": "1"}  # of choices; others are as in 8


def _choice(where: str, kind: str, choice: str) -> Choice:
    pattern = r"\d{1,9}(x\d{1,9})?" if kind == "bits" else r"\d{1,9}"
    if not re.fullmatch(pattern, choice, re.ASCII):
        raise InputError(f"{where}: '{choice}' is no choice of {kind}, as in {EXAMPLES.get(kind, '8')}")
    if kind in ("delta", "skip"):
        return int(choice)
    widths = [int(width) for width in choice.split("x")]
    for bits in widths:
        if bits not in GENE_BITS:
            raise InputError(f"{where}: {bits} bit is none of {', '.join(map(str, GENE_BITS))}")
    return f"{widths[0]}x{widths[-1]}" if kind == "bits" else widths[0]


def ordered(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Choices in rising order, each once."""
    return tuple(sorted(set(choices), key=lambda choice: [int(part) for part in str(choice).split("x")]))


def last_of(rules: Sequence[Rule], label: str, *kinds: str) -> Rule | None:
    """The rule that holds for a label's gene of one of these kinds: the last one that meets it."""
    return next((rule for rule in reversed(rules) if rule.kind in kinds and rule.meets(label)), None)


def require_met(rules: Iterable[Rule], names: Sequence[str]) -> None:
    """Raises InputError on a rule that meets no gene that there can be; `names` are those of all of them."""
    for rule in rules:
        if not any(name.rpartition(".")[2] == rule.kind and rule.meets(name.rpartition(".")[0]) for name in names):
            (near,) = difflib.get_close_matches(rule.name, names, 1, cutoff=0)
            raise InputError(f"gene '{rule.name}' meets none of the model's, as {near}; --dry-run lists them")
