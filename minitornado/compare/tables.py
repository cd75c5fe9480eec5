"""Tables of probes for the real Tornado: the same tracer, the same steps, other functions.

What a row's `step` says is what two stories are aligned on, so it is the same word as in the
table of our own stack.  A row whose function is there in some versions only is `optional`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minitornado.trace.handles import Handle
from minitornado.trace.loops import clock
from minitornado.trace.probes import (
    Cancel,
    Custom,
    Poll,
    Probe,
    Receives,
    Resolve,
    Row,
    Schedule,
    Syscall,
    Table,
)
from minitornado.trace.tables import masks
from minitornado.trace.wrappers import written_before

T = "tornado."
DRIVEN = "minitornado.trace.drive:DrivenPoller."


def _kernel() -> tuple[Row, ...]:
    """System calls: the driver's poller stands where a loop would ask the kernel."""
    return (
        Custom("minitornado.trace.drive:Clock.__call__", factory=clock),
        Poll(DRIVEN + "poll", step="sleep"),
        Syscall(DRIVEN + "register", name="epoll_ctl", op="ADD", fd="fd", events="events"),
        Syscall(DRIVEN + "modify", name="epoll_ctl", op="MOD", fd="fd", events="events"),
        Syscall(DRIVEN + "unregister", name="epoll_ctl", op="DEL", fd="fd"),
        Syscall("socket:socket.accept", name="accept", accepts=True),
        Syscall("socket:socket.recv", name="recv", asked=1, counts=True),
        Syscall("socket:socket.recv_into", name="recv", asked=1, counts=True),
        Syscall("socket:socket.send", name="send", asked=1, counts=True),
        Syscall("socket:socket.close", name="close", closes=True, known=True),
    )


def _stream() -> tuple[Row, ...]:
    base, stream = T + "iostream:BaseIOStream.", T + "iostream:IOStream."
    return (
        Probe(base + "read_until_regex", args=("regex", "max_bytes"), step="read"),
        Probe(base + "read_until", args=("delimiter", "max_bytes"), step="read"),
        Probe(base + "read_bytes", args=("num_bytes", "partial"), step="read"),
        Probe(base + "write", args=("data",), step="stream-write"),
        Probe(base + "close", step="stream-close"),
        Probe(base + "_handle_events", args=("events",), step="handle-events"),
        Probe(base + "_handle_read", step="handle-read"),
        Probe(base + "_handle_write", step="handle-write"),
        Probe(base + "_maybe_run_close_callback", step="tell-closed", optional=True),  # to 5
        Probe(base + "_signal_closed", step="tell-closed", optional=True),  # from 6 on
        Probe(base + "_add_io_state", args=("state",), step="interest"),
        Probe(stream + "read_from_fd", step="read-fd"),
        Probe(stream + "write_to_fd", args=("data",), step="write-fd"),
        Probe(stream + "close_fd", step="close-fd"),
    )


def _server(adapter: str) -> tuple[Row, ...]:
    """From TCPServer up."""
    tcp, server = T + "tcpserver:TCPServer.", T + "httpserver:HTTPServer."
    conn = T + "http1connection:HTTP1Connection."
    serving = T + "http1connection:HTTP1ServerConnection."
    message = ("headers_received", "data_received", "finish", "on_connection_close")
    rows: list[Row] = [
        Probe(tcp + "_handle_connection", opens="conn", socket="connection", step="new-connection"),
        Probe(server + "handle_stream", step="handle-stream"),
        Probe(server + "start_request", opens="req", step="new-request"),
        Probe(server + "on_close", step="connection-over"),
        Probe(serving + "start_serving", step="start-serving"),
        Probe(serving + "_server_request_loop", step="request-loop"),
        Probe(conn + "read_response", step="read-request"),
        Probe(conn + "_read_message", step="read-request"),
        Probe(conn + "_read_message_inner", step="read-request", optional=True),
        Probe(conn + "_read_body", step="read-body"),
        Probe(conn + "_read_fixed_body", step="read-body"),
        Probe(conn + "_read_chunked_body", step="read-body"),
        Probe(conn + "write_headers", args=("start_line", "headers", "chunk"),
              step="write-headers"),
        Probe(conn + "write", args=("chunk",), step="write-body"),
        Probe(conn + "finish", step="finish"),
        Probe(conn + "_finish_request", step="answered"),
        Probe(conn + "set_close_callback", args=("callback",), step="watch-close"),
        Probe(conn + "_on_connection_close", step="client-gone"),
        Probe(conn + "close", step="close-exchange"),
        Receives(server + "request_callback", methods=("start_request", "on_close"),
                 returns=message, layer="app", step="app"),
    ]  # fmt: skip
    steps = ("headers-received", "data-received", "dispatch", "request-lost")
    for name, step in zip(message, steps, strict=True):
        args = ("start_line", "headers") if name == "headers_received" else ()
        path = f"{T}httpserver:{adapter}.{name}"
        rows.append(Probe(path, args=args, step=step))
    return tuple(rows)


# ---- Tornado 6, over asyncio ----


def _asyncio() -> tuple[Row, ...]:
    loop, base = T + "platform.asyncio:BaseAsyncIOLoop.", "asyncio.base_events:BaseEventLoop."
    return (
        Schedule(loop + "add_handler", how="fd", arg="handler", fd="fd", events="events",
                 step="watch"),
        Probe(loop + "update_handler", args=("events",), step="rewatch"),
        Cancel(loop + "remove_handler", arg="fd", step="unwatch"),
        Schedule(loop + "add_callback", how="callback", arg="callback", step="enqueue"),
        Schedule(loop + "call_at", how="timer", arg="callback", when="when", step="set-timer"),
        Cancel(loop + "remove_timeout", arg="timeout", step="cancel-timer",
               find=lambda timeout: (timeout._args or (None,))[0]),
        # Whatever a Task or a Future of asyncio wants to run comes through here.
        Schedule(base + "_call_soon", how="callback", arg="callback", step="enqueue"),
        Schedule(T + "concurrent:future_add_done_callback", how="future", arg="callback",
                 future="future", step="add-done-callback"),
        Resolve(T + "concurrent:future_set_result_unless_cancelled", arg="value", step="resolve"),
    )  # fmt: skip


def _task_coroutine(function: Any) -> Any:
    """Return the coroutine whose Task asyncio takes further by calling `function`."""
    task = getattr(function, "__self__", None)
    get = getattr(task, "get_coro", None)
    return None if get is None else get()


# ---- Tornado 4, with a loop of its own ----


def _wrap_inside(recorder: Any, site: Any) -> Any:
    """Let stack_context.wrap wrap what a Handle calls, and keep the Handle outside.

    Wrapped itself, it would be taken for another callable when it is handed on.
    """
    original = site.original

    def wrap(function: Any) -> Any:
        if not isinstance(function, Handle):
            return original(function)
        order = function.order
        inside = original(order.function)
        if inside is not order.function:
            inside.__wrapped__ = order.function
            order.function = inside
        return function

    return wrap


@dataclass(frozen=True, kw_only=True)
class ResolveWithInfo(Custom):
    """A Resolve with the three that sys.exc_info() returns; set_exception calls it as well."""

    arg: str = "exc_info"
    error: bool = True
    inside: bool = False


def _exc_info(recorder: Any, site: Any) -> Any:
    def write(lane: Any, site: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        recorder.resolved(lane, site, (args[0], site.argument("exc_info", args, kwargs)[1]), {})

    return written_before(recorder, site, write)


def _poll_loop() -> tuple[Row, ...]:
    loop = T + "ioloop:PollIOLoop."
    return (
        Custom(T + "stack_context:wrap", factory=_wrap_inside),
        Schedule(loop + "add_handler", how="fd", arg="handler", fd="fd", events="events",
                 step="watch"),
        Probe(loop + "update_handler", args=("events",), step="rewatch"),
        Cancel(loop + "remove_handler", arg="fd", step="unwatch"),
        Schedule(loop + "add_callback", how="callback", arg="callback", step="enqueue"),
        Schedule(loop + "call_at", how="timer", arg="callback", when="deadline",
                 step="set-timer"),
        Cancel(loop + "remove_timeout", arg="timeout", step="cancel-timer",
               find=lambda timeout: timeout.callback),
        Schedule(T + "ioloop:IOLoop.add_future", how="future", arg="callback", future="future",
                 step="await"),
        Schedule(T + "concurrent:Future.add_done_callback", how="future", arg="fn",
                 future="self", step="add-done-callback"),
        Resolve(T + "concurrent:Future.set_result", arg="result", step="resolve"),
        ResolveWithInfo(T + "concurrent:Future.set_exc_info", factory=_exc_info, step="resolve"),
        Probe(T + "gen:Runner.run", scope=True, step="runner"),
    )  # fmt: skip


def _runner_coroutine(function: Any) -> Any:
    """Return the generator whose Runner is taken further by calling `function`, a closure of it."""
    function = getattr(function, "__wrapped__", function)
    for cell in getattr(function, "__closure__", None) or ():
        runner = cell.cell_contents
        if type(runner).__name__ == "Runner":
            return runner.gen
    return None


# ---- the tables ----

LAYERS = {
    "asyncio.base_events": "loop",
    "tornado.platform.asyncio": "loop",
    "tornado.ioloop": "loop",
    "tornado.concurrent": "future",
    "tornado.gen": "coroutine",
    "tornado.iostream": "stream",
    "tornado.netutil": "tcp",
    "tornado.tcpserver": "tcp",
    "tornado.httputil": "http1",
    "tornado.http1connection": "http1",
    "tornado.httpserver": "server",
}


def _fd_role(loop: Any, fd: int, function: Any) -> str:
    if getattr(function, "__name__", "") == "accept_handler":
        return "listen"
    return "waker" if fd == getattr(getattr(loop, "_waker", None), "fileno", int)() else "fd"


def _table(name: str, coroutine_of: Callable[[Any], Any], *rows: Row) -> Table:
    return Table(
        name=name, package="tornado", rows=(*_kernel(), *_stream(), *rows), layers=LAYERS,
        masks=masks, fd_role=_fd_role, coroutine_of=coroutine_of,
    )  # fmt: skip


TORNADO4 = _table(
    "tornado4", _runner_coroutine, *_poll_loop(), *_server("_ServerRequestAdapter")
)
TORNADO45 = _table("tornado45", _runner_coroutine, *_poll_loop(), *_server("_CallableAdapter"))
TORNADO6 = _table("tornado6", _task_coroutine, *_asyncio(), *_server("_CallableAdapter"))


def table_of(version: tuple[int, int]) -> Table:
    """Return the table for a version of Tornado, (major, minor).

    >>> table_of((4, 4)).name, table_of((6, 6)).name
    ('tornado4', 'tornado6')
    """
    if version >= (6, 2):
        return TORNADO6
    return TORNADO45 if version == (4, 5) else TORNADO4
