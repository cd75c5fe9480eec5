"""The exit quiz of notebook 03: four questions, and an order."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from minitornado.trace import Event, tracing

from ..logs import logged
from ..predict import Option, ask
from ..quiz import Item, ask_order
from . import runs


def ask_quiz() -> None:
    """Make the questions known to `quiz`."""
    _ask_about_a_chain()
    _ask_about_two_timeouts()
    _ask_about_stop()
    _ask_about_a_handler_that_fails()
    ask_order("Q03.5", "What comes after what, in the run of the six?", EVENTS,
              lambda: runs.six()[0])


def _ask_about_a_chain() -> None:
    ask(
        "Q03.1",
        "X is on the list. When it runs, it adds Y. When Y runs, it adds Z. How often is the "
        "kernel asked (poll) between X and Z?",
        {
            "a": Option(
                "never: each of them is called when it is added", 0,
                "`add_callback` calls nobody. Y is on the list when X has ended, and the pass "
                "that X was in is over.", "M07",
            ),
            "b": Option(
                "once: Y and Z are run together, in the next pass", 1,
                "Y is in the next pass. It adds Z then, and Z is for the pass after that.", "M08",
            ),
            "c": Option(
                "twice", 2,
                "Each is one pass later than who added it, and between two passes lies a poll.",
            ),
            "d": Option(
                "nobody can say: a callback takes some time to be called",
                lambda polls: polls > 2,
                "There is no interval. It is the very next pass, however soon that is.", "M07",
            ),
        },
        measure=_polls_in_a_chain,
        finding="The kernel is asked this often: {}.",
    )  # fmt: skip


def _polls_in_a_chain() -> int:
    with tracing() as trace, runs.loop_and_socket() as (loop, _near):

        def X() -> None:
            loop.add_callback(Y)

        def Y() -> None:
            loop.add_callback(Z)

        def Z() -> None:
            loop.stop()

        loop.add_callback(X)
        loop.start()
    return runs.polls_between(trace, "X", "Z")


def _ask_about_two_timeouts() -> None:
    ask(
        "Q03.2",
        "`call_later(0.02, S)`, then `call_later(0.01, T)`, then a callback that computes for 0.05 "
        "seconds. In which order do S and T run, and when?",
        {
            "a": Option(
                "T S, both when the computing is over", "T S, late",
                "Both are due by then. They are called late, and in the order of their times.",
            ),
            "b": Option(
                "S T: S was asked for first", "S T, late",
                "Timeouts are kept by their time, not by who came first.", "M08",
            ),
            "c": Option(
                "T S, each of them on time: the computing is interrupted", "T S, on time",
                "Nobody interrupts a callback. A time is a lower bound: not before it.", "M09",
            ),
            "d": Option(
                "not at all: their time has passed", ", late",
                "What is due stays due. It is called as soon as somebody can call.", "M09",
            ),
        },
        measure=_two_timeouts,
        finding="They run: {}.",
    )  # fmt: skip


def _two_timeouts() -> str:
    order: list[str] = []
    early: list[str] = []
    with runs.loop_and_socket() as (loop, _near):
        computing = True

        def compute() -> None:
            nonlocal computing
            time.sleep(0.05)
            computing = False

        def note(name: str) -> None:
            (early if computing else order).append(name)

        loop.call_later(0.02, note, "S")
        loop.call_later(0.01, note, "T")
        loop.add_callback(compute)
        loop.call_later(0.03, loop.stop)
        loop.start()
    return f"{' '.join(early or order)}, {'on time' if early else 'late'}"


def _ask_about_stop() -> None:
    ask(
        "Q03.3",
        "A, B, C are on the list. A calls `stop`, and B adds D. Who runs before `start` returns?",
        {
            "a": Option(
                "A", "A",
                "`stop` ends nothing. It sets a flag, and the flag is looked at when the pass is "
                "over.", "M12",
            ),
            "b": Option(
                "A B C D: what is on the list has to run", "A B C D",
                "D came while the pass was running, so it is not part of it, and there is no "
                "other.", "M07",
            ),
            "c": Option(
                "nobody knows: it depends on how fast `stop` is", lambda ran: ran.startswith("B"),
                "All of it is one thread. The flag is there at once, and is read at one place.",
                "M12",
            ),
            "d": Option(
                "A B C", "A B C",
                "The pass is run to its end, as it was counted. D would be in the next one.",
            ),
        },
        measure=_stop_in_the_middle,
        finding="Before `start` returns run {}.",
    )  # fmt: skip


def _stop_in_the_middle() -> str:
    ran: list[str] = []
    with runs.loop_and_socket() as (loop, _near):

        def A() -> None:
            ran.append("A")
            loop.stop()

        def B() -> None:
            ran.append("B")
            loop.add_callback(ran.append, "D")

        loop.add_callback(A)
        loop.add_callback(B)
        loop.add_callback(ran.append, "C")
        loop.start()
    return " ".join(ran)


def _ask_about_a_handler_that_fails() -> None:
    ask(
        "Q03.4",
        "Two sockets are ready in the same turn. The handler of the first raises. What becomes of "
        "the second one?",
        {
            "a": Option(
                "it is not called: the exception comes out of `start`", "start raises",
                "Between the handler and `start` stands `_run`. Nothing gets past it.", "M13",
            ),
            "b": Option(
                "it is called in the same turn", "called in the same turn",
                "The exception goes into the log, and the loop goes on with the next one.",
            ),
            "c": Option(
                "it is called a turn later: the rest of this turn is given up",
                "called a turn later",
                "Nothing is given up. Each handler is called by itself, and fails by itself.",
                "M13",
            ),
        },
        measure=_failing_handler,
        finding="The other handler: {}.",
    )  # fmt: skip


def _failing_handler() -> str:
    called = []
    with logged(), runs.loop_and_socket() as (loop, near), tracing() as trace:
        other, far = socket.socketpair()
        with other, far:
            far.send(b"!")

            def handle(sock: socket.socket, events: int) -> None:
                sock.recv(1)
                called.append(sock)
                if len(called) == 1:
                    raise ZeroDivisionError
                loop.stop()

            loop.add_handler(near, handle, loop.READ)
            loop.add_handler(other, handle, loop.READ)
            try:
                loop.start()
            except ZeroDivisionError:
                return "start raises"
    turns = {event.turn for event in trace if event.kind == "run"
             and event.name.endswith(".handle")}
    return "called in the same turn" if len(turns) == 1 else "called a turn later"


def _about(kind: str, name: str) -> Callable[[Event], bool]:
    return lambda event: event.kind == kind and runs.name_of(event) == name


EVENTS = (
    Item(
        "T is asked for, in no time at all.", _about("schedule", "T"),
        "It was asked for before the loop was started, and has been waiting since.",
    ),
    Item(
        "A runs.", _about("run", "A"),
        "It is the oldest on the list, and the list is where the loop begins.",
    ),
    Item(
        "C is put on the list.", _about("schedule", "C"),
        "A did that, in the middle of its run.",
    ),
    Item(
        "B runs.", _about("run", "B"),
        "It was on the list when the pass began, so it belongs to this pass. C does not.",
    ),
    Item(
        "T runs.", _about("run", "T"), "Timeouts that are due come right after the list.",
    ),
    Item(
        "The kernel is asked who is ready.", lambda event: event.kind == "poll",
        "Not before the list and the due timeouts are through.",
    ),
    Item(
        "D is put on the list.", _about("schedule", "D"),
        "H did that, and H could not run before the kernel had told of its socket.",
    ),
    Item(
        "C runs.", _about("run", "C"),
        "The next pass. C and D are both in it, and C was on the list first.",
    ),
)  # fmt: skip
