"""Damaged input for every reader, a little of what `python tests/fuzz` tries."""

import re

import pytest
from campaign import run
from readers import READERS

MUTATIONS = 200
# Faults that are known and not yet mended, as regular expressions; an entry goes with its fault.
KNOWN = {
    "settings": "RecursionError",
    "checkpoint": "passes: (weights|decoder): other values",
    "RIFF": "RuntimeError",
    "Kaldi archive": "MemoryError|OSError",
    "Kaldi scp": "OSError",
    "Kaldi folder": "MemoryError|OSError|ValueError|passes: a feature over",
    "kept verdict": "RecursionError|AttributeError|passes: another verdict",
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_input_is_refused_in_one_line_or_read_as_what_can_be(name):
    tally = run(name, range(MUTATIONS))
    assert tally.mutations == MUTATIONS
    assert not [fault for fault in tally.faults if not re.match(KNOWN.get(name, "$"), fault)], tally
