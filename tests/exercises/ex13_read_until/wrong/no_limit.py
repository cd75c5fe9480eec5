"""Checks the limit only once the delimiter is found."""


class ReadUntil:
    def find_end(self, buffer, closed):
        start = max(0, self._searched - len(self.delimiter) + 1)
        at = buffer.find(self.delimiter, start)
        self._searched = len(buffer)
        if at < 0:
            return None
        end = at + len(self.delimiter)
        _check_max_bytes(end, self.max_bytes, self.delimiter)
        return end
