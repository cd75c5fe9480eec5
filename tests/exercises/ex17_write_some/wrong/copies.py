"""Makes a new buffer of the rest, after every piece."""


class BaseIOStream:
    def _handle_write(self):
        while self._write_buffer:
            piece = bytes(self._write_buffer[:WRITE_CHUNK_SIZE])
            sent = self._send(piece)
            if self._closed:
                return
            self._write_buffer = self._write_buffer[sent:]
            self._bytes_flushed += sent
            while self._write_futures and self._write_futures[0][0] <= self._bytes_flushed:
                self._write_futures.popleft()[1].set_result(None)
            if self._closed or sent < len(piece):
                return
        if self._eof:
            return self.io_loop.add_callback(self._close_if_idle)
        self._drop_io_state(IOLoop.WRITE)
