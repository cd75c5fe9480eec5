"""Tells who waits, and tidies up afterwards."""


class BaseIOStream:
    def _finish_read(self, end):
        data = bytes(self._read_buffer[:end])
        del self._read_buffer[:end]
        self._read_future.set_result(data)
        self._read = self._read_future = None
