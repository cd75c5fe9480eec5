"""minitornado: one HTTP request, every callback, explained.

Tornado 4's server stack, small enough to be read in an afternoon.  In the order in which it
is best read; each module's docstring has the picture:

    concurrent        Future: a value to come, and who wants to know
    ioloop            IOLoop: the one thread that waits for everybody
      poller, waker     which fds are ready; what wakes a sleeping poll
    pending_read      what a reader waits for
    iostream          IOStream: a non-blocking socket with two buffers
    gen               Runner: what turns `await` into callbacks
    netutil           sockets that listen, and how what knocks is let in
    tcpserver         TCPServer: listening sockets in, streams out
      process           several processes on one port
    httputil          HTTP as data
      http1parser       what its bytes mean
    http1connection   HTTP1Connection: one exchange; HTTP1ServerConnection: one after the other
    httpserver        HTTPServer, and _ServerRequestAdapter, which hands over the request
    ssliostream       SSLIOStream: the same, encrypted

Around it: `trace` watches all of this at work, `demo` is the server to be watched,
`classroom` holds the notebooks' and exercises' machinery, and `python -m minitornado` is the
way in.  Nothing of the stack knows any of these.
"""

import importlib
from typing import Any

from . import gen as _gen

__version__ = "0.1.0"

# Imported, though named nowhere below: it gives IOLoop the way to start an `async def`.
assert _gen

# The names a user needs first, and where they are.  Loaded when asked for: who wants a loop
# need not wait for a server.
_NAMES = {
    "Future": "concurrent",
    "HTTPServer": "httpserver",
    "IOLoop": "ioloop",
    "IOStream": "iostream",
    "PeriodicCallback": "ioloop",
    "TCPServer": "tcpserver",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
