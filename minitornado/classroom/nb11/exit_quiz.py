"""The exit quiz of notebook 11: four questions, and an order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minitornado import gen
from minitornado.trace import Event, Trace

from ..predict import Option, ask
from ..quiz import Item, ask_order
from ..served import answer
from . import scenarios
from .scenarios import GET, PROXIED

LONG_BYTES = 200_000


def ask_quiz() -> None:
    """Make the questions known to `quiz`."""
    _ask_about_no_body()
    _ask_about_a_long_body()
    _ask_about_a_second_request()
    _ask_about_a_client_that_has_left()
    ask_order("Q11.5", "A client behind a proxy sends a request with a body. What comes after "
              "what?", EVENTS, behind_a_proxy)


def behind_a_proxy() -> Trace:
    """Trace a request with a body, which a proxy passes on."""
    request = PROXIED.replace(b"Host", b"Content-Length: 5\r\nHost") + b"hello"
    return scenarios.serve(scenarios.echo, _moves(request), xheaders=True)[0]


def _moves(request: bytes) -> list[tuple[Any, ...]]:
    return [("connect", "k"), ("send", "k", request), ("recv", "k"), ("close", "k")]


def _ask_about_no_body() -> None:
    ask(
        "Q11.1",
        "A GET has no body. Which of the four events does the adapter not get?",
        {
            "a": Option(
                "none is missing: `data_received` comes once, with nothing in it", "none",
                "No bytes, no event. A head without a length says that there is no body.", "M24",
            ),
            "b": Option(
                "`data_received` and `finish`: the request ends when the client closes",
                "data_received, finish",
                "Then no browser would ever get an answer on a connection that stays open.", "M24",
            ),
            "c": Option(
                "`data_received` and `on_connection_close`", "data_received, on_connection_close",
                "The head, and that was all. And nobody has left in the middle.",
            ),
        },
        measure=lambda: _missing(scenarios.serve(scenarios.echo, _moves(GET))[0]),
        finding="Missing: {}.",
    )  # fmt: skip


def _missing(trace: Trace) -> str:
    called = scenarios.order(trace)
    events = ("headers_received", "data_received", "finish", "on_connection_close")
    return ", ".join(event for event in events if event not in called) or "none"


def _ask_about_a_long_body() -> None:
    ask(
        "Q11.2",
        f"A body of {LONG_BYTES:,} bytes comes. How often is `data_received` called, and how often "
        "your function?",
        {
            "a": Option(
                "once and once: it is one body", "once, once",
                "It is told as it comes, and it comes in pieces: the kernel gives what it has, up "
                "to a limit.", "M01",
            ),
            "b": Option(
                "several times and once", "several times, once",
                "A call for each piece. For the function the adapter has joined them.",
            ),
            "c": Option(
                "several times, both: the function is called with each piece",
                "several times, several times",
                "That is what a delegate is for. A function is called once, when the body has "
                "ended, with the whole of it.", "M24",
            ),
            "d": Option(
                "never and once: the pieces are joined below", "never, once",
                "Below nobody waits for all of it. A body may be larger than the memory.", "M24",
            ),
        },
        measure=_pieces_and_calls,
        finding="`data_received`, your function: {}.",
    )  # fmt: skip


def _pieces_and_calls() -> str:
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % LONG_BYTES
    trace, _ = scenarios.serve(scenarios.echo, _moves(head + b"x" * LONG_BYTES))
    called = scenarios.order(trace).split(", ")
    often = {0: "never", 1: "once"}
    return ", ".join(often.get(called.count(name), "several times")
                     for name in ("data_received", "your function"))


def _ask_about_a_second_request() -> None:
    ask(
        "Q11.3",
        "A client sends two requests at once, one behind the other. The function is an `async def` "
        "that waits a second before it answers. When does it begin with the second one?",
        {
            "a": Option(
                "when the first has been answered", "after the answer",
                "Answers go out in the order of the requests. So the next head is not even read "
                "before.",
            ),
            "b": Option(
                "at once: while it waits for the first, it is free for the second", "at once",
                "The loop is free for others. But this connection is not: it would have to keep "
                "answers apart.", "M23",
            ),
            "c": Option(
                "never: one adapter, one request", "never",
                "True of the adapter. But the connection asks for a new one, again and again.",
                "M22",
            ),
        },
        measure=_second_begins,
        finding="It begins: {}.",
    )  # fmt: skip


def _second_begins() -> str:
    notes: list[str] = []

    async def waits(request: Any) -> None:
        notes.append("begins")
        await gen.sleep(1)
        answer(request, b"hello")
        notes.append("answers")

    scenarios.serve(waits, [("connect", "k"), ("send", "k", GET + GET), ("recv", "k"), ("jump",),
                            ("recv", "k"), ("jump",), ("recv", "k"), ("close", "k")])
    if notes.count("begins") < 2:
        return "never"
    return "after the answer" if notes[1] == "answers" else "at once"


def _ask_about_a_client_that_has_left() -> None:
    ask(
        "Q11.4",
        "The head promises ten bytes. Five come, and the client leaves. Who is called?",
        {
            "a": Option(
                "your function, with the five bytes", "your function",
                "Half a letter is not handed in. Nobody could tell it from a whole one.", "M24",
            ),
            "b": Option(
                "`finish`, which sees that some are missing", "finish",
                "`finish` means: that was all. It was not.", "M18",
            ),
            "c": Option(
                "nobody: the server does not know", "data_received",
                "It knows, because it reads: it waits for five more bytes, and gets the end.",
                "M19",
            ),
            "d": Option(
                "`on_connection_close`, and nobody else", "on_connection_close",
                "The other end of an exchange. The adapter empties its tray, and knows of no "
                "request.",
            ),
        },
        measure=lambda: scenarios.order(scenarios.half_a_request()).rpartition(", ")[2],
        finding="The last to be called is {}.",
    )  # fmt: skip


def _first(step: str) -> Callable[[Event], bool]:
    return lambda event: event.kind == "call" and event.step == step


EVENTS = (
    Item(
        "A context is made: who is at the other end?", _first("new-context"),
        "It is made once a connection, and a connection comes before its requests.",
    ),
    Item(
        "An adapter is made.", _first("new-adapter"),
        "Somebody must be there to receive the request, before its first byte is.",
    ),
    Item(
        "A header of the proxy puts another address into the context.", _first("xheaders"),
        "As soon as the headers are here, and before anybody asks who the client is.",
    ),
    Item(
        "A request object is made.", _first("new-request-object"),
        "It asks the context who the client is, so the context must have been told.",
    ),
    Item(
        "A piece of the body is kept.", _first("data-received"),
        "The body comes after the head, and there may be many pieces of it.",
    ),
    Item(
        "The adapter learns that the request is complete.", _first("dispatch"),
        "All the bytes that the head has promised are here.",
    ),
    Item(
        "Your function is called.", _first("app"),
        "Only now, and from inside of `finish`.",
    ),
    Item(
        "The context forgets what the proxy has said.", _first("xheaders-off"),
        "When your function has returned. The next request may be somebody else's.",
    ),
)  # fmt: skip
