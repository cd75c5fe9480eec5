"""Takes max_bytes, and does not hand it on."""


class BaseIOStream:
    def read_until(self, delimiter, max_bytes=None):
        return self.start_read(ReadUntil(delimiter))
