"""Receives first, and looks in the buffer afterwards."""


class BaseIOStream:
    def start_read(self, read):
        assert self._read is None, "Already reading"
        self._read = read
        future = self._read_future = Future()
        self._read_to_buffer()
        self._handle_read()
        return future
