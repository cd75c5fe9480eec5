"""Tidies up, and tells nobody."""


class _ServerRequestAdapter:
    def on_connection_close(self):
        self._chunks.clear()
        if self.server.xheaders:
            self._cleanup()
