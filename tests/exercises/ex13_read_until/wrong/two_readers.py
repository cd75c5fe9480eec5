"""Lets a second read take the place of the first."""


class BaseIOStream:
    def start_read(self, read):
        self._read = read
        future = self._read_future = Future()
        self._handle_read()
        return future
