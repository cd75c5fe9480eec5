"""Who asks: wrk where it can, and a client of our own where it cannot.

    Ask         the bytes of a request, and the answer that is right
    Client      one connection, one request after the other; it looks at every answer
    run_wrk     64 connections at once, as fast as they are answered

wrk is told the bytes by a script, so that both ask for the same.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minitornado.cli.output import Complaint

ANSWER_SECONDS = 20.0  # after which a server is taken for stuck
NO_WRK = "wrk is not installed (Debian, Ubuntu: apt-get install wrk)"

BROWSER = """\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
Accept-Language: en-GB,en;q=0.7,de;q=0.3
Accept-Encoding: gzip, deflate, br, zstd
Referer: http://localhost/index.html
DNT: 1
Cookie: theme=dark; visits=17
Upgrade-Insecure-Requests: 1
Sec-Fetch-Dest: document
Sec-Fetch-Mode: navigate
Sec-Fetch-Site: same-origin
""".replace("\n", "\r\n")


class WrongAnswer(Exception):
    """A peer does not answer as the workload needs it."""


@dataclass(frozen=True)
class Ask:
    """A request as bytes (`times` of them, pipelined), and the body of the right answer."""

    data: bytes
    body: bytes = b"hello world"
    times: int = 1
    keep_alive: bool = True


def get(path: str = "/hello", fields: str = "", **more: object) -> Ask:
    """A GET; `fields` are header lines, each with its CRLF."""
    data = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()
    return Ask(data, **more)  # type: ignore[arg-type]


def post(path: str, body: bytes, answer: bytes, chunk: int = 0) -> Ask:
    """A POST, its body by length, or in chunks of so many bytes."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
    if not chunk:
        return Ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, answer)
    pieces = (body[at : at + chunk] for at in range(0, len(body), chunk))
    sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return Ask(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + sent + b"0\r\n\r\n", answer)


class Client:
    """One connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def ask(self, ask: Ask) -> None:
        """Send a request, wait for the answer, and see that it is right.  Raises WrongAnswer."""
        with contextlib.suppress(ConnectionError):  # reading finds out
            self.socket.sendall(ask.data)
        for _ in range(ask.times):
            self.read(ask.body)

    def read(self, body: bytes) -> None:
        """Read one answer.  Raises WrongAnswer for any but a 200 with this `body`."""
        head = self._rest
        while b"\r\n\r\n" not in head:
            head += self._receive()
        head, _, start = head.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200 ") or not length or int(length[1]) != len(body):
            raise WrongAnswer(f"it answers {head.splitlines()[0].decode('latin-1')!r}")
        pieces, got = [start], len(start)
        while got < len(body):
            pieces.append(self._receive())
            got += len(pieces[-1])
        data = b"".join(pieces)
        if data[: len(body)] != body:
            raise WrongAnswer("the body of its answer is not the one expected")
        self._rest = data[len(body) :]

    def _receive(self) -> bytes:
        try:
            data = self.socket.recv(262144)
        except ConnectionError:
            data = b""
        except TimeoutError:
            raise WrongAnswer(f"no answer in {ANSWER_SECONDS:g} seconds") from None
        if not data:
            raise WrongAnswer("it closes the connection")
        return data

    def ended(self) -> bool:
        """Wait for the server to close; False if it does not."""
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return False

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def check(port: int, ask: Ask) -> None:
    """See that a server answers rightly, twice on one connection or never again on it."""
    with Client(port) as client:
        client.ask(ask)
        if ask.keep_alive:
            client.ask(ask)
        elif not client.ended():
            raise WrongAnswer("it keeps a connection that was to be closed")


def warm(port: int, ask: Ask, times: int) -> None:
    """Ask a few times, so that what is made once has been made."""
    left = times
    while left > 0:
        with Client(port) as client:
            for _ in range(left if ask.keep_alive else 1):
                client.ask(ask)
                left -= 1


@dataclass(frozen=True)
class Hammered:
    """What wrk tells of a run: requests answered, a second of them, and the slowest percent."""

    requests: int
    rate: float
    p99_ms: float


def find_wrk() -> str | None:
    return shutil.which("wrk")


def run_wrk(wrk: str, port: int, ask: Ask, seconds: int, connections: int = 64) -> Hammered:
    """Ask over and over on many connections.  Raises WrongAnswer if any answer is no 200."""
    with _script(ask) as script:
        done = subprocess.run(
            [wrk, "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "--timeout", "20s",
             "-s", script, f"http://127.0.0.1:{port}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise Complaint(f"wrk fails: {done.stderr.strip() or done.stdout.strip()}")
    return parse_wrk(done.stdout)


@contextlib.contextmanager
def _script(ask: Ask) -> Iterator[str]:
    """A file with a program for wrk; in Lua a byte of a string is written in three digits."""
    text = "".join(f"\\{byte:03}" for byte in ask.data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ask.lua")
        path.write_text(f'local data = "{text}"\nfunction request() return data end\n')
        yield str(path)


_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def parse_wrk(text: str) -> Hammered:
    """Read what wrk prints.

    >>> parse_wrk('''
    ...      99%    1.50ms
    ...   2000 requests in 1.00s, 1.9MB read
    ... Requests/sec:   1990.10''')
    Hammered(requests=2000, rate=1990.1, p99_ms=1.5)
    """
    bad = re.search(r"(Non-2xx.*|Socket errors: .*)", text)
    if bad and re.search(r"[1-9]", bad[1].replace("2xx", "").replace("3xx", "")):
        raise WrongAnswer(f"wrk says: {bad[1].strip()}")
    requests = re.search(r"(\d+) requests in ", text)
    rate = re.search(r"Requests/sec: +([0-9.]+)", text)
    slowest = re.search(r"99% +([0-9.]+)(us|ms|s|m)\b", text)
    if not requests or not rate or not slowest:
        raise Complaint(f"wrk prints what is not understood: {text.strip()[:200]!r}")
    p99 = float(slowest[1]) * _MILLISECONDS[slowest[2]]
    return Hammered(int(requests[1]), float(rate[1]), p99)
