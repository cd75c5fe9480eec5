"""The limit of pure Python: epoll, recv, send.  It parses nothing, and checks nothing."""

import select
import socket

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
BIG = bytes(10 * 1024 * 1024)

listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print(listener.getsockname()[1], flush=True)
listener.setblocking(False)
epoll = select.epoll()
epoll.register(listener, select.EPOLLIN)
connections: dict[int, socket.socket] = {}
bodies: dict[int, tuple[bytes, bytes, int]] = {}  # fd: head, what is kept, bytes so far


def handle(fd: int, connection: socket.socket) -> None:
    try:
        data = connection.recv(65536)
    except ConnectionError:  # reset: the client has left
        data = b""
    if data.startswith(b"GET /hello"):
        if b"Connection: close" not in data:
            connection.send(HELLO * data.count(b"GET "))
            return
        connection.send(HELLO.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
    elif data.startswith(b"GET /big"):
        connection.setblocking(True)
        connection.sendall(HEAD % len(BIG))
        connection.sendall(BIG)
        return connection.setblocking(False)
    elif data:
        return receive(fd, connection, data)
    del connections[fd]
    connection.close()


def receive(fd: int, connection: socket.socket, data: bytes) -> None:
    """Wait for a body's end; keep of it what is to be echoed, and count the rest."""
    head, kept, length = bodies.pop(fd, (b"", b"", 0))
    if not head:
        head, _, data = data.partition(b"\r\n\r\n")
    length += len(data)
    if head.startswith(b"POST /echo"):
        kept += data
    if length < int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
        bodies[fd] = head, kept, length
    else:
        sent = kept or b"%d" % length
        connection.send(HEAD % len(sent) + sent)


while True:
    for fd, _events in epoll.poll():
        if fd == listener.fileno():
            connection, _address = listener.accept()
            connection.setblocking(False)
            connections[connection.fileno()] = connection
            epoll.register(connection, select.EPOLLIN)
        else:
            handle(fd, connections[fd])
