"""Hands out a copy, and takes nothing out."""


class BaseIOStream:
    def _finish_read(self, end):
        future = self._read_future
        self._read = self._read_future = None
        if self._close_callback and not self._read_buffer:
            self._add_io_state(IOLoop.READ)
        future.set_result(bytes(self._read_buffer[:end]))
