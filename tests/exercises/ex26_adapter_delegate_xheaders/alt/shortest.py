"""The shortest there is: what was not applied can be taken back, too."""


class _ServerRequestAdapter:
    def __init__(self, server, server_conn, request_conn):
        self.server = server
        self.connection = request_conn
        self.request = None
        self.delegate = None
        self._chunks = []
        application = server.request_callback
        if isinstance(application, HTTPServerConnectionDelegate):
            self.delegate = application.start_request(server_conn, request_conn)

    def headers_received(self, start_line, headers):
        if self.server.xheaders:
            self.connection.context._apply_xheaders(headers)
        if self.delegate:
            return self.delegate.headers_received(start_line, headers)
        self.request = httputil.HTTPServerRequest(
            connection=self.connection, start_line=start_line, headers=headers)

    def data_received(self, chunk):
        if self.delegate:
            return self.delegate.data_received(chunk)
        self._chunks.append(chunk)

    def finish(self):
        try:
            if self.delegate:
                return self.delegate.finish()
            self.request.body = b"".join(self._chunks)
            self.request._parse_body()
            return self.server.request_callback(self.request)
        finally:
            self._cleanup()

    def on_connection_close(self):
        self._cleanup()
        if self.delegate:
            self.delegate.on_connection_close()
