"""For all tests: a deadline.  For those that ask: a fresh loop, a scripted one, a quiet log."""

from __future__ import annotations

import gc
import importlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from doubles import FakePoller, LogWatch, deadline, fake_loop, open_fds
from tls import certificates as certificates  # a fixture

from minitornado.ioloop import IOLoop

# Seconds; a test that needs others says so: @pytest.mark.deadline(10).  This one is for tests
# that build notebooks or start servers; what it prevents is a run that never ends.
DEADLINE = 300.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "deadline(seconds): fail the test if it takes longer")
    # Some tests start a pytest of their own.  How this one is to run (on two cores, say) is not
    # asked of them.
    os.environ.pop("PYTEST_ADDOPTS", None)
    # Nor how wide the window is in which this one was started, or whether colours are wanted.
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        os.environ.pop(name, None)
    # A shell has what it starts in the background ignore Ctrl-C, and so would all that is started
    # from here, also where a test is about Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def freeze_the_heap() -> None:
    """Let the garbage collector look no more at what is alive now.

    Some tests collect garbage, to see what is left.  Thousands of tests, their reports and what
    notebooks import are no garbage, and looking at them every time would take longer than the
    tests.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    freeze_the_heap()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[object]:
    result = yield
    if nextitem is None or nextitem.path != item.path:
        freeze_the_heap()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("deadline")
    with deadline(marker.args[0] if marker else DEADLINE, item.nodeid):
        return (yield)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium, driven by Playwright.  Whoever asks for it skips where it is missing."""
    from minitornado.classroom import browser  # with Jupyter's packages, which few tests need

    playwright: Any = importlib.import_module("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = browser.launch(driver)
        yield opened
        opened.close()


@pytest.fixture
def io_loop() -> Iterator[IOLoop]:
    """A fresh loop, current in this thread; what it leaves open fails the test."""
    before = open_fds()
    loop = IOLoop(make_current=False)
    loop.make_current()
    yield loop
    loop.close()
    IOLoop.clear_current()
    IOLoop.clear_instance()
    gc.collect()  # a socket in a cycle is closed by now, or it is a leak
    leaked = {fd: what for fd, what in open_fds().items() if fd not in before}
    assert not leaked, f"left open: {leaked}"


@pytest.fixture
def fake() -> Iterator[tuple[IOLoop, FakePoller]]:
    """A loop without a kernel, current in this thread, and the poller that scripts it."""
    loop, poller = fake_loop()
    loop.make_current()
    yield loop, poller
    loop.close()
    IOLoop.clear_current()
    IOLoop.clear_instance()


@pytest.fixture
def quiet_log() -> Iterator[LogWatch]:
    """Fail the test for every warning or error that no ExpectLog has swallowed."""
    with LogWatch() as watch:
        yield watch
        gc.collect()  # now those Futures log that nobody asked for their exception
    assert not watch.unexpected, "\n".join(watch.unexpected)
