"""What notebook 06 says of the lines that it owns."""

from __future__ import annotations

from ..explain import own

own("06", "pending_read.ReadUntil.find_end", (
    (
        "def find_end(self, buffer: bytearray, closed: bool) -> int | None:",
        "The one question that a pending read answers: where in this buffer does my answer end? "
        "A number, or None: not yet.",
    ),
    (
        "start = self._searched - len(self.delimiter) + 1",
        "**Look back a little.** What was searched before has no whole delimiter, but its end may "
        "be the beginning of one.",
    ),
    (
        "at = buffer.find(self.delimiter, start if start > 0 else 0)",
        "Search the new bytes, and those few. A negative start would count from the end.",
    ),
    (
        "if at >= 0:\nend = at + len(self.delimiter)",
        "Found. The answer ends behind the delimiter.",
    ),
    (
        "_check_max_bytes(end, self.max_bytes, self.delimiter)\nreturn end",
        "Unless that is more than the reader wanted to have: then an exception.",
    ),
    (
        "self._searched = len(buffer)",
        "Not found. **Remember** how far we have looked, and never look there again.",
    ),
    (
        "_check_max_bytes(len(buffer), self.max_bytes, self.delimiter)",
        "There is a limit before the end is found, too. Else who never sends a delimiter fills "
        "our memory.",
    ),
    ("return None", "Come back with more bytes."),
))  # fmt: skip

own("06", "iostream.BaseIOStream.start_read", (
    (
        "def start_read(self, read: PendingRead) -> Future[bytes]:",
        "`read_until` comes here with a ReadUntil. Other reads come with something else that has "
        "a `find_end`.",
    ),
    (
        'assert self._read is None, "Already reading"',
        "One at a time. There is one place to keep it.",
    ),
    (
        "self._read = read\nfuture: Future[bytes] = Future()\nself._read_future = future",
        "What is wanted, and the slip of paper for it. The stream keeps both.",
    ),
    (
        "if self._read_buffer or self._maybe_readable or self._closed or self._eof:\n"
        "self._handle_read()",
        "**Try first.** Are there bytes in the buffer, or may the kernel have some, or is it all "
        "over? Then see how far that goes.",
    ),
    (
        "else:\nself._add_io_state(READ)",
        "**Wait second.** Nothing here, and nothing in the kernel: have the loop tell us.",
    ),
    (
        "return future",
        "It may be done already. Who asked will see.",
    ),
))  # fmt: skip

own("06", "iostream.BaseIOStream._handle_read", (
    ("def _handle_read(self) -> None:", "Take the pending read as far as it goes."),
    ("while self._read is not None:", "Until there is an answer, or nothing more to be had."),
    (
        "try:\nend = self._read.find_end(self._read_buffer, self._closed or self._eof)",
        "**First the buffer.** Is the answer in it?",
    ),
    (
        "except UnsatisfiableReadError as error:\n"
        'gen_log.info("Unsatisfiable read, closing connection: %s", error)\n'
        "self._fail_read(StreamClosedError(error))\n"
        "return self.close(exc_info=error)",
        "More bytes than the limit, and no delimiter. Nothing good can come of this connection.",
    ),
    (
        "except Exception as error:\nreturn self._fail_read(error)",
        "The program asked for something that cannot be searched for. It is told, and may ask "
        "again.",
    ),
    ("if end is not None:\nself._finish_read(end)", "It is there: so many bytes."),
    (
        "elif self._closed or self._eof:\nself._fail_read(StreamClosedError(self.error))",
        "It is not, and no more bytes will come. So it never will be.",
    ),
    (
        "elif not self._maybe_readable or not self._read_to_buffer():",
        "**Then the kernel.** Fetch more bytes, and round again. If we know that it has none, we "
        "need not even ask.",
    ),
    (
        "return self._add_io_state(READ)",
        "**Then wait.** Put up the lamp, and leave. The read stays pending.",
    ),
))  # fmt: skip

own("06", "iostream.BaseIOStream._read_to_buffer", (
    ("def _read_to_buffer(self) -> bool:", "True: something has changed. False: nothing has."),
    (
        "try:\nchunk = self.read_from_fd()",
        "One `recv`, of up to `read_chunk_size` bytes.",
    ),
    (
        "except OSError as error:\nif not isinstance(error, LEFT):\n"
        'gen_log.warning("error on read: %s", error)\n'
        "self.close(exc_info=error)\nreturn True",
        "The connection is broken. That the client has left is nobody's fault, and not worth a "
        "line in the log. Anything else is.",
    ),
    ("if chunk is None:\nreturn False", "EAGAIN: not now. Nothing has changed."),
    (
        "if not chunk:\nself._handle_eof()\nreturn True",
        "No bytes at all, and no EAGAIN either. That is how the kernel says: the client will "
        "send nothing more.",
    ),
    ("self._read_buffer += chunk", "**Append.** From here on, nobody knows what was one packet."),
    (
        "if len(self._read_buffer) > self.max_buffer_size:\n"
        'gen_log.error("Reached maximum read buffer size")\n'
        'self.close(exc_info=StreamBufferFullError("Reached maximum read buffer size"))',
        "A limit for those who read everything and look at nothing.",
    ),
    ("return True", "There is something new to be searched."),
))  # fmt: skip

own("06", "iostream.BaseIOStream._finish_read", (
    ("def _finish_read(self, end: int) -> None:", "The answer is the first `end` bytes."),
    (
        "buffer, future = self._read_buffer, self._read_future\nassert future is not None",
        "Names for what is about to be let go.",
    ),
    (
        "self._read = self._read_future = None",
        "No read is pending any more, **before** anybody is told. Who is told may read again at "
        "once.",
    ),
    (
        "if end == len(buffer):\ndata = bytes(buffer)\nbuffer.clear()",
        "All of it.",
    ),
    (
        "if self._close_callback is not None:\nself._add_io_state(READ)",
        "Somebody wants to know when the client leaves. With nothing left to read, we look out "
        "for that again.",
    ),
    (
        "else:\ndata = memoryview(buffer)[:end].tobytes()\ndel buffer[:end]",
        "**Some of it.** Copy the answer, cut it off at the front. What is left, stays.",
    ),
    ("future.set_result(data)", "The slip of paper gets its value. Last of all."),
))  # fmt: skip

own("06", "iostream.BaseIOStream._handle_events", (
    (
        "def _handle_events(self, fd: Any, events: int) -> None:",
        "**The note beside the lamp.** The loop calls this whenever the socket is ready.",
    ),
    ("try:", "What goes wrong in here must not leave half a connection behind."),
    (
        "if self._connecting:\nself._handle_connect()",
        "For a client: is the connection there?",
    ),
    ("if events & READ and not self._closed:", "Something has come in."),
    ("self._maybe_readable = True", "So the kernel has bytes for us. Or an end."),
    (
        "if self._read is None:\nself._handle_unwanted()",
        "Nobody has asked for any.",
    ),
    (
        "elif self._read_to_buffer():\nself._handle_read()",
        "Somebody has. Fetch them, then see if they are enough.",
    ),
    (
        "if events & WRITE and not self._closed and not self._connecting:\n"
        "self._handle_write()",
        "There is room to send (notebook 07). The reading above may have closed it.",
    ),
    (
        "if events & ERROR and not self._closed:\nself._handle_error()",
        "The connection is dead. Save what the kernel still holds, then close.",
    ),
    (
        "except Exception as error:\n"
        'gen_log.error("Uncaught exception, closing connection.", exc_info=True)\n'
        "self.close(exc_info=error)\nraise",
        "Log it, close, and let the loop hear of it too.",
    ),
))  # fmt: skip

own("06", "iostream.BaseIOStream._add_io_state", (
    (
        "def _add_io_state(self, events: int) -> None:",
        "Put up the lamp for `events`, unless it is up.",
    ),
    ("if self._closed:\nreturn", "There is nothing to watch any more."),
    (
        "if self._state is None:\nself._state = events\n"
        "self.io_loop.add_handler(self.fileno(), self._handle_events, events)",
        "The first time. Only now does the loop hear of this socket at all.",
    ),
    (
        "elif events & ~self._state:\nself._state |= events\n"
        "self.io_loop.update_handler(self.fileno(), self._state)",
        "Something is wanted that is not watched for yet: `events` without what `_state` has.",
    ),
))  # fmt: skip
