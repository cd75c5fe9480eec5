"""Leaves forms as they are."""


class _ServerRequestAdapter:
    def finish(self):
        self.request.body = b"".join(self._chunks)
        return self.server.request_callback(self.request)
