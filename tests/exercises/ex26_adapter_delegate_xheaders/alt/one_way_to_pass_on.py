"""A helper that passes events on, by name."""


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

    def _pass_on(self, event, *args):
        return getattr(self.delegate, event)(*args)

    def headers_received(self, start_line, headers):
        if self.server.xheaders:
            self.connection.context._apply_xheaders(headers)
        if self.delegate is None:
            self.request = httputil.HTTPServerRequest(
                connection=self.connection, start_line=start_line, headers=headers)
            return None
        return self._pass_on("headers_received", start_line, headers)

    def data_received(self, chunk):
        if self.delegate is None:
            return self._chunks.append(chunk)
        return self._pass_on("data_received", chunk)

    def finish(self):
        context = self.connection.context
        try:
            if self.delegate is None:
                self.request.body = b"".join(self._chunks)
                self.request._parse_body()
                return self.server.request_callback(self.request)
            return self._pass_on("finish")
        finally:
            context._unapply_xheaders()

    def on_connection_close(self):
        self._chunks.clear()
        try:
            if self.delegate is not None:
                self._pass_on("on_connection_close")
        finally:
            self.connection.context._unapply_xheaders()


class _HTTPRequestContext:
    def _unapply_xheaders(self):
        self.remote_ip, self.protocol = self._orig_remote_ip, self._orig_protocol
