"""The shortest there is: one slice, one del."""


class BaseIOStream:
    def _finish_read(self, end):
        future, self._read_future, self._read = self._read_future, None, None
        data = bytes(self._read_buffer[:end])
        del self._read_buffer[:end]
        if self._close_callback and not self._read_buffer:
            self._add_io_state(IOLoop.READ)
        future.set_result(data)

    def _handle_unwanted(self):
        if not self._read_buffer and not self._eof:
            self._read_to_buffer()
        else:
            self._drop_io_state(IOLoop.READ)
