"""ex13: a delimiter is found wherever the packets are cut, and what is here is not waited for.

`pending_read` alone first, a buffer that grows; then a stream on a scripted kernel; at last a
real socket pair.  minitornado/classroom/exercises/lab.py says how scenarios are built and run.
"""


from minitornado.classroom.exercises.actors import Reader, connected, real_stream, turn_until
from minitornado.classroom.exercises.lab import Lab, diagnosis, shown
from minitornado.pending_read import ReadUntil, UnsatisfiableReadError

END = b"\r\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: ab\r\n\r\n"  # 28 bytes

# One scenario drips this much, byte by byte. Starting at 0 each time looks at 134 million bytes;
# going back by all but one byte of the delimiter, at 65 thousand.
DRIPPED_BYTES = 16 * 1024
MAX_LOOKS_PER_BYTE = 64


# ---- pending_read alone ----


def test_answer_includes_the_delimiter(lab: Lab) -> None:
    """A whole request is here.

    The delimiter belongs to the answer: what is not taken out now is still there next time.
    """
    buffer = Growing(lab)
    lab.check(buffer.packet(REQUEST) == 28, f"expected the end at 28, got {buffer.answer}")


def test_answer_ends_at_the_first_delimiter(lab: Lab) -> None:
    """Two requests come in one packet.

    Each read is answered by one message; the second waits for the next read.
    """
    buffer = Growing(lab)
    lab.check(buffer.packet(REQUEST * 2) == 28, f"expected the end at 28, got {buffer.answer}")


def test_delimiter_at_the_very_beginning(lab: Lab) -> None:
    """The delimiter is all that comes.

    A message may be empty but for its end; position 0 is a position.
    """
    buffer = Growing(lab)
    lab.check(buffer.packet(END) == 4, f"expected the end at 4, got {buffer.answer}")


def test_nothing_yet_is_none(lab: Lab) -> None:
    """A request is here but for its last byte.

    Half a message is the ordinary case, and no answer.
    """
    buffer = Growing(lab)
    lab.check(buffer.packet(REQUEST[:-1]) is None, f"expected None, got {buffer.answer}")


def test_delimiter_across_packets(lab: Lab) -> None:
    """The delimiter arrives in two packets.

    Packets know nothing of messages: a delimiter may begin in one and end in the next.
    """
    for cut in (-1, -2, -3):
        lab.step("a new ReadUntil(b'\\r\\n\\r\\n'), an empty buffer")
        buffer = Growing(lab)
        lab.check(buffer.packet(REQUEST[:cut]) is None, f"expected None, got {buffer.answer}")
        buffer.packet(REQUEST[cut:])
        lab.check(buffer.answer == 28, f"expected the end at 28, got {buffer.answer}")


def test_delimiter_byte_by_byte(lab: Lab) -> None:
    """The request arrives byte by byte.

    28 questions, 27 times "not yet".
    """
    buffer = Growing(lab)
    for number in range(27):
        answer = buffer.packet(REQUEST[number:number + 1])
        lab.check(answer is None, f"expected None after {number + 1} bytes, got {answer}")
    lab.check(buffer.packet(REQUEST[27:]) == 28, f"expected the end at 28, got {buffer.answer}")


def test_16_kib_dripped_cost_linear_time(lab: Lab) -> None:
    """A head of 16 KiB drips in, byte by byte.

    A client decides how its bytes are cut; it must not decide how much work they make.
    """
    lab.step(f"{DRIPPED_BYTES:,} bytes arrive one by one; find_end after each")
    read, buffer = ReadUntil(END), CountingBuffer()
    for _ in range(DRIPPED_BYTES):
        buffer += b"x"
        answer = read.find_end(buffer, False)
        lab.check(answer is None, f"expected None while no delimiter is here, got {answer}")
    lab.facts["looks"] = buffer.looks
    most = MAX_LOOKS_PER_BYTE * DRIPPED_BYTES
    lab.check(buffer.looks <= most,
              f"expected at most {most:,} bytes to be looked at, counted {buffer.looks:,}")


def test_limit_holds_with_and_without_a_delimiter(lab: Lab) -> None:
    """max_bytes is 28.

    A limit that waits for the delimiter is none: who never sends one is never stopped.
    """
    exact = Growing(lab, max_bytes=28)
    lab.check(exact.packet(REQUEST) == 28, f"expected the end at 28, got {exact.answer}")
    full = Growing(lab, max_bytes=28)
    lab.check(full.packet(b"x" * 28) is None, f"expected None at the limit, got {full.answer}")
    for data in (b"x" * 29, b"x" + REQUEST):
        over = Growing(lab, max_bytes=28)
        answer = over.packet(data)
        lab.check(answer == "UnsatisfiableReadError",
                  f"expected UnsatisfiableReadError, got {answer}")


# ---- a stream on a scripted kernel ----


def test_28_bytes_28_events(lab: Lab) -> None:
    """The request arrives at a stream byte by byte.

    The stream asks after every packet; the Future is resolved once, at the last byte.
    """
    client, reader = connected(lab)
    reader.read_until(END)
    for number in range(28):
        lab.check(not reader.done, "expected the read to wait for the last byte")
        client.sends(REQUEST[number:number + 1])
    reader.expect(REQUEST)


def test_already_buffered_needs_no_syscall(lab: Lab) -> None:
    """The second request came in the packet of the first.

    The kernel has handed it over and will not mention it again: who waits now waits for ever.
    """
    client, reader = connected(lab)
    lab.step("the client sends two requests in one packet, 56 bytes")
    client.arrive(REQUEST * 2)
    reader.read_until(END)
    reader.expect(REQUEST)
    before = len(lab.events), client.socket.recvs
    lab.facts["in_buffer"] = True
    reader.read_until(END)
    lab.facts["recvs"] = client.socket.recvs - before[1]
    reader.expect(REQUEST)
    calls = lab.events[before[0]:]
    lab.check(len(calls) == 1, f"expected no syscall for a buffered message, got: {calls[0]}")


def test_next_request_comes_later(lab: Lab) -> None:
    """A request is here when it is asked for; the next one comes later.

    The first read needed no event; the second has to wait for one.
    """
    client, reader = connected(lab)
    lab.step("the client sends a request, 28 bytes")
    client.arrive(REQUEST)
    reader.read_until(END)
    reader.expect(REQUEST)
    reader.read_until(END)
    client.sends(REQUEST)
    reader.expect(REQUEST)


def test_second_read_is_refused(lab: Lab) -> None:
    """A second read begins while the first one waits.

    One stream of bytes, one reader: two could not know whose the next message is.
    """
    client, reader = connected(lab)
    reader.read_until(END)
    lab.check(not reader.done, "expected the read to wait: nothing has come")
    lab.step("read_until again, while the first one waits")
    try:
        reader.stream.read_until(END)
    except AssertionError as refusal:
        lab.event("refused")
        lab.check("Already reading" in str(refusal), f"expected 'Already reading', got {refusal!s}")
    else:
        lab.facts["two_readers"] = True
        lab.check(False, "expected AssertionError('Already reading'), got a second Future")
    client.sends(REQUEST)
    reader.expect(REQUEST)


def test_limit_closes_the_stream(lab: Lab) -> None:
    """read_until(b'\\r\\n\\r\\n', max_bytes=10), and 11 bytes come.

    The limit is the reader's; the stream hands it on, and closes when it is passed.
    """
    client, reader = connected(lab)
    reader.read_until(END, max_bytes=10)
    client.sends(b"x" * 11)
    lab.facts |= {"max_bytes": 10, "waits": not reader.done}
    lab.check(reader.stream.closed(), "expected the stream to be closed; it is open")
    lab.check(isinstance(reader.stream.error, UnsatisfiableReadError),
              f"expected UnsatisfiableReadError as the stream's error, got {reader.stream.error!r}")


def test_read_of_a_closed_stream(lab: Lab) -> None:
    """Somebody reads from a stream that has been closed meanwhile, and is empty.

    Nothing will come, and no event will say so: it is to be found out now.
    """
    _, reader = connected(lab)
    reader.read_until(END)
    lab.step("the server closes the stream")
    reader.stream.close()
    reader.read_until(END)
    lab.check(reader.done and reader.got is None, "expected the read to fail; it waits")


def test_read_after_the_clients_end(lab: Lab) -> None:
    """The client has said its last byte, our answer is on its way; we read.

    The stream is open, for the answer. To read there is nothing any more.
    """
    client, reader = connected(lab)
    client.socket.room = 0
    lab.step("write(b'answer'), without room")
    reader.stream.write(b"answer")
    reader.read_until(END)
    client.leaves()
    reader.read_until(END)
    lab.check(reader.done and reader.got is None, "expected the read to fail; it waits")


def test_two_packets_real(lab: Lab) -> None:
    """A real socket pair, a real loop; the delimiter in two packets.

    What holds on the scripted kernel holds on a real one.
    """
    with real_stream() as (stream, theirs):
        reader = Reader(lab, stream)
        reader.read_until(END)
        lab.facts |= {"seen": REQUEST, "newest": REQUEST[-1:]}
        for piece, sent in ((REQUEST[:-1], 27), (REQUEST[-1:], 28)):
            lab.step(f"the client sends {shown(piece)}; the loop turns")
            theirs.sendall(piece)
            turn_until(stream.io_loop, lambda sent=sent: (
                reader.done or len(stream._read_buffer) == sent))
        reader.expect(REQUEST)


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M27", "BaseIOStream.read_until")
def no_return(lab: Lab) -> str | None:
    if lab.facts["returned"] is False and waiting_read_returns() is None:
        return ("read_until returned None: who asks needs the Future, to be told when the bytes "
                "are here.")
    return None


@diagnosis("M27", "BaseIOStream.start_read")
def lost_future(lab: Lab) -> str | None:
    if lab.facts["returned"] is False and waiting_read_returns() is not None:
        return ("The answer was there at once: _handle_read resolved the Future and cleared "
                "self._read_future, and you returned what it held by then, None.")
    return None


@diagnosis("M15", "BaseIOStream.start_read")
def two_readers(lab: Lab) -> str | None:
    if lab.facts["two_readers"]:
        return ("The second read took the place of the first, whose Future nobody will ever "
                "resolve. Refuse it; Tornado says \"Already reading\".")
    return None


@diagnosis("M16", "BaseIOStream.start_read")
def waits_first(lab: Lab) -> str | None:
    if lab.facts["in_buffer"] and not lab.facts["done"] and not lab.facts["recvs"]:
        return ("Nothing more will ever arrive: the request is in your buffer already. Look "
                "there first, and wait only if it is not enough.")
    return None


@diagnosis("M16", "BaseIOStream.start_read")
def asks_nobody(lab: Lab) -> str | None:
    client, reader = connected(Lab())
    client.arrive(REQUEST)
    reader.read_until(END)
    reader.read_until(END)
    if not reader.done and client.socket.fd not in client.kernel.poller.watched:
        return ("Your buffer is empty, and the kernel has nothing either: somebody must ask the "
                "loop for READ, or nobody is told when the next request comes.")
    return None


@diagnosis("M16", "BaseIOStream.start_read")
def recv_first(lab: Lab) -> str | None:
    if lab.facts["in_buffer"] and lab.facts["recvs"]:
        return ("The message was in your buffer, and you asked the kernel all the same: a syscall "
                "more for every pipelined request. Look in the buffer first.")
    return None


@diagnosis("M16", "ReadUntil.find_end")
def strips(lab: Lab) -> str | None:
    got = answer_of(lab)
    if got is not None and got + END in (REQUEST, END):
        return ("Your answer stops before the delimiter, so its 4 bytes stay in the buffer, and "
                "the next message begins with them.")
    return None


@diagnosis("M16", "ReadUntil.find_end")
def last_delimiter(lab: Lab) -> str | None:
    got = answer_of(lab)
    if got is not None and got == REQUEST * 2:
        return ("Two requests came in one packet, and you took both for one: the answer ends at "
                "the first delimiter, the rest is for the next read.")
    return None


@diagnosis("M17", "ReadUntil.find_end")
def zero_is_nothing(lab: Lab) -> str | None:
    if lab.facts["seen"] == END and lab.facts["waits"] and alone(REQUEST) == 28:
        return ("The delimiter is here, at position 0, and you take that for \"not found\": find "
                "says -1 if there is none, and 0 is a place.")
    return None


@diagnosis("M17", "ReadUntil.find_end")
def straddle(lab: Lab) -> str | None:
    seen, newest = (lab.facts["seen"] or b""), (lab.facts["newest"] or b"")
    if (lab.facts["waits"] and seen.endswith(END) and END not in newest
            and alone(REQUEST) == 28 and alone(REQUEST[:-1], REQUEST[-1:]) is None):
        return (f"{seen[-4:-len(newest)]!r} was here, then came {newest!r}: the delimiter "
                "straddles two packets. Search from three bytes further back.")
    return None


@diagnosis("M17", "ReadUntil.find_end")
def rescan(lab: Lab) -> str | None:
    if (lab.facts["looks"] or 0) > MAX_LOOKS_PER_BYTE * DRIPPED_BYTES:
        return (f"You looked at {lab.facts['looks']:,} bytes to search {DRIPPED_BYTES:,}: at the "
                "first one again after every packet. Remember how far you have searched.")
    return None


@diagnosis("M17", "BaseIOStream.read_until")
def limit_dropped(lab: Lab) -> str | None:
    if lab.facts["max_bytes"] == 10 and lab.facts["waits"] and limit_handed_on() is None:
        return ("read_until was given max_bytes=10 and made a ReadUntil without it: so nobody "
                "counts.")
    return None


@diagnosis("M17", "ReadUntil.find_end")
def no_limit(lab: Lab) -> str | None:
    seen, most = len(lab.facts["seen"] or b""), lab.facts["max_bytes"]
    if (most is not None and lab.facts["waits"] and seen > most
            and alone(b"x" * (most + 1), max_bytes=most) is None):
        return (f"{seen} bytes are here, {most} were allowed, and you wait for more. Check the "
                "limit while there is no delimiter, too: a head without an end fills the memory.")
    return None


# ---- helpers ----


class Growing:
    """A ReadUntil alone: a buffer that grows, and the question after each packet."""

    def __init__(self, lab: Lab, max_bytes: int | None = None) -> None:
        self.lab = lab
        self.read = ReadUntil(END, max_bytes)
        self.buffer = bytearray()
        self.answer: object = None
        lab.facts["max_bytes"] = max_bytes

    def packet(self, data: bytes) -> object:
        """What find_end says once `data` is here as well: a number, None, the error's name."""
        self.buffer += data
        self.lab.step(f"{shown(data)} arrives, {len(self.buffer)} in all; find_end")
        try:
            self.answer = self.read.find_end(self.buffer, False)
        except UnsatisfiableReadError:
            self.answer = "UnsatisfiableReadError"
        self.lab.event(f"find_end: {self.answer}")
        self.lab.facts |= {"seen": bytes(self.buffer), "newest": data,
                           "waits": self.answer is None, "answer": None}
        if isinstance(self.answer, int):
            self.lab.facts["answer"] = bytes(self.buffer[:self.answer])
        return self.answer


class CountingBuffer(bytearray):
    """A bytearray that counts how many bytes its methods were asked to look at.

    A regular expression or a memoryview reads past them, and is not counted.
    """

    looks = 0

    def _count(self, start: int | None = None, end: int | None = None) -> None:
        first, last, _ = slice(start, end).indices(len(self))
        self.looks += max(0, last - first)

    def find(self, what, start=None, end=None):  # type: ignore[no-untyped-def]
        self._count(start, end)
        return super().find(what, start, end)

    def rfind(self, what, start=None, end=None):  # type: ignore[no-untyped-def]
        self._count(start, end)
        return super().rfind(what, start, end)

    def index(self, what, start=None, end=None):  # type: ignore[no-untyped-def]
        self._count(start, end)
        return super().index(what, start, end)

    def count(self, what, start=None, end=None):  # type: ignore[no-untyped-def]
        self._count(start, end)
        return super().count(what, start, end)

    def partition(self, what):  # type: ignore[no-untyped-def]
        self._count()
        return super().partition(what)

    def split(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        self._count()
        return super().split(*args, **kwargs)

    def __contains__(self, what):  # type: ignore[no-untyped-def]
        self._count()
        return super().__contains__(what)

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        if isinstance(key, slice):
            self._count(key.start, key.stop)
        else:
            self.looks += 1
        return super().__getitem__(key)

    def __bytes__(self):  # type: ignore[no-untyped-def]
        self._count()
        return bytes(memoryview(self))


def answer_of(lab: Lab) -> bytes | None:
    """The bytes that were delivered, or that find_end points at; None if there are none."""
    answer = lab.facts["answer"]
    return answer if isinstance(answer, bytes) else None


# What the diagnoses try for themselves, so that a mistake elsewhere is not taken for theirs.


def alone(*packets: bytes, max_bytes: int | None = None) -> object:
    """What ReadUntil.find_end says after the last of `packets`; what it raises is an answer too."""
    buffer = Growing(Lab(), max_bytes)
    try:
        return [buffer.packet(packet) for packet in packets][-1]
    except Exception as error:
        return error


def waiting_read_returns() -> object:
    """What read_until returns while nothing has come."""
    _, reader = connected(Lab())
    return reader.stream.read_until(END)


def limit_handed_on() -> object:
    """The max_bytes of the read that read_until(…, 10) begins."""
    _, reader = connected(Lab())
    begun: list[ReadUntil] = []
    reader.stream.start_read = begun.append  # type: ignore[method-assign,assignment]
    reader.stream.read_until(END, 10)
    return begun[0].max_bytes if begun else "nothing was begun"
