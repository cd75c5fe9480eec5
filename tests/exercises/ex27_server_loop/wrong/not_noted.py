"""Serves, and keeps no list."""


class HTTPServer:
    def handle_stream(self, stream, address):
        context = _HTTPRequestContext(stream, address, self.protocol, self.trusted_downstream)
        HTTP1ServerConnection(stream, self.conn_params, context).start_serving(self)
