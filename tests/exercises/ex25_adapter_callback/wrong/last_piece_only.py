"""Keeps the latest piece."""


class _ServerRequestAdapter:
    def data_received(self, chunk):
        self._chunks = [chunk]
