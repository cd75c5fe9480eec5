"""Calls when the head is here."""


class _ServerRequestAdapter:
    def headers_received(self, start_line, headers):
        self.request = httputil.HTTPServerRequest(
            connection=self.connection, start_line=start_line, headers=headers)
        return self.server.request_callback(self.request)

    def data_received(self, chunk):
        self.request.body += chunk

    def finish(self):
        self.request._parse_body()
