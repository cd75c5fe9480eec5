"""Tells everybody when the buffer is empty."""


class BaseIOStream:
    def _handle_write(self):
        while self._write_buffer:
            with memoryview(self._write_buffer) as view, view[:WRITE_CHUNK_SIZE] as piece:
                size, sent = len(piece), self._send(piece)
            if self._closed:
                return
            del self._write_buffer[:sent]
            self._bytes_flushed += sent
            if sent < size:
                return
        while self._write_futures and not self._write_buffer:
            self._write_futures.popleft()[1].set_result(None)
        if self._closed or self._write_buffer:
            return
        if self._eof:
            return self.io_loop.add_callback(self._close_if_idle)
        self._drop_io_state(IOLoop.WRITE)
