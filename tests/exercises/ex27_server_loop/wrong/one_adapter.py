"""One adapter a connection."""


class HTTPServer:
    def start_request(self, server_conn, request_conn):
        if not hasattr(server_conn, "adapter"):
            server_conn.adapter = _ServerRequestAdapter(self, server_conn, request_conn)
        return server_conn.adapter
