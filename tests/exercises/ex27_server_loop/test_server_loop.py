"""ex27: a connection is one exchange after the other, and leaves nothing behind.

An HTTPServer on a scripted kernel, at last on a real one.  minitornado/classroom/exercises/lab.py
says how scenarios are built and run.  Diagnoses try a mistake alone, on a server of their own.
"""

import contextlib

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
from minitornado.classroom.exercises.lab import Lab, Unexpected, diagnosis, shown
from minitornado.concurrent import Future
from minitornado.httpserver import HTTPServer
from minitornado.httputil import (
    HTTPMessageDelegate,
    HTTPOutputError,
    HTTPServerConnectionDelegate,
)
from minitornado.ioloop import IOLoop
from minitornado.iostream import StreamClosedError

MANY = 1_100  # requests on one connection; Python's stack is 1,000 calls deep
CLOSE = "Connection: close"


def test_one_request_the_whole_chain(lab: Lab) -> None:
    """One request, one answer.

    Stream, connection, adapter, application, and back.
    """
    scene = Scene(lab)
    client = scene.connect()
    client.sends(get("/a"))
    scene.expect("/a")
    lab.check(answers(client) == ["200 /a"], f"expected 200 /a, got {answers(client)}")


def test_two_requests_one_connection(lab: Lab) -> None:
    """Two requests on one connection, the second after the answer to the first.

    HTTP/1.1 stays open unless somebody says close.
    """
    scene = Scene(lab)
    client = scene.connect()
    for target in ("/1", "/2"):
        client.sends(get(target))
    lab.check(answers(client) == ["200 /1", "200 /2"],
              f"expected 200 /1 and 200 /2, got {answers(client)}")


def test_connection_close_is_the_end(lab: Lab) -> None:
    """A request with `Connection: close`.

    One of the two has enough: answered, then closed.
    """
    scene = Scene(lab)
    client = scene.connect()
    client.sends(get("/1", CLOSE))
    lab.check(answers(client) == ["200 /1"], f"expected 200 /1, got {answers(client)}")
    lab.check(client.socket.closed, "expected the connection to be closed; it is open")
    scene.expect_connections(0)


def test_pipelined_slow_then_fast_in_order(lab: Lab) -> None:
    """Two requests in one packet; the first is slow, the second would be fast.

    Answers have no names: only their order says whose they are.
    """
    scene = Scene(lab)
    client = scene.connect()
    client.sends(get("/slow") + get("/fast"))
    scene.expect("/slow")  # the second waits in the buffer: nobody has read it
    lab.step("the slow one answers; the loop turns")
    scene.answer_slow()
    lab.check(answers(client) == ["200 /slow", "200 /fast"],
              f"expected 200 /slow, then 200 /fast; got {answers(client)}")


def test_detached_stream_is_left_alone(lab: Lab) -> None:
    """The application detaches the stream, for another protocol than HTTP.

    From then on its bytes are not requests any more.
    """
    scene = Scene(lab)
    client = scene.connect()
    client.sends(get("/detach"))
    client.sends(b"hello\n")
    got = scene.detached.result() if scene.detached.done() else None
    lab.check(got == b"hello\n", f"expected the application to read b'hello\\n', got {got!r}")


def test_bodies_do_not_mix(lab: Lab) -> None:
    """Two requests with bodies on one connection.

    A message, an adapter: what the first kept is not the second's.
    """
    scene = Scene(lab)
    client = scene.connect()
    for body in (b"first", b"second"):
        client.sends(post(body, "/" + body.decode()))
    bodies = [body for _target, body in scene.calls]
    lab.check(bodies == [b"first", b"second"], f"expected b'first', b'second'; got {bodies}")


def test_what_the_server_knows_is_handed_on(lab: Lab) -> None:
    """A server behind a proxy that unpacks TLS; no connection is kept alive.

    Who is at the other end, and what was agreed upon, holds for every exchange.
    """
    seen: list[str] = []

    def application(request) -> None:  # type: ignore[no-untyped-def]
        seen.append(f"{request.remote_ip} {request.protocol}")
        answer(request)

    proxy = "198.51.100.7"
    site = Site(lab, application, protocol="https", xheaders=True, trusted_downstream=[proxy],
                no_keep_alive=True)
    client = site.connect()
    client.sends(get("/"))
    lab.check(seen == ["192.0.2.1 https"], f"expected 192.0.2.1 and https, got {seen}")
    lab.check(client.socket.closed, "expected the connection to be closed: no_keep_alive")
    site.connect().sends(get("/", f"X-Forwarded-For: 203.0.113.5, {proxy}"))
    lab.check(seen[1:] == ["203.0.113.5 https"], f"expected 203.0.113.5 and https, got {seen[1:]}")


def test_delegate_is_told_whose_request_it_is(lab: Lab) -> None:
    """The application is a delegate: it is asked for a receiver of each request.

    It is told on which connection, and where the answer goes.
    """
    asked: list[object] = []

    class Application(HTTPServerConnectionDelegate):
        def start_request(self, server_conn, request_conn):  # type: ignore[no-untyped-def]
            asked.append(server_conn)
            return HTTPMessageDelegate()

    site = Site(lab, Application())
    site.connect()
    lab.check(len(asked) == 1 and asked[0] in site.server._connections,
              "expected start_request to be told of a connection that the server has noted")


def test_connections_are_counted_and_forgotten(lab: Lab) -> None:
    """Three clients leave: an idle one, one in mid-request, one that waits.

    However it ends: the server must know when.
    """
    scene = Scene(lab)
    idle, cut, waiting = (scene.connect(f"client {number}") for number in (1, 2, 3))
    scene.expect_connections(3)
    cut.sends(get("/cut")[:10])
    waiting.sends(get("/slow"))
    for left, client in ((2, idle), (1, cut), (0, waiting)):
        client.leaves()
        scene.expect_connections(left)
    timeouts = [entry for entry in scene.site.kernel.loop._timeouts if entry[2].callback]
    lab.check(not timeouts, f"expected no timeout to be left, {len(timeouts)} are: close _deadline")


def test_close_all_connections(lab: Lab) -> None:
    """Two clients are idle, and the server closes all connections.

    Who is in the server's set is closed, and leaves the set.
    """
    scene = Scene(lab)
    scene.connect().leaves()
    scene.expect_connections(0)  # else closing all would never end
    clients = [scene.connect(f"client {number}") for number in (1, 2)]
    lab.step("close_all_connections(); the loop turns")
    scene.site.kernel.loop.add_callback(scene.site.server.close_all_connections)
    scene.site.kernel.run()
    lab.check(all(client.socket.closed for client in clients), "expected both to be closed")
    scene.expect_connections(0)


def test_who_is_idle_may_be_closed(lab: Lab) -> None:
    """One client is idle, one waits for its answer; who is idle is closed.

    An exchange that has begun may end: the server must know which it is at.
    """
    scene = Scene(lab)
    idle, waiting = scene.connect("client 1"), scene.connect("client 2")
    waiting.sends(get("/slow"))
    lab.step("close_if_idle() of both connections; the loop turns")
    for conn in list(scene.site.server._connections):
        conn.close_if_idle()
    scene.site.kernel.run()
    lab.check(idle.socket.closed, "expected the idle connection to be closed")
    lab.check(not waiting.socket.closed, "expected the other one to wait for its answer")
    scene.answer_slow()
    lab.check(answers(waiting) == ["200 /slow"], f"expected 200 /slow, got {answers(waiting)}")


def test_thousand_pipelined_requests_let_others_in(lab: Lab) -> None:
    """100 requests in one packet, and another client with one.

    One thread: after a few exchanges, everybody has a turn.
    """
    scene = Scene(lab)
    greedy, other = scene.connect("the greedy one"), scene.connect("the other")
    lab.step("the greedy one sends 100 requests in one packet, the other one; the loop turns")
    greedy.arrive(get("/greedy") * 100)
    other.arrive(get("/other"))
    scene.site.kernel.run()
    targets = [target for target, _ in scene.calls]
    before = targets.index("/other") if "/other" in targets else len(targets)
    lab.check(before <= 20, f"expected the other one to have its turn early; {before} requests of "
                            "the greedy one were before it")
    lab.check(len(targets) == 101, f"expected 101 requests in the end, counted {len(targets)}")


def test_loop_takes_no_stack(lab: Lab) -> None:
    """1,100 requests on one connection, one after the other.

    A connection may last for days: the last exchange must not cost more than the first.
    """
    scene = Scene(Lab())
    client = scene.connect()
    lab.step(f"{MANY:,} requests in one packet; the loop turns")
    client.arrive(get("/x") * MANY)
    for _ in range(8):  # a run is so many polls at most
        with contextlib.suppress(Unexpected):
            scene.site.kernel.run()
    lab.facts["served"] = len(scene.calls)
    lab.check(len(scene.calls) == MANY, f"expected {MANY:,} calls, counted {len(scene.calls):,}")


def test_mistake_of_the_server_is_logged(lab: Lab) -> None:
    """start_request of a delegate raises.

    A mistake costs this connection, closed and forgotten, and a line in the log.
    """
    scene = Scene(lab)
    lab.step("a client sends a request; the server's next start_request raises")

    def start_request(*_: object) -> None:
        raise BrokenServer

    client = scene.connect()
    scene.site.server.start_request = start_request  # type: ignore[method-assign,assignment]
    with errors_logged() as errors:
        client.sends(get("/1"))
    lab.check(any("BrokenServer" in error for error in errors), "expected a line in the log")
    lab.check(client.socket.closed, "expected the connection to be closed; it is open")
    scene.expect_connections(0)


def test_client_that_leaves_is_no_error(lab: Lab) -> None:
    """A client leaves while the server waits for its next request.

    The ordinary end of a connection: nothing for the log.
    """
    scene = Scene(lab)
    client = scene.connect()
    client.sends(get("/1"))
    with errors_logged() as errors:
        client.leaves()
    lab.check(not errors, f"expected nothing in the log, got {errors[:1]}")


def test_curl_like_client_real(lab: Lab) -> None:
    """A real server, a real client, two requests in one packet.

    What holds on the scripted kernel holds on a real one.
    """
    loop = IOLoop(make_current=False)
    lab.step("GET /1 and GET /2 of 127.0.0.1, the second with Connection: close")
    server = HTTPServer(lambda request: answer(request, request.path.encode()), io_loop=loop)
    got = ask_for_real(loop, server, get("/1") + get("/2", CLOSE))
    lab.check(got.count(b"HTTP/1.1 200") == 2 and got.endswith(b"/2"),
              f"expected two answers, the last with /2; got {shown(got)}")
    lab.check(not server._connections, "expected no connection to be left")


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M23", "HTTP1ServerConnection._server_request_loop", AssertionError)
def does_not_wait(lab: Lab) -> str | None:
    scene = Scene(Lab())
    with errors_logged(), contextlib.suppress(Unexpected):
        scene.connect().sends(get("/slow"))
    if len(scene.started) > 1:
        return ("You began the next exchange before the first was answered: two of them read one "
                "stream, and the faster answer would go first. Await it.")
    return None


@diagnosis("M19", "HTTPServer.handle_stream")
def not_noted(lab: Lab) -> str | None:
    scene = Scene(Lab())
    client = scene.connect()
    if not scene.site.server._connections and not client.socket.closed:
        return ("A client is connected, and the server counts none: close_all_connections has "
                "nobody to close. Note the connection.")
    return None


@diagnosis("M25", "HTTPServer.start_request", HTTPOutputError)
def one_adapter(lab: Lab) -> str | None:
    scene = Scene(Lab())
    client = scene.connect()
    client.sends(get("/1"))
    client.sends(get("/2"))
    if scene.same_adapter():
        return ("Two requests, one adapter: the second finds what the first left in it, its "
                "connection among them, which is over. A new one for each request.")
    return None


@diagnosis("M22", "HTTP1ServerConnection._server_request_loop")
def one_exchange(lab: Lab) -> str | None:
    scene = Scene(Lab())
    client = scene.connect()
    client.sends(get("/1"))
    client.sends(get("/2"))
    if answers(client) == ["200 /1"]:
        return ("HTTP/1.1 stays open unless someone says close; the second request came, and you "
                "were gone. read_response says whether to go on.")
    return None


@diagnosis("M22", "HTTP1ServerConnection._server_request_loop", AssertionError)
def ignores_the_end(lab: Lab) -> str | None:
    scene = Scene(Lab())
    with errors_logged():
        scene.connect().sends(get("/detach"))
    if len(scene.started) > 1:
        return ("The exchange ended with \"no other may follow\", and you began one more, on a "
                "stream that is not yours by now. read_response returns it: ask.")
    return None


@diagnosis("M19", "HTTPServer.on_close")
def never_forgets(lab: Lab) -> str | None:
    scene = Scene(Lab())
    told = [scene.site.server.on_close]
    scene.site.server.on_close = (  # type: ignore[method-assign]
        lambda conn: (told.append(told[0]), told[0](conn))[0])
    clients = [scene.connect(f"client {number}") for number in range(3)]
    for client in clients:
        client.leaves()
    if (left := len(scene.site.server._connections)) and len(told) > 1:
        return (f"Everybody has left, and the server still counts {left} connections: on_close is "
                "told of each. Forget it.")
    return None


@diagnosis("M19", "HTTPServer.on_close", KeyError)
def removes_twice(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.connect()
    scene.site.server._connections.clear()
    with contextlib.suppress(KeyError):
        scene.site.server.on_close(None)  # type: ignore[arg-type]
        return None
    return ("Who closes all connections takes each out of the set first; then it ends, and you "
            "take it out once more: KeyError. Forgetting twice must do no harm.")


@diagnosis("M19", "HTTP1ServerConnection._server_request_loop", StreamClosedError)
def end_untold(lab: Lab) -> str | None:
    scene = Scene(Lab())
    client = scene.connect()
    client.sends(get("/1"))
    if not scene.calls:
        return None
    with errors_logged():
        client.leaves()
    if left := len(scene.site.server._connections):
        return (f"The client has left, and the server still counts {left} connection: you left the "
                "loop by an exception, and on_close was not told. Tell it in finally.")
    return None


@diagnosis("M19", "HTTP1ServerConnection._server_request_loop", StreamClosedError)
def leaving_is_logged(lab: Lab) -> str | None:
    scene = Scene(Lab())
    client = scene.connect()
    with errors_logged() as errors:
        client.leaves()
    if any("StreamClosedError" in error for error in errors):
        return ("A client left, as they all do in the end, and the log has a traceback for it. "
                "StreamClosedError is how you hear of it: nothing more to do.")
    return None


@diagnosis("M02", "HTTP1ServerConnection._server_request_loop", RecursionError)
def recursion(lab: Lab) -> str | None:
    if lab.facts["served"] is not None and 500 < lab.facts["served"] < MANY:
        return (f"RecursionError after {lab.facts['served']:,} requests on one connection: each "
                "exchange calls for the next, and none of them ever returns. A loop.")
    return None


@diagnosis("M02", "HTTP1ServerConnection._server_request_loop")
def greedy_first(lab: Lab) -> str | None:
    scene = Scene(Lab())
    greedy, other = scene.connect(), scene.connect()
    greedy.arrive(get("/greedy") * 40)
    other.arrive(get("/other"))
    scene.site.kernel.run()
    if [target for target, _ in scene.calls].index("/other") == 40:
        return ("40 requests came in one packet, and you served them to the last before anybody "
                "else was looked at. A turn for the others, if bytes are here already.")
    return None


@diagnosis("M22", "HTTP1ServerConnection._server_request_loop")
def mistake_untold(lab: Lab) -> str | None:
    scene = Scene(Lab())

    def start_request(*_: object) -> None:
        raise BrokenServer

    client = scene.connect()
    scene.site.server.start_request = start_request  # type: ignore[method-assign,assignment]
    with errors_logged() as errors:
        client.sends(get("/1"))
    if not client.socket.closed and not scene.site.server._connections:
        logged = "a line in the log" if errors else "not a word in the log"
        return (f"The serving coroutine has ended with {logged}, and the connection is open: the "
                "client waits for nobody. Close what you do not serve any more.")
    return None


@diagnosis("M19", "HTTP1ServerConnection._server_request_loop")
def exchange_untold(lab: Lab) -> str | None:
    scene = Scene(Lab())
    client = scene.connect()
    client.sends(get("/slow"))
    (conn,) = scene.site.server._connections
    conn.close_if_idle()
    if client.socket.closed:
        return ("A request was being answered, and the connection was closed as idle: the server "
                "asks _exchange, and nobody has told it which exchange it is at.")
    return None


@diagnosis("M19", "HTTP1ServerConnection._server_request_loop")
def deadline_left(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.connect().leaves()
    if any(entry[2].callback for entry in scene.site.kernel.loop._timeouts):
        return ("The client has left, and its deadline still waits on the loop, for an hour, with "
                "all that it holds. Close _deadline at the end.")
    return None


# ---- helpers ----


class BrokenServer(Exception):
    """What a mistake in a server may raise."""


class Scene:
    """A site whose application answers with the target; `/slow` waits until it is told to."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.calls: list[tuple[str, bytes]] = []
        self.slow: list = []  # type: ignore[type-arg]
        self.detached: Future[bytes] = Future()
        self.site = Site(lab, self._application)
        # Who was given out; kept, so that no two have the same id.
        self.started: list[object] = []
        start_request = self.site.server.start_request

        def noted(*args):  # type: ignore[no-untyped-def]
            self.started.append(start_request(*args))
            return self.started[-1]

        self.site.server.start_request = noted  # type: ignore[method-assign]

    def _application(self, request) -> None:  # type: ignore[no-untyped-def]
        self.calls.append((request.path, request.body))
        self.lab.event(f"the application is called for {request.path}")
        if request.path == "/slow":
            self.slow.append(request)
        elif request.path == "/detach":
            self.detached = request.connection.detach().read_until(b"\n")
        else:
            answer(request, request.path.encode())

    def connect(self, name: str = "client") -> Client:
        return self.site.connect(name)

    def answer_slow(self) -> None:
        """Answer the requests that wait, and turn the loop."""
        for request in self.slow:
            self.site.kernel.loop.add_callback(answer, request, b"/slow")
        self.site.kernel.run()

    def same_adapter(self) -> bool:
        """Whether one adapter was given out twice."""
        return len({id(adapter) for adapter in self.started}) < len(self.started)

    def expect(self, *targets: str) -> None:
        """The application must have been called for these by now."""
        got = [target for target, _body in self.calls]
        self.lab.check(got == list(targets), f"expected calls for {', '.join(targets)}; got "
                                             f"{', '.join(got) or 'none'}")

    def expect_connections(self, number: int) -> None:
        """The server must count so many."""
        count = len(self.site.server._connections)
        self.lab.check(count == number, f"expected the server to count {number}, it counts {count}")
