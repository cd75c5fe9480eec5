"""ex15: what a read does not take stays for the next one, and is not asked for twice.

A stream on a scripted kernel, at last on a real one.  minitornado/classroom/exercises/lab.py
says how scenarios are built and run.  Diagnoses try a mistake alone, on a stream of their own.
"""

import contextlib

from minitornado.classroom.exercises.actors import Reader, connected, real_stream, turn_until
from minitornado.classroom.exercises.kernel import MAX_POLLS, Client
from minitornado.classroom.exercises.lab import Lab, Unexpected, diagnosis
from minitornado.ioloop import IOLoop
from minitornado.iostream import StreamClosedError
from minitornado.pending_read import UnsatisfiableReadError

END = b"\r\n\r\n"
ONE = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"  # 28 bytes
TWO = b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"


def test_two_requests_one_packet_one_recv(lab: Lab) -> None:
    """Two requests come in one packet.

    One recv brought both; the second waits in the buffer for the second read.
    """
    client, reader = connected(lab)
    lab.step("the client sends two requests in one packet, 56 bytes")
    client.arrive(ONE + TWO)
    for request in (ONE, TWO):
        reader.read_until(END)
        reader.expect(request)
    lab.check(client.socket.recvs == 1, f"expected 1 recv, counted {client.socket.recvs}")


def test_rest_of_the_packet_is_the_body(lab: Lab) -> None:
    """A head and its body of 5 bytes come in one packet.

    The read that ends at the head's empty line leaves the body alone.
    """
    client, reader = connected(lab)
    reader.read_until(END)
    client.sends(ONE + b"hello")
    reader.expect(ONE)
    reader.read_bytes(5)
    reader.expect(b"hello")


def test_body_in_two_packets(lab: Lab) -> None:
    """A head comes with 2 of its 5 bytes of body, the others later.

    A read may be answered from both: what was left, and what is new.
    """
    client, reader = connected(lab)
    reader.read_until(END)
    client.sends(ONE + b"he")
    reader.expect(ONE)
    reader.read_bytes(5)
    lab.check(not reader.done, "expected the read to wait for 3 bytes more")
    client.sends(b"llo")
    reader.expect(b"hello")


def test_read_from_within_an_answer(lab: Lab) -> None:
    """Whoever is told of the first request begins the next read at once.

    A Future calls inside set_result: by then the first read must be over.
    """
    client, reader = connected(lab)
    second: list[bytes] = []
    lab.step("read_until; once it is answered, from within the answer, read_until again")
    future = reader.stream.read_until(END)
    future.add_done_callback(lambda future: reader.stream.read_until(END).add_done_callback(
        lambda future: second.append(future.result())))
    client.sends(ONE + TWO)
    lab.check(second == [TWO], f"expected the second read to get b'GET /2…', got {second}")


def test_interest_dropped_when_nobody_reads(lab: Lab) -> None:
    """A request is in the buffer, another one comes; nobody reads.

    Level-triggered: the kernel says "readable" on every turn, for as long as it is asked.
    """
    client, _ = crowded(lab)
    client.sends(TWO)
    lab.check(lab.events[-1] == "poll: nothing; the loop sleeps", "expected the loop to sleep")


def test_nothing_is_received_that_nobody_wants(lab: Lab) -> None:
    """The same: one waits in the buffer, one in the kernel; nobody reads.

    Bytes that nobody takes belong in the kernel: when it is full, TCP slows the client down.
    """
    client, _ = crowded(lab)
    before = client.socket.recvs
    client.sends(TWO)
    lab.facts["taken"] = client.socket.recvs - before
    lab.check(not lab.facts["taken"], f"expected no recv, counted {lab.facts['taken']}")


def test_interest_back_when_reading(lab: Lab) -> None:
    """Interest was dropped; then somebody reads all that is there, and more.

    A read that must wait asks the loop for READ, whatever was before.
    """
    client, reader = crowded(lab)
    client.sends(TWO)
    for _ in range(2):
        reader.read_until(END)
        reader.expect(TWO)
    reader.read_until(END)
    lab.check(not reader.done, "expected the read to wait: nothing more has come")
    client.sends(ONE)
    reader.expect(ONE)


def test_idle_stream_learns_of_the_end(lab: Lab) -> None:
    """Everything is read, nobody reads, and the client leaves.

    READ stays asked for while there is nothing: it is how we learn that he has gone.
    """
    client, reader = connected(lab)
    reader.read_until(END)
    client.sends(ONE)
    client.leaves()
    lab.check(reader.stream.closed(), "expected the stream to be closed; it is open")


def test_close_callback_hears_of_the_end_when_all_is_read(lab: Lab) -> None:
    """Somebody has a close callback; all is read, and the client leaves.

    While there was something in store, READ was not wanted; now it is how we learn of the end.
    """
    client, reader = crowded(lab)
    lab.step("set_close_callback")
    reader.stream.set_close_callback(lambda: lab.event("the close callback is called"))
    client.sends(ONE[:10])  # unwanted: READ is dropped
    reader.read_until(END)
    reader.expect(TWO)
    reader.read_bytes(10)
    reader.expect(ONE[:10])
    client.leaves()
    lab.check("the close callback is called" in lab.events, "expected the close callback to be "
                                                            "called; it is not")


def test_read_until_close_while_we_still_write(lab: Lab) -> None:
    """The client sends a request, and its end; an answer is still on its way.

    For whoever reads to the end, this is the end.
    """
    client, reader = connected(lab)
    client.socket.room = 0
    lab.step("write(b'answer'), without room; read_until_close()")
    reader.stream.write(b"answer")
    future = reader.stream.read_until_close()
    client.sends(ONE)
    client.leaves()
    got = future.result() if future.done() and future.exception() is None else future
    lab.check(got == ONE, f"expected {ONE[:12]!r}…, got {got!r}")


def test_pending_read_fails_at_the_end_while_we_still_write(lab: Lab) -> None:
    """The same, and whoever reads waits for a request that is cut short.

    The stream is open, for our answer. The rest of the request will not come all the same.
    """
    client, reader = connected(lab)
    client.socket.room = 0
    lab.step("write(b'answer'), without room")
    reader.stream.write(b"answer")
    reader.read_until(END)
    client.sends(ONE[:-1])
    client.leaves()
    lab.check(reader.done and reader.got is None, "expected the read to fail; it still waits")


def test_leftovers_outlive_our_own_close(lab: Lab) -> None:
    """Two requests and a bit have come; after the first, the stream is closed.

    Nothing can be sent any more; what was received is still here.
    """
    client, reader = connected(lab)
    reader.read_until(END)
    client.sends(ONE + TWO + b"bit")
    reader.expect(ONE)
    lab.step("close()")
    reader.stream.close()
    reader.read_until(END)
    reader.expect(TWO)
    reader.read_until(END)
    lab.check(reader.done and reader.got is None, "expected the read to fail; it waits")
    lab.step("read_until_close()")
    rest = reader.stream.read_until_close()
    lab.check(rest.done() and rest.result() == b"bit", f"expected b'bit', got {rest!r}")


def test_nonsense_costs_its_own_read_only(lab: Lab) -> None:
    """read_until("a str"): there is no such thing in bytes.

    The read fails, with the reason; the next one is as good as ever.
    """
    client, reader = connected(lab)
    lab.step("read_until('a str')")
    future = reader.stream.read_until("a str")  # type: ignore[arg-type]
    client.sends(ONE)
    lab.check(future.done() and isinstance(future.exception(), TypeError),
              f"expected the read to fail with TypeError, got {future!r}")
    reader.read_until(END)
    reader.expect(ONE)


def test_leftovers_outlive_the_connection(lab: Lab) -> None:
    """100 bytes are waited for, 28 are in the buffer, and the client leaves.

    The connection is gone, the bytes are not: he did send them.
    """
    client, reader = connected(lab)
    reader.read_bytes(100)
    client.sends(ONE)
    client.leaves()
    lab.check(reader.done and reader.got is None, "expected the read of 100 bytes to fail")
    lab.check(reader.stream.error is None, "expected a plain end, no error")
    reader.read_until(END)
    reader.expect(ONE)


def test_pending_read_fails_at_the_end(lab: Lab) -> None:
    """The client leaves in the middle of a request.

    Who waits is told that it will not come.
    """
    client, reader = connected(lab)
    lab.step("read_until(b'\\r\\n\\r\\n')")
    future = reader.stream.read_until(END)
    client.sends(ONE[:-1])
    client.leaves()
    lab.check(future.done(), "expected the read to fail; it still waits")
    lab.check(isinstance(future.exception(), StreamClosedError),
              f"expected StreamClosedError, got {future.exception()!r}")


def test_too_much_closes_the_stream(lab: Lab) -> None:
    """read_until(b'\\r\\n\\r\\n', max_bytes=10), and 28 bytes come.

    The read cannot be answered any more, and what comes after it cannot be understood.
    """
    client, reader = connected(lab)
    reader.read_until(END, max_bytes=10)
    client.sends(ONE)
    error = reader.stream.error
    lab.check(reader.stream.closed(), "expected the stream to be closed; it is open")
    lab.check(isinstance(error, UnsatisfiableReadError),
              f"expected UnsatisfiableReadError as the stream's error, got {error!r}")
    expect_failure(lab, reader, error)


def test_reset_is_the_reason(lab: Lab) -> None:
    """The client resets the connection in the middle of a request.

    Who waits is told that it will not come, and why.
    """
    client, reader = connected(lab)
    reader.read_until(END)
    client.sends(ONE[:-1])
    client.socket.reset = True
    client.sends(b"x")
    lab.check(isinstance(reader.stream.error, ConnectionResetError),
              f"expected ConnectionResetError as the stream's error, got {reader.stream.error!r}")
    expect_failure(lab, reader, reader.stream.error)


def test_two_and_a_half_requests_real(lab: Lab) -> None:
    """A real socket pair; two requests and a half come, then the other half.

    What holds on the scripted kernel holds on a real one.
    """
    with real_stream() as (stream, theirs):
        reader = Reader(lab, stream)
        lab.step("the client sends two requests and a half")
        theirs.sendall(ONE + TWO + ONE[:10])
        for request in (ONE, TWO):
            reader.read_until(END)
            turn_until(stream.io_loop, lambda: reader.done)
            reader.expect(request)
        reader.read_until(END)
        lab.step("and the other half")
        theirs.sendall(ONE[10:])
        turn_until(stream.io_loop, lambda: reader.done)
        reader.expect(ONE)


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M16", "BaseIOStream._finish_read")
def clears(lab: Lab) -> str | None:
    if after_one(ONE + TWO) == b"":
        return ("Two requests came in one packet, and with the answer to the first the second, 28 "
                "bytes, was thrown away. The client waits for ever.")
    return None


@diagnosis("M16", "BaseIOStream._finish_read")
def answer_stays(lab: Lab) -> str | None:
    if after_one(ONE + TWO) == ONE + TWO:
        return ("The answer was given and is still in the buffer: the next read gets the same "
                "request again. Take out what you hand out.")
    return None


@diagnosis("M15", "BaseIOStream._finish_read", AssertionError)
def resolves_first(lab: Lab) -> str | None:
    if "Already reading" in nested_read():
        return ("Inside set_result somebody began the next read, and was told \"Already reading\": "
                "the first one was not over. Forget it, cut the buffer, resolve last.")
    return None


@diagnosis("M16", "BaseIOStream._handle_read")
def kernel_first(lab: Lab) -> str | None:
    client, reader = connected(Lab())
    client.arrive(ONE + TWO)
    reader.read_until(END)
    before = client.socket.recvs
    reader.read_until(END)
    if client.socket.recvs > before and reader.got == TWO:
        return (f"1 recv was enough, you made {client.socket.recvs}: the request was in your own "
                "buffer. Look there first, ask the kernel second.")
    return None


@diagnosis("M04", "BaseIOStream._handle_read")
def never_asks(lab: Lab) -> str | None:
    client, reader = connected(Lab())
    reader.read_until(END)
    watched = client.kernel.poller.watched.get(client.socket.fd, 0)
    if not watched & IOLoop.READ:
        return ("The read waits, and the loop was never asked for READ: bytes come, and nobody is "
                "told. Ask before you give up for this turn.")
    return None


@diagnosis("M18", "BaseIOStream._handle_read")
def end_first(lab: Lab) -> str | None:
    client, reader = connected(Lab())
    reader.read_bytes(100)
    client.sends(ONE)
    client.leaves()
    reader.read_until(END)
    if reader.done and reader.got is None:
        return ("The stream is closed, and a whole request is in its buffer: you said \"closed\" "
                "before you looked. Look first: the client did send it.")
    return None


@diagnosis("M18", "BaseIOStream._handle_read")
def end_untold(lab: Lab) -> str | None:
    if after_one(ONE + TWO) != TWO:
        return None
    client, reader = connected(Lab())
    reader.read_until(END)
    client.leaves()
    if reader.stream.closed() and not reader.done:
        return ("The client has left, the stream is closed, and the read still waits for what "
                "cannot come. Let it fail.")
    return None


@diagnosis("M04", "BaseIOStream._handle_unwanted")
def keeps_read(lab: Lab) -> str | None:
    client, _ = crowded(Lab())
    polls, recvs = len(client.kernel.poller.sleeps), client.socket.recvs
    with contextlib.suppress(Unexpected):
        client.sends(TWO)
    polls, recvs = len(client.kernel.poller.sleeps) - polls, client.socket.recvs - recvs
    if polls >= MAX_POLLS and not recvs:
        return (f"Nobody reads, and the kernel woke you {polls:,} times for the same bytes. It "
                "tells what is so, not what is new: drop READ.")
    return None


@diagnosis("M26", "BaseIOStream._handle_unwanted")
def hoards(lab: Lab) -> str | None:
    client, reader = crowded(Lab())
    recvs = client.socket.recvs
    client.sends(TWO)
    if client.socket.recvs > recvs:
        size = len(reader.stream._read_buffer)
        return (f"Nobody reads, and you took what came: {size} bytes wait in your memory now, "
                "where nothing slows the client down.")
    return None


@diagnosis("M19", "BaseIOStream._handle_unwanted")
def deaf(lab: Lab) -> str | None:
    client, reader = connected(Lab())
    reader.read_until(END)
    client.sends(ONE)
    client.leaves()
    if not reader.stream.closed():
        return ("The buffer is empty and nobody reads, so you stopped listening: the client has "
                "left, and you will find out when you write.")
    return None


@diagnosis("M19", "BaseIOStream._finish_read")
def deaf_when_empty(lab: Lab) -> str | None:
    client, reader = crowded(Lab())
    reader.stream.set_close_callback(lambda: None)
    client.sends(ONE[:10])
    reader.read_until(END)
    reader.read_bytes(10)
    watched = client.kernel.poller.watched.get(client.socket.fd, 0)
    if reader.got == ONE[:10] and not watched & IOLoop.READ:
        return ("Everything is read, somebody has a close callback, and READ is not asked for any "
                "more: who would hear the client leave? Ask again when the buffer is empty.")
    return None


# ---- helpers ----


def crowded(lab: Lab) -> tuple[Client, Reader]:
    """A stream whose first read is answered, and whose buffer holds the request after it."""
    client, reader = connected(lab)
    reader.read_until(END)
    client.sends(ONE + TWO)
    reader.expect(ONE)
    return client, reader


def expect_failure(lab: Lab, reader: Reader, reason: BaseException | None) -> None:
    """The read must have failed by now: the stream is closed, for that reason."""
    error = reader.future.exception() if reader.done else "nothing: it still waits"
    lab.check(isinstance(error, StreamClosedError),
              f"expected the read to fail with StreamClosedError, got {error!r}")
    told = error.real_error  # type: ignore[union-attr]
    lab.check(told is reason, f"expected {reason!r} as its real_error, got {told!r}")


def after_one(packet: bytes) -> bytes:
    """What is in the buffer when a read was answered out of `packet`."""
    client, reader = connected(Lab())
    client.arrive(packet)
    future = reader.stream.read_until(END)
    return bytes(reader.stream._read_buffer) if future.done() else b"nothing was answered"


def nested_read() -> str:
    """What happens to a read that is begun from within the answer to another."""
    client, reader = connected(Lab())
    told: list[str] = []

    def again(future: object) -> None:
        try:
            reader.stream.read_until(END)
        except AssertionError as refusal:
            told.append(str(refusal))

    reader.stream.read_until(END).add_done_callback(again)
    client.sends(ONE + TWO)
    return "".join(told)
