"""Takes for granted that the connection is still in the set."""


class HTTPServer:
    def on_close(self, server_conn):
        self._connections.remove(server_conn)
