"""Begins the read, and gives nothing back to wait for."""


class BaseIOStream:
    def read_until(self, delimiter, max_bytes=None):
        self.start_read(ReadUntil(delimiter, max_bytes))
