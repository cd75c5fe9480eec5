"""Tells who waits, and tidies up afterwards."""


class BaseIOStream:
    def _finish_read(self, end):
        data = bytes(self._read_buffer[:end])
        del self._read_buffer[:end]
        if self._close_callback and not self._read_buffer:
            self._add_io_state(IOLoop.READ)
        self._read_future.set_result(data)
        self._read = self._read_future = None
