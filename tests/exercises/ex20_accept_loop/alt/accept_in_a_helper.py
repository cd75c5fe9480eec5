"""A helper that accepts one, and skips those that have left."""


def add_accept_handler(sock, callback, io_loop=None):
    loop = io_loop if io_loop is not None else IOLoop.current()

    def accept_one():
        try:
            return sock.accept()
        except ConnectionAbortedError:
            return accept_one()

    def accept_handler(fd, events):
        for _ in range(min(DEFAULT_BACKLOG, 64)):
            try:
                callback(*accept_one())
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in NO_ROOM:
                    return _pause_accepting(loop, sock, accept_handler, error)
                raise
            if sock.fileno() < 0:
                break

    loop.add_handler(sock, accept_handler, IOLoop.READ)
