"""ex25: a plain application is called once, with a whole request, and never with half of one.

An HTTPServer on a scripted kernel, at last on a real one.  minitornado/classroom/exercises/lab.py
says how scenarios are built and run.  Diagnoses try a mistake alone, on a server of their own.
"""

from minitornado import gen
from minitornado.classroom.exercises.actors import (
    Site,
    answer,
    answers,
    ask_for_real,
    get,
    post,
)
from minitornado.classroom.exercises.lab import Lab, diagnosis, shown
from minitornado.httpserver import HTTPServer
from minitornado.httputil import HTTPOutputError
from minitornado.ioloop import IOLoop

FORM = "application/x-www-form-urlencoded"


def test_body_in_two_packets(lab: Lab) -> None:
    """A request whose body of 5 bytes comes in two packets.

    The application is called when all of it is here: that is what it has an adapter for.
    """
    app = Application(lab)
    client = Site(lab, app).connect()
    request = post(b"hello")
    client.sends(request[:-3])
    lab.check(not app.calls, f"expected the application to wait for 3 bytes, called: {app.calls}")
    client.sends(request[-3:])
    app.expect("POST / b'hello'")


def test_no_body_at_all(lab: Lab) -> None:
    """A GET.

    Its head is all there is: the body is b"".
    """
    app = Application(lab)
    client = Site(lab, app).connect()
    client.sends(get("/a?b=1"))
    app.expect("GET /a?b=1 b''")


def test_request_is_what_the_head_says(lab: Lab) -> None:
    """A GET with a header field, from 192.0.2.1.

    The application sees the head, and who sent it.
    """
    seen: list[object] = []
    site = Site(lab, lambda request: seen.append(
        (request.method, request.path, request.headers["X-One"], request.remote_ip)))
    site.connect().sends(get("/a", "X-One: 1"))
    lab.check(seen == [("GET", "/a", "1", "192.0.2.1")],
              f"expected GET, /a, X-One: 1, from 192.0.2.1; got {seen}")


def test_application_answers(lab: Lab) -> None:
    """The application answers on its request's connection.

    A request knows where its answer goes.
    """
    app = Application(lab)
    client = Site(lab, app).connect()
    client.sends(get())
    app.expect("GET / b''")
    lab.check(answers(client) == ["200 ok"], f"expected the answer 200 ok, got {answers(client)}")


def test_two_requests_one_connection(lab: Lab) -> None:
    """Two requests with bodies on one connection.

    An adapter a request: nothing of the first is in the second.
    """
    app = Application(lab)
    client = Site(lab, app).connect()
    client.sends(post(b"first"))
    client.sends(post(b"second"))
    app.expect("POST / b'first'", "POST / b'second'")


def test_half_a_request_calls_nobody(lab: Lab) -> None:
    """The client leaves in the middle of the body.

    Half a request is no request.
    """
    app = Application(lab)
    client = Site(lab, app).connect()
    client.sends(post(b"hello")[:-3])
    client.leaves()
    app.expect()


def test_form_is_taken_apart(lab: Lab) -> None:
    """A form is posted.

    The request has its arguments by the time that the application is called.
    """
    seen: list[object] = []
    site = Site(lab, lambda request: seen.append(request.arguments))
    site.connect().sends(post(b"name=Ada", content_type=FORM))
    lab.check(seen == [{"name": [b"Ada"]}], f"expected {{'name': [b'Ada']}}, got {seen}")


def test_application_that_waits(lab: Lab) -> None:
    """The application is an `async def`, which waits a turn before it answers.

    Called, it has not run yet; whoever gets what it returns can wait for it.
    """
    async def app(request: object) -> None:
        await gen.moment
        answer(request)

    client = Site(lab, app).connect()
    client.sends(get())
    lab.check(answers(client) == ["200 ok"], f"expected the answer 200 ok, got {answers(client)}")


def test_application_that_raises(lab: Lab) -> None:
    """The application raises.

    Whoever called the adapter answers 500; he must hear of it.
    """
    def app(request: object) -> None:
        raise BrokenApplication

    client = Site(lab, app).connect()
    client.sends(get())
    got = answers(client)
    lab.check(bool(got) and got[0].startswith("500"), f"expected the answer 500, got {got}")


def test_real_server_real(lab: Lab) -> None:
    """A real server, a real client, a body.

    What holds on the scripted kernel holds on a real one.
    """
    loop = IOLoop(make_current=False)
    lab.step("POST hello to 127.0.0.1, with Connection: close")
    app = Application(lab)
    request = post(b"hello").replace(b"Host: a", b"Host: a\r\nConnection: close")
    got = ask_for_real(loop, HTTPServer(app, io_loop=loop), request)
    app.expect("POST / b'hello'")
    lab.check(got.endswith(b"\r\n\r\nok"), f"expected an answer that ends in ok, got {shown(got)}")


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M25", "_ServerRequestAdapter.headers_received")
def too_early(lab: Lab) -> str | None:
    app = Application(Lab())
    Site(Lab(), app).connect().sends(post(b"hello")[:-5])
    if app.calls:
        return ("Your application ran with body = b''; 5 bytes came later. The head is not the "
                "request: call when it is finished.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.headers_received", AttributeError)
def no_connection(lab: Lab) -> str | None:
    seen: list[object] = []
    Site(Lab(), lambda request: seen.append(request.connection)).connect().sends(get())
    if seen == [None]:
        return ("The application has a request and nowhere to answer: give the request its "
                "connection when you make it.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.data_received")
def last_piece_only(lab: Lab) -> str | None:
    app = Application(Lab())
    client = Site(Lab(), app).connect()
    client.sends(post(b"hello")[:-3])
    client.sends(b"llo")
    if app.calls == ["POST / b'llo'"]:
        return ("b'he' came in one packet, b'llo' in the next, and your application got b'llo': "
                "keep every piece, not the latest.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.on_connection_close")
def also_on_close(lab: Lab) -> str | None:
    app = Application(Lab())
    client = Site(Lab(), app).connect()
    client.sends(post(b"hello")[:-3])
    client.leaves()
    if app.calls:
        return ("The client is gone, 3 bytes never came, and your application went to work all the "
                "same. Half a request is no request.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.finish")
def form_untouched(lab: Lab) -> str | None:
    seen: list[object] = []
    site = Site(Lab(), lambda request: seen.append(request.arguments))
    site.connect().sends(post(b"name=Ada", content_type=FORM))
    if seen == [{}]:
        return ("A form came, its bytes are in the body, and the request has no arguments: let it "
                "parse its body before you hand it over.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.finish", HTTPOutputError)
def called_again(lab: Lab) -> str | None:
    app = Application(Lab())
    Site(Lab(), app).connect().sends(get())
    if len(app.calls) > 1:
        return (f"One request, and your application was called {len(app.calls)} times: it answers "
                "twice, or tries to.")
    return None


@diagnosis("M25", "_ServerRequestAdapter.finish")
def result_dropped(lab: Lab) -> str | None:
    began: list[object] = []

    async def app(request: object) -> None:
        began.append(request)

    Site(Lab(), app).connect().sends(get())
    if not began:
        return ("An `async def` was called and never begun: what it returned was to be waited for, "
                "and you kept it to yourself. Return it.")
    return None


@diagnosis("M13", "_ServerRequestAdapter.finish")
def swallows(lab: Lab) -> str | None:
    def app(request: object) -> None:
        raise BrokenApplication

    client = Site(Lab(), app).connect()
    client.sends(get())
    if not client.socket.outgoing:
        return ("Your application raised, and you caught it: nobody answers 500, and the client "
                "waits. Let it through; who called you knows what to do.")
    return None


# ---- helpers ----


class BrokenApplication(Exception):
    """What an application may raise."""


class Application:
    """A plain application: notes what it was called with, answers ok."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.calls: list[str] = []

    def __call__(self, request) -> None:  # type: ignore[no-untyped-def]
        self.calls.append(f"{request.method} {request.uri} {request.body!r}")
        self.lab.event(f"the application is called: {self.calls[-1]}")
        answer(request)

    def expect(self, *calls: str) -> None:
        """These must be its calls by now."""
        self.lab.check(self.calls == list(calls),
                       f"expected the application to be called with {', '.join(calls) or 'nothing'}"
                       f"; got {', '.join(self.calls) or 'no call'}")
