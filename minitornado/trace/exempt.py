"""Exempt: the functions of the server stack that have no probe, and why not.

Each of these is called somewhere in the tests' scenarios; the auditor finds any function that
is called, and neither probed nor listed here.
"""

from __future__ import annotations

from collections.abc import Iterable

ASKS = "answers a question, and changes nothing"
MAKES = "only keeps its arguments; whoever makes the object is probed"
DATA = "works on text or bytes it is given, and knows no stream and no loop"
PART = "a part of the function that calls it, which is probed"
RING = "the ring of the loop itself: polls, and runs that Handles bracket, are its events"
SETUP = "prepares something before the first turn"

_FUNCTIONS: dict[str, Iterable[tuple[str, str]]] = {
    "concurrent": [
        ("Future.__init__", MAKES),
        ("Future.__await__", "the coroutine that awaits has segments, which say what it waits for"),
        ("Future.done", ASKS),
        ("Future.result", ASKS),
        ("Future.exception", ASKS),
        ("Future.exc_info", ASKS),
        ("Future._retrieve", PART),
        ("Future._run_callbacks", "calls Handles, which write their runs"),
        ("Future.set_exc_info", "calls set_exception, which is probed"),
        ("Future.__repr__", ASKS),
        ("_UnretrievedException.__init__", MAKES),
        ("_UnretrievedException.__del__", "runs when the garbage collector likes"),
        ("chain_future.copy", "runs through a Handle; of a Future of another thread, by itself"),
        ("chain_future", "calls add_done_callback, which is probed"),
        ("is_future", ASKS),
        ("is_future.<genexpr>", ASKS),
    ],
    "gen": [
        ("Runner.__init__", "calls run, which is probed"),
        ("Runner._convert", PART),
        ("_Moment.__await__", "the coroutine that awaits has segments"),
        ("_without_runner", PART),
        ("_when_done", "calls add_done_callback, which is probed"),
        ("convert_yielded", "makes a Runner, whose run is probed"),
        ("maybe_future", ASKS),
        ("multi", "calls add_done_callback, which is probed"),
        ("multi.<listcomp>", PART),
        ("multi.finish", PART),
    ],
    "http1connection": [
        ("HTTP1Connection._check_body_size", ASKS),
        ("HTTP1Connection._format_chunk", PART),
        ("HTTP1Connection._format_head", PART),
        ("HTTP1Connection._write", PART),
        ("HTTP1Connection.idle", ASKS),
        ("HTTP1ConnectionParameters.__init__", SETUP),
        ("HTTP1ServerConnection.close_if_idle", "calls close, which is probed"),
        ("_Deadline.__init__", MAKES),
        ("_Deadline._sleep", "calls call_at, which is probed"),
        ("_date_line", DATA),
    ],
    "http1parser": [
        ("ReadLines.__init__", MAKES),
        ("ReadLines.find_end", DATA),
        ("framing", DATA),
        ("check_trailer_line", DATA),
        ("_body_length", DATA),
        ("_body_length.<setcomp>", DATA),
        ("_can_keep_alive", DATA),
        ("_can_keep_alive.<setcomp>", DATA),
        ("_check_bytes", DATA),
        ("_check_host", DATA),
    ],
    "httpserver": [
        ("HTTPServer.__init__", SETUP),
        ("_ServerRequestAdapter._cleanup", PART),
        ("_HTTPRequestContext.__str__", ASKS),
    ],
    "httputil": [
        ("HTTPHeaders.__contains__", DATA),
        ("HTTPHeaders.__getitem__", DATA),
        ("HTTPHeaders.__init__", DATA),
        ("HTTPHeaders.__setitem__", DATA),
        ("HTTPHeaders.format_lines", DATA),
        ("HTTPHeaders.format_lines.<listcomp>", DATA),
        ("HTTPHeaders.get", DATA),
        ("HTTPHeaders.parse_line", DATA),
        ("HTTPHeaders.parse_lines", DATA),
        ("HTTPInputError.__init__", MAKES),
        ("HTTPMessageDelegate.headers_received", "does nothing; an application's own is probed"),
        ("HTTPServerRequest._parse_body", DATA),
        ("_normalize_name", DATA),
        ("_normalize_name.<listcomp>", DATA),
        ("_parse_name", DATA),
        ("format_timestamp", DATA),
        ("is_valid_host", DATA),
        ("parse_request_start_line", DATA),
    ],
    "ioloop": [
        ("IOLoop.__init__", SETUP),
        ("IOLoop.start", RING),
        ("IOLoop._work", RING),
        ("IOLoop._wait", RING),
        ("IOLoop._run", RING),
        ("IOLoop._watch_result", RING),
        ("IOLoop._pop_due_timeouts", RING),
        ("IOLoop._seconds_to_sleep", RING),
        ("IOLoop._check_startable", RING),
        ("IOLoop.current", ASKS),
        ("IOLoop.instance", ASKS),
        ("IOLoop.make_current", SETUP),
        ("IOLoop.run_sync", "calls add_callback and start; what it runs, a Handle brackets"),
        ("IOLoop.split_fd", ASKS),
        ("PeriodicCallback.__init__", MAKES),
        ("PeriodicCallback._schedule_next", "calls call_at, which is probed"),
        ("PeriodicCallback.start", "calls call_at, which is probed"),
        ("PeriodicCallback.stop", "calls remove_timeout, which is probed"),
        ("_Timeout.__init__", MAKES),
        ("_best_poller", SETUP),
        ("_set_wakeup_fd", SETUP),
    ],
    "iostream": [
        ("BaseIOStream.__init__", PART),
        ("BaseIOStream._fail", PART),
        ("BaseIOStream.at_eof", ASKS),
        ("BaseIOStream.pending", ASKS),
        ("BaseIOStream.closed", ASKS),
        ("BaseIOStream.reading", ASKS),
        ("BaseIOStream.writing", ASKS),
        ("IOStream.fileno", ASKS),
        ("IOStream.get_fd_error", ASKS),
        ("StreamClosedError.__init__", MAKES),
    ],
    "netutil": [
        ("_bind", SETUP),
        ("bind_sockets.lambda", SETUP),
        ("is_valid_ip", DATA),
        ("ssl_options_to_context", SETUP),
        ("ssl_wrap_socket", PART),
    ],
    "pending_read": [
        ("ReadBytes.__init__", MAKES),
        ("ReadBytes.find_end", DATA),
        ("ReadUntil.__init__", MAKES),
        ("ReadUntil.find_end", DATA),
        ("ReadUntilRegex.__init__", MAKES),
        ("ReadUntilRegex.find_end", DATA),
        ("ReadUntilClose.find_end", DATA),
        ("_check_max_bytes", DATA),
    ],
    "poller": [
        ("EpollPoller.__init__", SETUP),
        ("EpollPoller.close", "at the end of the loop"),
        ("EpollPoller.fileno", ASKS),
        ("SelectPoller.__init__", SETUP),
        ("SelectPoller.close", "at the end of the loop"),
        ("SelectPoller.fileno", ASKS),
        ("best_poller", SETUP),
    ],
    "ssliostream": [
        ("SSLIOStream._tell_connected", "calls set_result, which is probed"),
        ("SSLIOStream._wrap_client", PART),
        ("accept_ssl", PART),
        ("_as_oserror", DATA),
    ],
    "tcpserver": [
        ("TCPServer.__init__", SETUP),
        ("TCPServer.add_socket", "calls add_sockets, which is probed"),
    ],
    "waker": [
        ("Waker.__init__", SETUP),
        ("Waker.close", "at the end of the loop"),
        ("Waker.fileno", ASKS),
        ("Waker.write_fileno", ASKS),
    ],
}

EXEMPT = {
    f"minitornado.{module}:{name}": reason
    for module, functions in _FUNCTIONS.items()
    for name, reason in functions
}
