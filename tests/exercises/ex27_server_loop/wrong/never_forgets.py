"""Does nothing when a connection ends."""


class HTTPServer:
    def on_close(self, server_conn):
        pass
