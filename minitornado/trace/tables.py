"""Tables: which functions of the server stack are traced, and what each of them means.

A function has a row here, or a reason for having none (`exempt`).  The auditor holds us to
that: it counts every call, and compares.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

from .exempt import exempt
from .loops import clock, close_loop
from .names import counted
from .probes import (
    Cancel,
    Custom,
    Place,
    Poll,
    Probe,
    Receives,
    Resolve,
    Row,
    Schedule,
    Segments,
    Syscall,
    Table,
    Watch,
    probes_of,
)

P = "minitornado."

# Of each class: what its functions do, as `step: function(parameters to be recorded) ...`; where
# there is no step, no other function or stack has a part in the concept, and it is called alike.
_CALLS = """
ioloop:IOLoop.
    rewatch: update_handler(events)
    call-later: call_later add_timeout
    stop handle_callback_exception(callback) _handle_wake(events)
ioloop:PeriodicCallback.
    period: _run
waker:Waker.
    wake
    drain-waker: consume
gen:
    call-later: sleep
    with_timeout
iostream:IOStream.
    new-stream: __init__
    read-fd: read_from_fd
    write-fd: write_to_fd(data)
    connect close_fd set_nodelay(value) _handle_connect _finish_closing
iostream:BaseIOStream.
    read: read_until(delimiter, max_bytes) read_until_regex(regex, max_bytes)
    read: read_bytes(num_bytes, partial) read_until_close
    stream-write: write(data) write_soon(data)
    stream-close: close
    try-send: _send(data)
    tell-closed: _maybe_run_close_callback
    interest: _add_io_state(events)
    start_read(read) _handle_events(events) _handle_read _handle_write _handle_error
    _read_to_buffer _finish_read(end) _fail_read _flush _drop_io_state(events)
    _handle_unwanted _handle_eof _close_if_idle _finish_closing
ssliostream:SSLIOStream.
    new-stream: __init__
    handshake: wait_for_handshake _handshake
    read-fd: read_from_fd
    write-fd: write_to_fd(data)
    connect close_fd _handle_events(events) _handle_connect _finish_closing
netutil:
    listen: add_accept_handler(callback)
    bind_sockets _pause_accepting
tcpserver:TCPServer.
    listen: listen add_sockets
    stop-listening: stop
    _make_stream
http1connection:HTTP1ServerConnection.
    new-server-connection: __init__
    request-loop: _server_request_loop
    close-connection: close
    start_serving
http1connection:HTTP1Connection.
    new-exchange: __init__
    read-body: _read_body _read_fixed_body _read_chunked_body
    write-body: write(chunk)
    answered: _finish_request
    client-gone: _on_connection_close
    exchange-over: _end
    close-exchange: close
    write_headers(start_line, headers, chunk) finish _write_error(status) _read_trailer
    _refuse(error) _timed_out _linger detach _wait_for _end_exchange
    _application_done _application_failed(error) _close_delegate
http1connection:_Deadline.
    no-deadline: stop close
    deadline-due: _wake
http1parser:
    parse_head(data)
httputil:HTTPServerRequest.
    new-request-object: __init__(start_line)
httpserver:HTTPServer.
    connection-over: on_close
    handle_stream drain close_all_connections
httpserver:_HTTPRequestContext.
    new-context: __init__
    xheaders: _apply_xheaders
    xheaders-off: _unapply_xheaders
httpserver:_ServerRequestAdapter.
    new-adapter: __init__
    dispatch: finish
    request-lost: on_connection_close
    headers_received(start_line, headers) data_received(chunk)
"""

# Those with which a connection, a request or somebody else's callback begins or ends.
_TURNING_POINTS = (
    Probe(P + "gen:Runner.run", scope=True, step="runner"),
    Probe(P + "tcpserver:TCPServer._handle_connection", opens="conn", socket="connection",
          step="new-connection"),
    Probe(P + "httpserver:HTTPServer.start_request", opens="req", step="new-request"),
    Probe(P + "http1connection:HTTP1Connection.read_response", closes="req", step="read-request"),
    Probe(P + "iostream:BaseIOStream.set_close_callback", args=("callback",), keeps="callback",
          step="watch-close"),
    Probe(P + "http1connection:HTTP1Connection.set_close_callback", args=("callback",),
          keeps="callback", step="watch-close"),
    Probe(P + "http1connection:_Deadline.start", args=("seconds",), keeps="callback",
          step="deadline"),
    Receives(P + "httpserver:HTTPServer.request_callback", methods=("start_request", "on_close"),
             returns=("headers_received", "data_received", "finish", "on_connection_close"),
             layer="app", step="app"),
)  # fmt: skip


def _loop() -> tuple[Row, ...]:
    loop = P + "ioloop:IOLoop."
    return (
        Schedule(loop + "add_handler", how="fd", arg="handler", fd="fd", events="events",
                 step="watch"),
        Cancel(loop + "remove_handler", arg="fd", step="unwatch"),
        *(Schedule(loop + name, how="callback", arg="callback", step="enqueue")
          for name in ("add_callback", "add_callback_from_signal", "spawn_callback")),
        Schedule(loop + "add_future", how="future", arg="callback", future="future", step="await"),
        Schedule(loop + "call_at", how="timer", arg="callback", when="when", step="set-timer"),
        Cancel(loop + "remove_timeout", arg="timeout", step="cancel-timer",
               find=lambda timeout: timeout.callback),
        Schedule("threading:Thread.start", how="thread", arg="self", held_as="_target", inside=True,
                 layer="loop", step="start-thread"),
        Schedule("concurrent.futures.thread:ThreadPoolExecutor.submit", how="thread", arg="fn",
                 inside=True, layer="loop", step="submit"),
        Custom(loop + "time", factory=clock),
        Custom(loop + "close", factory=close_loop, step="close-loop"),
    )  # fmt: skip


def _futures() -> Iterator[Row]:
    foreign = "concurrent.futures._base:Future."  # of another thread, and awaited here
    inside: dict[str, Any] = {"inside": True, "layer": "future"}
    for future, where in ((P + "concurrent:Future.", {}), (foreign, inside)):
        yield Schedule(future + "add_done_callback", how="future", arg="fn", future="self",
                       **where, step="add-done-callback")  # fmt: skip
        yield Resolve(future + "set_result", arg="result", **where, step="resolve")
        yield Resolve(future + "set_exception", arg="exception", error=True, **where,
                      step="resolve")  # fmt: skip
    yield Resolve(foreign + "cancel", error=True, **inside, step="resolve")
    yield Segments(P + "gen:Runner._step", held_as="_coroutine")


def _kernel() -> tuple[Row, ...]:
    pollers = [f"{P}poller:{name}." for name in ("EpollPoller", "SelectorPoller")]
    changes = {"register": "ADD", "modify": "MOD", "unregister": "DEL"}
    return (
        *(Poll(poller + "poll", step="sleep", optional=True) for poller in pollers),
        *(Syscall(poller + method, name="epoll_ctl", op=op, fd="fd", optional=True,
                  events=None if op == "DEL" else "events")
          for poller in pollers for method, op in changes.items()),
        Poll(P + "trace.drive:DrivenPoller.poll", step="sleep"),
        Syscall("socket:socket.accept", name="accept", accepts=True),
        Syscall("socket:socket.recv", name="recv", asked=1, counts=True),
        Syscall("socket:socket.send", name="send", asked=1, counts=True),
        *(Syscall("socket:socket." + name, name=name, known=True)
          for name in ("setsockopt", "shutdown")),
        Syscall("socket:socket.connect", name="connect"),
        Syscall("socket:socket.close", name="close", closes=True, known=True),
        Syscall("ssl:SSLSocket.recv", name="ssl_read", asked=1, counts=True),
        Syscall("ssl:SSLSocket.send", name="ssl_write", asked=1, counts=True),
        Syscall("ssl:SSLSocket.do_handshake", name="ssl_do_handshake"),
        Syscall("ssl:SSLSocket.unwrap", name="ssl_shutdown"),
    )  # fmt: skip


# ---- what things are ----


@functools.cache
def masks(mask: int) -> str:
    names = [name for bit, name in ((1, "READ"), (4, "WRITE")) if mask & bit]
    # Errors are watched for in any case; alone, or one of the two, they have come.
    if mask & 24 and (not names or mask & 24 != 24):
        names.append("ERROR")
    return "|".join(names) or "NONE"


def _stream_state(stream: Any) -> tuple[Any, ...]:
    return (
        len(stream._read_buffer), len(stream._write_buffer), stream._state,
        stream._read is not None, stream._maybe_readable, stream._closed,
    )  # fmt: skip


_exchange_state = operator.attrgetter(
    "_read_finished", "_response_started", "_write_finished", "_finished", "_disconnect_on_finish"
)


WATCH: dict[str, Watch] = {
    "BaseIOStream": Watch(
        ("rbuf", "wbuf", "mask", "reading", "readable", "closed"), _stream_state,
        shown={"mask": lambda mask: None if mask is None else masks(mask)},
    ),
    "HTTP1Connection": Watch(
        ("read_finished", "response_started", "write_finished", "finished", "disconnect"),
        _exchange_state,
    ),
}  # fmt: skip


def _start_line(line: Any) -> str:
    first, second, third = line
    if isinstance(second, int):
        return f"{second} {third}"
    path, query, _ = second.partition("?")
    # What stands behind the question mark is the client's own business.
    return f"{first} {path}{'?...' if query else ''} {third}"


def _fd_role(loop: Any, fd: int, function: Any) -> str:
    if fd == loop._waker.fileno():
        return "waker"
    return "listen" if getattr(function, "__name__", "") == "accept_handler" else "out"


def _places(loop: Any) -> Iterator[Place]:
    callbacks, handlers = loop._callbacks, loop._handlers
    for at, (function, args) in enumerate(list(callbacks)):
        yield Place("callback", function, _setter(callbacks, at, after=(args,)))
    for timeout in [*(timeout for _when, _count, timeout in loop._timeouts), *loop._due]:
        if timeout.callback is not None:
            yield Place("timer", timeout.callback, functools.partial(setattr, timeout, "callback"))
    for fd, (fileobj, function) in list(handlers.items()):
        yield Place("fd", function, _setter(handlers, fd, before=(fileobj,)), fd)


def _setter(
    holder: Any, at: int, before: tuple[Any, ...] = (), after: tuple[Any, ...] = ()
) -> Callable[[Any], None]:
    return lambda function: holder.__setitem__(at, (*before, function, *after))


def _accepted_socket(loop: Any, function: Any) -> Any:
    """Return the socket that `function` serves, if one of the loop's listeners has accepted it."""
    sock = getattr(getattr(function, "__self__", None), "socket", None)
    listeners = [
        fileobj
        for fileobj, handler in loop._handlers.values()
        if _fd_role(loop, -1, handler) == "listen"
    ]
    # Both ends of what was accepted are told apart by it: ours has the listener's port.
    if sock is not None and _port(sock) in [_port(listener) for listener in listeners]:
        return sock
    return None


def _port(sock: Any) -> Any:
    name = sock.getsockname()
    return name[1] if isinstance(name, tuple) else name


def _coroutine_of(function: Any) -> Any:
    runner: Any = getattr(function, "__self__", None)
    return runner._coroutine if type(runner).__name__ == "Runner" else None


_ROWS = (*_kernel(), *_loop(), *_futures(), *probes_of(P, _CALLS), *_TURNING_POINTS)
_LAYERS = {
    P + module: layer
    for layer, modules in {
        "kernel": "poller",
        "loop": "waker ioloop",
        "future": "concurrent",
        "coroutine": "gen",
        "stream": "pending_read iostream ssliostream",
        "tcp": "netutil process tcpserver",
        "http1": "httputil http1parser http1connection",
        "server": "httpserver",
    }.items()
    for module in modules.split()
}

MINITORNADO = Table(
    name="minitornado",
    package="minitornado",
    rows=_ROWS,
    layers=_LAYERS,
    watch=WATCH,
    describe={
        "RequestStartLine": _start_line,
        "ResponseStartLine": _start_line,
        "HTTPHeaders": lambda headers: counted(len([*headers.get_all()]), "header"),
        "_Moment": lambda moment: "moment",
    },
    masks=masks,
    fd_role=_fd_role,
    coroutine_of=_coroutine_of,
    places=_places,
    socket_of=_accepted_socket,
    exempt=exempt(_LAYERS, {row.path for row in _ROWS}),
)  # fmt: skip
