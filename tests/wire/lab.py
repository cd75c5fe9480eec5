"""The laboratory: a server under watch, a client that speaks raw bytes, and verdicts.

    Server      a process: port, log, memory, descriptors, CPU time
    Client      one TCP connection; sends bytes as told, keeps everything that came back
    Outcome     what was sent and what came back, and how to tell it
    Verdict     what a rule demands of an outcome
    Case        bytes, the verdict they deserve, and the rule's source

All waiting has a deadline; no test of this package can hang.
"""

import contextlib
import json
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from families import cpu_seconds, undisturbed

PACKAGE = os.environ.get("WIRE_PACKAGE", "minitornado")
PYTHON = os.environ.get("WIRE_PYTHON", sys.executable)
ROOT = Path(__file__).parents[2]

MIB = 1024 * 1024
MAX_HEADER = 64 * 1024  # bytes
MAX_BODY = 4 * MIB  # bytes
PATIENCE = 20.0  # seconds for what takes milliseconds where nothing else runs
QUIET = 1.5  # seconds in which nothing comes, where nothing need come
# Much longer than our patience, since a timeout closes as well; but where timeouts are tried.
CONFIGURATION = {"max_header_size": MAX_HEADER, "max_body_size": MAX_BODY,
                 "idle_connection_timeout": 10 * PATIENCE, "body_timeout": 10 * PATIENCE,
                 "decompress_request": True}
TIMEOUT = 3.0  # seconds: idle connection, header section, body
HASTY = {"idle_connection_timeout": TIMEOUT, "body_timeout": TIMEOUT}

HOST = b"Host: lab"
GLUED = b"GET /glued HTTP/1.1\r\nHost: lab\r\n\r\n"  # the request glued behind the one under test


# ---------------------------------------------------------------- the server


class Server:
    """The application in a process of its own, and what can be seen of it from outside."""

    def __init__(self, *, nofile: int | None = None, delegate: bool = False,
                 async_callback: bool = False, count_reads: bool = False,
                 trust: ssl.SSLContext | None = None, **changes: object) -> None:
        self.trust = trust  # of a client, if the server speaks TLS
        options: dict[str, object] = {"package": PACKAGE, "delegate": delegate,
                                      "async": async_callback, "count_reads": count_reads,
                                      "server": CONFIGURATION | changes}
        if nofile is not None:
            options["nofile"] = nofile
        # A file, not a pipe: a pipe nobody reads would stop a server that logs much.
        self._log = tempfile.NamedTemporaryFile(prefix="wire-", suffix=".log")  # noqa: SIM115
        self._process = subprocess.Popen(
            [PYTHON, str(Path(__file__).with_name("application.py")), json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"})
        self.pid = self._process.pid
        self.port = self._read_port()

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], 3 * PATIENCE)
        line = self._process.stdout.readline() if ready else b""
        if not line.strip().isdigit():
            log = self.log()
            self.stop()
            raise RuntimeError(f"{PACKAGE} did not start:\n{log}")
        return int(line)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def alive(self) -> bool:
        return self._process.poll() is None

    def log(self, since: int = 0) -> str:
        """What the server wrote to its log, from byte `since` on."""
        return Path(self._log.name).read_bytes()[since:].decode(errors="replace")

    def log_size(self) -> int:
        """Bytes in the log now: a mark for `log(since)`."""
        return os.stat(self._log.name).st_size

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def settled_descriptors(self, target: int, within: float = PATIENCE) -> int:
        """How many are open once no more than `target` are, or when `within` seconds are over."""
        deadline = time.monotonic() + within
        while (now := self.descriptors()) > target and time.monotonic() < deadline:
            time.sleep(0.05)
        return now

    def accepted(self, connections: int, before: int) -> bool:
        """Whether it holds so many more descriptors than `before`, once it has had the time."""
        deadline = time.monotonic() + PATIENCE
        while self.descriptors() < before + connections and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.descriptors() >= before + connections

    def memory(self, peak: bool = False) -> int:
        """Resident memory in bytes, now or at its peak."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)" if peak else r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) * 1024

    def cpu_seconds(self) -> float:
        """CPU time used so far."""
        return cpu_seconds(self.pid)

    def cpu_share(self, seconds: float) -> float:
        """The share of one core it uses during the next `seconds`."""
        before, started = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - started)

    def settled_share(self, seconds: float, limit: float) -> float:
        """The share, once it is below `limit` for so many seconds, or when we have no patience."""
        deadline = time.monotonic() + PATIENCE
        while (share := self.cpu_share(seconds)) >= limit and time.monotonic() < deadline:
            pass
        return share

    def now(self) -> float:
        """Seconds on a clock that stands while other programs keep the server, or us, waiting."""
        return undisturbed(self.pid)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process for a while: what happens meanwhile, it finds when it goes on."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def check_alive(self, after: str = "") -> float:
        """Fail unless /hello is answered within 2 s; seconds it took, on the clock of `now`."""
        __tracebackhide__ = True
        assert self.alive(), f"the server has died {after}\n{self.log()[-2000:]}"
        started = self.now()
        try:
            outcome = talk(self, request())
        except OSError as error:  # no connection, or no handshake
            raise AssertionError(f"/hello {after}: {error!r}\n{self.log()[-2000:]}") from error
        assert outcome.statuses == [200], outcome.report(
            f"/hello must be answered, always {after}", "no 200")
        seconds = self.now() - started
        assert seconds < 2, f"/hello {after} took {seconds:.2f} s, below 2 wanted"
        return seconds


def tracebacks(log: str) -> str:
    """The part of a log from its first traceback on, shortened; empty if it has none."""
    at = log.find("Traceback (most recent call last)")
    return "" if at < 0 else log[max(0, at - 300):at + 1500]


# ---------------------------------------------------------------- answers


@dataclass(frozen=True, repr=False)
class Answer:
    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        """The field's values joined by a comma; None if there is none."""
        values = [value for n, value in self.fields if n.lower() == name.lower()]
        return ", ".join(values) if values else None

    def json(self) -> dict:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.status}, {len(self.body)} bytes>"


class NotHTTP(Exception):
    """What came back is no answer that a strict reader could take."""


def read_chunked(raw: bytes, at: int) -> tuple[bytes, int] | None:
    """The body that starts at `at`, and where it ends; None while it is incomplete."""
    pieces = []
    while True:
        line_end = raw.find(b"\r\n", at)
        if line_end < 0:
            return None
        line = bytes(raw[at:line_end])
        if not re.fullmatch(rb"[0-9A-Fa-f]+", line):
            raise NotHTTP(f"chunk size {line!r}")
        size, start = int(line, 16), line_end + 2
        if len(raw) < start + size + 2:
            return None
        if raw[start + size:start + size + 2] != b"\r\n":
            raise NotHTTP(f"no CRLF behind a chunk of {size} bytes")
        at = start + size + 2
        if size == 0:
            return b"".join(pieces), at
        pieces.append(bytes(raw[start:start + size]))


def parse_head(head: bytes) -> tuple[str, int, str, list[tuple[str, str]]]:
    first, *lines = head.split(b"\r\n")
    start = re.fullmatch(rb"(HTTP/1\.[01]) ([1-9][0-9]{2}) ?([^\x00-\x1f]*)", first)
    if start is None:
        raise NotHTTP(f"status line {first!r}")
    fields = []
    for line in lines:
        if not (match := re.fullmatch(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*", line)):
            raise NotHTTP(f"field line {line!r}")
        fields.append((match[1].decode(), match[2].decode("latin-1")))
    return start[1].decode(), int(start[2]), start[3].decode("latin-1"), fields


def read_answer(
    raw: bytearray, at: int, head_only: bool, closed: bool
) -> tuple[Answer, int] | None:
    """The answer that starts at `at`, and where it ends; None while it is incomplete.

    RFC 9112 §6.3, from the client's side.
    """
    head_end = raw.find(b"\r\n\r\n", at)
    if head_end < 0:
        return None
    answer = Answer(*parse_head(bytes(raw[at:head_end])), b"")
    start = head_end + 4
    if head_only or answer.status < 200 or answer.status in (204, 304):
        return answer, start
    if (coding := answer.get("Transfer-Encoding")) is not None:
        if coding.lower() != "chunked" or answer.get("Content-Length") is not None:
            raise NotHTTP(f"Transfer-Encoding {coding!r} with Content-Length "
                          f"{answer.get('Content-Length')!r}")
        if (chunked := read_chunked(raw, start)) is None:
            return None
        body, end = chunked
    elif (length := answer.get("Content-Length")) is not None:
        if not re.fullmatch("[0-9]+", length):
            raise NotHTTP(f"Content-Length {length!r}")
        end = start + int(length)
        if len(raw) < end:
            return None
        body = bytes(raw[start:end])
    elif closed:
        body, end = bytes(raw[start:]), len(raw)
    else:
        return None
    return Answer(answer.version, answer.status, answer.reason, answer.fields, body), end


# ---------------------------------------------------------------- the client


def short(data: bytes, limit: int = 700) -> str:
    if len(data) <= limit:
        return repr(bytes(data))
    half = limit // 2
    return f"{bytes(data[:half])!r} … {len(data) - limit} bytes … {bytes(data[-half:])!r}"


@dataclass(repr=False)
class Outcome:
    """What one connection was told and what it said."""

    sent: bytes
    raw: bytes
    answers: list[Answer]  # 1xx ones included
    rest: bytes  # what came back behind the last whole answer
    closed: bool  # the server has closed (or reset) the connection
    seconds: float  # since the last bytes were sent
    broken: str = ""  # why the rest is no HTTP

    @property
    def final(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status >= 200]

    @property
    def statuses(self) -> list[int]:
        """Status codes of the final answers."""
        return [answer.status for answer in self.final]

    def __repr__(self) -> str:
        return f"<Outcome {self.answers}>"  # the message tells the rest

    def report(self, rule: str, problem: str) -> str:
        """The message of a failed test: the bytes, what came back, what the rule demands."""
        return (f"\n  rule:      {rule}\n  problem:   {problem}\n  sent:      {short(self.sent)}"
                f"\n  came back: {short(self.raw) if self.raw else 'nothing'}"
                f"\n  statuses {[a.status for a in self.answers]}, "
                f"{'closed' if self.closed else 'still open'} after {self.seconds:.2f} s"
                + (f", not HTTP: {self.broken}" if self.broken else "")
                + (f", rest {short(self.rest, 100)}" if self.rest else ""))


class Client:
    """One TCP connection. `heads` are the positions of answers to HEAD: those have no body."""

    def __init__(self, server: Server, heads: Collection[int] = (),
                 receive_buffer: int | None = None) -> None:
        self.began = time.monotonic()  # the server's clocks of this connection start later
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heads = heads
        self.sent = bytearray()
        self.raw = bytearray()
        self.answers: list[Answer] = []
        self.closed = False
        self.broken = ""
        self._parsed = 0
        self._last_sent = time.monotonic()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes, within: float = PATIENCE) -> bool:
        """Send it all in one go; False if the server has closed before."""
        if len(self.sent) < 100_000:  # enough to tell what was sent
            self.sent += data
        self._last_sent = time.monotonic()
        self.socket.settimeout(within)
        try:
            self._send(data)
        except OSError:  # also a timeout: the server does not read any more
            return False
        return True

    def _send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def drip(self, data: bytes, pause: float = 0.001, size: int = 1) -> None:
        """Send piece by piece, each a segment of its own."""
        for at in range(0, len(data), size):
            if not self.send(data[at:at + size]):
                return
            time.sleep(pause)

    def end(self) -> None:
        """Send FIN: nothing more will come from us, but we still read."""
        with contextlib.suppress(OSError):  # the server was faster
            self.socket.shutdown(socket.SHUT_WR)
        self._last_sent = time.monotonic()

    def reset(self) -> None:
        """Send RST and be gone."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def receive(self, count: int | None = 1, within: float = PATIENCE) -> Outcome:
        """Read until `count` final answers are here (None: until the end), or time is up.

        What is here already is read in any case, and then all of it.
        """
        self._receive_until(lambda: count is not None and self._finals() >= count, within)
        return self._outcome()

    def receive_interim(self, count: int, within: float = PATIENCE) -> Outcome:
        """The same for `count` answers, those of 1xx included."""
        self._receive_until(lambda: len(self.answers) >= count, within)
        return self._outcome()

    def _receive_until(self, enough: Callable[[], bool], within: float) -> None:
        deadline = time.monotonic() + within
        self._parse()
        while not (self.closed or self.broken or enough()):
            left = deadline - time.monotonic()
            known = len(self.raw)
            self._receive_some(max(0.0, left))
            self._parse()
            if left <= 0 and len(self.raw) == known:
                return

    def _outcome(self) -> Outcome:
        return Outcome(bytes(self.sent), bytes(self.raw), list(self.answers),
                       bytes(self.raw[self._parsed:]), self.closed,
                       time.monotonic() - self._last_sent, self.broken)

    def drain(self, within: float = PATIENCE) -> Outcome:
        """Read until the server closes, whatever it says; no answer is parsed."""
        started = time.monotonic()
        while not self.closed and (left := started + within - time.monotonic()) > 0:
            self._receive_some(left)
        return Outcome(bytes(self.sent), bytes(self.raw), [], b"", self.closed,
                       time.monotonic() - started)

    def _finals(self) -> int:
        return sum(answer.status >= 200 for answer in self.answers)

    def _receive_some(self, seconds: float) -> None:
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1 << 18)
        except (TimeoutError, BlockingIOError):
            return
        except OSError:  # a reset is a way of closing
            data = b""
        self.raw += data
        self.closed = not data

    def _parse(self) -> None:
        try:
            while True:
                head_only = self._finals() in self.heads
                found = read_answer(self.raw, self._parsed, head_only, self.closed)
                if found is None:
                    return
                answer, self._parsed = found
                self.answers.append(answer)
                if self._parsed == len(self.raw):
                    return
        except NotHTTP as error:
            self.broken = str(error)


class TLSClient(Client):
    """A client that sees its own records: `ssl` over two memory buffers, the socket in our hands.

    `record` is the size of the records it writes, `segment` that of the segments it sends, both in
    bytes and unlimited if None.
    """

    def __init__(self, server: Server, heads: Collection[int] = (),
                 receive_buffer: int | None = None, *, segment: int | None = None,
                 record: int | None = None, version: ssl.TLSVersion | None = None,
                 handshake: bool = True) -> None:
        super().__init__(server, heads, receive_buffer)
        assert server.trust is not None
        context = server.trust if version is None else copy_of(server.trust, version)
        self.segment, self.record = segment, record
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        if handshake:
            try:
                self.handshake()
            except OSError:
                self.socket.close()
                raise

    def handshake(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                self._read_records(deadline - time.monotonic())
            else:
                self.flush()
                return

    def flush(self) -> None:
        """Send the records that are ready."""
        data = self.outgoing.read()
        if self.segment is None:
            self.socket.sendall(data)
            return
        for at in range(0, len(data), self.segment):
            self.socket.sendall(data[at:at + self.segment])
            time.sleep(0.0003)

    def _read_records(self, seconds: float) -> None:
        self.socket.settimeout(max(0.001, seconds))
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("closed by the server")
        self.incoming.write(data)

    def _send(self, data: bytes) -> None:
        size = self.record or len(data) or 1
        for at in range(0, len(data), size):
            self.tls.write(data[at:at + size])
        self.flush()

    def _receive_some(self, seconds: float) -> None:
        try:
            while True:
                try:
                    data = self.tls.read(1 << 18)
                except ssl.SSLWantReadError:
                    self._read_records(seconds)
                    continue
                self.raw += data
                self.closed = not data
                return
        except TimeoutError:
            return
        except OSError:  # a reset, or the end of TLS: all are ways of closing
            self.closed = True


def copy_of(trust: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """The same trust, for this version of TLS alone."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=b"".join(trust.get_ca_certs(binary_form=True)))
    context.minimum_version = context.maximum_version = version
    return context


def connect(server: Server, heads: Collection[int] = ()) -> Client:
    """A client that speaks what the server speaks."""
    return Client(server, heads) if server.trust is None else TLSClient(server, heads)


def talk(server: Server, data: bytes, count: int | None = 1, within: float = PATIENCE,
         end: bool = False, heads: Collection[int] = ()) -> Outcome:
    """Send `data` on a new connection and read `count` answers (None: until it is closed)."""
    with connect(server, heads) as client:
        client.send(data)
        if end:
            client.end()
        return client.receive(count, within)


def together(*scenarios: Callable[[], object], within: float = 10 * PATIENCE) -> list[object]:
    """Run them all at once, each in a thread; their results in order."""
    results: list[object] = [TimeoutError("the scenario did not end")] * len(scenarios)

    def run(index: int, scenario: Callable[[], object]) -> None:
        try:
            results[index] = scenario()
        except BaseException as error:  # handed on below
            results[index] = error

    threads = [threading.Thread(target=run, args=pair, daemon=True)
               for pair in enumerate(scenarios)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + within
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


# ---------------------------------------------------------------- requests


def request(line: bytes = b"GET /hello HTTP/1.1", *fields: bytes, host: bytes | None = HOST,
            body: bytes = b"") -> bytes:
    """A request with these field lines, Host first unless `host` is None."""
    lines = [line, *([host] if host is not None else []), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def post(*fields: bytes, body: bytes = b"", target: bytes = b"/echo",
         version: bytes = b"HTTP/1.1") -> bytes:
    """A POST with exactly these fields and Host: the framing is the caller's."""
    return request(b"POST " + target + b" " + version, *fields, body=body)


def sized(body: bytes, *fields: bytes, target: bytes = b"/echo") -> bytes:
    """A POST framed by Content-Length."""
    return post(b"Content-Length: %d" % len(body), *fields, body=body, target=target)


def chunked(body: bytes, *fields: bytes, target: bytes = b"/echo") -> bytes:
    """A POST with `Transfer-Encoding: chunked`; the body is given as on the wire."""
    return post(b"Transfer-Encoding: chunked", *fields, body=body, target=target)


def chunks(body: bytes, size: int) -> bytes:
    """A body on the wire, in chunks of `size` bytes."""
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


# ---------------------------------------------------------------- verdicts


@dataclass(frozen=True)
class Verdict:
    """What a rule demands of the answer, and of the request glued behind (see `GLUED`)."""

    demands: str
    statuses: Collection[int]
    silence: bool = False  # closing without an answer is tolerated
    waiting: bool = False  # so is no answer yet: the server may want more bytes
    closes: bool = False  # the connection is closed, and what is glued behind is not answered
    in_step: bool = False  # a 200 keeps the connection in step: what is glued behind is answered

    def problem(self, outcome: Outcome) -> str:
        """What is wrong with the outcome; empty if nothing is."""
        if outcome.broken:
            return "what came back is not HTTP"
        if not outcome.final:
            return self._problem_of_silence(outcome)
        first, *others = outcome.final
        if first.status not in self.statuses:
            return f"answered {first.status}"
        if (self.closes or first.status == 400) and others:
            return f"something glued behind it was answered: {[a.status for a in others]}"
        if self.closes and not outcome.closed:
            return "the connection was not closed"
        if self.in_step and first.status == 200 and [a.body for a in others] != [b"glued"]:
            return "the request behind it was not answered: out of step"
        return ""

    def _problem_of_silence(self, outcome: Outcome) -> str:
        if outcome.rest:
            return "half an answer"
        if outcome.closed:
            return "" if self.silence else "closed without an answer"
        return "" if self.waiting else "no answer, and not closed"


def any_of(*statuses: int, **options: bool) -> Verdict:
    demands = " or ".join(map(str, statuses)) if len(statuses) < 9 else f"one of {statuses}"
    also = {"silence": "or close", "waiting": "or wait for more", "closes": "then close",
            "in_step": "and stay in step"}
    return Verdict(", ".join([demands, *(also[name] for name in options)]), statuses, **options)


EXACTLY_400 = Verdict("exactly 400, then close", (400,), closes=True)
REJECTED = Verdict("400 and close, or close", (400,), silence=True, closes=True)
REJECTED_OR_501 = Verdict("400 or 501 and close, or close", (400, 501), silence=True, closes=True)
REJECTED_OR_505 = Verdict("400 or 505 and close, or close", (400, 505), silence=True, closes=True)
TOO_LARGE = Verdict("413, 431 or 400 and close, or close", (400, 413, 431), silence=True,
                    closes=True)
SERVED = Verdict("200, and the next request is served", (200,), in_step=True)
SERVED_OR_REJECTED = Verdict("200 (and stay in step) or 400, or close", (200, 400), silence=True,
                             in_step=True)
NOT_5XX = Verdict("2xx, 3xx or 4xx", range(200, 500))
NOT_500 = Verdict("anything but 500", [*range(200, 500), 501, 505], silence=True, waiting=True)


@dataclass(frozen=True)
class Case:
    """One row of a table: bytes in, verdict out."""

    level: str  # M or S
    source: str  # the section of the RFC
    name: str
    data: bytes
    verdict: Verdict
    body: bytes | None = None  # of the answer, if it is 200
    within: float = field(default=PATIENCE)

    @property
    def rule(self) -> str:
        return f"{self.level}, {self.source}, {self.name}: {self.verdict.demands}"


def judge(server: Server, case: Case) -> str:
    """Try the case; the whole story if it went wrong, else empty."""
    verdict = case.verdict
    glued = verdict.closes or verdict.in_step
    mark = server.log_size()
    with Client(server, heads={0} if case.data.startswith(b"HEAD ") else ()) as client:
        client.send(case.data + (GLUED if glued else b""))
        outcome = client.receive(1, min(case.within, QUIET) if verdict.waiting else case.within)
        if outcome.final and outcome.final[0].status in verdict.statuses:
            if verdict.closes:
                outcome = client.receive(None, case.within)
            elif verdict.in_step and outcome.statuses == [200]:
                outcome = client.receive(2, case.within)
    problem = verdict.problem(outcome)
    if not problem and case.body is not None and outcome.statuses[:1] == [200] \
            and outcome.final[0].body != case.body:
        problem = f"the body is {short(outcome.final[0].body, 200)}, not {short(case.body, 200)}"
    if not problem and server.log_size() > mark and (found := tracebacks(server.log(mark))):
        problem = "what a client sends is no unexpected error, but the log says\n" + found
    return problem and outcome.report(case.rule, problem)


def check(server: Server, case: Case) -> None:
    """Fail with the whole story unless the case gets its verdict."""
    __tracebackhide__ = True
    assert not (problem := judge(server, case)), problem


def check_all(server: Server, cases: Iterable[Case]) -> None:
    """Fail with every story at once. For sweeps, where a test each would be noise."""
    __tracebackhide__ = True
    problems: list[str] = []
    for case in cases:
        if problem := judge(server, case):
            problems.append(problem)
        if len(problems) == 20:
            break
    assert not problems, f"{len(problems)} cases at least:" + "".join(problems)


def table(*cases: Case) -> pytest.MarkDecorator:
    """A test for each case, named by its level and name."""
    params = [pytest.param(case, id=f"{case.level}: {case.name}") for case in cases]
    return pytest.mark.parametrize("case", params)


def rows(level: str, source: str, verdict: Verdict, named: dict[str, bytes],
         body: bytes | None = None) -> list[Case]:
    """Cases that share everything but name and bytes."""
    return [Case(level, source, name, data, verdict, body) for name, data in named.items()]
