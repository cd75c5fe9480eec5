"""One adapter a connection."""


class HTTPServer:
    def start_request(self, server_conn, request_conn):
        if not hasattr(self, "adapters"):
            self.adapters = {}
        if server_conn not in self.adapters:
            self.adapters[server_conn] = _ServerRequestAdapter(self, server_conn, request_conn)
        return self.adapters[server_conn]
