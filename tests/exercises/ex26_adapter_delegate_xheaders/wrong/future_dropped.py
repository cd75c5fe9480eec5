"""Calls the delegate, and drops what it returns."""


class _ServerRequestAdapter:
    def headers_received(self, start_line, headers):
        if self.server.xheaders:
            self.connection.context._apply_xheaders(headers)
        if self.delegate is not None:
            self.delegate.headers_received(start_line, headers)
            return None
        self.request = httputil.HTTPServerRequest(
            connection=self.connection, start_line=start_line, headers=headers)

    def data_received(self, chunk):
        if self.delegate is not None:
            self.delegate.data_received(chunk)
        else:
            self._chunks.append(chunk)
