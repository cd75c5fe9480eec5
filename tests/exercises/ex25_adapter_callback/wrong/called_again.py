"""Calls at the end, and again when it lets go."""


class _ServerRequestAdapter:
    def finish(self):
        self.request.body = b"".join(self._chunks)
        self.request._parse_body()
        self.server.request_callback(self.request)
        return self.server.request_callback(self.request)
