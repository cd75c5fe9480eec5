"""Does not ask how much was sent."""


class BaseIOStream:
    def _handle_write(self):
        data = bytes(self._write_buffer)
        self._write_buffer.clear()
        self._send(data)
        if self._closed:
            return
        self._bytes_flushed += len(data)
        while self._write_futures and self._write_futures[0][0] <= self._bytes_flushed:
            self._write_futures.popleft()[1].set_result(None)
        if self._eof:
            return self.io_loop.add_callback(self._close_if_idle)
        self._drop_io_state(IOLoop.WRITE)
