"""Empties the buffer with every answer."""


class BaseIOStream:
    def _finish_read(self, end):
        data = bytes(self._read_buffer[:end])
        self._read_buffer.clear()
        future = self._read_future
        self._read = self._read_future = None
        future.set_result(data)
