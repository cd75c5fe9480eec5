"""ex26: a delegate hears every event, and is listened to; what a proxy says holds for one request.

An HTTPServer on a scripted kernel, at last on a real one.  minitornado/classroom/exercises/lab.py
says how scenarios are built and run.  Diagnoses try a mistake alone, on a server of their own.
"""

from minitornado import httputil
from minitornado.classroom.exercises.actors import (
    Site,
    answer,
    answers,
    ask_for_real,
    errors_logged,
    get,
    post,
)
from minitornado.classroom.exercises.kernel import Client
from minitornado.classroom.exercises.lab import Lab, diagnosis, shown
from minitornado.concurrent import Future
from minitornado.httpserver import HTTPServer
from minitornado.httputil import HTTPMessageDelegate, HTTPServerConnectionDelegate
from minitornado.ioloop import IOLoop

PROXY = "X-Real-Ip: 198.51.100.9"  # of somebody else than 192.0.2.1, where the connection is from


def test_all_events_are_passed_on(lab: Lab) -> None:
    """A delegate, and a request whose body comes in two packets.

    It wanted the events themselves: each of them, when it happens.
    """
    app = Delegates(lab)
    client = Site(lab, app).connect()
    request = post(b"hello")
    client.sends(request[:-3])
    app.expect("start_request", "headers_received POST a/", "data_received b'he'")
    client.sends(request[-3:])
    app.expect("start_request", "headers_received POST a/", "data_received b'he'",
               "data_received b'llo'", "finish")


def test_start_request_for_every_request(lab: Lab) -> None:
    """Two requests on one connection.

    start_request is told both: whose connection it is, and where this one's answer goes.
    """
    app = Delegates(lab)
    site = Site(lab, app)
    client = site.connect()
    for target in ("/1", "/2"):
        client.sends(get(target))
    lab.check(answers(client) == ["200 ok", "200 ok"], f"expected 2 answers, got {answers(client)}")
    # The third is asked for before its request is here.
    lab.check(len(app.started) == 3, f"expected start_request 3 times, counted {len(app.started)}")
    conns = [{id(pair[place]) for pair in app.started} for place in (0, 1)]
    lab.check(app.started[0][0] in site.server._connections,
              f"expected a connection of the server as server_conn, got {app.started[0][0]!r}")
    lab.check(len(conns[0]) == 1, "expected the same server_conn each time")
    lab.check(len(conns[1]) == 3, "expected another request_conn each time")


def test_returned_future_holds_back_the_body(lab: Lab) -> None:
    """The delegate returns a Future from headers_received, and data_received.

    It is not ready yet; the connection reads on when it is.
    """
    app = Delegates(lab)
    site = Site(lab, app)
    client = site.connect()
    for event in ("headers_received", "data_received"):
        app.waits_in = event
        client.sends(post(b"hello"))
        lab.check("finish" not in app.told,
                  f"expected the rest to wait for the Future that {event} returned; it came")
        lab.step("its Future is resolved; the loop turns")
        app.future.set_result(None)
        site.kernel.run()
        lab.check("finish" in app.told, "expected the rest to come once the Future is done")
        app.told.clear()


def test_client_that_leaves(lab: Lab) -> None:
    """The client leaves in the middle of the body.

    The delegate has begun something; it is told that the end will not come.
    """
    app = Delegates(lab)
    client = Site(lab, app).connect()
    client.sends(post(b"hello")[:-3])
    client.leaves()
    app.expect("start_request", "headers_received POST a/", "data_received b'he'",
               "on_connection_close")


def test_no_request_object_for_a_delegate(lab: Lab) -> None:
    """A delegate; how many HTTPServerRequests are made?

    It gets the events; nobody would ever look at the object.
    """
    made = requests_made(lab, Delegates(lab))
    lab.check(not made, f"expected no HTTPServerRequest, {made} made")


def test_application_that_is_both(lab: Lab) -> None:
    """An application that is a delegate and can be called, as Tornado's own.

    The events are the richer of the two.
    """
    class Both(Delegates):
        def __call__(self, request: object) -> None:
            self.note("called")
            answer(request)

    app = Both(lab)
    Site(lab, app).connect().sends(get())
    lab.check("called" not in app.told and "finish" in app.told,
              f"expected it to be used as a delegate, got: {', '.join(app.told)}")


def test_callable_is_still_called(lab: Lab) -> None:
    """A plain application, and a form.

    The other kind works as it did in ex25.
    """
    client = Site(lab, lambda request: answer(
        request, request.method.encode() + b" " + request.arguments["a"][0])).connect()
    client.sends(post(b"a=hello", content_type="application/x-www-form-urlencoded"))
    lab.check(answers(client) == ["200 POST hello"],
              f"expected 200 POST hello, got {answers(client)}")


def test_callable_and_a_client_that_leaves(lab: Lab) -> None:
    """A plain application; the client leaves in the middle of the body.

    Nobody was called, so nobody is to be told.
    """
    client = Site(lab, answer).connect()
    client.sends(post(b"hello")[:-3])
    with errors_logged() as errors:
        client.leaves()
    lab.check(not errors, f"expected nothing in the log, got {errors[:1]}")


def test_proxy_says_who_it_is(lab: Lab) -> None:
    """With xheaders, X-Real-Ip names the client, for both kinds of application.

    Behind a proxy every connection is from the proxy; the header is all there is.
    """
    for kind in (Callables, Delegates):
        app = kind(lab)
        Site(lab, app, xheaders=True).connect().sends(get("/", PROXY, "X-Scheme: https"))
        lab.check(app.seen == ["198.51.100.9 https"],
                  f"expected 198.51.100.9 and https, got {app.seen}")


def test_nobody_is_believed_without_xheaders(lab: Lab) -> None:
    """The same header, and a server without xheaders.

    Anybody can write a header: it says who the client wants to be.
    """
    app = Callables(lab)
    Site(lab, app).connect().sends(get("/", PROXY))
    lab.check(app.seen == ["192.0.2.1 http"], f"expected 192.0.2.1 and http, got {app.seen}")


def test_xheaders_do_not_leak_to_the_next_request(lab: Lab) -> None:
    """Two requests on one connection; the first has X-Real-Ip and X-Scheme.

    A proxy sends many clients' requests over one connection.
    """
    for kind in (Callables, Delegates):
        app = kind(lab)
        client = Site(lab, app, xheaders=True).connect()
        client.sends(get("/1", PROXY, "X-Scheme: https"))
        client.sends(get("/2"))
        lab.check(app.seen[1:] == ["192.0.2.1 http"],
                  f"expected the second from 192.0.2.1 with http, got {app.seen[1:]}")


def test_unapply_also_when_the_application_raises(lab: Lab) -> None:
    """At a request with X-Real-Ip the application raises; then a second one.

    A 500 is an answer, and the connection goes on.
    """
    app = Callables(lab)
    app.broken = True
    client = Site(lab, app, xheaders=True).connect()
    client.sends(get("/1", PROXY))
    app.broken = False
    client.sends(get("/2"))
    lab.check(app.seen[1:] == ["192.0.2.1 http"],
              f"expected the second from 192.0.2.1 with http, got {app.seen[1:]}")


def test_unapply_also_on_close(lab: Lab) -> None:
    """A request with X-Real-Ip is cut short.

    The context outlives the request: it is asked for log lines, to the very end.
    """
    after = address_after_close(lab)
    lab.check(after == "192.0.2.1", f"expected the connection to be 192.0.2.1 again, got {after}")


def test_delegate_real(lab: Lab) -> None:
    """A real server, a real client, a delegate.

    What holds on the scripted kernel holds on a real one.
    """
    loop = IOLoop(make_current=False)
    lab.step("GET / of 127.0.0.1, with Connection: close")
    app = Delegates(lab)
    got = ask_for_real(loop, HTTPServer(app, io_loop=loop), get("/", "Connection: close"))
    app.expect("start_request", "headers_received GET a/", "finish")
    lab.check(got.endswith(b"\r\n\r\nok"), f"expected an answer that ends in ok, got {shown(got)}")


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M25", "_ServerRequestAdapter.__init__")
def callable_first(lab: Lab) -> str | None:
    class Both(Delegates):
        def __call__(self, request: object) -> None:
            self.note("called")

    app = Both(Lab())
    Site(Lab(), app).connect().sends(get())
    if "called" in app.told:
        return ("It can be called, so you called it; but it is a delegate as well, as Tornado's "
                "Application is. Ask for the delegate first.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.headers_received")
def future_dropped(lab: Lab) -> str | None:
    app = Delegates(Lab())
    app.waits_in = "headers_received"
    Site(Lab(), app).connect().sends(post(b"hello"))
    if "finish" in app.told:
        return ("The connection did not wait for your delegate's Future: it was called, and what "
                "it returned was dropped. Return it.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.headers_received")
def builds_both(lab: Lab) -> str | None:
    if requests_made(Lab(), Delegates(Lab())):
        return ("You built an HTTPServerRequest for a delegate that will never see it: it has the "
                "start line and the headers, which is what it asked for.")
    return None


@diagnosis("M19", "_ServerRequestAdapter.on_connection_close")
def close_untold(lab: Lab) -> str | None:
    app = Delegates(Lab())
    client = Site(Lab(), app).connect()
    client.sends(post(b"hello")[:-3])
    client.leaves()
    if "on_connection_close" not in app.told:
        return ("The client left in the middle, and the delegate was not told: it holds its half "
                "of a file for ever.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.headers_received")
def believes_anybody(lab: Lab) -> str | None:
    app = Callables(Lab())
    Site(Lab(), app).connect().sends(get("/", PROXY))
    if app.seen == ["198.51.100.9 http"]:
        return ("Nobody said that there is a proxy, and you believed X-Real-Ip: now every client "
                "can be whoever he likes. Only with xheaders.")
    return None


@diagnosis("M25", "_HTTPRequestContext._unapply_xheaders")
def protocol_stays(lab: Lab) -> str | None:
    if second_client(Callables) == "192.0.2.1 https":
        return ("Request 2 came over http, and your server says https: that was request 1's "
                "X-Scheme. Two things were applied, and one was taken back.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.finish")
def never_unapplied(lab: Lab) -> str | None:
    if second_client(Callables).startswith("198.51.100.9"):
        return ("Request 2 came from 198.51.100.9: that was request 1's X-Real-Ip. Forget it when "
                "the request is over.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.finish")
def kept_after_error(lab: Lab) -> str | None:
    if second_client(Callables, broken=True).startswith("198.51.100.9"):
        return ("The application raised, so you never came to forget X-Real-Ip, and request 2 has "
                "it. What must happen in any case belongs into finally.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.on_connection_close")
def kept_after_close(lab: Lab) -> str | None:
    if address_after_close(Lab()) == "198.51.100.9":
        return ("The request was cut short, and its X-Real-Ip is still the connection's: a message "
                "ends in finish or in on_connection_close. Forget it in both.")
    return None


# ---- helpers ----


class Delegates(HTTPServerConnectionDelegate):
    """An application that wants the events: notes them, answers ok at the end."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.told: list[str] = []
        self.seen: list[str] = []  # who the client is, at the end of each request
        self.started: list[tuple[object, object]] = []
        self.waits_in = ""  # the event that is to return a Future
        self.future: Future[None] = Future()

    def note(self, event: str) -> None:
        self.told.append(event)
        self.lab.event(f"the delegate: {event}")

    def start_request(self, server_conn, request_conn):  # type: ignore[no-untyped-def]
        self.started.append((server_conn, request_conn))
        self.note("start_request")
        return OneMessage(self, request_conn)

    def expect(self, *events: str) -> None:
        """These must be the events of the first request; the next one's start may be there too."""
        got = [event for event in self.told if event != "start_request"]
        self.lab.check(got == list(events[1:]) and self.told[:1] == ["start_request"],
                       f"expected {', '.join(events)}; got {', '.join(self.told) or 'nothing'}")


class OneMessage(HTTPMessageDelegate):
    """Receives one request for Delegates."""

    def __init__(self, app: Delegates, request_conn) -> None:  # type: ignore[no-untyped-def]
        self.app, self.conn = app, request_conn

    def _event(self, name: str, told: str):  # type: ignore[no-untyped-def]
        self.app.note(f"{name} {told}".strip())
        if self.app.waits_in == name:
            self.app.future = Future()
            return self.app.future
        return None

    def headers_received(self, start_line, headers):  # type: ignore[no-untyped-def]
        self.app.seen.append(f"{self.conn.context.remote_ip} {self.conn.context.protocol}")
        return self._event("headers_received",
                           f"{start_line.method} {headers['Host']}{start_line.path}")

    def data_received(self, chunk):  # type: ignore[no-untyped-def]
        return self._event("data_received", repr(chunk))

    def finish(self) -> None:
        self._event("finish", "")
        answer(self.conn)

    def on_connection_close(self) -> None:
        self._event("on_connection_close", "")


class Callables:
    """A plain application: notes who the client is, answers ok, or raises."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.broken = False
        self.seen: list[str] = []

    def __call__(self, request) -> None:  # type: ignore[no-untyped-def]
        self.seen.append(f"{request.remote_ip} {request.protocol}")
        self.lab.event(f"called, for {self.seen[-1]}")
        if self.broken:
            raise BrokenApplication
        answer(request)


class BrokenApplication(Exception):
    """What an application may raise."""


def requests_made(lab: Lab, app: object) -> int:
    """How many HTTPServerRequests are made for one GET."""
    made: list[object] = []
    original = httputil.HTTPServerRequest.__init__

    def counted(self, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
        made.append(self)
        original(self, *args, **kwargs)

    httputil.HTTPServerRequest.__init__ = counted  # type: ignore[method-assign]
    try:
        Site(lab, app).connect().sends(get())
    finally:
        httputil.HTTPServerRequest.__init__ = original  # type: ignore[method-assign]
    return len(made)


def second_client(kind, broken: bool = False) -> str:  # type: ignore[no-untyped-def]
    """Who the second request on a connection seems to come from, after one with X-Real-Ip."""
    app = kind(Lab())
    app.broken = broken
    client = Site(Lab(), app, xheaders=True).connect()
    client.sends(get("/1", PROXY, "X-Scheme: https"))
    app.broken = False
    client.sends(get("/2"))
    return app.seen[1] if len(app.seen) > 1 else "nobody"


def address_after_close(lab: Lab) -> str:
    """Who a connection seems to be, after a request with X-Real-Ip on it was cut short."""
    app = Delegates(lab)
    client: Client = Site(lab, app, xheaders=True).connect()
    client.sends(post(b"hello").replace(b"Host", PROXY.encode() + b"\r\nHost")[:-3])
    client.leaves()
    return app.started[0][1].context.remote_ip  # type: ignore[attr-defined,no-any-return]
