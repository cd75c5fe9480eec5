"""Searches only what the last packet brought."""


class ReadUntil:
    def find_end(self, buffer, closed):
        at = buffer.find(self.delimiter, self._searched)
        self._searched = len(buffer)
        end = None if at < 0 else at + len(self.delimiter)
        _check_max_bytes(end or len(buffer), self.max_bytes, self.delimiter)
        return end
