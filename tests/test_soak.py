"""A server under the worst of clients, for a while; afterwards everything is as it was before.

MINITORNADO_SOAK_SECONDS sets how long (20 if unset), or longer on a machine that is too busy for
so many clients.  A quarter of it is a warm-up: caches fill,
the allocator takes what it will keep.  What is counted then must be counted again at the end.

The clients draw from a fixed seed what they do; in which moment the server sees it is up to the
machine, so two runs are alike and not the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from families import PATIENCE, undisturbed

SECONDS = float(os.environ.get("MINITORNADO_SOAK_SECONDS", "20"))
SEED = 20
MAX_PEERS = 60  # connections at a time
PAUSE = 0.0005  # seconds between two acts: about 200 new connections a second, ports suffice
CHECK_EVERY = 0.5  # seconds
CHECK_WITHIN = 2.0  # seconds, from connecting to the last byte, others' use of the cores left out
LEAVE_EACH_SECOND = 110  # clients, at least; or the growth of memory says nothing

TIMEOUT = 2.0  # seconds, of head and body: short, so that it strikes often
SETTLE_WITHIN = TIMEOUT + PATIENCE  # seconds until a server that was left alone is as before
# Bytes of memory, from the end of the warm-up to the end.  Twenty seconds are some 4,000 closed
# connections: if each left its stream and buffers behind, 3 KB at least, that alone were 12 MB.
MAX_GROWTH = 8 * 1024**2
MAX_PEAK = 16 * 1024**2  # bytes of memory above what an idle server has, at the worst moment

ROOT = Path(__file__).parents[1]
OPTIONS = {"idle_connection_timeout": TIMEOUT, "body_timeout": TIMEOUT, "max_body_size": 1024**2,
           "decompress_request": True}

pytestmark = pytest.mark.deadline(10 * SECONDS + 120)


# ---- the server, from outside and from inside ----


class Server:
    """soak_server.py in a process of its own."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (a pipe could fill up)
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "soak_server.py"), json.dumps(OPTIONS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.pid = self._process.pid
        self.port = int(self._read_line())

    def _read_line(self) -> bytes:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline() if ready else b""
        assert line, f"the server says nothing:\n{self.log()}"
        return line

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def log(self) -> str:
        fd = self._log.fileno()  # not seek() and read(): the offset is the server's too
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")

    def alive(self) -> dict[str, int]:
        """What is alive in it, as it counts itself, and its descriptors, as the kernel does."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        counts: dict[str, int] = json.loads(self._read_line())
        return counts | {"descriptors": len(os.listdir(f"/proc/{self.pid}/fd"))}

    def at_rest(self) -> dict[str, int]:
        """What is alive once it has been the same for a second."""
        looks = [self.alive()]
        while len(looks) < 10 or looks[-10:] != looks[-1:] * 10:
            time.sleep(0.1)
            looks.append(self.alive())
        return looks[-1]

    def settled(self, target: dict[str, int]) -> dict[str, int]:
        """What is alive once it equals `target`, or when SETTLE_WITHIN is over."""
        deadline = time.monotonic() + SETTLE_WITHIN
        while (now := self.alive()) != target and time.monotonic() < deadline:
            time.sleep(0.1)
        return now

    def memory(self, field: str = "VmRSS") -> int:
        """Resident memory in bytes: now (VmRSS), or at its peak (VmHWM)."""
        found = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    def check(self) -> float:
        """Fail unless /hello is answered in time; return the seconds it took."""
        started = undisturbed(self.pid)
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as client:
            client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            received = b""
            while chunk := client.recv(4096):
                received += chunk
        took = undisturbed(self.pid) - started
        assert received.endswith(b"hello world") and took < CHECK_WITHIN, (took, received)
        return took


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


# ---- the clients ----


class Peer:
    """One connection of a client that does as it was told, a bit at a time.

    `to_send` is what it has to say, `step` how much of it at once, `appetite` how many bytes it
    reads at once, `answers` how many it must get if it is left alone (None: no matter).
    """

    def __init__(self, port: int, to_send: bytes = b"", step: int = 1 << 20,
                 appetite: int = 1 << 20, answers: int | None = None,
                 shut_after: bool = False) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock.setblocking(False)
        self.to_send = to_send
        self.step = step
        self.appetite = appetite
        self.answers = answers
        self.shut_after = shut_after
        self.received = bytearray()
        self.over = False

    def act(self) -> None:
        """Send a bit, read a bit."""
        try:
            if self.to_send:
                self.to_send = self.to_send[self.sock.send(self.to_send[: self.step]) :]
                if not self.to_send and self.shut_after:
                    self.sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:  # closed by the server, as some of this deserves
            self.over = True
        try:
            chunk = self.sock.recv(self.appetite)
            self.over = self.over or not chunk
            if self.answers is not None:
                self.received += chunk
        except BlockingIOError:
            pass
        except OSError:
            self.over = True

    def content(self) -> bool:
        """Whether it has got all the answers that it was due."""
        return self.answers is not None and self.received.count(b"HTTP/1.1 200 OK") >= self.answers

    def leave(self, reset: bool) -> None:
        if reset:  # a linger time of 0: close() says RST where it would say FIN
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def some_request(rng: random.Random) -> bytes:
    """A valid request, with an answer of 200."""
    body = rng.randbytes(rng.choice([0, 1, 100, 70_000]))
    return rng.choice([
        GET % b"hello", GET % b"headers", GET % b"stream", GET % b"slow?seconds=0.02",
        GET % b"big?n=200000", POST % (len(body), body),
        CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) + 1, body + b"!"),
    ])


def polite(rng: random.Random) -> dict[str, Any]:
    number = rng.randint(1, 3)
    return {"to_send": b"".join(some_request(rng) for _ in range(number)), "answers": number}


def pipelining(rng: random.Random) -> dict[str, Any]:
    number = rng.randint(10, 100)
    return {"to_send": (GET % b"hello") * number, "answers": number}


def half_closing(rng: random.Random) -> dict[str, Any]:
    return {"to_send": GET % b"big?n=500000", "shut_after": True, "answers": 1}


def silent(rng: random.Random) -> dict[str, Any]:
    return {}


def half_sent(rng: random.Random) -> dict[str, Any]:
    request = some_request(rng)
    return {"to_send": request[: rng.randrange(len(request))]}


def trickling(rng: random.Random) -> dict[str, Any]:
    return {"to_send": some_request(rng), "step": rng.randint(1, 7)}


def slow_reader(rng: random.Random) -> dict[str, Any]:
    return {"to_send": GET % b"big?n=20000000", "appetite": rng.randint(1, 20_000)}


def garbage(rng: random.Random) -> dict[str, Any]:
    return {"to_send": rng.randbytes(rng.randint(1, 5000)) + b"\r\n\r\n"}


def mutant(rng: random.Random) -> dict[str, Any]:
    request = bytearray(some_request(rng)[:2000])
    for _ in range(rng.randint(1, 5)):
        request[rng.randrange(len(request))] = rng.randrange(256)
    return {"to_send": bytes(request), "shut_after": rng.random() < 0.5}


def too_large(rng: random.Random) -> dict[str, Any]:
    return rng.choice([
        {"to_send": b"GET /" + b"x" * 100_000},
        {"to_send": b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\nx"},
        {"to_send": CHUNKED + (b"fffff\r\n" + b"x" * 0xFFFFF + b"\r\n") * 2},
    ])


KINDS: list[Callable[[random.Random], dict[str, Any]]] = [
    polite, pipelining, half_closing, silent, half_sent, trickling, slow_reader, garbage, mutant,
    too_large,
]


def soak(server: Server, rng: random.Random, seconds: float) -> Counter[str]:
    """Trouble the server for some time, and until enough clients have left.

    Return what was done, and the worst time of a check, in ms.
    """
    done: Counter[str] = Counter()
    peers: list[Peer] = []
    deadline = time.monotonic() + seconds
    next_check = 0.0
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [peer.leave(reset=False) for peer in peers])
        while (time.monotonic() < deadline
               or done["closed"] + done["reset"] < LEAVE_EACH_SECOND * seconds):
            if len(peers) < MAX_PEERS and rng.random() < 0.3:
                kind = rng.choice(KINDS)
                peers.append(Peer(server.port, **kind(rng)))
                done[kind.__name__] += 1
            for peer in rng.sample(peers, min(4, len(peers))):
                peer.act()
            if peers and rng.random() < 0.3:
                leave_one(peers, rng, done)
            if time.monotonic() > next_check:
                done["worst check, ms"] = max(done["worst check, ms"], int(server.check() * 1000))
                next_check = time.monotonic() + CHECK_EVERY
            time.sleep(PAUSE)
        assert_answered(peers)
    return done


def leave_one(peers: list[Peer], rng: random.Random, done: Counter[str]) -> None:
    """Let one of the peers go: content, given up by the server, or in the middle of it."""
    peer = rng.choice(peers)
    if peer.content():
        done["answered in full"] += 1
    elif peer.answers is not None and peer.over:
        pytest.fail(f"a client that did no wrong was sent away: {bytes(peer.received[-500:])!r}")
    elif peer.answers is not None and rng.random() < 0.9:
        return  # most of those who are due an answer wait for it
    reset = rng.random() < 0.5
    done["reset" if reset else "closed"] += 1
    peers.remove(peer)
    peer.leave(reset)


def assert_answered(peers: list[Peer]) -> None:
    """Those who asked as they should and are still here get what they asked for."""
    due = [peer for peer in peers if peer.answers is not None]
    deadline = time.monotonic() + PATIENCE
    while not all(peer.content() or peer.over for peer in due) and time.monotonic() < deadline:
        for peer in due:
            peer.act()
        time.sleep(PAUSE)
    lost = [(peer.answers, bytes(peer.received[:200])) for peer in due if not peer.content()]
    assert not lost, lost


# ---- the test ----


def test_after_resets_drips_and_garbage_everything_is_as_it_was_before(server: Server) -> None:
    server.check()  # what the first request loads stays
    idle = server.at_rest()
    soak(server, random.Random(SEED), SECONDS / 4)
    assert server.settled(idle) == idle
    memory = server.memory()

    done = soak(server, random.Random(SEED + 1), SECONDS * 3 / 4)
    assert server.settled(idle) == idle
    growth, peak = server.memory() - memory, server.memory("VmHWM") - memory
    print(f"\n{dict(done)}\nmemory: {growth / 1024:.0f} KiB more, {peak / 1024:.0f} at the worst")
    assert growth < MAX_GROWTH, f"{growth} bytes more than after the warm-up"
    assert peak < MAX_PEAK, f"{peak} bytes more at the worst moment"
    assert set(done) >= {kind.__name__ for kind in KINDS} | {"reset", "closed"}, done
    assert done["answered in full"] > SECONDS, done
    log = server.log()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]
    assert not re.search(r"^(ERROR|CRITICAL)", log, re.M), log[-2000:]
