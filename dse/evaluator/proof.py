"""Proof that a device gives the CPU's integers, required before it evaluates anything."""

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
    """Check that two engines give the same logits and computed fractions on the split's shortest utterances.

    A driver, or a kernel of a future torch version, may round differently; scores of different integers must not mix.
    Raises InputError, naming `device`, where they differ.
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
