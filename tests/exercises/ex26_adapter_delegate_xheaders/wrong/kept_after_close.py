"""Forgets only in finish."""


class _ServerRequestAdapter:
    def on_connection_close(self):
        if self.delegate is not None:
            self.delegate.on_connection_close()
        self._chunks.clear()
