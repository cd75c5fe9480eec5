"""Does not look whether the send has closed the stream."""


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
        sent = 0
        if not self._write_buffer and not self._connecting:
            sent = self._send(data)
            if sent == len(data):
                return SENT
        future = Future()
        self._write_buffer += memoryview(data)[sent:]
        self._bytes_buffered += len(data) - sent
        self._write_futures.append((self._bytes_buffered, future))
        if not self._connecting:
            self._add_io_state(IOLoop.WRITE)
        return future
