"""A search that others must agree with."""

import pytest
from searches import search


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """An uninterrupted search that the others must agree with."""
    return search(tmp_path_factory.mktemp("whole"))
