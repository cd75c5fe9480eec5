"""Answers from the buffer before a read is pending at all; a helper of its own."""


class BaseIOStream:
    def read_until(self, delimiter, max_bytes=None):
        read = ReadUntil(delimiter, max_bytes)
        return self.start_read(read)

    def start_read(self, read):
        if self.reading():
            raise AssertionError("Already reading")
        answer = Future()
        self._begin(read, answer)
        return answer

    def _begin(self, read, answer):
        self._read, self._read_future = read, answer
        self._handle_read()
