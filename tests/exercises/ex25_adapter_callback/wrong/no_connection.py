"""A request that knows no way back."""


class _ServerRequestAdapter:
    def headers_received(self, start_line, headers):
        self.request = httputil.HTTPServerRequest(start_line=start_line, headers=headers)
        self.request.remote_ip = self.connection.context.remote_ip
