"""Programs for the tracer's audit: what the scenarios of one scripted client do not reach.

Each is a function that is called while a trace is recorded, and leaves nothing open.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from trace_scenarios import answer, app, get, one, post

from minitornado import gen, netutil
from minitornado.concurrent import Future
from minitornado.httpserver import HTTPServer
from minitornado.httputil import HTTPServerRequest
from minitornado.ioloop import IOLoop, PeriodicCallback
from minitornado.iostream import IOStream, StreamClosedError
from minitornado.poller import SelectorPoller
from minitornado.trace import drive

Program = Callable[[], None]


def run(main: Callable[[IOLoop], Any], **options: Any) -> None:
    """Run a coroutine function on a loop of its own, then close the loop."""
    loop = IOLoop(make_current=False, **options)
    try:
        loop.run_sync(functools.partial(main, loop), timeout=60)
    finally:
        loop.close()


# ---- the loop ----


def callbacks() -> None:
    async def main(loop: IOLoop) -> None:
        done: list[Future[None]] = [Future() for _ in range(6)]
        loop.add_callback(done[0].set_result, None)
        loop.add_callback_from_signal(done[1].set_result, None)
        loop.spawn_callback(done[2].set_result, result=None)
        loop.call_later(0.001, done[3].set_result, None)
        loop.add_timeout(loop.time() + 0.001, done[4].set_result, None)
        loop.add_timeout(datetime.timedelta(milliseconds=1), done[5].set_result, None)
        loop.remove_timeout(loop.call_later(5, print))
        for future in done:
            await future
        await gen.multi([gen.sleep(0.001), gen.moment])

    run(main)


def timeouts() -> None:
    async def main(loop: IOLoop) -> None:
        never: Future[None] = Future()
        with contextlib.suppress(gen.TimeoutError):
            await gen.with_timeout(loop.time() + 0.001, never)
        await gen.with_timeout(datetime.timedelta(seconds=5), gen.sleep(0.001))
        count: list[int] = []
        ticks: Future[None] = Future()

        def tick() -> None:
            count.append(1)
            if len(count) == 2:
                periodic.stop()
                ticks.set_result(None)

        periodic = PeriodicCallback(tick, 1, io_loop=loop)
        periodic.start()
        await ticks

    run(main)


def failures() -> None:
    async def main(loop: IOLoop) -> None:
        loop.add_callback(fail)
        loop.add_callback(fail_later)
        future: Future[None] = Future()
        future.add_done_callback(lambda future: fail())
        future.set_result(None)
        with contextlib.suppress(FileExistsError):
            loop.add_handler(loop._waker.fileno(), print, loop.READ)
        await gen.sleep(0.002)

    run(main)


def fail() -> None:
    raise RuntimeError("a callback is broken")


async def fail_later() -> None:
    await gen.moment
    raise RuntimeError("a coroutine is broken")


def threads() -> None:
    async def main(loop: IOLoop) -> None:
        future: Future[str] = Future()

        def other() -> None:
            while not loop._asleep:  # so that it must be woken
                time.sleep(0.001)
            loop.add_callback(future.set_result, "done")

        thread = threading.Thread(target=other)
        thread.start()
        assert await future == "done"
        thread.join()
        await gen.sleep(0.001)

    run(main)


def executors() -> None:
    async def main(loop: IOLoop) -> None:
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(pow, 2, 10)
            assert await gen.with_timeout(loop.time() + 5, future) == 1024
            with contextlib.suppress(ZeroDivisionError):
                await gen.convert_yielded([executor.submit(divmod, 1, 0)])
            both = threading.Barrier(2)
            running, waiting = executor.submit(both.wait, 5), executor.submit(print, "never")
            while not running.running():
                time.sleep(0.001)
            told: list[object] = []
            for later in (running, waiting):
                loop.add_future(later, told.append)
            assert waiting.cancel() and waiting.cancel() and not running.cancel()
            both.wait(60)
            await gen.convert_yielded([running])
            assert waiting in told

    run(main)


def other_poller() -> None:
    async def main(loop: IOLoop) -> None:
        server, client = await stream_pair(loop)
        await client.write(b"hello")
        assert await server.read_bytes(5) == b"hello"
        server.close()
        client.close()

    run(main, poller=SelectorPoller())


# ---- streams ----


async def stream_pair(loop: IOLoop) -> tuple[IOStream, IOStream]:
    """Return two streams, connected over the loopback by the loop itself."""
    accepted: Future[IOStream] = Future()

    def accept(connection: socket.socket, address: Any) -> None:
        accepted.set_result(IOStream(connection, io_loop=loop))

    (listener,) = netutil.bind_sockets(0, "127.0.0.1")
    netutil.add_accept_handler(listener, accept, io_loop=loop)
    client = IOStream(socket.socket(), io_loop=loop)
    await client.connect(listener.getsockname())
    server = await accepted
    loop.remove_handler(listener)
    listener.close()
    return server, client


def streams() -> None:
    async def main(loop: IOLoop) -> None:
        server, client = await stream_pair(loop)
        closed: Future[None] = Future()
        client.set_close_callback(lambda: closed.set_result(None))
        await server.write(b"one\r\ntwo three")
        assert await client.read_until(b"\r\n") == b"one\r\n"
        assert await client.read_until_regex(rb"\s") == b"two "
        rest = client.read_until_close()
        await server.write(b"x" * 10)
        server.close()
        assert await rest == b"three" + b"x" * 10
        await closed
        with contextlib.suppress(StreamClosedError):
            await client.write(b"too late")

    run(main)


def half_closed() -> None:
    """The peer has said its last byte, and is owed more than the kernel takes at once."""

    async def main(loop: IOLoop) -> None:
        server, client = await stream_pair(loop)
        size = 8_000_000
        written = server.write(b"x" * size)
        read = server.read_until_close()
        client.socket.shutdown(socket.SHUT_WR)
        assert await read == b""
        assert len(await client.read_bytes(size)) == size
        await written
        assert await client.read_until_close() == b""

    run(main)


def refused() -> None:
    async def main(loop: IOLoop) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            address = listener.getsockname()
        client = IOStream(socket.socket(), io_loop=loop)
        with contextlib.suppress(StreamClosedError):
            await client.connect(address)

    run(main)


def reset_while_writing() -> None:
    """The peer is gone while bytes wait for it: what epoll says then is an error."""

    async def main(loop: IOLoop) -> None:
        server, client = await stream_pair(loop)
        written = server.write(b"x" * 8_000_000)
        client.close()  # with bytes unread, which is a reset
        with contextlib.suppress(StreamClosedError):
            await written

    run(main)


def reset_while_nobody_looks() -> None:
    """Nobody reads, and enough has come: epoll is asked for nothing, and tells of errors only."""

    async def main(loop: IOLoop) -> None:
        server, client = await stream_pair(loop)
        closed: Future[None] = Future()
        server.set_close_callback(lambda: closed.set_result(None))
        while server._state != 0:
            await client.write(b"unwanted")
            await gen.sleep(0.001)
        await server.write(b"unread, so that closing is a reset")
        await gen.sleep(0.001)
        client.close()
        await closed

    run(main)


# ---- servers ----


def no_room() -> None:
    """accept() says that there is no room for one more fd: the door is shut for a second."""

    async def main(loop: IOLoop) -> None:
        (listener,) = netutil.bind_sockets(0, "127.0.0.1")
        crowded = _Crowded(fileno=listener.detach())
        accepted: Future[None] = Future()

        def accept(connection: socket.socket, address: Any) -> None:
            connection.close()
            accepted.set_result(None)

        netutil.add_accept_handler(crowded, accept, io_loop=loop)
        client = IOStream(socket.socket(), io_loop=loop)
        await client.connect(crowded.getsockname())
        await accepted
        client.close()
        loop.remove_handler(crowded)
        crowded.close()

    run(main)


class _Crowded(socket.socket):
    full = True

    def accept(self) -> Any:
        if self.full:
            self.full = False
            raise OSError(errno.EMFILE, "no room")
        return super().accept()


def closing_a_server() -> None:
    async def main(loop: IOLoop) -> None:
        server = HTTPServer(app, io_loop=loop)
        server.listen(0, "127.0.0.1")
        address = next(iter(server._sockets.values())).getsockname()
        for _ in range(2):
            client = IOStream(socket.socket(), io_loop=loop)
            await client.connect(address)
            await client.write(get())
            await client.read_until(b"hello")
            await server.close_all_connections()
            client.close()
        server.stop()
        assert await server.drain(1.0)

    run(main)


def writing_in_pieces() -> None:
    """Pieces, a close callback of the application's, and a stream that is given away."""
    streams: list[Any] = []

    def application(request: HTTPServerRequest) -> None:
        connection = request.connection
        if request.path == "/detach":
            streams.append(connection.detach())
            return
        connection.set_close_callback(print)
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        connection.write(b"ok")
        connection.finish()

    server = HTTPServer(application)
    drive(server, one(("send", "k1", get()), ("recv", "k1"), ("send", "k1", get("/detach"))))
    streams[0].close()
    end(server)


def gone_while_waiting() -> None:
    """The client leaves while the application thinks, and the application wants to know."""
    left: list[None] = []

    def application(request: HTTPServerRequest) -> None:
        request.connection.set_close_callback(lambda: left.append(None))

    server = HTTPServer(application)
    drive(server, one(("send", "k1", get())))
    assert left
    end(server)


def early_answer() -> None:
    """A body that is too large, and one that trickles."""
    server = HTTPServer(app, max_body_size=10, body_timeout=5.0)
    drive(server, one(("send", "k1", post(b"x" * 20)), ("recv", "k1")))
    drive(server, one(("send", "k1", post(b"x" * 9)[:-2]), ("jump", 6.0), ("recv", "k1")))
    end(server)


def trailers() -> None:
    server = HTTPServer(app)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    drive(server, one(("send", "k1", head + b"1\r\nx\r\n0\r\nA: b\r\n\r\n"), ("recv", "k1")))
    end(server)


def xheaders() -> None:
    def application(request: HTTPServerRequest) -> None:
        answer(request.connection, str(request.remote_ip).encode())

    server = HTTPServer(application, xheaders=True)
    drive(server, one(("send", "k1", get("/", "X-Real-Ip: 1.2.3.4")), ("recv", "k1")))
    end(server)


def tls(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    from minitornado.ssliostream import SSLIOStream

    async def main(loop: IOLoop) -> None:
        server = HTTPServer(app, io_loop=loop, ssl_options=server_context)
        server.listen(0, "127.0.0.1")
        address = next(iter(server._sockets.values())).getsockname()
        client = SSLIOStream(socket.socket(), io_loop=loop, ssl_options=client_context)
        handshake = client.wait_for_handshake()
        await client.connect(address, server_hostname="localhost")
        await handshake
        await client.write(get())
        await client.read_until(b"hello")
        closed = client.read_until_close()
        await server.close_all_connections()
        await closed
        server.stop()

    run(main)


def end(server: HTTPServer) -> None:
    server.stop()
    assert server.io_loop is not None
    server.io_loop.close()


PROGRAMS: dict[str, Program] = {
    program.__name__: program
    for program in (
        callbacks, timeouts, failures, threads, executors, other_poller, streams, half_closed,
        refused, reset_while_writing, reset_while_nobody_looks, no_room, closing_a_server,
        writing_in_pieces, gone_while_waiting, early_answer, trailers, xheaders,
    )
}  # fmt: skip
