"""The table of explanations: what differs between ours and Tornado, why, and where.

An entry claims differences by side and step, see `differences`.  "<" is only in ours, ">" only
in theirs, "~" in both at another place; behind it stands a regular expression for the whole
step, and behind " | " one for the name of the function, where that tells two reasons apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .steps import Step


@dataclass(frozen=True)
class Explanation:
    """One reason for differences.  A claim's side may be several, "[<>]".

    versions    of Tornado: a version begins with one of these
    what, why   in a sentence each
    where       functions of Tornado's (or asyncio's) source that do it
    claims      the differences
    scenarios   names; none: wherever it shows
    times       how often it may claim the same step of a scenario; None: as often as it shows.
                By default once, or as often as it shows if that may be anywhere
    """

    name: str
    versions: tuple[str, ...]
    what: str
    why: str
    where: tuple[str, ...]
    claims: tuple[str, ...]
    scenarios: str = ""
    times: int | None = 1

    def may_claim(self, already: int) -> bool:
        """Tell whether it explains a step once more that it has explained `already` times."""
        return not self.scenarios or self.times is None or already < self.times

    def explains(self, side: str, step: Step, scenario: str, version: str) -> bool:
        """Tell whether this is the reason why `step` is on one `side` only."""
        if not version.startswith(self.versions):
            return False
        if self.scenarios and scenario not in self.scenarios.split():
            return False
        return any(_claims(claim, side, step) for claim in self.claims)


def _claims(claim: str, side: str, step: Step) -> bool:
    mark, pattern = claim.split(" ", 1)
    key, _, told = pattern.partition(" | ")
    return (
        side in mark
        and re.fullmatch(key, step.key) is not None
        and (not told or re.fullmatch(told, step.told) is not None)
    )


#: The versions that the table was written for; in others there may be differences that it
#: doesn't know.
TESTED = ("4.4", "4.5", "6.6")

ANY, OLD, NEW = ("4.", "6."), ("4.",), ("6.",)

CONN, SERVING, STREAM, LOOP = (
    "tornado.http1connection:HTTP1Connection.", "tornado.http1connection:HTTP1ServerConnection.",
    "tornado.iostream:BaseIOStream.", "tornado.ioloop:IOLoop.",
)  # fmt: skip
REFUSED = "bad-request bad-length no-host lone-lf two-framings"

# What follows where Tornado answers, and ours has refused.
ACCEPTED = (
    r"> (headers_received|finish|the application|start_request) c\d", r"> send c\d 80 bytes",
    r"< on_close c\d",
    r"> c\d (HTTP/1.1 200 OK|Content-Length: 5|hello)", r"< c\d HTTP/1.1 400 Bad Request",
    r"< a callback of c\d | lambda of HTTP1ServerConnection.start_serving",
)  # fmt: skip

LOOPS = (
    Explanation(
        "poll-then-run", NEW,
        "Whatever is queued costs a call of epoll_wait that does not wait.",
        "asyncio asks the kernel first in a turn, and runs what is queued afterwards; Tornado 4's "
        "loop and ours run it first, and then there is mostly nothing left to hurry for.",
        ("asyncio.base_events:BaseEventLoop._run_once",),
        ("> epoll_wait does not wait",),
    ),
    Explanation(
        "task-begins-later", NEW,
        "The coroutine of a connection begins in a turn of its own, after all have been accepted.",
        "It is made a Task, and asyncio queues a Task's first step; a coroutine of Tornado 4 and "
        "of ours begins where it is called.",
        (SERVING + "start_serving", "tornado.gen:_wrap_awaitable"),
        (r"> a coroutine of c\d begins", "~ accept listen1 EAGAIN"),
    ),
    Explanation(
        "futures-queue", NEW,
        "What waits for a Future is called by the loop, a turn later.",
        "An asyncio Future hands its callbacks to call_soon; a Future of Tornado 4 and of ours "
        "calls them at once. They only look for an exception, or go on with the answer's end.",
        (STREAM + "write", CONN + "write", CONN + "finish"),
        (r"> a callback of c\d | lambda of BaseIOStream.write",
         r"> a callback of c\d | HTTP1Connection._(on_write_complete|finish_request)"),
    ),
    Explanation(
        "task-kept-alive", NEW,
        "When the coroutine of a connection has ended, one callback more runs.",
        "asyncio itself holds a Task only weakly. _wrap_awaitable keeps it in a set while it runs, "
        "and this callback takes it out; the other one, of start_serving, looks for an exception.",
        ("tornado.gen:_wrap_awaitable", LOOP + "add_future"),
        (r"> a callback of c\d | lambda of (_wrap_awaitable|IOLoop.add_future)",),
    ),
    Explanation(
        "with-timeout", NEW,
        "Between the head's arrival and its reader stand two callbacks, and a second Future.",
        "gen.with_timeout copies the read's Future into one that may also time out. Ours moves "
        "one deadline a connection, and awaits the read itself. (In Tornado 4 the copy is made at "
        "once, so that it takes no turn.)",
        ("tornado.gen:with_timeout", "tornado.concurrent:chain_future"),
        (r"> a callback of c\d | copy", r"> a callback of c\d | lambda of with_timeout",
         r"> a callback of c\d | error_callback"),
    ),
    Explanation(
        "coroutine-a-level", OLD,
        "Each coroutine on the way takes a turn when the one that it waits for has ended.",
        "gen.coroutine makes a Runner and a Future for each call; ours awaits what it calls, and "
        "has one Runner a connection.",
        ("tornado.gen:Runner.handle_yield", CONN + "_read_message",
         SERVING + "_server_request_loop"),
        (r"> a coroutine of c\d goes on", "> epoll_wait does not wait"),
    ),
    Explanation(
        "turn-between-requests", ANY,
        "Between two requests the coroutine lets a turn pass.",
        "So that a client that sends many at once does not keep the others waiting. Ours does so "
        "only if the next request is here already.",
        (SERVING + "_server_request_loop",),
        (r"> a coroutine of c\d goes on, having let a turn pass",),
    ),
)  # fmt: skip

STREAMS = (
    Explanation(
        "recv-before-wait", ANY,
        "recv is tried before every wait, and finds nothing.",
        "Ours remembers that the last recv brought less than it asked for: then there is no more.",
        (STREAM + "_try_inline_read", STREAM + "_read_to_buffer_loop"),
        (r"> recv c\d EAGAIN",),
    ),
    Explanation(
        "interest-dropped", ANY,
        "While nobody reads and the buffer holds bytes, the fd is not watched.",
        "After each event Tornado asks for just what is wanted now. Ours goes on watching for "
        "READ, and stops only if something comes that nobody wants: two system calls less.",
        (STREAM + "_handle_events",),
        (r"> epoll_ctl (DEL c\d|ADD c\d READ|MOD c\d (ERROR|READ))", r"~ epoll_ctl DEL c\d"),
        "post chunked pipelined cut-short two-framings", times=2,  # on either side
    ),
    Explanation(
        "partial-sends", ANY,
        "A large answer leaves in other pieces, and WRITE is asked for at other times.",
        "Tornado sends until the kernel says EAGAIN (Tornado 4.4 in pieces of 128 KiB); ours "
        "takes a short send for the answer to that, and waits at once.",
        (STREAM + "_handle_write",),
        (r"[<>~] send c\d (a part|EAGAIN)", r"[<>] epoll_wait waits", r"[<>] c\d is writable",
         r"[<>] handler of c\d"),
        "slow-reader", times=None,  # the kernel decides
    ),
)  # fmt: skip

CONNECTIONS = (
    Explanation(
        "start-request-once-more", ANY,
        "start_request is called once more when a connection has ended.",
        "The serving coroutine makes the next exchange before it notices that the stream is "
        "closed. Ours learns it from the exchange before.",
        (SERVING + "_server_request_loop",),
        (r"> start_request c\d",),
        "http10 close gone gone-unseen",
    ),
    Explanation(
        "start-request-at-the-end", ANY,
        "The next start_request is called when the client has left.",
        "The request was never answered, see what-it-returns; and start-request-once-more.",
        (SERVING + "_server_request_loop",),
        (r"~ start_request c\d",),
        "returns coroutine", times=2,  # on either side
    ),
    Explanation(
        "other-client-sooner", ANY,
        "The other client is found ready by a poll that does not wait.",
        "There is a turn between two requests, for which the loop must not sleep; see "
        "turn-between-requests.",
        (SERVING + "_server_request_loop",),
        ("< epoll_wait waits", r"~ start_request c\d"),
        "blocks", times=2,  # on either side
    ),
    Explanation(
        "timeout-in-the-coroutine", NEW,
        "A timeout makes the waiting coroutine go on, which closes.",
        "gen.with_timeout raises in the coroutine. Ours closes in the timeout itself, and the "
        "coroutine goes on since the stream is closed.",
        ("tornado.gen:with_timeout", CONN + "_read_message"),
        (r"[<>] a coroutine of c\d goes on", "< epoll_wait does not wait"),
        "idle idle-in-head",
    ),
    Explanation(
        "timeouts-are-logged", ANY,
        "Ours logs that a client was too slow.",
        "Tornado logs it for bodies alone; a client that is closed without a word should be found "
        "in some log.",
        (CONN + "_read_message",),
        ("< tornado.general INFO: Timeout reading head from 127.0.0.1",),
        "idle idle-in-head",
    ),
    Explanation(
        "told-408", ANY,
        "A client that stops in the middle of a head is answered with 408.",
        "It should learn what was wrong (RFC 9110 §15.5.9); Tornado closes without a word.",
        (CONN + "_read_message",),
        (r"< (write_headers|connection.finish) c\d", r"< send c\d \d+ bytes",
         r"< c\d (HTTP/1.1 408 Request Timeout|Content-Type: text/plain|Content-Length: \d+)",
         r"< c\d (Date: ·+|Connection: close|408 Request Timeout: .*)"),
        "idle-in-head",
    ),
)  # fmt: skip

ANSWERS = (
    Explanation(
        "date", ANY,
        "Ours adds a Date to an answer that has none.",
        "RFC 9110 §6.6.1 asks for it. In Tornado it is web.RequestHandler that adds it, so the "
        "applications of the other scenarios write it themselves.",
        (CONN + "write_headers", "tornado.web:RequestHandler.clear"),
        (r"< send c\d 80 bytes", r"> send c\d 43 bytes", r"< c\d Date: ·+"),
        "bare",
    ),
    Explanation(
        "says-that-it-closes", ANY,
        "Ours writes Connection: close whenever it is going to close.",
        "RFC 9112 §9.6 asks for it. Tornado 6 does so for HTTP/1.1 alone, Tornado 4 not at all.",
        (CONN + "write_headers",),
        (r"< send c\d 99 bytes", r"> send c\d 80 bytes", r"< c\d Connection: close"),
        "http10 close",
    ),
    Explanation(
        "keep-alive-spelled", ANY,
        "keep-alive is written with small letters.",
        "As browsers write it; capitals mean the same.",
        (CONN + "write_headers",),
        (r"< c\d Connection: keep-alive", r"> c\d Connection: Keep-Alive"),
        "http10-keep-alive",
    ),
    Explanation(
        "continue-spelled", ANY,
        "100 Continue is written without brackets.",
        "That is the reason that RFC 9110 §15.2.1 gives it.",
        (CONN + "_read_message",),
        (r"< send c\d 25 bytes", r"> send c\d 27 bytes", r"< c\d HTTP/1.1 100 Continue",
         r"> c\d HTTP/1.1 100 \(Continue\)"),
        "continue",
    ),
)  # fmt: skip

REFUSALS = (
    Explanation(
        "refused-with-a-reason", ANY,
        "A malformed request is answered with 400 and a sentence.",
        "The client should learn what was wrong, in an answer that is complete.",
        (CONN + "_read_message",),
        (r"< (write_headers|connection.finish) c\d", r"< send c\d 1\d\d bytes",
         r"< c\d (Content-Type: text/plain|Content-Length: \d\d|Date: ·+|Connection: close)",
         r"< c\d 400 Bad Request: .*"),
        REFUSED,
    ),
    Explanation(
        "refused-with-a-line", NEW,
        "Tornado 6 answers a malformed request with a status line alone.",
        "It sends these 28 bytes to the stream itself, and not by write_headers.",
        (CONN + "_read_message",),
        (r"> send c\d 28 bytes", r"> c\d "),
        "bad-request bad-length no-host two-framings",
    ),
    Explanation(
        "refused-without-a-word", OLD,
        "Tornado 4 closes the connection of a malformed request without a word.",
        "So there is no status line either.",
        (CONN + "_read_message",),
        (r"< c\d HTTP/1.1 400 Bad Request",),
        "bad-request bad-length two-framings",
    ),
    Explanation(
        "refused-in-other-words", ANY,
        "The log names the fault in other words.",
        "After the words that Tornado's record begins with, ours quotes what was wrong.",
        (CONN + "_read_message",),
        ("[<>] tornado.general INFO: Malformed HTTP message from 127.0.0.1: .*",),
        REFUSED,
    ),
    Explanation(
        "framing-first", ANY,
        "The application is told of a request whose framing is refused.",
        "Tornado looks at it after headers_received, and then has to take it back. Ours settles "
        "it with the head.",
        (CONN + "_read_message", CONN + "_read_body"),
        (r"> (headers_received|on_connection_close) c\d",),
        "bad-length two-framings",
    ),
    Explanation(
        "host-asked-for-later", NEW,
        "The application is told of a request that has no Host, which is then refused.",
        "Tornado 6 misses it when it makes the HTTPServerRequest, inside headers_received.",
        ("tornado.httputil:HTTPServerRequest.__init__",),
        (r"> (headers_received|on_connection_close) c\d",),
        "no-host",
    ),
    Explanation(
        "accepted-there", ANY,
        "Tornado answers a request that ours refuses: lines without CR.",
        "RFC 9112 §2.2 lets a server take LF for a line's end; a proxy in front may not, and two "
        "who read differently can be played against each other.",
        (CONN + "_read_message", CONN + "_parse_headers"),
        ACCEPTED, "lone-lf",
    ),
    Explanation(
        "host-not-asked-for", OLD,
        "Tornado 4 answers an HTTP/1.1 request without a Host.",
        "RFC 9112 §3.2 asks for 400; Tornado 6 sends it.",
        (CONN + "_read_message",),
        ACCEPTED, "no-host",
    ),
    Explanation(
        "linger", ANY,
        "After a refusal ours waits for the client's own end, for a second at most.",
        "A socket that is closed with unread bytes in it resets the connection, and the reset "
        "takes the answer out of the client's hands (RFC 9112 §9.6).",
        (CONN + "_read_message", CONN + "close"),
        ("< epoll_wait (waits|does not wait)", "< a timeout is due",
         r"< a coroutine of c\d goes on", r"< (close|epoll_ctl DEL) c\d"),
        REFUSED,
    ),
    Explanation(
        "linger-over-the-body", ANY,
        "After an early answer ours reads on, and drops what comes, until the client has ended.",
        "As above. Tornado closes at once, and tells the delegate afterwards.",
        (CONN + "finish", CONN + "_finish_request"),
        ("< epoll_wait waits", r"< (c\d is readable|handler of c\d|recv c\d \d+ bytes)",
         r"< a coroutine of c\d goes on", r"~ (the application's )?on_connection_close c\d",
         r"~ (close|epoll_ctl DEL) c\d"),
        "early-answer", times=2,  # the rest of the body, and the end
    ),
)  # fmt: skip

APPLICATIONS = (
    Explanation(
        "answered-500", ANY,
        "An application that raises before it has answered is answered for, with 500.",
        "Tornado closes without a word; web.RequestHandler is what answers there. The connection "
        "of ours stays, since the answer is complete.",
        (CONN + "_read_message", "tornado.http1connection:_ExceptionLoggingContext.__exit__"),
        (r"< (write_headers|connection.finish|start_request) c\d", r"< send c\d \d+ bytes",
         r"< c\d (HTTP/1.1 500 Internal Server Error|Content-Type: text/plain|Content-Length: \d+)",
         r"< c\d (Date: ·+|500 Internal Server Error.*)",
         r"> epoll_ctl DEL c\d", r"> (close|on_close) c\d",
         r"> a callback of c\d | lambda of HTTP1ServerConnection.start_serving"),
        "raises",
    ),
    Explanation(
        "finish-that-raised", NEW,
        "An adapter whose finish has raised is told on_connection_close as well.",
        "Tornado 6.6 counts a message as finished only when finish has returned. In Tornado 4 and "
        "in ours the delegate hears one of the two, and not both.",
        (CONN + "_read_message",),
        (r"> on_connection_close c\d",),
        "raises raises-halfway",
    ),
    Explanation(
        "what-it-returns", ANY,
        "What an application returns is awaited.",
        "So an async def answers, and what can't be awaited is answered with 500 at once. Tornado "
        "drops what it gets: the request waits until the client leaves.",
        ("tornado.httpserver:HTTPServer.start_request",),
        (r"< (the application|write_headers|connection.finish) c\d", r"< send c\d \d+ bytes",
         r"> _on_connection_close c\d",
         r"< c\d (HTTP/1.1 .*|Content-Type: text/plain|Content-Length: \d+|Date: ·+|hello)",
         r"< c\d 500 Internal Server Error.*",
         r"< tornado.application ERROR: Uncaught exception \(BadYieldError\)"),
        "returns coroutine",
    ),
    Explanation(
        "no-adapter-before-a-delegate", ("4.5", "6."),
        "A delegate hears of its requests directly.",
        "_ServerRequestAdapter stands before both kinds of application, as in Tornado 4.4; from "
        "4.5 on _CallableAdapter stands before callables alone.",
        ("tornado.httpserver:HTTPServer.start_request",),
        (r"< (headers_received|data_received|finish|on_connection_close) c\d",),
        "delegate early-answer",
    ),
    Explanation(
        "chunks-gathered", NEW,
        "Two chunks that came together are handed on as one.",
        "Tornado 6.6 gathers small chunks up to chunk_size, and hands them on before it waits.",
        (CONN + "_read_chunked_body",),
        (r"< data_received c\d",),
        "chunked",
    ),
)  # fmt: skip

EXPLANATIONS: tuple[Explanation, ...] = (
    *LOOPS, *STREAMS, *CONNECTIONS, *ANSWERS, *REFUSALS, *APPLICATIONS,
)  # fmt: skip
