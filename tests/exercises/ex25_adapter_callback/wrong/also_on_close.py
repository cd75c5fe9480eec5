"""Finishes, whatever happens."""


class _ServerRequestAdapter:
    def on_connection_close(self):
        self.finish()
