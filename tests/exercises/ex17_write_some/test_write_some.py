"""ex17: what the kernel takes is sent at once; the rest waits, in order, until there is room.

A stream on a scripted kernel that has room for so many bytes, at last on a real one.
minitornado/classroom/exercises/lab.py says how scenarios are built and run.  Diagnoses try a
mistake alone, on a stream of their own.
"""

import contextlib

from minitornado.classroom.exercises.actors import errors_logged, real_stream, turn_until
from minitornado.classroom.exercises.kernel import MAX_POLLS, Kernel
from minitornado.classroom.exercises.lab import Lab, Unexpected, diagnosis, shown
from minitornado.ioloop import IOLoop
from minitornado.iostream import IOStream, StreamClosedError

SMALL = b"HTTP/1.1 204 No Content\r\nServer: me\r\n\r\n"  # 39 bytes
BIG = bytes(range(250)) * 12  # 3,000 bytes, no two neighbours alike
HUGE = 1024 * 1024
PIECE = 16 * 1024  # the kernel takes so much of it at once


def test_small_reply_needs_no_poll(lab: Lab) -> None:
    """The kernel has room for everything.

    The ordinary case: one send, and it is done; the loop need not know.
    """
    scene = Scene(lab, room=1 << 20)
    future = scene.write(SMALL)
    lab.check(lab.events == ["send to client: 39 of 39 bytes"],
              f"expected one send and nothing else, got {', '.join(lab.events) or 'nothing'}")
    lab.check(future.done(), "expected the Future to be done: every byte has left")


def test_big_reply_adds_then_removes_write(lab: Lab) -> None:
    """The kernel takes 1,000 of 3,000 bytes; later there is room again.

    WRITE is asked for while something waits, and not longer: a socket is nearly always writable.
    """
    scene = Scene(lab, room=1000)
    scene.write(BIG)
    lab.check(scene.wants_write(), "expected the loop to be asked for WRITE: 2,000 bytes wait")
    scene.client.takes(1000)
    lab.check(scene.wants_write(), "expected WRITE to stay asked for: 1,000 bytes wait")
    scene.client.takes(5000)
    scene.expect_sent(BIG)
    lab.check(not scene.wants_write(), "expected WRITE not to be asked for any more")
    lab.check(not scene.stream.closed(), "expected the stream to stay open; it is closed")


def test_no_byte_lost_and_none_twice(lab: Lab) -> None:
    """The kernel takes 3,000 bytes in odd pieces.

    send() says how many it took; the others are still yours.
    """
    scene = Scene(lab, room=7)
    scene.write(BIG)
    for size in (1, 500, 2, 1490, 1000):
        scene.client.takes(size)
    scene.expect_sent(BIG)


def test_order_of_three_writes(lab: Lab) -> None:
    """Three writes; there is room for the second before the first is through.

    A stream is a queue of bytes: who comes later does not overtake.
    """
    scene = Scene(lab, room=3)
    scene.write(b"first,")
    lab.step("the client reads 100 bytes; the loop does not know yet")
    scene.client.socket.room += 100
    scene.write(b"second,")
    scene.write(b"third.")
    scene.client.takes(100)
    scene.expect_sent(b"first,second,third.")


def test_small_ones_around_a_big_one(lab: Lab) -> None:
    """1 MiB waits, and 39 bytes are written; and the other way round.

    However the big one is kept: who came first goes first.
    """
    scene = Scene(lab, room=0)
    big = bytes(range(256)) * (HUGE // 256)
    first, second = scene.write(big), scene.write(SMALL)
    scene.client.takes(HUGE)
    lab.check(first.done() and not second.done(), "expected the first Future to be done alone")
    scene.write(big)
    scene.client.takes(HUGE + len(SMALL))
    scene.write(big)
    scene.client.takes(HUGE)
    scene.write(SMALL)
    scene.client.takes(HUGE)
    scene.expect_sent(big + SMALL + big + big + SMALL)


def test_what_is_written_may_be_changed_afterwards(lab: Lab) -> None:
    """1 MiB is written out of a bytearray, which its owner then uses again.

    Written is what was in it: the bytes are its owner's, those in the buffer are yours.
    """
    scene = Scene(lab, room=1000)
    owned = bytearray(b"old" * HUGE)
    scene.write(owned)
    lab.step("its owner overwrites it, and empties it")
    owned[:] = b"new" * HUGE
    owned.clear()
    scene.client.takes(4 * HUGE)
    scene.expect_sent(b"old" * HUGE)


def test_each_future_when_its_own_bytes_are_through(lab: Lab) -> None:
    """Three writes of 10 bytes wait; the client reads 5, 10, 15.

    Who wrote wants to know of his own last byte, not of the buffer's.
    """
    scene = Scene(lab, room=0)
    futures = [scene.write(b"0123456789") for _ in range(3)]
    for size, through in ((5, 0), (10, 1), (15, 3)):
        scene.client.takes(size)
        done = sum(future.done() for future in futures)
        lab.check(done == through, f"expected {through} of 3 futures to be done, counted {done}")


def test_future_is_not_done_before(lab: Lab) -> None:
    """The kernel has taken a part.

    Done means: out of our buffer. Who waits for it writes more only then.
    """
    scene = Scene(lab, room=1000)
    future = scene.write(BIG)
    lab.check(not future.done(), "expected the Future to be pending: 2,000 bytes are still here")
    scene.client.takes(1999)
    lab.check(not future.done(), "expected the Future to be pending: 1 byte is still here")
    scene.client.takes(1)
    lab.check(future.done(), "expected the Future to be done: every byte has left")


def test_write_from_within_an_answer(lab: Lab) -> None:
    """Whoever is told that his bytes are through writes more, at once.

    That is how a big file is sent: piece by piece, one in memory.
    """
    scene = Scene(lab, room=0)
    future = scene.write(b"piece one,")
    future.add_done_callback(lambda future: scene.write(b"piece two."))
    scene.client.takes(100)
    scene.expect_sent(b"piece one,piece two.")
    lab.check(not scene.wants_write(), "expected WRITE not to be asked for any more")


def test_1_mib_is_not_copied_again_and_again(lab: Lab) -> None:
    """1 MiB leaves in pieces of 16 KiB.

    What was sent comes off the front; the rest stays where it is.
    """
    scene = Scene(lab, room=PIECE)
    buffer = scene.stream._write_buffer = CountingBuffer()
    future = scene.write(bytearray(HUGE))  # which may be changed later, so that it is copied once
    while not future.done() and scene.client.socket.room == 0:
        scene.client.takes(PIECE)
    lab.facts["copied"] = CountingBuffer.copied
    lab.check(future.done(), "expected the Future to be done: the client has read everything")
    lab.check(CountingBuffer.copied <= 4 * HUGE,
              f"expected each byte to be copied once or twice, copied {CountingBuffer.copied:,} "
              f"bytes to send {HUGE:,}")
    del buffer


def test_write_before_the_connection_stands(lab: Lab) -> None:
    """A stream that is about to connect, and has something to say already.

    There is nobody to send to yet: it waits in the buffer, and goes out first.
    """
    scene = Scene(lab, room=100)
    lab.step("connect()")
    scene.stream.connect("the client's address")
    future = scene.write(SMALL)
    lab.check(not scene.stream.closed(), "expected the stream to be open; it is closed")
    lab.check(not future.done(), "expected the Future to be pending: nothing could be sent yet")
    scene.client.socket.connecting = False
    scene.client.takes(0)
    scene.expect_sent(SMALL)


def test_client_gone_at_the_first_byte(lab: Lab) -> None:
    """The client has reset the connection, and we write.

    A client that leaves is nobody's mistake: the Future says so, write itself does not raise.
    """
    scene = Scene(lab, room=1000)
    scene.client.socket.reset = True
    scene.expect_failure(scene.write(SMALL))


def test_client_gone_while_bytes_wait(lab: Lab) -> None:
    """The client resets the connection while 2,000 bytes wait.

    What can't be sent any more is told to whoever waits for it.
    """
    scene = Scene(lab, room=1000)
    future = scene.write(BIG)
    scene.client.socket.reset = True
    scene.client.takes(1)
    scene.expect_failure(future)


def test_half_closed_client_gets_everything(lab: Lab) -> None:
    """The client has said its last byte, and reads what we still have to say.

    One direction has ended. When the other has nothing more to say, the stream closes.
    """
    scene = Scene(lab, room=1000)
    scene.write(BIG)
    lab.step("read_bytes(1)")
    scene.stream.read_bytes(1).add_done_callback(lambda future: future.exception())
    scene.client.leaves()
    lab.check(not scene.stream.closed(), "expected the stream to be open: 2,000 bytes wait")
    with errors_logged() as errors:
        scene.client.takes(5000)
    scene.expect_sent(BIG)
    lab.check(scene.stream.closed(), "expected the stream to be closed; it is open")
    lab.check(not errors, f"expected nothing in the log, got {errors[:1]}")


def test_8_mib_slow_reader_real(lab: Lab) -> None:
    """8 MiB through a real socket pair, to a reader that comes when it likes.

    What holds on the scripted kernel holds on a real one.
    """
    data, got = bytearray(range(256)) * (8 * HUGE // 256), bytearray()
    with real_stream() as (stream, theirs):
        loop = stream.io_loop
        lab.step("write 8 MiB; the client reads what is there, whenever it is")
        future = stream.write(data)
        loop.add_handler(theirs, lambda fd, events: got.extend(theirs.recv(1 << 20)), IOLoop.READ)
        turn_until(loop, lambda: future.done() and len(got) >= len(data))
        lab.check(bytes(got) == data, f"expected the same 8 MiB, got {shown(got)}")
        lab.check(future.done(), "expected the Future to be done")


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M05", "BaseIOStream.write")
def waits_first(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    scene.write(SMALL)
    if not scene.client.socket.outgoing and scene.wants_write():
        return ("The kernel had room for all 39 bytes, and you asked the loop for WRITE instead: a "
                "turn and two syscalls more for every answer. Try first.")
    return None


@diagnosis("M06", "BaseIOStream.write")
def drops_rest(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    scene.write(BIG)
    if len(scene.client.socket.outgoing) == 1000 and not scene.stream.writing():
        return ("send() said 1,000 of 3,000. The other 2,000 bytes are nowhere: neither the kernel "
                "has them, nor your buffer.")
    return None


@diagnosis("M06", "BaseIOStream.write")
def sends_twice(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    scene.write(BIG)
    if len(scene.client.socket.outgoing) == 1000 and len(scene.stream._write_buffer) == 3000:
        return ("send() had taken 1,000 of 3,000 bytes, and you put all 3,000 into the buffer: the "
                "first 1,000 will arrive twice.")
    return None


@diagnosis("M06", "BaseIOStream.write")
def overtakes(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=3)
    scene.write(b"first,")
    scene.client.socket.room += 100
    scene.write(b"second,")
    if bytes(scene.client.socket.outgoing) == b"firsecond,":
        return ("b'st,' of the first write was still in the buffer when you sent the second: the "
                "client reads b'firsecond,'. If something waits, wait behind it.")
    return None


@diagnosis("M26", "BaseIOStream.write")
def done_at_once(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    if scene.write(BIG).done():
        return ("The Future is done, and 2,000 bytes are still in your buffer. Who waits for it "
                "before he writes more will fill the memory.")
    return None


@diagnosis("M05", "BaseIOStream.write")
def never_asks(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    scene.write(BIG)
    if not scene.wants_write():
        return ("2,000 bytes wait for room, and the loop was not asked for WRITE: there is room "
                "soon, and nobody tells you.")
    return None


@diagnosis("M19", "BaseIOStream.write")
def gone_untold(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    scene.client.socket.reset = True
    if not scene.write(SMALL).done():
        return ("_send has found that the client is gone, and closed the stream; the Future of "
                "this write will never be resolved. Let it fail.")
    return None


@diagnosis("M05", "BaseIOStream._handle_write")
def never_drops(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    scene.write(BIG)
    with contextlib.suppress(Unexpected):
        scene.client.takes(5000)
    if (polls := len(scene.kernel.poller.sleeps)) >= MAX_POLLS:
        return (f"Everything is sent, and the kernel woke you {polls:,} times to say that there is "
                "room. There nearly always is: drop WRITE.")
    return None


@diagnosis("M06", "BaseIOStream._handle_write")
def believes_all_went(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    scene.write(BIG)
    with contextlib.suppress(Unexpected):
        scene.client.takes(500)
    if len(scene.client.socket.outgoing) == 1500 and not scene.stream.writing():
        return ("The kernel took 500 of 2,000 bytes, and you threw all 2,000 away: take off the "
                "buffer what _send says was sent.")
    return None


@diagnosis("M26", "BaseIOStream._handle_write")
def told_early(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=0)
    futures = [scene.write(b"0123456789") for _ in range(3)]
    scene.client.takes(5)
    if futures[0].done():
        return ("5 of 30 bytes were sent, and somebody was told that his 10 are through. Each "
                "future has a count: wait until it is reached.")
    return None


@diagnosis("M26", "BaseIOStream._handle_write")
def told_late(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=0)
    futures = [scene.write(b"0123456789") for _ in range(3)]
    scene.client.takes(15)
    if not futures[0].done() and len(scene.client.socket.outgoing) == 15:
        return ("15 of 30 bytes are sent, and the first writer, whose 10 are among them, was not "
                "told. He may be waiting to write more.")
    return None


@diagnosis("M18", "BaseIOStream._handle_write")
def never_closes(lab: Lab) -> str | None:
    scene = Scene(Lab(), room=1000)
    scene.write(BIG)
    scene.stream.read_bytes(1).add_done_callback(lambda future: future.exception())
    scene.client.leaves()
    scene.client.takes(5000)
    if not scene.stream.closed() and not scene.stream.writing():
        return ("The client said its last byte long ago, and now it has all of ours: nothing will "
                "ever happen on this stream again, and it is still open.")
    return None


@diagnosis("M06", "BaseIOStream._handle_write")
def copies(lab: Lab) -> str | None:
    if (lab.facts["copied"] or 0) > 4 * HUGE:
        times = lab.facts["copied"] // HUGE
        return (f"You moved {lab.facts['copied'] >> 20} MiB to send 1, each byte {times} times: a "
                "slice of a bytearray is a copy. Use a view, and del buffer[:sent].")
    return None


# ---- helpers ----


class Scene:
    """A stream whose kernel has room for so many bytes, and its writes."""

    def __init__(self, lab: Lab, room: int) -> None:
        self.lab = lab
        self.kernel = Kernel(lab)
        self.client = self.kernel.connect()
        self.client.socket.room = room
        self.stream = IOStream(self.client.socket, io_loop=self.kernel.loop)

    def write(self, data: bytes):  # type: ignore[no-untyped-def]
        """Write; what becomes of it is an event."""
        self.lab.step(f"write({shown(data, 12)}), with room for {self.client.socket.room:,}")
        future = self.stream.write(data)
        self.lab.check(future is not None, "expected write to return a Future, got None")
        if not future.done():
            future.add_done_callback(lambda future: self.lab.event(
                "a write is through" if future.exception() is None else "a write has failed"))
        return future

    def wants_write(self) -> bool:
        """Whether the loop watches the socket for WRITE."""
        return bool(self.kernel.poller.watched.get(self.client.socket.fd, 0) & IOLoop.WRITE)

    def expect_sent(self, data: bytes) -> None:
        """These, and no others, must have reached the kernel by now."""
        got = bytes(self.client.socket.outgoing)
        if got == data:
            return
        same = next((at for at, (a, b) in enumerate(zip(got, data, strict=False)) if a != b),
                    min(len(got), len(data)))
        self.lab.check(False, f"expected {len(data):,} bytes with the kernel, got {len(got):,}, "
                              f"the same up to byte {same:,}")

    def expect_failure(self, future) -> None:  # type: ignore[no-untyped-def]
        """The write must have failed by now, and the stream be closed."""
        self.lab.check(future.done(), "expected the Future to fail; it waits for ever")
        self.lab.check(isinstance(future.exception(), StreamClosedError),
                       f"expected StreamClosedError, got {future.exception()!r}")
        self.lab.check(self.stream.closed(), "expected the stream to be closed; it is open")
        self.lab.check(not self.stream.writing(), "expected the buffer to be empty: it is over")


class CountingBuffer(bytearray):
    """A bytearray that counts the bytes that are copied out of it; its slices count on."""

    copied = 0

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        got = super().__getitem__(key)
        if isinstance(key, slice):
            CountingBuffer.copied += len(got)
            return CountingBuffer(got)
        return got

    def __bytes__(self):  # type: ignore[no-untyped-def]
        CountingBuffer.copied += len(self)
        return bytes(memoryview(self))
