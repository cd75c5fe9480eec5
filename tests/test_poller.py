"""Pollers: all kinds answer the same questions the same way; none is asked for more than it can."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from minitornado import poller as module
from minitornado.poller import ERROR, READ, WRITE, EpollPoller, Poller, SelectorPoller, best_poller

pytestmark = [pytest.mark.deadline(120), pytest.mark.usefixtures("quiet_log")]


@pytest.fixture(params=[EpollPoller, SelectorPoller])
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    yield a, b
    a.close()
    b.close()


Pair = tuple[socket.socket, socket.socket]


def test_the_events_are_epolls_own_numbers():
    assert (module.READ, module.WRITE) == (select.EPOLLIN, select.EPOLLOUT) == (1, 4)
    assert module.ERROR == select.EPOLLERR | select.EPOLLHUP == 24
    assert module.NONE == 0


def test_nothing_is_ready_while_nothing_has_come(poller: Poller, pair: Pair):
    poller.register(pair[0].fileno(), READ | ERROR)
    assert poller.poll(0) == []


def test_bytes_make_an_fd_readable_and_it_is_told_again_until_they_are_read(
    poller: Poller, pair: Pair
):
    a, b = pair
    poller.register(a.fileno(), READ)
    b.send(b"x")
    assert poller.poll(1) == [(a.fileno(), READ)]
    assert poller.poll(1) == [(a.fileno(), READ)]  # level-triggered
    a.recv(1)
    assert poller.poll(0) == []


def test_an_end_is_readable_for_ever(poller: Poller, pair: Pair):
    a, b = pair
    poller.register(a.fileno(), READ)
    b.close()
    for _ in range(3):
        assert a.recv(1) == b""
        [(fd, events)] = poller.poll(1)
        assert fd == a.fileno()
        assert events & READ


def test_reading_and_writing_are_told_together(poller: Poller, pair: Pair):
    a, b = pair
    b.send(b"x")
    poller.register(a.fileno(), READ | WRITE)
    assert poller.poll(1) == [(a.fileno(), READ | WRITE)]


def test_only_what_is_asked_for_is_told(poller: Poller, pair: Pair):
    a, b = pair
    b.send(b"x")
    poller.register(a.fileno(), WRITE)
    assert poller.poll(1) == [(a.fileno(), WRITE)]
    poller.modify(a.fileno(), READ)
    assert poller.poll(1) == [(a.fileno(), READ)]
    poller.modify(a.fileno(), ERROR)
    assert poller.poll(0) == []


def test_all_that_are_ready_are_told(poller: Poller):
    pairs = [socket.socketpair() for _ in range(20)]
    for a, _ in pairs:
        poller.register(a.fileno(), READ)
    for _, b in pairs[::2]:
        b.send(b"x")
    assert sorted(poller.poll(1)) == sorted((a.fileno(), READ) for a, _ in pairs[::2])
    for a, b in pairs:
        a.close()
        b.close()


def test_an_fd_that_is_forgotten_is_not_told(poller: Poller, pair: Pair):
    a, b = pair
    poller.register(a.fileno(), READ)
    b.send(b"x")
    poller.unregister(a.fileno())
    assert poller.poll(0) == []


def test_watching_twice_and_changing_or_forgetting_what_is_not_watched_are_errors(
    poller: Poller, pair: Pair
):
    fd = pair[0].fileno()
    for call in (lambda: poller.modify(fd, READ), lambda: poller.unregister(fd)):
        with pytest.raises((OSError, KeyError)):
            call()
    poller.register(fd, READ)
    with pytest.raises(FileExistsError):
        poller.register(fd, READ)
    poller.unregister(fd)
    poller.register(fd, READ)  # that is no second time


def test_a_peer_that_is_gone_is_told_to_one_who_asks_for_errors_alone(pair: Pair):
    # select() has no such answer: there, whoever waits for an end waits for READ.
    a, b = pair
    poller = EpollPoller()
    poller.register(a.fileno(), ERROR)
    b.close()
    assert poller.poll(1) == [(a.fileno(), select.EPOLLHUP)]
    poller.close()


def test_a_sleep_lasts_as_long_as_it_was_asked_to(poller: Poller):
    start = time.monotonic()
    assert poller.poll(0.02) == []
    assert time.monotonic() - start >= 0.02


def test_the_longest_sleep_is_one_that_the_kernel_can_count(poller: Poller, pair: Pair):
    # epoll counts milliseconds in 31 bits: 25 days.
    a, b = pair
    poller.register(a.fileno(), READ)
    b.send(b"x")
    assert poller.poll(module.MAX_SECONDS) == [(a.fileno(), READ)]
    if isinstance(poller, EpollPoller):
        with pytest.raises(OverflowError):
            poller.poll(26 * 24 * 3600.0)


def test_closing_gives_the_kernels_object_back():
    poller = EpollPoller()
    assert poller.fileno() > 2
    poller.close()
    with pytest.raises(ValueError, match="closed"):
        poller.poll(0)
    other = SelectorPoller()
    assert other.fileno() == -1
    other.close()
    with pytest.raises((ValueError, AttributeError)):
        other.poll(0)


def test_on_linux_the_best_is_epoll():
    best = best_poller()
    assert isinstance(best, EpollPoller)
    best.close()
