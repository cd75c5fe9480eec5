"""Leaves the address as the proxy said."""


class _ServerRequestAdapter:
    def finish(self):
        if self.delegate is not None:
            return self.delegate.finish()
        self.request.body = b"".join(self._chunks)
        self.request._parse_body()
        return self.server.request_callback(self.request)
