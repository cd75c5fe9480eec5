"""The shortest there is."""


class BaseIOStream:
    def write(self, data):
        if self._closed:
            raise StreamClosedError(self.error)
        if isinstance(data, memoryview):
            data = data.cast("B")
        if self.max_write_buffer_size is not None and (
                len(self._write_buffer) + len(data) > self.max_write_buffer_size):
            raise StreamBufferFullError("Reached maximum write buffer size")
        if not data and not self._write_buffer:
            return SENT
        sent = 0 if self._write_buffer or self._connecting else self._send(data)
        if sent == len(data):
            return SENT
        future = Future()
        self._write_buffer += memoryview(data)[sent:]
        self._bytes_buffered += len(data) - sent
        self._write_futures.append((self._bytes_buffered, future))
        if self._closed:
            self._finish_closing()
        if not self._connecting:
            self._add_io_state(IOLoop.WRITE)
        return future

    def _handle_write(self):
        while self._write_buffer:
            with memoryview(self._write_buffer) as view, view[:WRITE_CHUNK_SIZE] as piece:
                size, sent = len(piece), self._send(piece)
            del self._write_buffer[:sent]
            self._bytes_flushed += sent
            while self._write_futures and self._write_futures[0][0] <= self._bytes_flushed:
                self._write_futures.popleft()[1].set_result(None)
            if sent < size:
                return
        if self._eof:
            return self.io_loop.add_callback(self._close_if_idle)
        self._drop_io_state(IOLoop.WRITE)
