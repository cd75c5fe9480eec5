"""A new buffer for the rest; the end is asked about before the answer."""


class BaseIOStream:
    def _finish_read(self, end):
        answer, rest = self._read_buffer[:end], self._read_buffer[end:]
        self._read_buffer = bytearray(rest)
        self._read, future, self._read_future = None, self._read_future, None
        if not rest and self._close_callback is not None:
            self._add_io_state(IOLoop.READ)
        future.set_result(bytes(answer))

    def _handle_read(self):
        while self._read is not None:
            gone = self.at_eof()
            try:
                end = self._read.find_end(self._read_buffer, gone)
            except UnsatisfiableReadError as error:
                self._fail_read(StreamClosedError(error))
                self.close(error)
                return
            except Exception as error:
                self._fail_read(error)
                return
            if end is None and gone:
                self._fail_read(StreamClosedError(self.error))
            elif end is not None:
                self._finish_read(end)
            elif not (self._maybe_readable and self._read_to_buffer()):
                self._add_io_state(IOLoop.READ)
                return
