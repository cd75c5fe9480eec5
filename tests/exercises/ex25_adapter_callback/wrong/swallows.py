"""Catches what the application raises."""


class _ServerRequestAdapter:
    def finish(self):
        self.request.body = b"".join(self._chunks)
        self.request._parse_body()
        try:
            return self.server.request_callback(self.request)
        except Exception:
            return None
