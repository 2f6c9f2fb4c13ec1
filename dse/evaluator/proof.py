"""A device must give the CPU's integers before it may score anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.devices import CPU
from models.workload import Configuration, InputError, Workload

if TYPE_CHECKING:
    from dse.corpora.split import Split
    from models.engines.engine import Engine

PROOF_UTTERANCES = 20
PROOF_SETTINGS = ((8, 8, 0), (4, 8, 2), (16, 4, 1), (8, 16, 0), (16, 16, 0))  # weight bits, activation bits, delta


def require_same(engine: Engine, reference: Engine, split: Split, workload: Workload, device: str) -> None:
    """Raises InputError unless both give the same logits and computed fractions on the split's shortest utterances.

    A driver, or a kernel of a torch version to come, can round in its own way; scores of unlike integers never mix.
    """
    few = split.take(np.argsort(split.lengths, kind="stable")[:PROOF_UTTERANCES])
    for weight_bits, act_bits, delta in PROOF_SETTINGS:
        configuration = Configuration.uniform(workload, weight_bits, act_bits, delta)
        logits, computed = engine.run(few.features, few.offsets, configuration)
        expected, expected_computed = reference.run(few.features, few.offsets, configuration)
        if logits.tobytes() != expected.tobytes() or computed != expected_computed:
            raise InputError(
                f"device {device} does not give this processor's integers at {weight_bits}-bit weights and "
                f"{act_bits}-bit activations; use --device {CPU}"
            )
