"""Some faults of `tests/faults.py`, each once: nothing stored is lost or made twice, and the front is the same."""

from functools import partial

import pytest
from harm import kills, services, storages
from harm.table import do

MENDED = {
    "group killed": partial(kills.group_killed, moments=1),
    "workers killed": partial(kills.workers_killed, moments=3),
    "locked": partial(storages.locked, seconds=1),
    "disk full": storages.disk_full,
}


def done(fault):
    harm = do(fault)
    if harm.skipped:
        pytest.skip(harm.skipped)
    return harm


@pytest.mark.parametrize("name", MENDED)
def test_after_a_fault_the_same_command_gives_the_same_front(name):
    harm = done(MENDED[name])
    assert (harm.lost, harm.double, harm.fronts) == (0, 0, ("same",))


@pytest.mark.postgres
def test_a_restarted_postgresql_changes_nothing():
    harm = done(partial(services.postgresql_restarted, mode="fast", times=1))
    assert (harm.lost, harm.double, harm.fronts) == (0, 0, ("same",))


def test_a_truncated_database_is_told_and_the_same_command_refused():
    harm = done(storages.truncated)
    assert (harm.double, harm.fronts) == (0, ("none",))
    assert harm.lost > 0 and "malformed" in harm.message
