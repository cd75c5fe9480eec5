"""Waits without asking the loop."""


class BaseIOStream:
    def _handle_read(self):
        while self._read is not None:
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
            elif not self._maybe_readable or not self._read_to_buffer():
                return
