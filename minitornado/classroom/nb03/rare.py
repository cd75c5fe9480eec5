"""What it takes for the other lines of the loop to run: the rare cases, one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from minitornado import gen

from ..logs import logged
from ..ran import show_cases
from . import runs


def by_keyword() -> str:
    """A callback that is given an argument by its name."""
    got = []
    with runs.loop_and_socket() as (loop, _near):

        def f(letter: str) -> None:
            got.append(letter)
            loop.stop()

        loop.add_callback(f, letter="K")
        loop.start()
    return f"it runs, with {got[0]!r}"


def from_a_thread() -> str:
    """A callback that another thread asks for, while the loop sleeps."""
    ran: list[str] = []
    with runs.loop_and_socket() as (loop, _near):

        def ask() -> None:
            while not loop._asleep:
                pass
            loop.add_callback(stop)

        def stop() -> None:
            ran.append(threading.current_thread().name)
            loop.stop()

        other = threading.Thread(target=ask)
        other.start()
        loop.start()
        other.join()
    whose = "the loop's" if ran == [threading.current_thread().name] else "the other"
    return f"it runs, in {whose} thread"


def stopped_before() -> str:
    """Somebody has said stop, and then somebody says start."""
    ran: list[str] = []
    with runs.loop_and_socket() as (loop, _near):
        loop.add_callback(ran.append, "A")
        loop.stop()
        loop.start()
    return "what waited has run" if ran else "start returns at once"


def asynchronous() -> str:
    """A callback that is an `async def`, and raises after it has waited."""
    with logged() as log, runs.loop_and_socket() as (loop, _near):

        async def stumble() -> None:
            await gen.moment
            loop.add_callback(loop.stop)
            raise ZeroDivisionError

        loop.add_callback(stumble)
        loop.start()
    return f"{log.errors[0]} in the log"


CASES: dict[str, Callable[[], str]] = {
    "add_callback(f, letter=\"K\")": by_keyword,
    "another thread calls add_callback": from_a_thread,
    "stop() before start()": stopped_before,
    "an async def as callback raises, later": asynchronous,
}


def rarely() -> None:
    """Show the lines that did not run for the six, and what it takes."""
    show_cases("03", lambda: (runs.six(), runs.fail()), CASES)
