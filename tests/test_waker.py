"""Waker: one byte wakes the sleeper, none is left behind, and nobody blocks."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator

import pytest
from doubles import CountingSocket

from minitornado.waker import Waker

pytestmark = [pytest.mark.deadline(120), pytest.mark.usefixtures("quiet_log")]


@pytest.fixture
def waker() -> Iterator[Waker]:
    made = Waker()
    yield made
    made.close()


def readable(waker: Waker) -> bool:
    return bool(select.select([waker.fileno()], [], [], 0)[0])


def test_it_is_quiet_until_somebody_wakes_it(waker: Waker):
    assert not readable(waker)
    waker.wake()
    assert readable(waker)


def test_consuming_leaves_no_byte_behind_however_many_came(waker: Waker):
    for count in (1, 2, 1024, 1025, 3000):
        for _ in range(count):
            waker.wake()
        waker.consume()
        assert not readable(waker)


def test_consuming_when_there_is_nothing_does_not_block(waker: Waker):
    waker.consume()


def test_a_full_pipe_does_not_block_the_one_who_wakes_and_stays_readable(waker: Waker):
    with contextlib.suppress(BlockingIOError):
        while True:
            waker._writer.send(b"x" * 4096)
    waker.wake()
    assert readable(waker)


def test_waking_one_that_is_closed_is_nothing(waker: Waker):
    waker.close()
    waker.wake()
    waker.close()


def test_a_signal_may_write_into_it_by_its_fd(waker: Waker):
    os.write(waker.write_fileno(), b"x")
    assert readable(waker)


def test_a_thousand_wakes_cost_two_receives(waker: Waker):
    counting = waker._reader = CountingSocket(waker._reader)
    counting.setblocking(False)
    for _ in range(1000):
        waker.wake()
    waker.consume()
    assert counting.calls["recv"] == 2  # all of them, and "no more"
