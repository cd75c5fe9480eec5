"""Pauses, whatever the error."""


def add_accept_handler(sock, callback, io_loop=None):
    loop = io_loop or IOLoop.current()

    def accept_handler(fd, events):
        for _ in range(DEFAULT_BACKLOG):
            try:
                connection, address = sock.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                return _pause_accepting(loop, sock, accept_handler, error)
            callback(connection, address)
            if sock.fileno() == -1:
                return

    loop.add_handler(sock, accept_handler, IOLoop.READ)
