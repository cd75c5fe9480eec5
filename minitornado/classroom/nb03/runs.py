"""Runs of a loop for notebook 03, and what a trace of one says about its questions.

The loops have no server on them: a few functions, a timeout, and a pair of sockets.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from minitornado.ioloop import IOLoop
from minitornado.poller import best_poller
from minitornado.trace import Event, Trace, tracing

from ..logs import logged

# For a loop that nobody stops; one that is stopped needs a thousandth of it.
DEADLINE_SECONDS = 10.0

Ask = Callable[[IOLoop, Callable[[], object]], object]


class Patience:
    """A poller that ends a run which takes longer than `DEADLINE_SECONDS`, with TimeoutError."""

    def __init__(self) -> None:
        self._inner = best_poller()
        self._deadline = time.monotonic() + DEADLINE_SECONDS
        self.register, self.modify = self._inner.register, self._inner.modify
        self.unregister, self.close = self._inner.unregister, self._inner.close
        self.fileno = self._inner.fileno

    def poll(self, seconds: float | None) -> list[tuple[int, int]]:
        left = self._deadline - time.monotonic()
        ready = self._inner.poll(max(0.0, left if seconds is None else min(seconds, left)))
        if not ready and time.monotonic() >= self._deadline:
            raise TimeoutError(f"nobody has stopped the loop for {DEADLINE_SECONDS:g} seconds")
        return ready


@contextmanager
def loop_and_socket() -> Iterator[tuple[IOLoop, socket.socket]]:
    """A loop, and a socket that has a byte to be read."""
    loop = IOLoop(make_current=False, poller=Patience())
    near, far = socket.socketpair()
    far.send(b"!")
    try:
        yield loop, near
    finally:
        loop.close(all_fds=True)
        near.close()
        far.close()


# ---- runs ----


def on_the_list(loop: IOLoop, callback: Callable[[], object]) -> None:
    """Ask for `callback` as A of the notebook does."""
    loop.add_callback(callback)


def in_no_time(loop: IOLoop, callback: Callable[[], object]) -> None:
    """Ask for it as A does after the poke."""
    loop.call_later(0, callback)


def six(ask_for_c: Ask = on_the_list) -> tuple[Trace, str]:
    """Run the six functions of the notebook; their trace, and their order."""
    order = []
    with tracing() as trace, loop_and_socket() as (loop, near):

        def A() -> None:
            order.append("A")
            ask_for_c(loop, C)

        def B() -> None:
            order.append("B")

        def C() -> None:
            order.append("C")

        def D() -> None:
            order.append("D")
            loop.stop()

        def H(sock: socket.socket, events: int) -> None:
            order.append("H")
            sock.recv(1)
            loop.add_callback(D)

        def T() -> None:
            order.append("T")

        loop.add_handler(near, H, loop.READ)
        loop.call_later(0, T)
        loop.add_callback(A)
        loop.add_callback(B)
        loop.start()
    return trace, " ".join(order)


def spin(many: int = 1) -> int:
    """Let `many` callbacks add themselves again; how many runs that were before a handler ran."""
    runs, before = 0, -1
    with loop_and_socket() as (loop, near):

        def again() -> None:
            nonlocal runs
            runs += 1
            loop.add_callback(again)

        def handle(sock: socket.socket, events: int) -> None:
            nonlocal before
            before = runs
            loop.stop()

        loop.add_handler(near, handle, loop.READ)
        for _ in range(many):
            loop.add_callback(again)
        loop.start()
    return before


def fail() -> str:
    """What becomes of the exception that a callback raises."""
    seen = []
    with logged() as log, loop_and_socket() as (loop, _near):

        def stumble() -> None:
            seen.append("stumbled")
            raise ZeroDivisionError

        def after() -> None:
            seen.append("after")
            loop.stop()

        try:
            loop.add_callback(stumble)
        except ZeroDivisionError:
            seen.append("caught where it was asked for")
        loop.add_callback(after)
        try:
            loop.start()
        except ZeroDivisionError:
            seen.append("raised by start")
    return told(seen, log.errors)


def told(seen: list[str], log: list[str]) -> str:
    """What `seen` and the log come to, in words."""
    for end in ("caught where it was asked for", "raised by start"):
        if end in seen:
            return end
    went_on = "the next one ran" if seen[-1] == "after" else "the next one did not run"
    return f"{'logged' if log else 'not even logged'}, {went_on}"


# ---- what a trace says ----


def name_of(event: Event) -> str:
    """The short name of what an event runs or schedules: "A"."""
    return str(event.data.get("target", event.name)).rpartition(".")[2]


def find(trace: Trace, kind: str, name: str) -> Event:
    """The first event of that kind about that function."""
    return next(event for event in trace if event.kind == kind and name_of(event) == name)


def polls_between(trace: Trace, one: str, other: str) -> int:
    """How often the loop asked the kernel between the runs of two functions."""
    first, last = find(trace, "run", one), find(trace, "run", other)
    return sum(event.kind == "poll" and first.seq < event.seq < last.seq for event in trace)


def moments(trace: Trace) -> list[tuple[str, str, list[str]]]:
    """For each run, and each poll: what it is, its name, and who is on the list after it.

    What it is: "callback", "timeout", "handler", "glance" or "sleep".
    """
    kinds = {"callback": "callback", "timer": "timeout", "fd": "handler"}
    waiting: list[str] = []
    found: list[tuple[str, str, list[str]]] = []
    open_runs: dict[int, Any] = {}
    for event in trace:
        if event.kind == "schedule" and event.data["how"] == "callback":
            waiting.append(name_of(event))
        elif event.kind == "poll":
            kind = "glance" if event.data["wait"] == "none" else "sleep"
            found.append((kind, "poll", list(waiting)))
        elif event.kind == "run" and event.parent is None:
            if event.data["how"] == "callback":
                waiting.pop(0)
            open_runs[event.seq] = event
        elif event.of in open_runs:
            run = open_runs.pop(event.of)
            found.append((kinds[run.data["how"]], name_of(run), list(waiting)))
    return found
