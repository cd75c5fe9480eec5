"""Ends at the last delimiter: pipelined requests become one."""


class ReadUntil:
    def find_end(self, buffer, closed):
        start = max(0, self._searched - len(self.delimiter) + 1)
        at = buffer.rfind(self.delimiter, start)
        self._searched = len(buffer)
        end = None if at < 0 else at + len(self.delimiter)
        _check_max_bytes(end or len(buffer), self.max_bytes, self.delimiter)
        return end
