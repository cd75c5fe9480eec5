"""Takes a delimiter at position 0 for none."""


class ReadUntil:
    def find_end(self, buffer, closed):
        start = max(0, self._searched - len(self.delimiter) + 1)
        at = buffer.find(self.delimiter, start)
        self._searched = len(buffer)
        end = at + len(self.delimiter) if at > 0 else None
        _check_max_bytes(end or len(buffer), self.max_bytes, self.delimiter)
        return end
