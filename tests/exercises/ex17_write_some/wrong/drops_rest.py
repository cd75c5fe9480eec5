"""Takes send() for sendall()."""


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
        if not self._write_buffer and not self._connecting:
            self._send(data)
            return SENT
        future = Future()
        self._write_buffer += data
        self._bytes_buffered += len(data)
        self._write_futures.append((self._bytes_buffered, future))
        self._add_io_state(IOLoop.WRITE)
        return future
