"""The exit quiz of notebook 06: four questions, and an order."""

from __future__ import annotations

from collections.abc import Callable

from minitornado.iostream import StreamClosedError
from minitornado.trace import Event, tracing

from ..predict import Option, ask
from ..quiz import Item, ask_order
from . import rare, runs

REQUEST = b"GET / HTTP/1.1\r\nHost: ab\r\n\r\n"


def ask_quiz() -> None:
    """Make the questions known to `quiz`."""
    _ask_about_two_in_one()
    _ask_about_an_unfinished_line()
    _ask_about_a_line_and_a_goodbye()
    _ask_about_bytes_that_nobody_reads()
    ask_order("Q06.5", "What comes after what?", EVENTS, lambda: runs.read_lines()[0])


def _ask_about_two_in_one() -> None:
    ask(
        "Q06.1",
        f"Two requests of {len(REQUEST)} bytes each come in one packet. Each is read with a "
        "`read_until` of its own. How many recvs bring bytes?",
        {
            "a": Option(
                "1", 1,
                "All bytes of both came with the first. The second read finds its own in the "
                "buffer.",
            ),
            "b": Option(
                "2: one for each request", 2,
                "`recv` knows nothing of requests. It gives what is there, and that was both of "
                "them.",
                "M01",
            ),
            "c": Option(
                f"{2 * len(REQUEST)}: a byte at a time, until the delimiter is there",
                2 * len(REQUEST),
                "It is searched for in the buffer, not in the kernel. Bytes come in as they are.",
                "M17",
            ),
        },
        measure=_recvs_for_two,
        finding="Recvs that brought bytes: {}.",
    )  # fmt: skip


def _recvs_for_two() -> int:
    """How many recvs bring bytes, if two requests are read that came together."""
    with rare.pair() as it, tracing() as trace:
        it.far.send(REQUEST + REQUEST)
        both = [it.read(b"\r\n\r\n"), it.read(b"\r\n\r\n")]
        assert [future.result() for future in both] == [REQUEST, REQUEST]
    return runs.receives(trace)


def _ask_about_an_unfinished_line() -> None:
    ask(
        "Q06.2",
        "The client sends `BYE`, without a `\\r\\n`, and closes. What does "
        "`await stream.read_until(b\"\\r\\n\")` give?",
        {
            "a": Option(
                "`BYE`: more will not come", "BYE",
                "It was asked for a line, and half a line is none. Whoever takes what there is "
                "asks with `read_until_close`.", "M18",
            ),
            "b": Option(
                "nothing: it waits for ever", "it waits",
                "A client that closes is noticed by who reads: `recv` gives nothing, and that is "
                "the end.", "M19",
            ),
            "c": Option(
                "StreamClosedError", "StreamClosedError",
                "The line can never become complete, and that is what the reader is told.",
            ),
        },
        measure=lambda: _read_after(b"BYE")[0],
        finding="It gives: {}.",
    )  # fmt: skip


def _ask_about_a_line_and_a_goodbye() -> None:
    ask(
        "Q06.3",
        "The client sends `TWO\\r\\n` and closes at once. Only then does the server read, and read "
        "again. What does it get?",
        {
            "a": Option(
                "twice StreamClosedError: the connection is gone",
                "StreamClosedError, StreamClosedError",
                "The client has gone. What it sent has not: that is in the kernel, or in the "
                "buffer.", "M18",
            ),
            "b": Option(
                "`TWO`, and then StreamClosedError", "TWO, StreamClosedError",
                "First what came, to the last whole line. Then the end.",
            ),
            "c": Option(
                "twice `TWO`: nobody took it out of the buffer", "TWO, TWO",
                "A read cuts off what it gives. The next one begins behind it.", "M16",
            ),
        },
        measure=lambda: ", ".join(_read_after(b"TWO\r\n", times=2)),
        finding="It gets: {}.",
    )  # fmt: skip


def _read_after(sent: bytes, times: int = 1) -> list[str]:
    """What reads give, if the client has sent that, and has closed."""
    got = []
    with rare.pair() as it:
        it.far.send(sent)
        it.far.close()
        for _ in range(times):
            future = it.read()
            it.turn()
            error = future.exception() if future.done() else None
            if not future.done():
                got.append("it waits")
            elif isinstance(error, StreamClosedError):
                got.append("StreamClosedError")
            else:
                got.append(future.result().decode().strip())
    return got


def _ask_about_bytes_that_nobody_reads() -> None:
    ask(
        "Q06.4",
        "A line has been read, and nobody reads any more. The client goes on: ten packets, with a "
        "pause after each. How often is the loop woken?",
        {
            "a": Option(
                "ten times: once for each packet", 10,
                "Somebody would be woken ten times for nothing. When nobody wants them, READ is "
                "given up.", "M04",
            ),
            "b": Option(
                "without end: the lamp stays lit, since nobody takes the bytes",
                lambda turns: turns > 10,
                "So it would, if READ stayed up. That is why it does not.", "M04",
            ),
            "c": Option(
                "never: a stream that does not read asks for nothing", 0,
                "READ was up for the read before, and it is not taken down by itself: the next "
                "read may come at once.", "M04",
            ),
            "d": Option(
                "twice", 2,
                "The first packet is taken in: it might have been the end. At the second there is "
                "enough in store, and READ is given up.",
            ),
        },
        measure=_wakings,
        finding="So often: {}.",
    )  # fmt: skip


def _wakings(packets: int = 10) -> int:
    """How often a stream's handler is called for packets that nobody reads."""
    woken = 0
    with rare.pair() as it:
        line = it.read()
        it.turn()
        it.far.send(b"HELLO\r\n")
        it.turn()
        assert line.done()
        handle = it.stream._handle_events

        def count(fd: object, events: int) -> None:
            nonlocal woken
            woken += 1
            handle(fd, events)

        fd = it.stream.fileno().fileno()
        it.loop._handlers[fd] = (it.loop._handlers[fd][0], count)
        for _ in range(packets):
            it.far.send(b"more\r\n")
            it.turn()
    return woken


def _recv(**data: object) -> Callable[[Event], bool]:
    return lambda event: event.name == "recv" and data.items() <= event.data.items()


def _resolved(number: str) -> Callable[[Event], bool]:
    return lambda event: event.kind == "resolve" and event.data.get("value") == number


EVENTS = (
    Item(
        "The kernel says that there is nothing yet.", _recv(error="EAGAIN"),
        "A read tries first. The bytes might have come with the connection.",
    ),
    Item(
        "The loop is asked to watch the connection for READ.",
        lambda event: event.kind == "schedule" and event.fd == "c1",
        "Only now that trying did not help.",
    ),
    Item(
        "The coroutine stops at its first `await`.", lambda event: event.kind == "yield",
        "Its Future is not done, so there is something to wait for.",
    ),
    Item(
        "Three bytes come, and they are no line.", _recv(bytes=3),
        "They are put into the buffer, and nobody is told.",
    ),
    Item(
        "The Future of the first line is done.", _resolved("7 bytes"),
        "The third packet has brought the last byte of its delimiter.",
    ),
    Item(
        "The coroutine goes on.", lambda event: event.kind == "resume",
        "From the list, when the stream's handler is through.",
    ),
    Item(
        "The Future of a line is done before anybody waits for it.", _resolved("5 bytes"),
        "The line was in the buffer when it was asked for.",
    ),
    Item(
        "The last four bytes come.", _recv(bytes=4),
        "By now the three letters before them have been waiting in the buffer.",
    ),
)  # fmt: skip
