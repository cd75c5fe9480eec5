"""The exit quiz of notebook 00: four questions, and an order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from minitornado.trace import Event

from ..predict import Option, ask
from ..quiz import Item, ask_order
from ..served import answer, is_syscall
from . import scenarios


def ask_quiz() -> None:
    """Make the questions known to `quiz`."""
    _ask_about_pieces()
    _ask_about_the_second_request()
    _ask_about_threads()
    _ask_about_write()
    ask_order("Q00.5", "What comes after what?", EVENTS, scenarios.one_request)


def _ask_about_pieces() -> None:
    ask(
        "Q00.1",
        "This time the request comes in two pieces, with a pause between them. In which turn is "
        "it answered? The knock is turn 1.",
        {
            "a": Option(
                "2: whoever asks for bytes gets a request", 2,
                "The first piece is no request. It is read, it is kept, and the porter sleeps "
                "again.", "M01",
            ),
            "b": Option(
                "3", 3,
                "The knock, the first piece, the second piece. Only then is there something to "
                "answer.",
            ),
            "c": Option(
                "never: half a request is an error, and the connection is closed",
                lambda turn: turn < 1,
                "Half of it is quite ordinary. A network cuts where it likes.", "M01",
            ),
            "d": Option(
                "nobody can say: meanwhile the porter looks again and again",
                lambda turn: turn > 3,
                "He does not look, he sleeps. The lamp wakes him when there is more.", "M04",
            ),
        },
        measure=lambda: scenarios.answered_in(scenarios.moves(scenarios.GET[:10],
                                                              scenarios.GET[10:])),
        finding="It is answered in turn {}.",
    )  # fmt: skip


def _ask_about_the_second_request() -> None:
    ask(
        "Q00.2",
        "The browser has its answer, and asks for something else over the same connection. How "
        "often is `epoll_ctl` called for this second request?",
        {
            "a": Option(
                "not at all", 0,
                "The lamp for READ is up since the first one, and it stays up.",
            ),
            "b": Option(
                "once: after each time it is lit, a lamp has to be put up again", 1,
                "A lamp stays until somebody takes it down. It is lit whenever there is "
                "something.", "M04",
            ),
            "c": Option(
                "twice: WRITE for the answer, and READ for the next request", 2,
                "The answer was written without asking, and READ was never given up.", "M05",
            ),
            "d": Option(
                "there is no second request: the connection is closed after an answer",
                lambda often: often < 0,
                "It stays open unless somebody says otherwise. That is the rule since HTTP/1.1.",
                "M22",
            ),
        },
        measure=scenarios.epoll_ctls_of_the_second,
        finding="`epoll_ctl` was called {} times for it.",
    )  # fmt: skip


def _ask_about_threads() -> None:
    ask(
        "Q00.3",
        "Ten browsers are connected, and all of them ask. In how many threads does `hello` run?",
        {
            "a": Option(
                "in ten, one for each browser", 10,
                "Then nobody would need a loop. Here one porter serves one lamp after the other.",
                "M02",
            ),
            "b": Option(
                "in one, and the loop lives in another", 2,
                "It is the loop that calls `hello`. Whoever calls waits for what is called: it is "
                "the same thread.", "M02",
            ),
            "c": Option(
                "in one, and it is the loop's", 1,
                "One after the other. While one `hello` runs, nine browsers wait.",
            ),
        },
        measure=_threads,
        finding="It runs in so many threads, the loop's included: {}.",
    )  # fmt: skip


def _threads(browsers: int = 10) -> int:
    """In how many threads are the loop, and the function that answers?"""
    seen = {threading.get_ident()}

    def hello(request: Any) -> None:
        seen.add(threading.get_ident())
        answer(request, b"hello")

    names = [f"browser {number}" for number in range(browsers)]
    scenarios.serve(hello, [(move, name, *more) for move, *more in (
        ("connect",), ("send", scenarios.GET), ("recv",)) for name in names])
    return len(seen)


def _ask_about_write() -> None:
    ask(
        "Q00.4",
        "The answer has 3 MB. When does the loop ask for WRITE?",
        {
            "a": Option(
                "before the first `send`: one asks before one writes",
                "before the first `send`",
                "There nearly always is room. Who asks first is only woken once more.", "M05",
            ),
            "b": Option(
                "after the first `send`, since some is left", "after the first `send`",
                "The kernel took what fitted. The rest has to wait, so somebody must be woken.",
            ),
            "c": Option(
                "never: `send` sends all of it, however long that takes", "never",
                "It takes what fits, and comes back at once. What is left is still yours.", "M06",
            ),
        },
        measure=lambda: scenarios.write_interest(scenarios.large_answer()),
        finding="WRITE was asked for {}.",
    )  # fmt: skip


def _syscall(*call: str) -> Callable[[Event], bool]:
    return lambda event: is_syscall(event, *call)


EVENTS = (
    Item(
        "The kernel hands over a new connection.", _syscall("accept", "listen1"),
        "Before there is a connection, there is nothing to read, and nothing to watch.",
    ),
    Item(
        "The kernel says: nothing to read from the browser yet.", _syscall("recv", "c1", "EAGAIN"),
        "A new connection is tried first: its bytes may be there already, and then nobody need be "
        "woken for them.",
    ),
    Item(
        "A lamp is put up for the connection.", _syscall("epoll_ctl", "c1"),
        "Only now, that nothing was there, does anybody need to be woken.",
    ),
    Item(
        "The lamp of the connection is lit.",
        lambda event: event.kind == "ready" and event.fd == "c1",
        "The browser has sent its request. Without the lamp nobody would know.",
    ),
    Item(
        "The bytes of the request come out of the kernel.", _syscall("recv", "c1"),
        "The lamp says only that there is something. To have it, one has to call `recv`.",
    ),
    Item(
        "The adapter learns what the browser wants.",
        lambda event: event.kind == "call" and event.step == "headers-received",
        "The head is parsed when its empty line is here, and before anybody is asked to answer.",
    ),
    Item(
        "Your function is called.",
        lambda event: event.kind == "call" and event.step == "app",
        "Only when the request is complete. Until then there was nothing to answer.",
    ),
    Item(
        "The kernel takes the answer.", _syscall("send", "c1"),
        "It was your function that wrote it, so it cannot be earlier.",
    ),
)
