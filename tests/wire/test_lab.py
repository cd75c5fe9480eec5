"""The laboratory itself: what its verdicts let pass, and what they do not."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from .lab import (
    EXACTLY_400,
    NOT_5XX,
    NOT_500,
    PATIENCE,
    REJECTED,
    SERVED,
    SERVED_OR_REJECTED,
    Case,
    Verdict,
    judge,
    request,
    talk,
    together,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GLUED_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nglued"
REFUSED = b"HTTP/1.1 400 Bad Request\r\n\r\n"
REFUSED_OPEN = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Canned:
    """A server that gives every client the same bytes, then closes or does not."""

    port: int
    trust: None = None
    text: str = ""

    def log_size(self) -> int:
        return len(self.text)

    def log(self, since: int = 0) -> str:
        return self.text[since:]


Serve = Callable[[bytes, bool], Canned]


@pytest.fixture
def serve() -> Iterator[Serve]:
    listeners: list[socket.socket] = []
    kept: list[socket.socket] = []

    def start(answer: bytes, close: bool) -> Canned:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                kept.append(connection)
                with contextlib.suppress(OSError):  # the fixture may have closed it by now
                    connection.recv(65_536)
                    connection.sendall(answer)
                    if close:
                        connection.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=run, daemon=True).start()
        return Canned(listener.getsockname()[1])

    yield start
    for one in [*listeners, *kept]:
        one.close()


@pytest.mark.parametrize(
    ("verdict", "answer", "close", "passes"),
    [
        (EXACTLY_400, REFUSED, True, True),
        (EXACTLY_400, REFUSED_OPEN, False, False),
        (EXACTLY_400, REFUSED_OPEN + GLUED_OK, True, False),
        (EXACTLY_400, b"", True, False),
        (EXACTLY_400, OK, True, False),
        (REJECTED, REFUSED, True, True),
        (REJECTED, b"", True, True),
        (REJECTED, b"", False, False),
        (REJECTED, OK, True, False),
        (REJECTED, ERROR, True, False),
        (REJECTED, b"HTTP/1.1 400", True, False),
        (SERVED, OK + GLUED_OK, False, True),
        (SERVED, OK, False, False),
        (SERVED, OK + OK, False, False),
        (SERVED, REFUSED, True, False),
        (SERVED, b"", False, False),
        (SERVED_OR_REJECTED, OK + GLUED_OK, False, True),
        (SERVED_OR_REJECTED, REFUSED, True, True),
        (SERVED_OR_REJECTED, OK, True, False),
        (NOT_5XX, ERROR, True, False),
        (NOT_5XX, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", False, True),
        (NOT_500, ERROR, True, False),
        (NOT_500, b"", False, True),
        (NOT_5XX, b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", True, False),
        (NOT_5XX, b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", True, False),
        (NOT_5XX, b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", True, False),
        (
            NOT_5XX,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            True,
            False,
        ),
        (NOT_5XX, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n", True, False),
    ],
)
def test_a_verdict_lets_pass_what_it_says(
        serve: Serve, verdict: Verdict, answer: bytes, close: bool, passes: bool) -> None:
    # Who waits for what does not come need not wait long.
    within = PATIENCE if passes and not verdict.waiting else 0.2
    case = Case("M", "RFC 9112", "a case", request(), verdict, within=within)
    problem = judge(serve(answer, close), case)  # type: ignore[arg-type]
    assert (problem == "") is passes, problem or "this must not pass"


def test_a_wrong_body_does_not_pass(serve: Serve) -> None:
    case = Case("M", "RFC 9112", "a case", request(), SERVED, b"ko")
    problem = judge(serve(OK + GLUED_OK, False), case)  # type: ignore[arg-type]
    assert "the body is b'ok', not b'ko'" in problem


def test_a_story_tells_the_bytes_the_answer_and_the_rule(serve: Serve) -> None:
    case = Case("M", "RFC 9112 §3", "a case", request(), REJECTED)
    story = judge(serve(OK, True), case)  # type: ignore[arg-type]
    for part in (
        "M, RFC 9112 §3, a case: 400",
        "answered 200",
        repr(request())[2:-1],
        "Content-Length: 2",
        "statuses [200], still open after ",
    ):
        assert part in story


def test_a_traceback_in_the_log_does_not_pass(serve: Serve) -> None:
    class Noisy(Canned):
        def log_size(self) -> int:
            self.text += "ERROR\nTraceback (most recent call last):\n  ValueError: 5,000 digits"
            return len(self.text)

    case = Case("M", "RFC 9112", "a case", request(), REJECTED)
    noisy = Noisy(serve(REFUSED, True).port)
    problem = judge(noisy, case)  # type: ignore[arg-type]
    assert "ValueError: 5,000 digits" in problem


def test_answers_are_told_apart(serve: Serve) -> None:
    server = serve(
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"HTTP/1.1 204 No Content\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"  # to a HEAD
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        True,
    )
    outcome = talk(server, request(), None, heads={3})  # type: ignore[arg-type]
    assert [a.status for a in outcome.answers] == [100, 200, 204, 200, 200, 200]
    assert [a.body for a in outcome.final] == [b"ok", b"", b"abc", b"", b"until the end"]


def test_a_failing_scenario_fails_the_test_that_runs_it() -> None:
    def fail() -> None:
        raise ValueError("in a thread")

    with pytest.raises(ValueError, match="in a thread"):
        together(lambda: None, fail)
    with pytest.raises(TimeoutError):
        together(threading.Event().wait, within=0.1)
