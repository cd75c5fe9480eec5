"""Counts what a hello request over keep-alive calls: `counted.py minitornado|tornado|STEP`.

STEP is one of ladder.py, or `whole`: minitornado with an application that makes the fields of its
answer anew each time, where the others have them ready.  A further argument names tricks that are
played before, see tricks.py.

Client and server share a thread, and take turns, so that every run counts the same: all clients
send, the server answers all of them, with a profiler on; then all read, with the profiler off.
Prints {"python": {function: calls a request}, "c": {function that calls: calls a request}}.
"""

import json
import socket
import sys
from collections import Counter
from importlib import import_module
from types import CodeType, FrameType
from typing import Any

CLIENTS, BATCHES, WARM_UP = 20, 25, 5
REQUEST = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

if sys.argv[2:]:
    import_module("tricks").play(sys.argv[2])
name = sys.argv[1]
package = name if name in ("minitornado", "tornado") else "minitornado"
httputil: Any = import_module(f"{package}.httputil")
netutil: Any = import_module(f"{package}.netutil")
ioloop: Any = import_module(f"{package}.ioloop")
loop = ioloop.IOLoop.current()

OK = httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
FIELDS = {"Content-Type": "text/plain", "Content-Length": "11"}
HEADERS = httputil.HTTPHeaders(FIELDS)
counts: dict[str, Counter[CodeType]] = {"call": Counter(), "c_call": Counter()}
batches = 0


def hello(request: Any) -> None:
    headers = httputil.HTTPHeaders(FIELDS) if name == "whole" else HEADERS
    request.connection.write_headers(OK, headers, b"hello world")
    request.connection.finish()


def serve() -> Any:
    """Listen; return the address."""
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    if name in (package, "whole"):
        server = import_module(f"{package}.httpserver").HTTPServer(hello)
        server.add_sockets(sockets)
    else:
        netutil.add_accept_handler(sockets[0], getattr(import_module("ladder"), name))
    return sockets[0].getsockname()


def profiler(frame: FrameType, event: str, argument: object) -> None:
    if event in counts and argument is not sys.setprofile:
        counts[event][frame.f_code] += 1


def next_batch(_client: object, _events: int) -> None:
    """The last client's answer is here, so the others' are."""
    global batches
    sys.setprofile(None)
    for client in clients:
        assert client.recv(65536).endswith(b"hello world")
    batches += 1
    if batches == WARM_UP + BATCHES:
        loop.stop()
        return
    ask()
    if batches >= WARM_UP:
        sys.setprofile(profiler)


def ask() -> None:
    for client in clients:
        client.sendall(REQUEST)


def told(counter: Counter[CodeType]) -> dict[str, float]:
    """Calls a request, by module and function."""
    found: Counter[str] = Counter()
    for code, times in counter.items():
        module = code.co_filename.rpartition("/")[2].removesuffix(".py")
        if code is not next_batch.__code__:
            found[f"{module}.{code.co_qualname}"] += times
    return {function: times / (CLIENTS * BATCHES) for function, times in found.most_common()}


address = serve()
clients = [socket.create_connection(address) for _ in range(CLIENTS)]
loop.add_handler(clients[-1], next_batch, ioloop.IOLoop.READ)
ask()
loop.start()
print(json.dumps({"python": told(counts["call"]), "c": told(counts["c_call"])}))
