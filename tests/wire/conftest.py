"""The servers of the laboratory. Each lives as long as what it is shared by."""

from collections.abc import Iterator

import pytest

from .lab import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The one most tests share; whatever it is sent, it must go on serving."""
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def watched() -> Iterator[Server]:
    """A server of one module alone, for tests that watch its memory, descriptors, CPU or log."""
    with Server() as server:
        yield server
