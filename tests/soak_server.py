"""The server of test_soak.py: the demo application in a process of its own, and its insides.

It prints its port.  For every line on its standard input it prints one of JSON: how many of
each thing are alive in it.  It serves until its standard input ends.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from collections import Counter
from typing import Any

from minitornado import http1parser
from minitornado.concurrent import Future
from minitornado.demo.server import DemoServer
from minitornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from minitornado.httputil import HTTPHeaders, HTTPServerRequest
from minitornado.ioloop import IOLoop
from minitornado.iostream import BaseIOStream
from minitornado.log import access_log

# What a lost connection would leave in memory.
KINDS = (BaseIOStream, HTTP1ServerConnection, HTTP1Connection, HTTPServerRequest, HTTPHeaders,
         Future)


def alive(loop: IOLoop, server: DemoServer) -> dict[str, int]:
    """Count handlers, timeouts, callbacks and connections, and objects that would leak."""
    gc.collect()
    http1parser._fields.clear()  # it keeps some on purpose
    counts = Counter(
        kind.__name__ for thing in gc.get_objects() for kind in KINDS if isinstance(thing, kind)
    )
    return {
        "handlers": len(loop._handlers),
        # Those that were removed stay in the heap for a while, but wake nobody.
        "timeouts": sum(timeout.callback is not None for _, _, timeout in loop._timeouts),
        "callbacks": len(loop._callbacks),
        "connections": len(server._connections),
        **{kind.__name__: counts[kind.__name__] for kind in KINDS},
    }


def main(options: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.INFO)
    access_log.setLevel(logging.WARNING)
    loop = IOLoop.current()
    server = DemoServer(**options)
    server.listen(0, "127.0.0.1")

    def handle_stdin(fd: int, events: int) -> None:
        lines = os.read(fd, 1024)
        if not lines:
            return loop.stop()
        for _ in range(lines.count(b"\n")):
            print(json.dumps(alive(loop, server)), flush=True)

    loop.add_handler(sys.stdin.fileno(), handle_stdin, IOLoop.READ)
    (sock,) = server._sockets.values()
    print(sock.getsockname()[1], flush=True)
    loop.start()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
