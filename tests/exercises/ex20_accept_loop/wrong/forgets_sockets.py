"""Does not note what it listens on."""


class TCPServer:
    def add_sockets(self, sockets):
        if self.io_loop is None:
            self.io_loop = IOLoop.current()
        for sock in sockets:
            netutil.add_accept_handler(sock, self._handle_connection, io_loop=self.io_loop)
