"""Searches a copy of what is new, and three bytes before it."""


class ReadUntil:
    def find_end(self, buffer, closed):
        overlap = len(self.delimiter) - 1
        start = max(self._searched - overlap, 0)
        rest = bytes(buffer[start:])
        before, found, _ = rest.partition(self.delimiter)
        end = start + len(before) + len(found) if found else len(buffer)
        if self.max_bytes is not None and end > self.max_bytes:
            raise UnsatisfiableReadError("too much")
        self._searched = len(buffer)
        return end if found else None
