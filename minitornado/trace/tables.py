"""Tables: which functions of the server stack are traced, and what each of them means.

A function has a row here, or a reason for having none (`exempt`).  The auditor holds us to
that: it counts every call, and compares.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

from .exempt import exempt
from .loops import clock, close_loop
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
)

P = "minitornado."


def _loop() -> tuple[Row, ...]:
    loop = P + "ioloop:IOLoop."
    return (
        Schedule(loop + "add_handler", how="fd", arg="handler", fd="fd", events="events",
                 step="watch"),
        Probe(loop + "update_handler", args=("events",), step="rewatch"),
        Cancel(loop + "remove_handler", arg="fd", step="unwatch"),
        Schedule(loop + "add_callback", how="callback", arg="callback", step="enqueue"),
        Schedule(loop + "add_callback_from_signal", how="callback", arg="callback", step="enqueue"),
        Schedule(loop + "spawn_callback", how="callback", arg="callback", step="enqueue"),
        Schedule(loop + "add_future", how="future", arg="callback", future="future", step="await"),
        Schedule(loop + "call_at", how="timer", arg="callback", when="when", step="set-timer"),
        Probe(loop + "call_later", step="call-later"),
        Probe(loop + "add_timeout", step="call-later"),
        Cancel(loop + "remove_timeout", arg="timeout", step="cancel-timer",
               find=lambda timeout: timeout.callback),
        Probe(loop + "stop", step="stop"),
        Probe(loop + "handle_callback_exception", args=("callback",), step="callback-failed"),
        Probe(loop + "_handle_wake", args=("events",), step="woken"),
        Schedule("threading:Thread.start", how="thread", arg="self", held_as="_target", inside=True,
                 layer="loop", step="start-thread"),
        Schedule("concurrent.futures.thread:ThreadPoolExecutor.submit", how="thread", arg="fn",
                 inside=True, layer="loop", step="submit"),
        Custom(loop + "time", factory=clock),
        Custom(loop + "close", factory=close_loop, step="close-loop"),
        Probe(P + "waker:Waker.wake", level="chain", step="wake"),
        Probe(P + "waker:Waker.consume", level="chain", step="drain-waker"),
        Probe(P + "ioloop:PeriodicCallback._run", step="period"),
    )  # fmt: skip


def _kernel() -> tuple[Row, ...]:
    rows: list[Row] = []
    for poller in ("EpollPoller", "SelectorPoller"):
        path = f"{P}poller:{poller}."
        rows += [
            Poll(path + "poll", step="sleep", optional=True),
            Syscall(path + "register", name="epoll_ctl", op="ADD", fd="fd", events="events",
                    optional=True),
            Syscall(path + "modify", name="epoll_ctl", op="MOD", fd="fd", events="events",
                    optional=True),
            Syscall(path + "unregister", name="epoll_ctl", op="DEL", fd="fd", optional=True),
        ]  # fmt: skip
    rows += [
        Poll(P + "trace.drive:DrivenPoller.poll", step="sleep"),
        Syscall("socket:socket.accept", name="accept", accepts=True),
        Syscall("socket:socket.recv", name="recv", asked=1, counts=True),
        Syscall("socket:socket.send", name="send", asked=1, counts=True),
        Syscall("socket:socket.setsockopt", name="setsockopt", known=True),
        Syscall("socket:socket.shutdown", name="shutdown", known=True),
        Syscall("socket:socket.connect", name="connect"),
        Syscall("socket:socket.close", name="close", closes=True, known=True),
    ]
    return tuple(rows)


def _future_and_coroutine() -> tuple[Row, ...]:
    future = P + "concurrent:Future."
    foreign = "concurrent.futures._base:Future."  # of another thread, and awaited here
    inside: dict[str, Any] = {"inside": True, "layer": "future"}
    return (
        Schedule(future + "add_done_callback", how="future", arg="fn", future="self",
                 step="add-done-callback"),
        Resolve(future + "set_result", arg="result", step="resolve"),
        Resolve(future + "set_exception", arg="exception", error=True, step="resolve"),
        Schedule(foreign + "add_done_callback", how="future", arg="fn", future="self", **inside,
                 step="add-done-callback"),
        Resolve(foreign + "set_result", arg="result", **inside, step="resolve"),
        Resolve(foreign + "set_exception", arg="exception", error=True, **inside, step="resolve"),
        Resolve(foreign + "cancel", error=True, **inside, step="resolve"),
        Probe(P + "gen:Runner.run", level="chain", scope=True, step="runner"),
        Segments(P + "gen:Runner._step", held_as="_coroutine"),
        Probe(P + "gen:sleep", step="call-later"),
        Probe(P + "gen:with_timeout", step="with-timeout"),
    )  # fmt: skip


def _stream() -> tuple[Row, ...]:
    base, stream = P + "iostream:BaseIOStream.", P + "iostream:IOStream."
    return (
        Probe(stream + "__init__", step="new-stream"),
        Probe(stream + "connect", step="connect"),
        Probe(base + "read_until", args=("delimiter", "max_bytes"), step="read"),
        Probe(base + "read_until_regex", args=("regex", "max_bytes"), step="read"),
        Probe(base + "read_bytes", args=("num_bytes", "partial"), step="read"),
        Probe(base + "read_until_close", step="read"),
        Probe(base + "start_read", args=("read",), step="start-read"),
        Probe(base + "write", args=("data",), step="stream-write"),
        Probe(base + "write_soon", args=("data",), step="stream-write"),
        Probe(base + "_flush", step="flush"),
        Probe(base + "close", step="stream-close"),
        Probe(base + "set_close_callback", args=("callback",), keeps="callback",
              step="watch-close"),
        Probe(base + "_handle_events", args=("events",), step="handle-events"),
        Probe(base + "_handle_unwanted", step="unwanted"),
        Probe(base + "_handle_read", step="handle-read"),
        Probe(base + "_handle_write", step="handle-write"),
        Probe(base + "_handle_error", step="handle-error"),
        Probe(base + "_read_to_buffer", step="fill"),
        Probe(base + "_handle_eof", step="eof"),
        Probe(base + "_close_if_idle", step="eof"),
        Probe(base + "_finish_read", args=("end",), step="found"),
        Probe(base + "_fail_read", step="read-failed"),
        Probe(base + "_send", args=("data",), step="try-send"),
        Probe(base + "_finish_closing", step="closing"),
        Probe(base + "_maybe_run_close_callback", step="tell-closed"),
        Probe(base + "_add_io_state", args=("events",), step="interest"),
        Probe(base + "_drop_io_state", args=("events",), step="disinterest"),
        Probe(stream + "read_from_fd", step="read-fd"),
        Probe(stream + "write_to_fd", args=("data",), step="write-fd"),
        Probe(stream + "close_fd", step="close-fd"),
        Probe(stream + "set_nodelay", args=("value",), step="nodelay"),
        Probe(stream + "_handle_connect", step="connected"),
        Probe(stream + "_finish_closing", step="closing"),
    )


def _tls() -> tuple[Row, ...]:
    ssl = P + "ssliostream:SSLIOStream."
    return (
        Probe(ssl + "__init__", step="new-stream"),
        Probe(ssl + "connect", step="connect"),
        Probe(ssl + "wait_for_handshake", step="handshake"),
        Probe(ssl + "read_from_fd", step="read-fd"),
        Probe(ssl + "write_to_fd", args=("data",), step="write-fd"),
        Probe(ssl + "close_fd", step="close-fd"),
        Probe(ssl + "_handle_events", args=("events",), step="handle-events"),
        Probe(ssl + "_handle_connect", step="connected"),
        Probe(ssl + "_handshake", step="handshake"),
        Probe(ssl + "_finish_closing", step="closing"),
        Syscall("ssl:SSLSocket.recv", name="ssl_read", asked=1, counts=True),
        Syscall("ssl:SSLSocket.send", name="ssl_write", asked=1, counts=True),
        Syscall("ssl:SSLSocket.do_handshake", name="ssl_do_handshake"),
        Syscall("ssl:SSLSocket.unwrap", name="ssl_shutdown"),
    )


def _tcp() -> tuple[Row, ...]:
    server = P + "tcpserver:TCPServer."
    return (
        Probe(P + "netutil:bind_sockets", step="bind"),
        Probe(P + "netutil:add_accept_handler", args=("callback",), step="listen"),
        Probe(P + "netutil:_pause_accepting", step="no-room"),
        Probe(server + "listen", step="listen"),
        Probe(server + "add_sockets", step="listen"),
        Probe(server + "stop", level="chain", step="stop-listening"),
        Probe(server + "_handle_connection", opens="conn", socket="connection", level="chain",
              step="new-connection"),
        Probe(server + "_make_stream", step="make-stream"),
    )  # fmt: skip


def _http() -> tuple[Row, ...]:
    module = P + "http1connection:"
    conn, serving = module + "HTTP1Connection.", module + "HTTP1ServerConnection."
    coroutine: dict[str, Any] = {"coroutine": True, "level": "chain"}
    return (
        Probe(serving + "__init__", step="new-server-connection"),
        Probe(serving + "start_serving", step="start-serving"),
        Probe(serving + "_server_request_loop", **coroutine, step="request-loop"),
        Probe(serving + "close", **coroutine, step="close-connection"),
        Probe(conn + "__init__", step="new-exchange"),
        Probe(conn + "read_response", **coroutine, closes="req", step="read-request"),
        Probe(conn + "_read_body", **coroutine, step="read-body"),
        Probe(conn + "_read_fixed_body", **coroutine, step="read-body"),
        Probe(conn + "_read_chunked_body", **coroutine, step="read-body"),
        Probe(conn + "_read_trailer", **coroutine, step="read-trailer"),
        Probe(conn + "write_headers", args=("start_line", "headers", "chunk"),
              step="write-headers"),
        Probe(conn + "write", args=("chunk",), step="write-body"),
        Probe(conn + "finish", step="finish"),
        Probe(conn + "_finish_request", step="answered"),
        Probe(conn + "_wait_for", **coroutine, step="await-delegate"),
        Probe(conn + "_end_exchange", **coroutine, step="await-answer"),
        Probe(conn + "set_close_callback", args=("callback",), keeps="callback",
              step="watch-close"),
        Probe(conn + "_on_connection_close", step="client-gone"),
        Probe(conn + "_write_error", args=("status",), step="write-error"),
        Probe(conn + "_end", step="exchange-over"),
        Probe(conn + "_timed_out", step="timed-out"),
        Probe(conn + "_refuse", args=("error",), step="refuse"),
        Probe(conn + "_linger", **coroutine, step="linger"),
        Probe(conn + "close", step="close-exchange"),
        Probe(conn + "detach", step="detach"),
        Probe(conn + "_application_done", step="app-done"),
        Probe(conn + "_application_failed", args=("error",), step="app-failed"),
        Probe(conn + "_close_delegate", step="close-delegate"),
    )  # fmt: skip


def _parser_and_deadline() -> tuple[Row, ...]:
    deadline = P + "http1connection:_Deadline."
    return (
        Probe(P + "http1parser:parse_head", args=("data",), step="parse"),
        Probe(deadline + "start", args=("seconds",), keeps="callback", step="deadline"),
        Probe(deadline + "stop", step="no-deadline"),
        Probe(deadline + "close", step="no-deadline"),
        Probe(deadline + "_wake", step="deadline-due"),
    )  # fmt: skip


def _server() -> tuple[Row, ...]:
    server, adapter = P + "httpserver:HTTPServer.", P + "httpserver:_ServerRequestAdapter."
    context = P + "httpserver:_HTTPRequestContext."
    message = ("headers_received", "data_received", "finish", "on_connection_close")
    return (
        Probe(server + "handle_stream", step="handle-stream"),
        Probe(server + "start_request", opens="req", level="chain", step="new-request"),
        Probe(server + "on_close", step="connection-over"),
        Probe(server + "close_all_connections", coroutine=True, level="chain", step="close-all"),
        Probe(server + "drain", coroutine=True, level="chain", step="drain"),
        Probe(context + "__init__", step="new-context"),
        Probe(context + "_apply_xheaders", step="xheaders"),
        Probe(context + "_unapply_xheaders", step="xheaders-off"),
        Probe(adapter + "__init__", step="new-adapter"),
        Probe(P + "httputil:HTTPServerRequest.__init__", args=("start_line",),
              step="new-request-object"),
        Probe(adapter + "headers_received", args=("start_line", "headers"), level="chain",
              step="headers-received"),
        Probe(adapter + "data_received", args=("chunk",), level="chain", step="data-received"),
        Probe(adapter + "finish", level="chain", step="dispatch"),
        Probe(adapter + "on_connection_close", level="chain", step="request-lost"),
        Receives(server + "request_callback", methods=("start_request", "on_close"),
                 returns=message, layer="app", step="app"),
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


def _headers(headers: Any) -> str:
    count = len([*headers.get_all()])
    return "1 header" if count == 1 else f"{count} headers"


def _fd_role(loop: Any, fd: int, function: Any) -> str:
    if fd == loop._waker.fileno():
        return "waker"
    return "listen" if getattr(function, "__name__", "") == "accept_handler" else "out"


def _places(loop: Any) -> list[Place]:
    def callback(at: int, args: Any) -> Any:
        return lambda function: loop._callbacks.__setitem__(at, (function, args))

    def timer(timeout: Any) -> Any:
        return lambda function: setattr(timeout, "callback", function)

    def handler(fd: int, fileobj: Any) -> Any:
        return lambda function: loop._handlers.__setitem__(fd, (fileobj, function))

    timeouts = [*(timeout for _when, _count, timeout in loop._timeouts), *loop._due]
    return [
        *(Place("callback", function, callback(at, args))
          for at, (function, args) in enumerate(loop._callbacks)),
        *(Place("timer", timeout.callback, timer(timeout))
          for timeout in timeouts if timeout.callback is not None),
        *(Place("fd", function, handler(fd, fileobj), fd)
          for fd, (fileobj, function) in list(loop._handlers.items())),
    ]  # fmt: skip


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


_ROWS = (
    *_kernel(), *_loop(), *_future_and_coroutine(), *_stream(), *_tls(), *_tcp(),
    *_http(), *_parser_and_deadline(), *_server(),
)  # fmt: skip
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
        "HTTPHeaders": _headers,
        "_Moment": lambda moment: "moment",
    },
    masks=masks,
    fd_role=_fd_role,
    coroutine_of=_coroutine_of,
    places=_places,
    socket_of=_accepted_socket,
    exempt=exempt(_LAYERS, {row.path for row in _ROWS}),
)  # fmt: skip
