"""Believes the headers, xheaders or not."""


class _ServerRequestAdapter:
    def headers_received(self, start_line, headers):
        self.connection.context._apply_xheaders(headers)
        if self.delegate is not None:
            return self.delegate.headers_received(start_line, headers)
        self.request = httputil.HTTPServerRequest(
            connection=self.connection, start_line=start_line, headers=headers)
