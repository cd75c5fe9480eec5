"""One piece an event: between two, everybody else has a turn."""


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
        future = Future()
        if self._write_buffer or self._connecting:
            sent = 0
        else:
            sent = self._send(data)
            if self._closed:
                self._fail(future)
                return future
        if sent < len(data):
            self._keep(bytes(data)[sent:], future)
        else:
            future.set_result(None)
        return future

    def _keep(self, rest, future):
        self._write_buffer.extend(rest)
        self._bytes_buffered += len(rest)
        self._write_futures.append((self._bytes_buffered, future))
        if not self._connecting:
            self._add_io_state(IOLoop.WRITE)

    def _handle_write(self):
        if self._write_buffer:
            view = memoryview(self._write_buffer)
            piece = view[:WRITE_CHUNK_SIZE]
            sent = self._send(piece)
            piece.release()
            view.release()
            if self._closed:
                return
            del self._write_buffer[:sent]
            self._bytes_flushed += sent
            due = [entry for entry in self._write_futures if entry[0] <= self._bytes_flushed]
            for _count, future in due:
                self._write_futures.popleft()
                future.set_result(None)
        if self._write_buffer or self._closed:
            return
        if self._eof:
            self.io_loop.add_callback(self._close_if_idle)
        else:
            self._drop_io_state(IOLoop.WRITE)
