"""Remembers where to go on, not how far it came; index() instead of find()."""


class ReadUntil:
    def find_end(self, buffer, closed):
        try:
            at = buffer.index(self.delimiter, self._searched)
        except ValueError:
            self._searched = max(0, len(buffer) - len(self.delimiter) + 1)
            end = None
        else:
            end = at + len(self.delimiter)
        size = len(buffer) if end is None else end
        if self.max_bytes is not None and size > self.max_bytes:
            raise UnsatisfiableReadError(f"more than {self.max_bytes} bytes")
        return end
