"""Exempt: the functions of the server stack that have no probe, and why not.

The auditor finds any function that is called, and neither probed nor listed here.  What an
application may call is listed as well: how it reads its request is its own business.

A reason stands over those that it holds for: `module: name ...`, with * for any characters.
The first that fits is the reason.  Whole modules are listed under one reason only, that they
know no stream and no loop; they can't, for they import none (tests/test_layers.py).
"""

from __future__ import annotations

import fnmatch
import importlib
import inspect
from collections.abc import Collection, Iterable, Iterator
from types import CodeType

from .names import readable

_REASONS = """
the coroutine that awaits has segments, which say what it waits for
    concurrent: Future.__await__
    gen: _Moment.__await__
runs when the garbage collector likes
    concurrent: *.__del__
calls others that are probed: run, close, call_at, add_callback, set_result, ...
    concurrent: Future.set_exc_info chain_future
    gen: Runner.__init__ _when_done convert_yielded multi
    http1connection: HTTP1ServerConnection.close_if_idle _Deadline._sleep
    httputil: HTTPServerRequest.write HTTPServerRequest.finish
    ioloop: IOLoop.run_sync _Later.__call__ PeriodicCallback._schedule_next
    ioloop: PeriodicCallback.start PeriodicCallback.stop
    tcpserver: TCPServer.add_socket
calls Handles, or is called through one, and those write their runs
    concurrent: Future._run_callbacks chain_future.copy
    tcpserver: _end_handling
passes on to the next delegate, whose methods are probed
    http1connection: _GzipMessageDelegate.headers_received _GzipMessageDelegate.data_received
    http1connection: _GzipMessageDelegate.finish _GzipMessageDelegate.on_connection_close
works on text or bytes it is given, and knows no stream and no loop
    httputil: *
    http1parser: *
    pending_read: *
    http1connection: _GzipMessageDelegate._decompress _unfinished_head _without_framing
    http1connection: _date_line
    netutil: is_valid_ip
the ring of the loop itself: polls, and runs that Handles bracket, are its events
    ioloop: IOLoop.start IOLoop._work IOLoop._wait IOLoop._run IOLoop._watch_result
    ioloop: IOLoop._pop_due_timeouts IOLoop._seconds_to_sleep IOLoop._check_startable
writes a line into the log, about an fd of the parent's
    ioloop: IOLoop._handle_unknown
prepares something before the first turn, or ends it after the last
    gen: coroutine
    ioloop: IOLoop.clear_current IOLoop.clear_instance IOLoop.install IOLoop.make_current
    ioloop: _best_poller _set_wakeup_fd
    netutil: bind_unix_socket ssl_options_to_context
    poller: best_poller *.close
    process: fork_processes _Family.*
    tcpserver: TCPServer.bind TCPServer.start _check_ssl_files
    waker: Waker.close
a part of the function that calls it, which is probed
    concurrent: Future._retrieve
    gen: Runner._convert _without_runner multi.finish
    http1connection: _GzipMessageDelegate._unpack HTTP1Connection._write
    http1connection: HTTP1Connection._format_chunk HTTP1Connection._format_head
    http1connection: HTTP1Connection._hand_on HTTP1Connection._parse_head _future_of
    httpserver: _ServerRequestAdapter._cleanup
    ioloop: IOLoop.close_fd
    iostream: BaseIOStream._fail BaseIOStream._write_futures
    netutil: ssl_wrap_socket
    ssliostream: accept_ssl
only keeps its arguments; whoever makes the object is probed
    *: *.__init__
    http1connection: HTTP1Connection.set_body_timeout HTTP1Connection.set_max_body_size
answers a question, and changes nothing
    *: *.__repr__ *.__str__ *.fileno
    concurrent: Future.running Future.cancel Future.cancelled Future.done Future.result
    concurrent: Future.exception Future.exc_info is_future
    gen: maybe_future
    http1connection: HTTP1Connection._check_body_size HTTP1Connection._check_wanted
    http1connection: HTTP1Connection._client_has_left HTTP1Connection._client_speaks
    http1connection: HTTP1Connection.idle
    ioloop: IOLoop.initialized IOLoop.current IOLoop.instance IOLoop.split_fd
    ioloop: PeriodicCallback.is_running
    iostream: BaseIOStream.at_eof BaseIOStream.pending BaseIOStream.may_hold BaseIOStream.closed
    iostream: BaseIOStream.reading BaseIOStream.writing IOStream.get_fd_error
    process: cpu_count task_id
    waker: Waker.write_fileno
"""


def exempt(modules: Iterable[str], probed: Collection[str]) -> dict[str, str]:
    """Return {"module:name": reason} of the functions in `modules` that are not `probed`."""
    found: dict[str, str] = {}
    paths = []
    for module in modules:
        loader = vars(importlib.import_module(module))["__spec__"].loader
        paths += [f"{module}:{name}" for name in _functions(loader.get_code(module))]
    for pattern, reason in patterns():
        for path in fnmatch.filter(paths, pattern):
            if path not in probed:
                found.setdefault(path, reason)
    return found


def patterns() -> Iterator[tuple[str, str]]:
    """Yield ("package.module:name", reason), in their order; names may have a * in them."""
    reason = ""
    for line in _REASONS.strip().splitlines():
        module, _, names = line.strip().partition(": ")
        if not line.startswith(" "):
            reason = line
        else:
            yield from ((f"minitornado.{module}:{name}", reason) for name in names.split())


def _functions(code: CodeType) -> Iterator[str]:
    """Yield the qualified names of the functions that are defined in a piece of code."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and "<" not in (name := readable(inner.co_qualname)):
            if inner.co_flags & inspect.CO_OPTIMIZED:  # else it is a class's body
                yield name
            yield from _functions(inner)
