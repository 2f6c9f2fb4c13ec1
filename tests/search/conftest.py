"""A search that others must agree with; a cache and a log of a test's own."""

import pytest
from searches import search


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """An uninterrupted search that the others must agree with."""
    return search(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Retrained networks of each test alone, and a log of all that is measured and trained."""
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    return tmp_path / "cache"
