"""One process of several: the demo application on a port of its own, behind a proxy.

    python -m minitornado.demo.behind_nginx.backend --port 8081

    GET /    who answers, and who asks, as JSON; the other routes are the demo's

SIGTERM and Ctrl-C stop it gracefully: no new connections, an answer to every request that has
begun, then the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from ...httpserver import HTTPServer
from ...httputil import HTTPServerRequest
from ...ioloop import IOLoop
from ...iostream import BaseIOStream
from ..application import answer_json, application

DRAIN_SECONDS = 5.0  # for answers that are under way when the process is told to stop


class Backend(HTTPServer):
    """The demo application, and at `/` what this process has done so far."""

    def __init__(self, port: int) -> None:
        # xheaders: the peer of every connection is the proxy, so believe what it says of the
        # client.  That is also why it listens on the loopback only: anybody who could come
        # past the proxy could say the same.
        super().__init__(self._respond, xheaders=True)
        self.port = port
        self.accepted = 0  # connections
        self.requests = 0
        self.listen(port, "127.0.0.1")

    def handle_stream(self, stream: BaseIOStream, address: Any) -> None:
        self.accepted += 1
        super().handle_stream(stream, address)

    def _respond(self, request: HTTPServerRequest) -> Any:
        self.requests += 1
        if request.path != "/":
            return application(request)
        return answer_json(
            request,
            {
                "port": self.port,
                "pid": os.getpid(),
                "connections": self.accepted,
                "requests": self.requests,
                "you": {
                    "ip": request.remote_ip,
                    "protocol": request.protocol,
                    "host": request.host,
                },
            },
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m minitornado.demo.behind_nginx.backend",
        description="Serve the demo application on one port of the loopback, for a proxy.",
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--until-eof",
        action="store_true",
        help="stop as well when standard input ends: whoever holds its other end is gone",
    )
    options = parser.parse_args(arguments)
    loop: IOLoop = IOLoop.current()
    server = Backend(options.port)

    async def stop() -> None:
        server.stop()
        await server.drain(DRAIN_SECONDS)
        loop.stop()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda signum, frame: loop.add_callback_from_signal(stop))
    if options.until_eof:

        def handle_stdin(fd: int, events: int) -> None:
            if not os.read(fd, 1024):
                loop.remove_handler(fd)
                loop.add_callback(stop)

        loop.add_handler(sys.stdin.fileno(), handle_stdin, IOLoop.READ)
    print(f"listening on port {options.port}", flush=True)
    loop.start()
    loop.close()


if __name__ == "__main__":
    main()
