"""Streams: every byte once and in order, every Future resolved, no event asked for in vain.

The logic on a file that is a script and a kernel that is another; the truth on socket pairs
and TCP connections.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import re
import socket
import sys
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles import (
    CountingSocket,
    ExpectLog,
    FakePoller,
    ScriptedStream,
    needs_no_collector,
    open_fds,
    reset,
    run,
    stream_and_peer,
    stream_pair,
    tcp_stream_and_peer,
    turns,
)

from minitornado import iostream
from minitornado.concurrent import Future
from minitornado.gen import multi, sleep
from minitornado.ioloop import IOLoop
from minitornado.iostream import (
    BaseIOStream,
    IOStream,
    StreamBufferFullError,
    StreamClosedError,
    UnsatisfiableReadError,
)
from minitornado.log import gen_log

pytestmark = [pytest.mark.deadline(120), pytest.mark.usefixtures("quiet_log")]

READ, WRITE, ERROR = IOLoop.READ, IOLoop.WRITE, IOLoop.ERROR

Fake = tuple[IOLoop, FakePoller]


class Scripted:
    """A ScriptedStream on a fake loop: `tell` delivers events, as far as they are asked for."""

    def __init__(self, fake: Fake, **options: Any) -> None:
        self.loop, self.kernel = fake
        self.stream = ScriptedStream(self.loop, **options)

    @property
    def wanted(self) -> int | None:
        """The events that the stream wants to be told; None: its fd is not known to the loop."""
        events = self.kernel.watched.get(ScriptedStream.FD)
        return None if events is None else events & ~ERROR

    def tell(self, events: int) -> None:
        """Let the kernel report `events`, and everything run that comes of it."""
        watched = self.kernel.watched.get(ScriptedStream.FD, 0)
        if events & watched:
            self.kernel.script.append([(ScriptedStream.FD, events & watched)])
            self.settle()

    def settle(self) -> None:
        self.loop.add_callback(lambda: self.loop.add_callback(self.loop.stop))
        self.loop.start()
        self.loop.add_callback(lambda: self.loop.add_callback(self.loop.stop))
        self.loop.start()


@pytest.fixture
def scripted(fake: Fake) -> Scripted:
    return Scripted(fake)


def outcome(future: Future[Any]) -> Any:
    """The result, the class of the exception, or "pending"."""
    if not future.done():
        return "pending"
    error = future.exception()
    return future.result() if error is None else type(error)


# ---- reading: try first, wait second ----


def test_a_read_that_the_buffer_can_answer_asks_the_kernel_nothing(scripted: Scripted):
    stream = scripted.stream
    stream.reads += [b"one\ntwo\nthree\n"]
    assert outcome(stream.read_until(b"\n")) == b"one\n"
    calls = stream.calls["read"]
    # Pipelined: both came with the first.  The kernel, asked, would have nothing to tell.
    assert outcome(stream.read_until(b"\n")) == b"two\n"
    assert outcome(stream.read_bytes(6)) == b"three\n"
    assert stream.calls["read"] == calls
    assert scripted.kernel.calls["register"] == 0


def test_a_read_that_the_kernel_can_answer_does_not_wait_for_the_loop(scripted: Scripted):
    scripted.stream.reads += [b"he", b"llo\n"]
    assert outcome(scripted.stream.read_until(b"\n")) == b"hello\n"
    assert scripted.wanted is None


def test_a_read_that_nobody_can_answer_yet_asks_the_loop_for_read(scripted: Scripted):
    stream = scripted.stream
    future = stream.read_until(b"\n")
    assert stream.reading()
    assert scripted.wanted == READ
    stream.reads += [b"hel"]
    scripted.tell(READ)
    assert outcome(future) == "pending"
    stream.reads += [b"lo\nrest"]
    scripted.tell(READ)
    assert outcome(future) == b"hello\n"
    assert not stream.reading()
    assert len(stream._read_buffer) == 4
    assert outcome(stream.read_bytes(4)) == b"rest"


def test_the_fd_is_registered_once_and_changed_only_when_the_events_change(scripted: Scripted):
    stream, calls = scripted.stream, scripted.kernel.calls
    for _ in range(10):
        future = stream.read_until(b"\n")
        stream.reads += [b"x\n"]
        scripted.tell(READ)
        assert outcome(future) == b"x\n"
    assert (calls["register"], calls["modify"]) == (1, 0)


def test_one_read_at_a_time(scripted: Scripted):
    scripted.stream.read_until(b"\n")
    with pytest.raises(AssertionError, match="Already reading"):
        scripted.stream.read_bytes(1)


@pytest.mark.parametrize(
    ("start", "answer", "left"),
    [
        (lambda stream: stream.read_until(b"\r\n"), b"ab\r\n", b"cd"),
        (lambda stream: stream.read_until_regex(rb"\r?\n"), b"ab\r\n", b"cd"),
        (lambda stream: stream.read_bytes(5), b"ab\r\nc", b"d"),
        (lambda stream: stream.read_until_close(), b"ab\r\ncd", b""),
    ],
)
def test_each_read_gets_its_bytes_however_they_come(
    fake: Fake, start: Callable[[Any], Future[bytes]], answer: bytes, left: bytes
):
    data = b"ab\r\ncd"
    cuts = [[data], *([data[:at], data[at:]] for at in range(1, 6)), [bytes([c]) for c in data]]
    for pieces in cuts:
        loop, kernel = fake
        kernel.watched.pop(ScriptedStream.FD, None)
        loop._handlers.pop(ScriptedStream.FD, None)
        scripted = Scripted(fake)
        future = start(scripted.stream)
        for piece in [*pieces, b""]:
            scripted.stream.reads += [piece]
            scripted.tell(READ)
        assert outcome(future) == answer
        # What is left is delivered after the end as well.
        assert outcome(scripted.stream.read_until_close()) == left


def test_partial_takes_what_comes_first(scripted: Scripted):
    scripted.stream.reads += [b"abc"]
    assert outcome(scripted.stream.read_bytes(100, partial=True)) == b"abc"


def test_an_event_without_bytes_changes_nothing(scripted: Scripted):
    # Another process may have taken them, or a checksum was wrong.
    future = scripted.stream.read_bytes(1)
    scripted.tell(READ)
    assert outcome(future) == "pending"
    assert scripted.wanted == READ


def test_a_pending_read_looks_at_new_bytes_only_when_there_are_some(scripted: Scripted):
    searches = []

    class Counting(iostream.ReadUntil):
        def find_end(self, buffer: bytearray, closed: bool) -> int | None:
            searches.append(bytes(buffer))
            return super().find_end(buffer, closed)

    scripted.stream.start_read(Counting(b"\n"))
    scripted.stream.reads += [b"ab"]
    scripted.tell(READ)
    scripted.tell(READ)
    assert searches.count(b"ab") == 1


def test_a_callback_of_a_read_may_start_the_next_one(scripted: Scripted):
    stream = scripted.stream
    lines: list[Any] = []

    def next_line(future: Future[bytes]) -> None:
        lines.append(outcome(future))
        if lines[-1] != StreamClosedError:
            stream.read_until(b"\n").add_done_callback(next_line)

    stream.read_until(b"\n").add_done_callback(next_line)
    stream.reads += [b"a\nb\nc", b"\n", b""]
    scripted.tell(READ)
    scripted.tell(READ)
    assert lines == [b"a\n", b"b\n", b"c\n", StreamClosedError]


def test_five_thousand_pipelined_reads_need_no_stack(io_loop: IOLoop):
    async def read_all(stream: IOStream) -> int:
        for _ in range(5000):
            assert await stream.read_until(b"\n") == b"x\n"
        return len(await stream.read_until_close())

    async def both(one: IOStream, two: IOStream) -> Any:
        two.write(b"x\n" * 5000).add_done_callback(lambda future: two.close())
        return await read_all(one)

    with stream_pair(io_loop) as (one, two):
        assert run(io_loop, both(one, two)) == 0


# ---- no recv that is bound to come up empty ----


def test_a_short_packet_is_all_there_is(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, peer):
        calls = stream.socket.calls
        for number in range(1, 6):
            peer.send(b"request\n")
            assert run(io_loop, _await(stream.read_until(b"\n"))) == b"request\n"
            assert calls["recv"] == number  # none that finds nothing
            stream.read_until(b"\n")  # waits, without a look
            peer.send(b"\n")
            turns(io_loop)
            calls["recv"] -= 1


def test_a_full_packet_is_followed_by_a_look_for_more(io_loop: IOLoop):
    with stream_and_peer(io_loop, read_chunk_size=8) as (stream, peer):
        peer.send(b"12345678" b"12345678" b"\n")
        assert outcome(stream.read_until(b"\n")) == b"12345678" b"12345678" b"\n"
        assert stream.socket.calls["recv"] == 3


def test_one_event_brings_all_there_is_in_however_many_pieces(io_loop: IOLoop):
    with stream_and_peer(io_loop, read_chunk_size=8) as (stream, peer):
        future = stream.read_bytes(40)  # found nothing, and waits
        peer.send(b"x" * 40)
        turns(io_loop, 1)
        assert future.done()


def test_what_came_up_empty_is_not_asked_again_before_there_is_an_event(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, peer):
        assert stream.read_from_fd() is None
        future = stream.read_bytes(1)
        assert stream.socket.calls["recv"] == 1
        peer.send(b"x")
        assert run(io_loop, _await(future)) == b"x"


def test_pending_tells_whether_bytes_may_be_there(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, peer):
        assert stream.pending()  # unknown is yes
        peer.send(b"ab")
        assert outcome(stream.read_bytes(1)) == b"a"
        assert stream.pending()
        assert outcome(stream.read_bytes(1)) == b"b"
        assert not stream.pending()


def test_an_end_right_behind_a_full_packet_is_seen(io_loop: IOLoop):
    with stream_and_peer(io_loop, read_chunk_size=8) as (stream, peer):
        peer.send(b"12345678")
        peer.close()
        assert run(io_loop, _await(stream.read_until_close())) == b"12345678"


def test_bytes_that_come_after_a_short_packet_are_not_missed(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, peer):
        peer.send(b"a")
        assert outcome(stream.read_bytes(1)) == b"a"
        peer.send(b"b")  # no event: the fd isn't even registered
        assert run(io_loop, _await(stream.read_bytes(1))) == b"b"


# ---- nobody reads ----


def test_bytes_that_nobody_reads_do_not_keep_the_loop_spinning(scripted: Scripted):
    stream = scripted.stream
    stream.set_close_callback(lambda: None)
    assert scripted.wanted == READ
    stream.reads += [b"early"]
    scripted.tell(READ)  # this is how we learn that it is no end
    scripted.tell(READ)  # and now there is enough in store
    assert scripted.wanted == 0
    assert stream.calls["read"] == 1
    assert outcome(stream.read_bytes(5)) == b"early"
    stream.read_bytes(1)
    assert scripted.wanted == READ


def test_on_a_real_kernel_neither(io_loop: IOLoop):
    polls: list[int] = []
    real = io_loop._poller.poll
    io_loop._poller.poll = lambda seconds: polls.append(1) or real(seconds)  # type: ignore
    with stream_and_peer(io_loop) as (stream, peer):
        peer.send(b"early")
        stream.set_close_callback(lambda: None)
        io_loop.call_later(0.05, io_loop.stop)
        io_loop.start()
    assert len(polls) <= 5


def test_a_peer_that_leaves_while_nobody_reads_is_noticed_by_who_asked(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, peer):
        stream.set_close_callback(io_loop.stop)
        peer.close()
        io_loop.start()
        assert stream.closed()
        assert stream.error is None


@pytest.mark.parametrize("how", ["set with bytes in store", "dropped with bytes in store"])
def test_a_peer_that_leaves_is_noticed_once_what_was_in_store_is_read(io_loop: IOLoop, how: str):
    # Over TCP, where an end is no ERROR: only who asks for READ learns of it.
    closed: list[bool] = []
    with tcp_stream_and_peer(io_loop) as (stream, peer):
        if how == "set with bytes in store":
            peer.send(b"line\nmore")
            assert run(io_loop, _await(stream.read_until(b"\n"))) == b"line\n"
            stream.set_close_callback(lambda: closed.append(True))
        else:
            stream.set_close_callback(lambda: closed.append(True))
            for early in (b"mo", b"re"):
                peer.send(early)
                turns(io_loop, 4)
        assert run(io_loop, _await(stream.read_bytes(4))) == b"more"
        turns(io_loop, 2)
        peer.close()
        turns(io_loop, 4)
        assert closed == [True]


# ---- limits ----


def test_a_delimiter_that_does_not_come_in_time_closes_the_stream(scripted: Scripted):
    stream = scripted.stream
    stream.reads += [b"x" * 11]
    with ExpectLog(gen_log, "Unsatisfiable read, closing connection: no b'.n' within 10 bytes"):
        stream.read_until(b"\n", max_bytes=10)
    assert stream.closed()
    assert isinstance(stream.error, UnsatisfiableReadError)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("kind", ["until", "regex"])
def test_an_unsatisfiable_read_fails_with_the_stream(scripted: Scripted, kind: str, closed: bool):
    stream = scripted.stream
    stream.reads += [b"x" * 12]
    stream.read_bytes(1)
    if closed:
        stream.close()
    read = stream.read_until if kind == "until" else stream.read_until_regex
    with ExpectLog(gen_log, "Unsatisfiable read") as log:
        future = read(b"\n", max_bytes=10)
        scripted.settle()
    assert outcome(future) == StreamClosedError
    assert log.matched == 1
    assert isinstance(future.exception().real_error, UnsatisfiableReadError)


def test_at_most_half_of_the_buffer_is_read_at_once(scripted: Scripted, fake: Fake):
    assert ScriptedStream(fake[0]).read_chunk_size == 64 * 1024
    assert ScriptedStream(fake[0]).max_buffer_size == 100 * 1024 * 1024
    assert ScriptedStream(fake[0], max_buffer_size=100).read_chunk_size == 50
    assert ScriptedStream(fake[0], max_buffer_size=100, read_chunk_size=20).read_chunk_size == 20


def test_the_smallest_buffer_holds_a_byte(io_loop: IOLoop):
    with stream_and_peer(io_loop, max_buffer_size=1) as (stream, peer):
        peer.send(b"x")
        assert outcome(stream.read_bytes(1)) == b"x"


def test_more_than_the_buffer_holds_closes_the_stream(io_loop: IOLoop):
    with stream_and_peer(io_loop, max_buffer_size=100) as (stream, peer):
        peer.send(b"x" * 1000)
        with ExpectLog(gen_log, "Reached maximum read buffer size") as log:
            future = stream.read_until(b"\n")
        assert outcome(future) == StreamClosedError
        assert isinstance(future.exception().real_error, StreamBufferFullError)
        assert len(stream._read_buffer) <= 150  # the limit, and one chunk
        assert log.matched == 1


def test_a_buffer_may_be_full_to_the_last_byte(io_loop: IOLoop):
    with stream_and_peer(io_loop, max_buffer_size=100) as (stream, peer):
        peer.send(b"x" * 100)
        assert outcome(stream.read_bytes(100)) == b"x" * 100
        assert not stream.closed()


def test_a_read_whose_bytes_are_there_when_the_buffer_overflows_gets_them(scripted: Scripted):
    stream = scripted.stream
    stream.max_buffer_size = 5
    stream.reads += [b"ab\ncdef"]
    with ExpectLog(gen_log, "Reached maximum read buffer size"):
        assert outcome(stream.read_until(b"\n")) == b"ab\n"
    assert stream.closed()


# ---- writing ----


def test_what_the_kernel_takes_at_once_is_done_at_once_and_never_waited_for(scripted: Scripted):
    stream = scripted.stream
    assert outcome(stream.write(b"hello")) is None
    assert stream.write(b"").done()
    assert stream.sent == b"hello"
    assert not stream.writing()
    assert scripted.wanted is None  # nearly always writable: asking would wake us for nothing


def test_what_the_kernel_refuses_waits_in_our_buffer_until_it_is_writable(scripted: Scripted):
    stream = scripted.stream
    stream.writes += [3, 0, 4]
    future = stream.write(b"0123456789")
    assert (outcome(future), stream.writing(), scripted.wanted) == ("pending", True, WRITE)
    scripted.tell(WRITE)
    assert outcome(future) == "pending"
    scripted.tell(WRITE)
    assert stream.sent == b"0123456"
    assert (outcome(future), scripted.wanted) == ("pending", WRITE)
    scripted.tell(WRITE)
    assert stream.sent == b"0123456789"
    assert (outcome(future), stream.writing(), scripted.wanted) == (None, False, 0)


def test_a_write_does_not_jump_the_queue(scripted: Scripted):
    stream = scripted.stream
    stream.writes += [1]
    stream.write(b"abc")
    stream.write(b"def")
    assert stream.sent == b"a"
    scripted.tell(WRITE)
    assert stream.sent == b"abcdef"


def test_what_is_written_soon_leaves_with_the_next_write_or_on_the_next_turn(scripted: Scripted):
    stream = scripted.stream
    assert outcome(stream.write_soon(b"")) is None  # as an answer to HEAD that is written to
    futures = [stream.write_soon(b"ab"), stream.write_soon(b"cd")]
    assert (stream.sent, [outcome(future) for future in futures]) == (b"", ["pending"] * 2)
    scripted.settle()
    assert (stream.sent, [outcome(future) for future in futures]) == (b"abcd", [None] * 2)
    stream.write_soon(b"e")
    stream.write(b"f")  # has them all leave at once, and asks the loop for nothing
    assert (stream.sent, stream.writing(), scripted.wanted) == (b"abcdef", False, None)
    scripted.settle()
    stream.writes += [1]
    stream.write_soon(b"gh")
    scripted.settle()
    assert (stream.sent, scripted.wanted) == (b"abcdefg", WRITE)
    scripted.tell(WRITE)
    assert (stream.sent, stream.writing()) == (b"abcdefgh", False)


def test_a_write_may_wait_for_others_only_while_they_are_few_and_more_is_to_be_read(fake: Fake):
    stream = Scripted(fake).stream
    assert not stream.may_hold(1)
    stream._read_buffer += b"the next request"
    assert stream.may_hold(iostream.WRITE_CHUNK_SIZE)
    assert not stream.may_hold(iostream.WRITE_CHUNK_SIZE + 1)
    stream.write_soon(b"ab")
    assert stream.may_hold(iostream.WRITE_CHUNK_SIZE - 2)
    assert not stream.may_hold(iostream.WRITE_CHUNK_SIZE - 1)
    stream.writes += [1]
    stream.write(b"cd")  # the kernel takes a byte: from now on it says when
    assert stream.writing()
    assert not stream.may_hold(1)
    limited = Scripted(fake, max_write_buffer_size=100).stream
    limited._read_buffer += b"the next request"
    assert not limited.may_hold(1)


def test_the_queue_of_writes_is_made_when_a_write_must_wait(scripted: Scripted):
    assert sys.getsizeof(deque()) > 600  # for each of 10,000 idle connections
    stream = scripted.stream
    stream.write(b"abc")
    assert "_write_futures" not in vars(stream)
    stream.writes += [0]
    stream.write(b"def")
    assert len(vars(stream)["_write_futures"]) == 1


def test_what_is_written_soon_is_not_lost_when_the_stream_is_closed_before(scripted: Scripted):
    stream = scripted.stream
    future = stream.write_soon(b"ab")
    stream.close()
    assert (stream.sent, outcome(future)) == (b"ab", None)
    with pytest.raises(StreamClosedError):
        stream.write_soon(b"cd")
    scripted.settle()


@pytest.mark.parametrize("more", [b"", b"xyz", b"z" * 300_000])
def test_a_large_write_is_sent_as_it_stands_and_not_copied(scripted: Scripted, more: bytes):
    stream, large = scripted.stream, bytes(range(250)) * 4000
    stream.writes += [1000]
    first = stream.write(large)
    assert stream._write_buffer.obj is large  # a view of it
    second = stream.write(more)
    while stream.writing():
        stream.writes += [70_000]
        scripted.tell(WRITE)
    assert stream.sent == large + more
    assert (outcome(first), outcome(second)) == (None, None)
    # What may be changed by whoever wrote it is copied.
    stream.writes += [1000]
    changing = bytearray(large)
    stream.write(changing)
    changing[:] = b""
    scripted.tell(WRITE)
    assert stream.sent == large + more + large


def test_each_of_several_writes_is_done_when_its_own_last_byte_has_left(scripted: Scripted):
    stream = scripted.stream
    order: list[str] = []
    stream.writes += [0]
    futures = {name: stream.write(name.encode() * 4) for name in "abc"}
    futures["-"] = stream.write(b"")
    for name, future in futures.items():
        future.add_done_callback(lambda future, name=name: order.append(name))
    stream.writes += [3]
    scripted.tell(WRITE)
    assert order == []
    stream.writes += [1]
    scripted.tell(WRITE)
    assert order == ["a"]
    stream.writes += [7]
    scripted.tell(WRITE)
    assert order == ["a", "b"]
    scripted.tell(WRITE)
    assert order == ["a", "b", "c", "-"]


def test_a_memoryview_counts_in_bytes_and_may_be_reused_afterwards(scripted: Scripted):
    import array

    stream = scripted.stream
    numbers = array.array("I", [1, 2, 3, 4])
    stream.writes += [2]
    future = stream.write(memoryview(numbers))
    expected = numbers.tobytes()
    numbers[3] = 99  # ours has been copied
    scripted.tell(WRITE)
    assert outcome(future) is None
    assert bytes(stream.sent) == expected
    scratch = bytearray(b"scratch")
    stream.writes += [0]
    stream.write(scratch)
    scratch[:] = b"SCRATCH!!"
    scripted.tell(WRITE)
    assert stream.sent.endswith(b"scratch")


def test_a_write_before_the_connection_stands_asks_for_nothing(scripted: Scripted):
    # Whoever connects asks: a TLS handshake that waits for READ would spin on WRITE.
    scripted.stream._connecting = True
    scripted.stream.write(b"x")
    assert scripted.wanted is None


def test_a_write_in_the_callback_of_another_keeps_the_order(scripted: Scripted):
    stream = scripted.stream
    stream.writes += [0]
    stream.write(b"a").add_done_callback(lambda future: stream.write(b"c"))
    stream.write(b"b")
    scripted.tell(WRITE)
    assert stream.sent == b"abc"
    stream.writes += [0, 1, 0, 0]
    last: list[Any] = []
    stream.write(b"d").add_done_callback(lambda future: last.append(stream.write(b"ef")))
    scripted.tell(WRITE)
    assert scripted.wanted == WRITE  # the callback's own bytes were refused
    scripted.tell(WRITE)
    assert stream.sent == b"abcdef"
    assert outcome(last[0]) is None


def test_a_stream_may_be_closed_in_the_callback_of_a_write(scripted: Scripted):
    stream = scripted.stream
    stream.writes += [0]
    stream.write(b"a").add_done_callback(lambda future: stream.close())
    second = stream.write(b"b")
    stream.writes += [1]
    scripted.tell(WRITE)
    assert stream.closed()
    assert outcome(second) == StreamClosedError
    assert stream.sent == b"a"


def test_max_write_buffer_size_is_enforced_before_anything_is_sent(fake: Fake):
    scripted = Scripted(fake, max_write_buffer_size=10)
    stream = scripted.stream
    stream.writes += [0]
    stream.write(b"x" * 6)
    with pytest.raises(StreamBufferFullError, match="10 bytes"):
        stream.write(b"x" * 5)
    future = stream.write(b"x" * 4)
    scripted.tell(WRITE)
    assert outcome(future) is None
    assert len(stream.sent) == 10
    with pytest.raises(StreamBufferFullError):
        stream.write(b"x" * 11)


def test_large_buffers_are_offered_in_pieces(scripted: Scripted):
    stream = scripted.stream
    piece = iostream.WRITE_CHUNK_SIZE
    stream.writes += [0]
    future = stream.write(b"x" * (3 * piece + 1))
    offered: list[int] = []
    real = stream.write_to_fd
    stream.write_to_fd = lambda data: offered.append(len(data)) or real(data)  # type: ignore
    scripted.tell(WRITE)
    assert outcome(future) is None
    assert offered == [piece, piece, piece, 1]


def test_taking_bytes_off_the_front_of_a_bytearray_moves_none():
    # On which the linear time of both buffers rests: the rest stays where it is in memory.
    def address(buffer: bytearray) -> int:
        return ctypes.addressof(ctypes.c_char.from_buffer(buffer))

    buffer = bytearray(1024 * 1024)
    at = address(buffer)
    del buffer[:1000]
    assert address(buffer) == at + 1000


def test_a_future_resolves_when_the_bytes_have_left_our_buffer_and_not_before(io_loop: IOLoop):
    # More than two sockets' buffers hold, to a peer that doesn't read.
    with stream_and_peer(io_loop) as (stream, peer):
        data = b"x" * 4_000_000
        future = stream.write(data)
        turns(io_loop, 5)
        assert not future.done()
        assert stream.writing()
        received = 0
        while not future.done():
            received += _drain(peer)
            turns(io_loop)
        assert not stream.writing()
        assert received + _drain(peer) == len(data)


def test_writes_to_a_full_pipe_do_not_keep_the_loop_spinning(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, _peer):
        stream.write(b"x" * 4_000_000)
        turns(io_loop, 3)
        before = stream.socket.calls["send"]
        io_loop.call_later(0.03, io_loop.stop)
        io_loop.start()
        assert stream.socket.calls["send"] == before


def test_a_full_pipe_takes_nothing_and_that_is_no_error(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, peer):
        stream.socket.take = 0
        future = stream.write(b"hello")
        assert (outcome(future), stream.writing()) == ("pending", True)
        stream.socket.take = None
        turns(io_loop)
        assert outcome(future) is None
        assert peer.recv(100) == b"hello"


def test_megabytes_go_through_in_both_directions_at_once(io_loop: IOLoop):
    data = os.urandom(1_000_000) * 3

    async def exchange(one: IOStream, two: IOStream) -> Any:
        await multi(
            [one.write(memoryview(data)), two.write(data[::-1]), check(one, -1), check(two, 1)]
        )

    async def check(stream: IOStream, step: int) -> None:
        assert await stream.read_bytes(len(data)) == data[::step]

    with stream_pair(io_loop) as (one, two):
        run(io_loop, exchange(one, two))


def test_a_peer_that_drips_is_served_byte_by_byte(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, peer):
        stream.socket.take = 1
        future = stream.write(b"hello")
        received = b""
        while not future.done():
            turns(io_loop)
        received = peer.recv(100)
        assert received == b"hello"


# ---- closing ----


def test_everybody_who_waits_is_told_and_the_close_callback_comes_last_and_once(
    scripted: Scripted,
):
    stream = scripted.stream
    log: list[Any] = []
    stream.writes += [0]
    read = stream.read_until(b"\n")
    writes = [stream.write(b"a"), stream.write(b"b")]
    for future in [read, *writes]:
        scripted.loop.add_future(future, lambda future: log.append(outcome(future)))
    stream.set_close_callback(lambda: log.append("closed"))
    stream.close()
    assert log == []  # on turns of their own
    stream.close()
    scripted.settle()
    assert log == [StreamClosedError] * 3 + ["closed"]
    assert scripted.wanted is None
    assert stream.calls["close"] == 1
    assert not stream.writing()


def test_closed_streams_read_what_is_in_store_and_write_nothing(scripted: Scripted):
    stream = scripted.stream
    stream.reads += [b"abcdef"]
    stream.read_bytes(1)
    assert not stream.at_eof()
    stream.close()
    assert stream.at_eof()
    assert outcome(stream.read_bytes(2)) == b"bc"
    assert outcome(stream.read_until(b"x")) == StreamClosedError
    assert outcome(stream.read_until_close()) == b"def"
    assert outcome(stream.read_until_close()) == b""
    with pytest.raises(StreamClosedError, match="Stream is closed"):
        stream.write(b"x")


def test_a_close_callback_that_is_set_late_is_called_all_the_same(scripted: Scripted):
    log: list[str] = []
    scripted.stream.close()
    scripted.stream.set_close_callback(lambda: log.append("closed"))
    scripted.settle()
    assert log == ["closed"]


def test_a_close_callback_may_be_taken_back(scripted: Scripted):
    scripted.stream.set_close_callback(lambda: pytest.fail("called"))
    scripted.stream.set_close_callback(None)
    scripted.stream.close()
    scripted.settle()


def test_close_keeps_the_error_it_is_given(scripted: Scripted, fake: Fake):
    error = ValueError("why")
    scripted.stream.close(exc_info=error)
    assert scripted.stream.error is error
    with pytest.raises(StreamClosedError) as caught:
        scripted.stream.write(b"x")
    assert caught.value.real_error is error
    stream = ScriptedStream(fake[0])
    try:
        raise error
    except ValueError:
        stream.close(exc_info=True)
    assert stream.error is error
    plain = ScriptedStream(fake[0])
    plain.close()
    assert plain.error is None


def test_close_takes_the_triple_of_sys_exc_info_too(scripted: Scripted):
    try:
        raise ValueError
    except ValueError:
        scripted.stream.close(exc_info=sys.exc_info())
    assert isinstance(scripted.stream.error, ValueError)


def test_a_peer_that_leaves_fails_reads_without_noise_and_completes_until_close(
    scripted: Scripted, fake: Fake
):
    stream = scripted.stream
    stream.reads += [b"abc"]
    future = stream.read_until(b"\n")
    stream.reads += [b""]
    scripted.tell(READ)
    assert outcome(future) == StreamClosedError
    assert future.exception().real_error is None
    assert stream.closed()
    assert outcome(stream.read_until_close()) == b"abc"


def test_what_nobody_asks_a_failed_read_or_write_for_is_not_logged(scripted: Scripted):
    scripted.stream.writes += [0]
    scripted.stream.write(b"x")
    scripted.stream.read_bytes(1)
    scripted.stream.close()
    gc.collect()  # quiet_log


@pytest.mark.parametrize("waits", [True, False])
def test_a_reset_is_one_more_way_to_leave(scripted: Scripted, waits: bool):
    stream = scripted.stream
    if waits:
        future = stream.read_bytes(1)
        stream.reads += [ConnectionResetError(errno.ECONNRESET, "reset")]
        scripted.tell(READ)
    else:
        stream.reads += [ConnectionResetError(errno.ECONNRESET, "reset")]
        future = stream.read_bytes(1)
    assert outcome(future) == StreamClosedError
    assert isinstance(future.exception().real_error, ConnectionResetError)


def test_any_other_error_on_read_is_worth_a_line(scripted: Scripted):
    scripted.stream.reads += [OSError(errno.EIO, "disk on fire")]
    with ExpectLog(gen_log, "error on read: .*disk on fire") as log:
        future = scripted.stream.read_bytes(1)
    assert outcome(future) == StreamClosedError
    assert log.tracebacks == 0


@pytest.mark.parametrize("code", [errno.ETIMEDOUT, errno.ECONNABORTED, errno.EPIPE])
def test_the_other_ways_to_leave_are_no_news_either(scripted: Scripted, code: int):
    # Tornado's _ERRNO_CONNRESET.  ETIMEDOUT: the peer's network is gone, and TCP has given up.
    scripted.stream.reads += [OSError(code, os.strerror(code))]
    with ExpectLog(gen_log, "error on read", required=False) as log:
        scripted.stream.read_bytes(1)
    assert log.matched == 0


@pytest.mark.parametrize("error", [ConnectionResetError, BrokenPipeError])
@pytest.mark.parametrize("buffered", [False, True])
def test_a_peer_that_is_gone_fails_the_write_without_noise(
    scripted: Scripted, error: type[OSError], buffered: bool
):
    stream = scripted.stream
    closed: list[str] = []
    stream.set_close_callback(lambda: closed.append("closed"))
    if buffered:
        stream.writes += [0]
        future = stream.write(b"x")
        stream.writes += [error()]
        scripted.tell(WRITE)
    else:
        stream.writes += [error()]
        future = stream.write(b"x")
    assert outcome(future) == StreamClosedError
    assert isinstance(stream.error, error)
    scripted.settle()
    assert closed == ["closed"]


def test_any_other_error_on_write_is_worth_a_line(scripted: Scripted):
    scripted.stream.writes += [OSError(errno.EIO, "disk on fire")]
    with ExpectLog(gen_log, "Write error on .*disk on fire") as log:
        scripted.stream.write(b"x")
    assert log.tracebacks == 0


def test_the_peers_last_word_does_not_cost_it_our_answer(scripted: Scripted):
    # It has shut down its side, and still listens: what we owe it is sent before we close.
    stream = scripted.stream
    stream.reads += [b"request\n"]
    assert outcome(stream.read_until(b"\n")) == b"request\n"
    stream.writes += [3]
    answer = stream.write(b"answer")
    read = stream.read_until(b"\n")
    stream.reads += [b""]
    scripted.tell(READ)
    assert outcome(read) == StreamClosedError
    assert not stream.closed()
    assert stream.at_eof()
    assert scripted.wanted == WRITE  # an end stays readable for ever
    assert outcome(stream.read_until_close()) == b""
    scripted.tell(WRITE)
    assert stream.sent == b"answer"
    assert outcome(answer) is None
    assert stream.closed()


def test_who_waits_for_a_write_may_write_once_more_to_a_half_closed_peer(scripted: Scripted):
    stream = scripted.stream
    stream.writes += [0]
    first = stream.write(b"head")
    scripted.loop.add_future(first, lambda future: stream.write(b" body"))
    stream.set_close_callback(lambda: None)
    stream.reads += [b""]
    scripted.tell(READ)
    stream.writes += [4, 2]
    scripted.tell(WRITE)
    assert not stream.closed()
    scripted.tell(WRITE)
    assert stream.sent == b"head body"
    assert stream.closed()


def test_an_error_event_saves_what_has_come_before_it_closes(scripted: Scripted):
    stream = scripted.stream
    future = stream.read_until_close()
    stream.fd_error = OSError(errno.ECONNRESET, "reset")
    stream.reads += [b"last ", b"words", None]
    scripted.tell(ERROR)
    assert outcome(future) == b"last words"
    assert stream.closed()
    assert stream.error is stream.fd_error


def test_it_saves_what_nobody_was_reading_too(scripted: Scripted):
    stream = scripted.stream
    stream.set_close_callback(lambda: None)
    stream.reads += [b"last ", b"words", None]
    scripted.tell(ERROR)
    assert stream.closed()
    assert outcome(stream.read_until_close()) == b"last words"


def test_an_error_event_while_nobody_waits_closes_and_does_not_spin(scripted: Scripted):
    stream = scripted.stream
    future = stream.read_bytes(1)
    stream.reads += [b"x"]
    scripted.tell(READ)
    assert outcome(future) == b"x"
    scripted.tell(ERROR)
    assert stream.closed()
    assert stream.error is None  # the file keeps none
    assert scripted.wanted is None


def test_an_exception_out_of_a_handler_closes_the_stream_and_is_logged(scripted: Scripted):
    stream = scripted.stream
    future = stream.read_bytes(1)
    stream.reads += [RuntimeError("bug")]
    with (
        ExpectLog(gen_log, "Uncaught exception, closing connection") as general,
        ExpectLog("tornado.application", "Exception in callback .*_handle_events"),
    ):
        scripted.tell(READ)
    assert outcome(future) == StreamClosedError
    assert isinstance(stream.error, RuntimeError)
    assert general.tracebacks == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_delimiter_of_the_wrong_type_leaves_no_read_behind(scripted: Scripted):
    with contextlib.suppress(TypeError):
        future = scripted.stream.read_until("\n")  # type: ignore[arg-type]
        scripted.stream.reads += [b"x"]
        with ExpectLog(gen_log, "", False), ExpectLog("tornado.application", "", False):
            scripted.tell(READ)
        assert outcome(future) != "pending"
    assert not scripted.stream.reading()


def test_a_base_stream_is_a_set_of_blanks(fake: Fake):
    stream = BaseIOStream(fake[0])
    for call in (
        stream.fileno,
        stream.close_fd,
        stream.read_from_fd,
        lambda: stream.write_to_fd(b""),
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert stream.get_fd_error() is None
    assert stream.set_nodelay(True) is None  # type: ignore[func-returns-value]
    assert stream._handle_connect() is None  # type: ignore[func-returns-value]


# ---- real sockets ----


def _drain(sock: socket.socket) -> int:
    """Receive what there is; return how much it was."""
    total = 0
    with contextlib.suppress(BlockingIOError):
        while chunk := sock.recv(1_000_000):
            total += len(chunk)
    return total


async def _await(future: Future[Any]) -> Any:
    return await future


def test_a_stream_owns_its_socket(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, _peer):
        assert stream.socket.gettimeout() == 0
        assert stream.fileno() is stream.socket
        assert re.match(r"<IOStream <.*fd=\d+", repr(stream))
        assert stream.encrypted is False
        stream.close()
        assert stream.socket.fileno() == -1


def test_closing_after_somebody_closed_the_socket_does_no_harm(io_loop: IOLoop):
    with stream_and_peer(io_loop) as (stream, _peer):
        stream.read_bytes(1)
        stream.socket.close()
        stream.close()
        assert stream.closed()


def test_data_then_an_end_over_tcp_are_both_delivered(io_loop: IOLoop):
    with tcp_stream_and_peer(io_loop) as (stream, peer):
        peer.send(b"hello")
        peer.close()
        assert run(io_loop, _await(stream.read_bytes(2))) == b"he"
        assert run(io_loop, _await(stream.read_until_close())) == b"llo"
        assert stream.closed()


def test_data_then_a_reset_over_tcp_are_both_delivered(io_loop: IOLoop):
    with tcp_stream_and_peer(io_loop) as (stream, peer):
        future = stream.read_until_close()
        peer.send(b"hello")
        reset(peer)
        assert run(io_loop, _await(future)) == b"hello"
        assert isinstance(stream.error, ConnectionResetError)


def test_a_half_closed_peer_gets_all_of_a_large_answer(io_loop: IOLoop):
    answer = b"x" * 8_000_000

    async def serve(stream: IOStream) -> None:
        assert await stream.read_until(b"\n") == b"request\n"
        await stream.write(answer)

    with tcp_stream_and_peer(io_loop) as (stream, peer):
        peer.send(b"request\n")
        peer.shutdown(socket.SHUT_WR)
        stream.set_close_callback(lambda: None)
        client = IOStream(peer, io_loop=io_loop)
        _, received = run(io_loop, _await(multi([serve(stream), client.read_until_close()])))
        assert len(received) == len(answer)
        assert stream.closed()


def test_a_write_to_a_peer_that_has_reset_fails(io_loop: IOLoop):
    async def write(stream: IOStream) -> None:
        while True:
            await stream.write(b"x" * 100_000)
            await sleep(0)

    with tcp_stream_and_peer(io_loop) as (stream, peer):
        reset(peer)
        with pytest.raises(StreamClosedError) as caught:
            run(io_loop, write(stream))
        assert isinstance(caught.value.real_error, (ConnectionResetError, BrokenPipeError))


def test_nodelay_is_set_on_tcp_and_ignored_elsewhere_and_afterwards(io_loop: IOLoop):
    option = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
    with tcp_stream_and_peer(io_loop) as (stream, _peer):
        stream.set_nodelay(True)
        assert stream.socket.getsockopt(*option) != 0
        stream.set_nodelay(False)
        assert stream.socket.getsockopt(*option) == 0
        stream.close()
        stream.set_nodelay(True)
    with stream_and_peer(io_loop) as (stream, _peer):
        stream.set_nodelay(True)


def test_nodelay_on_a_connection_that_was_reset_is_nothing_where_it_is_an_error(io_loop: IOLoop):
    class Fussy(CountingSocket):
        code = errno.EINVAL

        def setsockopt(self, *args: Any) -> None:
            raise OSError(self.code, "no")

    a, b = socket.socketpair()
    with tcp_stream_and_peer(io_loop) as (stream, _peer):
        plain, stream.socket = stream.socket, Fussy(stream.socket)
        stream.set_nodelay(True)
        stream.socket.code = errno.EBADF
        with pytest.raises(OSError, match="no"):
            stream.set_nodelay(True)
        plain.close()
    a.close()
    b.close()


def test_nothing_keeps_a_closed_stream_alive(io_loop: IOLoop):
    async def talk() -> weakref.ref[IOStream]:
        with stream_pair(io_loop) as (one, two):
            one.set_close_callback(lambda: None)
            two.write(b"x")
            assert await one.read_bytes(1) == b"x"
            reading = one.read_bytes(1)
            two.close()
            with pytest.raises(StreamClosedError):
                await reading
            return weakref.ref(one)

    gone = run(io_loop, talk())
    gc.collect()
    assert gone() is None


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@needs_no_collector
@pytest.mark.usefixtures("without_collector")
def test_a_connection_that_ends_leaves_nothing_to_the_garbage_collector(io_loop: IOLoop):
    gone: list[weakref.ref[IOStream]] = []

    async def serve(stream: IOStream) -> None:
        with contextlib.suppress(StreamClosedError):
            while True:
                await stream.read_until(b"\n")

    def connect() -> socket.socket:
        a, b = socket.socketpair()
        stream = IOStream(a, io_loop=io_loop)
        gone.append(weakref.ref(stream))
        stream.set_close_callback(lambda: stream.closed())  # a circle, up to the close
        io_loop.add_callback(serve, stream)
        return b

    peer = connect()
    turns(io_loop, 2)
    peer.send(b"x\n")
    turns(io_loop, 2)
    peer.close()
    turns(io_loop, 3)
    assert gone[0]() is None


# ---- connect ----


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def client_stream(loop: IOLoop, family: int = socket.AF_INET) -> IOStream:
    return IOStream(socket.socket(family), io_loop=loop)


def test_connect_resolves_with_the_stream(io_loop: IOLoop, listener: socket.socket):
    stream = client_stream(io_loop)
    assert run(io_loop, _await(stream.connect(listener.getsockname()))) is stream
    accepted, _ = listener.accept()
    accepted.send(b"hello")
    assert run(io_loop, _await(stream.read_bytes(5))) == b"hello"
    stream.close()
    accepted.close()


def test_what_is_written_before_the_connection_stands_is_sent_then(
    io_loop: IOLoop, listener: socket.socket
):
    stream = client_stream(io_loop)
    connected = stream.connect(listener.getsockname())
    writes = [stream.write(b"one "), stream.write(b"two")]
    assert stream.writing()
    assert not any(write.done() for write in writes)
    run(io_loop, _await(multi([connected, *writes])))
    accepted, _ = listener.accept()
    assert accepted.recv(100) == b"one two"
    accepted.close()
    stream.close()


def test_an_empty_write_before_the_connection_stands_is_done_then(
    io_loop: IOLoop, listener: socket.socket
):
    stream = client_stream(io_loop)
    try:
        stream.connect(listener.getsockname())
        empty = stream.write(b"")
        turns(io_loop, 3)
        assert outcome(empty) is None
    finally:
        stream.close()


def test_a_read_may_be_started_before_the_connection_stands(
    io_loop: IOLoop, listener: socket.socket
):
    stream = client_stream(io_loop)
    connected = stream.connect(listener.getsockname())
    reading = stream.read_bytes(5)
    accepted, _ = listener.accept()
    accepted.send(b"hello")
    assert run(io_loop, _await(multi([connected, reading]))) == [stream, b"hello"]
    accepted.close()
    stream.close()


def test_connecting_costs_two_calls_of_epoll_ctl(io_loop: IOLoop, listener: socket.socket):
    calls: Counter[str] = Counter()
    real = io_loop._poller

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls[name] += 1
            return getattr(real, name)

    io_loop._poller = Counting()  # type: ignore[assignment]
    stream = client_stream(io_loop)
    run(io_loop, _await(stream.connect(listener.getsockname())))
    assert (calls["register"], calls["modify"]) == (1, 1)
    stream.close()


def test_once_connected_nothing_is_asked_for(io_loop: IOLoop, listener: socket.socket):
    polls: list[int] = []
    stream = client_stream(io_loop)
    run(io_loop, _await(stream.connect(listener.getsockname())))
    real = io_loop._poller.poll
    io_loop._poller.poll = lambda seconds: polls.append(1) or real(seconds)  # type: ignore
    io_loop.call_later(0.03, io_loop.stop)
    io_loop.start()
    assert len(polls) <= 3
    stream.close()


def test_a_refused_connection_fails_with_the_reason_and_one_line(io_loop: IOLoop):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = sock.getsockname()
    stream = client_stream(io_loop)
    written: list[Any] = []
    closed: list[str] = []
    stream.set_close_callback(lambda: closed.append("closed"))
    with ExpectLog(gen_log, r"Connect error on fd \d+: .*refused") as log:
        connected = stream.connect(address)
        written.append(stream.write(b"x"))
        with pytest.raises(StreamClosedError) as caught:
            run(io_loop, _await(connected))
    assert isinstance(caught.value.real_error, ConnectionRefusedError)
    assert isinstance(stream.error, ConnectionRefusedError)
    assert outcome(written[0]) == StreamClosedError
    turns(io_loop)
    assert closed == ["closed"]
    assert log.matched == 1


def test_one_that_is_refused_at_once_fails_the_same_way(io_loop: IOLoop, tmp_path: Path):
    stream = client_stream(io_loop, socket.AF_UNIX)
    with ExpectLog(gen_log, "Connect error on fd"):
        connected = stream.connect(str(tmp_path / "nobody"))
    assert outcome(connected) == StreamClosedError
    assert isinstance(stream.error, FileNotFoundError)


def test_and_its_line_names_the_fd(io_loop: IOLoop, tmp_path: Path):
    stream = client_stream(io_loop, socket.AF_UNIX)
    with ExpectLog(gen_log, "Connect error on fd") as log:
        stream.connect(str(tmp_path / "nobody")).exception()
    assert re.match(r"Connect error on fd \d+: ", log.records[0].getMessage())


def test_a_unix_socket_connects(io_loop: IOLoop, tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        listener.listen()
        stream = client_stream(io_loop, socket.AF_UNIX)
        assert run(io_loop, _await(stream.connect(str(tmp_path / "sock")))) is stream
        stream.close()


def test_a_unix_socket_whose_backlog_is_full_refuses(io_loop: IOLoop, tmp_path: Path):
    # EAGAIN there, and not EINPROGRESS: nothing is under way, and nothing will tell.
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(str(tmp_path / "sock"))
        listener.listen(0)
        for _ in range(5):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(str(tmp_path / "sock"))
        stream = client_stream(io_loop, socket.AF_UNIX)
        stack.callback(stream.close)
        with ExpectLog(gen_log, "Connect error", required=False):
            connected = stream.connect(str(tmp_path / "sock"))
            turns(io_loop, 3)
        assert outcome(connected) == StreamClosedError


def test_closing_while_connecting_fails_the_future_and_leaks_nothing(
    io_loop: IOLoop, listener: socket.socket
):
    before = open_fds(collected=True)
    stream = client_stream(io_loop)
    connected = stream.connect(listener.getsockname())
    stream.close()
    assert outcome(connected) == StreamClosedError
    assert not stream._connecting
    assert open_fds() == before


# ---- names ----


def test_ssliostream_is_loaded_when_it_is_asked_for():
    from minitornado.iostream import SSLIOStream

    assert issubclass(SSLIOStream, IOStream)
    with pytest.raises(AttributeError, match="PipeIOStream"):
        _ = iostream.PipeIOStream


def test_streams_take_the_current_loop_unless_they_are_given_one(io_loop: IOLoop):
    a, b = socket.socketpair()
    one, two = IOStream(a), IOStream(b, io_loop, 1000, 100, 10)
    assert one.io_loop is two.io_loop is io_loop
    assert (two.max_buffer_size, two.read_chunk_size, two.max_write_buffer_size) == (1000, 100, 10)
    one.close()
    two.close()


def test_time_is_not_needed_for_a_turn(io_loop: IOLoop):
    # The helper of these tests: turns with nothing to do take no time.
    start = time.monotonic()
    turns(io_loop, 100)
    assert time.monotonic() - start < 60
