"""Lets in one an event."""


def add_accept_handler(sock, callback, io_loop=None):
    loop = io_loop or IOLoop.current()

    def accept_handler(fd, events):
        try:
            connection, address = sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return _pause_accepting(loop, sock, accept_handler, error)
        callback(connection, address)

    loop.add_handler(sock, accept_handler, IOLoop.READ)
