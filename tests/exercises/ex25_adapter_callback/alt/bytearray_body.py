"""A bytearray that grows, in place of a list."""


class _ServerRequestAdapter:
    def headers_received(self, start_line, headers):
        request = httputil.HTTPServerRequest(
            start_line.method, start_line.path, start_line.version, headers,
            connection=self.connection)
        self.request, self._chunks = request, bytearray()

    def data_received(self, chunk):
        self._chunks += chunk
        return None

    def finish(self):
        request, self.request = self.request, None
        request.body = bytes(self._chunks)
        request._parse_body()
        application = self.server.request_callback
        return application(request)

    def on_connection_close(self):
        self.request = None
