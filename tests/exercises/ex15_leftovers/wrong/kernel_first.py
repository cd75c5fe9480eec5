"""Receives before it looks in the buffer."""


class BaseIOStream:
    def _handle_read(self):
        while self._read is not None:
            more = not self._closed and not self._eof and self._read_to_buffer()
            try:
                end = self._read.find_end(self._read_buffer, self._closed or self._eof)
            except UnsatisfiableReadError as error:
                self._fail_read(StreamClosedError(error))
                return self.close(exc_info=error)
            except Exception as error:
                return self._fail_read(error)
            if end is not None:
                self._finish_read(end)
            elif self._closed or self._eof:
                self._fail_read(StreamClosedError(self.error))
            elif not more:
                return self._add_io_state(IOLoop.READ)
