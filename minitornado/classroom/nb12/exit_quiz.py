"""The exit quiz of notebook 12: four questions, and the whole chain in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from minitornado import gen
from minitornado.ioloop import IOLoop
from minitornado.trace import Event, Trace

from ..logs import logged
from ..predict import Option, ask
from ..quiz import Item, ask_order
from ..served import answer, is_syscall
from . import scenarios
from .scenarios import ASK, get


def ask_quiz() -> None:
    """Make the questions known to `quiz`."""
    _ask_about_slow_then_quick()
    _ask_about_a_timer()
    _ask_about_an_error_too_late()
    _ask_about_a_client_that_has_left()
    ask_order("Q12.5", "The whole chain, from memory: what comes after what?", EVENTS, one_request)


def one_request() -> Trace:
    """Trace one client, and one request."""
    moves = [("connect", "a"), ("send", "a", ASK), ("recv", "a"), ("close", "a")]
    return scenarios.serve(scenarios.hello, moves)[0]


def _ask_about_slow_then_quick() -> None:
    ask(
        "Q12.1",
        "One client asks for `/slow` and, in the same packet, for `/quick`. `/slow` waits a "
        "second, with `await`. Which answer comes first?",
        {
            "a": Option(
                "that to `/quick`: it was ready first", "/quick, /slow",
                "Nothing in an answer says what it answers, but its place. So the order is that of "
                "the requests.", "M23",
            ),
            "b": Option(
                "only that to `/slow`: of one packet, one request is read", "/slow",
                "What is left over stays in the buffer, and is where the next request begins.",
                "M16",
            ),
            "c": Option(
                "that to `/slow`", "/slow, /quick",
                "In the order of the requests. `/quick` waits, though nobody is busy.",
            ),
        },
        measure=_slow_then_quick,
        finding="The answers: {}.",
    )  # fmt: skip


def _slow_then_quick() -> str:
    async def by_name(request: Any) -> None:
        if request.path == "/slow":
            await gen.sleep(1)
        answer(request, request.path.encode())

    received = scenarios.serve(by_name, [
        ("connect", "a"), ("send", "a", get("/slow") + get("/quick")), ("jump",), ("recv", "a"),
        ("close", "a"),
    ])[1]["c1"].decode()  # fmt: skip
    return ", ".join(sorted((path for path in ("/slow", "/quick") if path in received),
                            key=received.index))


def _ask_about_a_timer() -> None:
    ask(
        "Q12.2",
        "A timer is due in 0.01 seconds. A function computes for 0.05, and begins right now. When "
        "does the timer run?",
        {
            "a": Option(
                "when the function has returned", "afterwards",
                "It is late, and nobody can help it. That is what *to block* means.",
            ),
            "b": Option(
                "after 0.01 seconds: it interrupts the function", "in the middle",
                "One thread. Nobody is interrupted, not even by a clock.", "M09",
            ),
            "c": Option(
                "not at all: its time has passed", "never",
                "What is due stays due.", "M09",
            ),
        },
        measure=_timer_meanwhile,
        finding="It runs: {}.",
    )  # fmt: skip


def _timer_meanwhile() -> str:
    loop = IOLoop(make_current=False)
    notes: list[str] = []

    def compute() -> None:
        notes.append("begins")
        time.sleep(0.05)
        notes.append("ends")

    loop.call_later(0.01, notes.append, "timer")
    loop.call_later(0.02, loop.stop)
    loop.add_callback(compute)
    loop.start()
    loop.close()
    if "timer" not in notes:
        return "never"
    return "in the middle" if notes.index("timer") < notes.index("ends") else "afterwards"


def _ask_about_an_error_too_late() -> None:
    ask(
        "Q12.3",
        "A function answers, and raises after that. What does its client get, for this request and "
        "for the next one?",
        {
            "a": Option(
                "500, 500", "500, 500",
                "The answer is out already. What is out cannot be taken back.", "M25",
            ),
            "b": Option(
                "200 and 500 for the first, as both were said", "200, 500, 200, 500",
                "One request, one answer. A second one would be taken for that to the next "
                "request.",
                "M25",
            ),
            "c": Option(
                "200, and then the connection is closed", "200",
                "The connection is in order: this exchange is over, the next can begin.", "M22",
            ),
            "d": Option(
                "200, 200, and nothing of the error", "200, 200",
                "The answer was complete. The error is in the log, and only there.",
            ),
        },
        measure=_error_too_late,
        finding="The client gets {}.",
    )  # fmt: skip


def _error_too_late() -> str:
    def answers_and_raises(request: Any) -> None:
        answer(request, b"done")
        raise ZeroDivisionError

    with logged():
        return scenarios.statuses(
            scenarios.serve(answers_and_raises, scenarios.BAD_THEN_GOOD)[1]["c1"])


def _ask_about_a_client_that_has_left() -> None:
    ask(
        "Q12.4",
        "A function blocks. Its client leaves meanwhile. When does the server learn of it?",
        {
            "a": Option(
                "at once: the kernel knows, and says so", "before it returns",
                "The kernel knows. But nobody asks it: the one thread is in the function.", "M19",
            ),
            "b": Option(
                "when the function has returned, and the loop asks again", "after it has returned",
                "It writes its answer for nobody. Then comes the board, and the lamp is lit.",
            ),
            "c": Option(
                "never, if the answer was written without an error", "never",
                "`write` tells nothing of the other end. But the connection waits for the next "
                "request, and gets the end.", "M26",
            ),
        },
        measure=_left_while_blocked,
        finding="It learns of it {}.",
    )  # fmt: skip


def _left_while_blocked() -> str:
    clients: list[Any] = []

    def blocks(request: Any) -> None:
        clients[0].close()  # it leaves while this function has the thread
        time.sleep(0.01)
        answer(request, b"hello")

    trace = scenarios.serve_at_once(blocks, ["/"], clients)
    app = next(event for event in trace if event.step == "app" and event.kind == "call")
    returned = trace.closer(app)
    assert returned is not None
    gone = [event for event in trace if event.name == "recv" and event.conn == "c1"
            and (event.data.get("bytes") == 0 or event.data.get("error") == "ECONNRESET")]
    if not gone:
        return "never"
    return "after it has returned" if gone[0].seq > returned.seq else "before it returns"


def _syscall(*call: str) -> Callable[[Event], bool]:
    return lambda event: is_syscall(event, *call)


def _step(kind: str, step: str) -> Callable[[Event], bool]:
    return lambda event: event.kind == kind and event.step == step and event.conn == "c1"


EVENTS = (
    Item(
        "`accept` hands over a connection.", _syscall("accept", "listen1"),
        "Everything else is about this connection.",
    ),
    Item(
        "`start_request` makes an adapter.", _step("call", "new-adapter"),
        "Whoever receives the request is there before its first byte.",
    ),
    Item(
        "`recv` says EAGAIN.", _syscall("recv", "c1", "EAGAIN"),
        "The connection is tried at once: its bytes might be there already.",
    ),
    Item(
        "`epoll_ctl` puts up a lamp.", _syscall("epoll_ctl", "c1"),
        "Nothing was there, so somebody must be woken.",
    ),
    Item(
        "`recv` gets bytes.", _syscall("recv", "c1"),
        "The lamp was lit, and there is something.",
    ),
    Item(
        "`add_callback` puts the coroutine on the list.",
        lambda event: event.kind == "schedule" and event.data.get("how") == "callback"
        and event.conn == "c1",
        "It is to go on, but with an empty stack, and not inside of whoever has read.",
    ),
    Item(
        "`headers_received` tells the adapter.", _step("call", "headers-received"),
        "The coroutine goes on, and parses the head.",
    ),
    Item(
        "`finish` tells the adapter.", _step("call", "dispatch"),
        "There is no body, so the request is complete.",
    ),
    Item(
        "The application is called.", _step("call", "app"),
        "By the adapter, from inside of `finish`.",
    ),
    Item(
        "`send` takes the answer.", _syscall("send", "c1"),
        "While the function runs, by way of `write_headers`.",
    ),
)  # fmt: skip
