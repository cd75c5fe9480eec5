"""Forgets only if all went well."""


class _ServerRequestAdapter:
    def finish(self):
        if self.delegate is not None:
            result = self.delegate.finish()
        else:
            self.request.body = b"".join(self._chunks)
            self.request._parse_body()
            result = self.server.request_callback(self.request)
        if self.server.xheaders:
            self._cleanup()
        return result
