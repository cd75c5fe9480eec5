"""Returns the attribute, which is cleared by then."""


class BaseIOStream:
    def start_read(self, read):
        assert self._read is None, "Already reading"
        self._read = read
        self._read_future = Future()
        self._handle_read()
        return self._read_future
