"""Asks the loop for READ before it has looked in the buffer."""


class BaseIOStream:
    def start_read(self, read):
        assert self._read is None, "Already reading"
        self._read = read
        future = self._read_future = Future()
        self._add_io_state(IOLoop.READ)
        if not self._read_buffer:
            self._handle_read()
        return future
