"""Damaged input for every reader, a little of what `python tests/fuzz` tries."""

import pytest
from campaign import run
from readers import READERS

MUTATIONS = 200


@pytest.mark.parametrize("name", READERS)
def test_damaged_input_is_refused_in_one_line_or_read_as_what_can_be(name):
    tally = run(name, range(MUTATIONS))
    assert tally.mutations == MUTATIONS
    assert not tally.faults, tally
