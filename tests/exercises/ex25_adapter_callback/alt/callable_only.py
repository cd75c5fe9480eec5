"""For an application that can be called, and no other: all of ex25."""


class _ServerRequestAdapter:
    def headers_received(self, start_line, headers):
        self.request = httputil.HTTPServerRequest(
            connection=self.connection, start_line=start_line, headers=headers)

    def data_received(self, chunk):
        self._chunks.append(chunk)

    def finish(self):
        self.request.body = b"".join(self._chunks)
        self.request._parse_body()
        return self.server.request_callback(self.request)

    def on_connection_close(self):
        self._chunks.clear()
