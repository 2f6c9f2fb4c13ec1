"""Go on from where a searcher stood, without working out again what it asked.

After each whole generation the record gets the searcher's state and a digest of all that it had asked, in order. Where
the stored evaluations give that digest again, none of them failed, the searcher is put into that state. Otherwise, as
after a failure, it is asked again from the beginning, which gives the same genomes and takes longer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dse.design.space import Genome
from dse.searchers import Outcome, Searcher, Stateful

if TYPE_CHECKING:
    from dse.study.store import Store


def remember(searcher: Searcher, asked: Sequence[Genome], store: Store) -> None:
    """Store the state of a searcher that has been told all of `asked`. Raises StoreError."""
    if isinstance(searcher, Stateful):
        state = searcher.state()
        store.set_searcher({"asked": len(asked), "state": state, "digest": _digest(asked, state)})


def recall(searcher: Searcher, store: Store, most: int, outcome: Callable[[Genome], Outcome]) -> list[Genome]:
    """Put a new searcher where the stored one stood, and give all that that one had asked, in order.

    It stays new, and nothing is given, where the record does not hold all of it or it is more than `most` genomes.
    """
    stored = store.searcher
    if not isinstance(searcher, Stateful) or not isinstance(stored, dict) or type(stored.get("asked")) is not int:
        return []
    asked = sorted(store.asked, key=store.asked.__getitem__)[: stored["asked"]]
    failed = any(store.evaluations[genome].status == "failed" for genome in asked)
    if failed or len(asked) > most or stored.get("digest") != _digest(asked, stored.get("state")):
        return []
    searcher.recall([outcome(genome) for genome in asked], stored["state"])
    return asked


def last_asked(store: Store, asked: Sequence[Genome], most: int) -> list[Genome]:
    """The rest of `most` genomes after the recalled ones, of a generation that only fitted in part.

    Nothing where none is recalled, or the record does not hold each, or one failed: the searcher is then asked again.
    """
    rest = sorted((number, genome) for genome, number in store.asked.items() if len(asked) <= number < most)
    failed = any(store.evaluations[genome].status == "failed" for _, genome in rest)
    if not asked or failed or [number for number, _ in rest] != list(range(len(asked), most)):
        return []
    return [genome for _, genome in rest]


def _digest(asked: Sequence[Genome], state: Any) -> str:
    return hashlib.sha256(json.dumps([asked, state], sort_keys=True).encode()).hexdigest()
