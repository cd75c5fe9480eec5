"""Looks where there is something to see, and waits for nothing otherwise."""


class BaseIOStream:
    def start_read(self, read):
        assert self._read is None, "Already reading"
        self._read = read
        future = self._read_future = Future()
        if self._read_buffer or self._maybe_readable or self._closed or self._eof:
            self._handle_read()
        return future
