"""Calls, and keeps the result to itself."""


class _ServerRequestAdapter:
    def finish(self):
        self.request.body = b"".join(self._chunks)
        self.request._parse_body()
        self.server.request_callback(self.request)
