"""Directions in which a recurrent network reads an utterance, and which of them share matrices. Loads no torch.

shared    both ways through the same matrices, as the papers' LSTM, GRU and LiGRU and pytorch-kaldi
separate  both ways, each through matrices of its own, as torch.nn and library sru
forward   forward in time only: every output is known as soon as its frame is there
"""

from __future__ import annotations

from typing import Any, Literal

from models.workload import InputError

Directions = Literal["shared", "separate", "forward"]
SHARED: Literal["shared"] = "shared"
SEPARATE: Literal["separate"] = "separate"
FORWARD: Literal["forward"] = "forward"
# For each set of matrices the directions that run through it: 0 is forward in time, 1 backward.
WAYS: dict[Directions, tuple[tuple[int, ...], ...]] = {SHARED: ((0, 1),), SEPARATE: ((0,), (1,)), FORWARD: ((0,),)}
SUFFIXES = "", "_backward"  # of the names of a set's matvecs


def count(directions: Directions) -> int:
    """Number of directions: a layer's output has as many times its hidden units."""
    return sum(map(len, WAYS[directions]))


def as_before(sizes: dict[str, Any], **usual: Any) -> dict[str, Any]:
    """Sizes as files have them: without those that are the `usual` ones, which files of before do not tell.

    So the same network is the same file, and has the same hash, as ever.
    """
    return {name: size for name, size in sizes.items() if name not in usual or size != usual[name]}


def require_directions(model: str, directions: object, known: tuple[Directions, ...]) -> None:
    """Check that `directions` is one of `known`. Raises InputError for any other value."""
    if directions not in known:
        raise InputError(f"{model}: directions {directions!r} is none of {', '.join(known)}")
