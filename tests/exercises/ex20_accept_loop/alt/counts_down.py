"""Counts down in a while loop, to a smaller number; the loop is asked for by the server."""


def add_accept_handler(sock, callback, io_loop=None):
    if io_loop is None:
        io_loop = IOLoop.current()

    def knock(fd, events):
        left = 32
        while left and sock.fileno() >= 0:
            left -= 1
            try:
                pair = sock.accept()
            except OSError as error:
                if error.errno in NO_ROOM:
                    _pause_accepting(io_loop, sock, knock, error)
                elif isinstance(error, ConnectionAbortedError):
                    continue
                elif not isinstance(error, BlockingIOError):
                    raise
                break
            callback(*pair)

    io_loop.add_handler(sock, knock, io_loop.READ)


class TCPServer:
    def add_sockets(self, sockets):
        self.io_loop = self.io_loop or IOLoop.current()
        for sock in list(sockets):
            netutil.add_accept_handler(sock, self._handle_connection, self.io_loop)
            self._sockets[sock.fileno()] = sock
