"""ex20: one event lets everybody in who waits, but not without end, and no failure is for all.

A server on a scripted kernel, at last on a real one.  minitornado/classroom/exercises/lab.py
says how scenarios are built and run.  Diagnoses try a mistake alone, on a server of their own.
"""

import contextlib
import errno
import socket

from minitornado.classroom.exercises.actors import errors_logged, turn_until
from minitornado.classroom.exercises.kernel import MAX_POLLS, Kernel, ScriptedListener
from minitornado.classroom.exercises.lab import Lab, Unexpected, diagnosis
from minitornado.ioloop import IOLoop
from minitornado.netutil import (
    DEFAULT_BACKLOG,
    NO_ROOM_PAUSE,
    add_accept_handler,
    bind_sockets,
)
from minitornado.tcpserver import TCPServer

CROWD = 300


def test_one_poll_is_enough_for_five(lab: Lab) -> None:
    """Five clients knock before the loop looks.

    One event says "somebody is there", and not how many.
    """
    scene = Scene(lab)
    scene.knock(5)
    scene.run()
    scene.expect("client 1", "client 2", "client 3", "client 4", "client 5")
    lab.check(scene.rounds() == 1, f"expected 1 poll for all of them, counted {scene.rounds()}")


def test_nobody_there_is_no_error(lab: Lab) -> None:
    """One client knocks; the second accept finds nobody.

    EAGAIN is how accept says that it was the last: the ordinary end.
    """
    scene = Scene(lab)
    scene.knock(1)
    scene.run()
    scene.expect("client 1")
    lab.check(not scene.errors, f"expected nothing in the log, got {scene.errors[:1]}")


def test_bounded_burst_lets_io_in(lab: Lab) -> None:
    """300 clients knock while somebody who is inside has asked for something.

    One thread: who stands at the door answers nobody.
    """
    scene = Scene(lab)
    inside = scene.kernel.connect("the one inside")
    scene.kernel.loop.add_handler(
        inside.socket, lambda fd, events: scene.serve(inside.socket), IOLoop.READ)
    lab.step("the one inside sends a request; the loop does not know yet")
    inside.arrive(b"x")
    scene.knock(CROWD)
    scene.run()
    before = [event for event in lab.events[:lab.events.index("the one inside is served")]
              if "accept on listener: client" in event]
    lab.facts["let_in"] = len(before)
    lab.check(len(before) <= DEFAULT_BACKLOG,
              f"expected at most {DEFAULT_BACKLOG} to be let in before; {len(before)} were")
    lab.check(len(scene.inside) == CROWD, f"expected all of them in the end, {len(scene.inside)}")


def test_aborted_connection_costs_itself_only(lab: Lab) -> None:
    """Three clients knock; the second has left before it is let in.

    accept fails for this one: ECONNABORTED. The third is there all the same.
    """
    scene = Scene(lab)
    scene.knock(1)
    lab.step("one knocks, and leaves")
    scene.listener.fail(errno.ECONNABORTED)
    scene.knock(1)
    scene.run()
    scene.expect("client 1", "client 2")
    lab.check(not scene.errors, f"expected nothing in the log, got {scene.errors[:1]}")
    lab.check(scene.rounds() == 1, f"expected 1 poll for all of them, counted {scene.rounds()}")


def test_no_fd_left_backs_off(lab: Lab) -> None:
    """The process has no fd left, and somebody knocks.

    EMFILE: he stays at the door, and the door stays "readable": shut it for a moment.
    """
    scene = Scene(lab, patience=NO_ROOM_PAUSE / 2)
    lab.step("all fds are in use; somebody knocks; the loop turns")
    scene.listener.fail(errno.EMFILE)
    scene.run(quietly=True)
    lab.facts["failed"] = scene.listener.accepts
    lab.check(scene.listener.accepts == 1,
              f"expected 1 failed accept in this second, counted {scene.listener.accepts:,}")
    lab.check(any("Too many open files" in error for error in scene.errors),
              f"expected the reason in the log, got {scene.errors[:1]}")
    lab.step("there is room again, and a second passes")
    scene.listener.waiting.clear()
    scene.knock(1)
    scene.kernel.patience = float("inf")
    scene.run()
    scene.expect("client 1")


def test_any_other_failure_is_told(lab: Lab) -> None:
    """accept fails with EINVAL: the socket does not listen at all.

    That is a mistake, not the weather: it belongs into the log.
    """
    scene = Scene(lab, max_polls=3)
    lab.step("accept fails with EINVAL; the loop turns")
    scene.listener.fail(errno.EINVAL)
    scene.run(quietly=True)
    lab.check(any("OSError(22" in error for error in scene.errors),
              f"expected the error in the log, got {scene.errors[:1]}")


def test_server_that_stops_while_accepting(lab: Lab) -> None:
    """Two clients knock; what the first wants is that the server stops.

    Your callback may do anything: also close the socket that you stand at.
    """
    scene = Scene(lab)
    scene.then = scene.server.stop
    scene.knock(2)
    scene.run(quietly=True)
    scene.expect("client 1")
    lab.check(not scene.errors, f"expected nothing in the log, got {scene.errors[:1]}")


def test_two_sockets_one_server(lab: Lab) -> None:
    """A server listens on two sockets; then it stops.

    Whoever adds sockets to a server makes it their owner: it closes them.
    """
    scene = Scene(lab)
    other = scene.kernel.listen("the other listener")
    lab.step("add_sockets of a second one; a client knocks at each; the server stops")
    scene.server.add_sockets([other])
    scene.knock(1)
    other.knock("client at the other")
    scene.run()
    lab.check(len(scene.inside) == 2, f"expected 2 clients inside, counted {len(scene.inside)}")
    scene.server.stop()
    for listener in (scene.listener, other):
        lab.check(listener.closed, f"expected {listener.name} to be closed by stop()")


def test_loop_of_this_thread(lab: Lab) -> None:
    """A server that was given no loop.

    Asked for when it is needed: after a fork it is another one than at the start.
    """
    kernel = Kernel(lab)
    server, listener = TCPServer(), kernel.listen()
    other = kernel.listen("the other listener")
    kernel.loop.make_current()
    lab.step("TCPServer() without a loop; make_current() of one; add_sockets")
    try:
        server.add_sockets([listener])
        lab.step("and add_accept_handler without a loop")
        add_accept_handler(other, lambda *_: None)  # type: ignore[arg-type]
    finally:
        IOLoop.clear_current()
    lab.check(server.io_loop is kernel.loop, f"expected the current loop, got {server.io_loop}")
    for each in (listener, other):
        lab.check(each.fd in kernel.poller.watched, f"expected {each.name} to be watched by it")


def test_five_clients_real(lab: Lab) -> None:
    """Five real clients, a real listening socket.

    What holds on the scripted kernel holds on a real one.
    """
    loop = IOLoop(make_current=False)
    server = Doorkeeper(io_loop=loop)
    sockets = bind_sockets(0, "127.0.0.1")
    clients = []
    try:
        lab.step("bind_sockets(0); five clients connect")
        server.add_sockets(sockets)
        clients = [socket.create_connection(sockets[0].getsockname()) for _ in range(5)]
        turn_until(loop, lambda: len(server.inside) == 5)
        ports = sorted(client.getsockname()[1] for client in clients)
        got = sorted(address[1] for _, address in server.inside)
        lab.check(got == ports, f"expected five clients with their addresses, got {len(got)}")
    finally:
        for sock in [*clients, *sockets, *(stream for stream, _ in server.inside)]:
            sock.close()


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M11", "TCPServer.add_sockets", OSError)
def other_loop(lab: Lab) -> str | None:
    kernel = Kernel(Lab())
    listener = kernel.listen()
    refused = False
    try:
        TCPServer(io_loop=kernel.loop).add_sockets([listener])
    except OSError as error:  # the current loop is a real one, which lacks such an fd
        refused = error.errno == errno.EBADF
    if refused and listener.fd not in kernel.poller.watched:
        return ("The server was given a loop, and another one was asked to watch its sockets: hand "
                "on self.io_loop.")
    return None


@diagnosis("M21", "TCPServer.add_sockets")
def forgets_sockets(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.server.stop()
    if not scene.listener.closed:
        return ("The server has stopped, and its socket still listens: stop() looks in "
                "self._sockets, and it is not there.")
    return None


@diagnosis("M20", "add_accept_handler", BlockingIOError)
def eagain_raises(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.knock(1)
    scene.run(quietly=True)
    if any("BlockingIOError" in error for error in scene.errors):
        return ("The last one was let in, accept said \"nobody there\" (EAGAIN), and you let that "
                "through as an error. It is the ordinary end.")
    return None


@diagnosis("M20", "add_accept_handler")
def one_an_event(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.knock(5)
    scene.run(quietly=True)
    if scene.rounds() == 5:
        return ("5 clients cost 5 polls: you let in one an event, and the others knock again and "
                "again. Accept until nobody is there.")
    return None


@diagnosis("M02", "add_accept_handler")
def unbounded(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.knock(CROWD)
    scene.run(quietly=True)
    if scene.rounds() == 1:
        return (f"{CROWD} were let in, in one go, while somebody who was inside waited for his "
                "answer. Stop after a number of them; the loop comes back.")
    return None


@diagnosis("M20", "add_accept_handler", ConnectionAbortedError)
def abort_is_for_all(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.listener.fail(errno.ECONNABORTED)
    scene.knock(1)
    scene.run(quietly=True)
    if any("ConnectionAbortedError" in error for error in scene.errors):
        return ("One client left while it was waiting (ECONNABORTED), and you let that through as "
                "an error. It is the next one's turn.")
    return None


@diagnosis("M20", "add_accept_handler")
def spins(lab: Lab) -> str | None:
    scene = Scene(Lab(), patience=NO_ROOM_PAUSE / 2)
    scene.listener.fail(errno.EMFILE)
    scene.run(quietly=True)
    if scene.listener.accepts >= MAX_POLLS:
        return (f"No fd is left, and the listener stays readable: {scene.listener.accepts:,} "
                "failed accepts in no time, and no answer to anybody. Pause.")
    return None


@diagnosis("M20", "add_accept_handler")
def door_stays_shut(lab: Lab) -> str | None:
    scene = Scene(Lab(), patience=NO_ROOM_PAUSE / 2)
    scene.listener.fail(errno.EMFILE)
    scene.run(quietly=True)
    scene.listener.waiting.clear()
    scene.knock(1)
    scene.kernel.patience = float("inf")
    scene.run(quietly=True)
    if scene.listener.fd not in scene.kernel.poller.watched:
        return ("No fd was left, so you stopped listening, and nobody will ever open the door "
                "again. _pause_accepting does, after a second.")
    return None


@diagnosis("M20", "add_accept_handler")
def pauses_for_anything(lab: Lab) -> str | None:
    scene = Scene(Lab(), max_polls=3)
    scene.listener.fail(errno.EINVAL)
    scene.run(quietly=True)
    if not any("OSError(22" in error for error in scene.errors):
        return ("The socket does not listen (EINVAL), and you treated it as a full house: only "
                "NO_ROOM passes by itself, anything else is a mistake to be told.")
    return None


@diagnosis("M21", "add_accept_handler", OSError)
def accepts_on(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.then = scene.server.stop
    scene.knock(2)
    scene.run(quietly=True)
    if any("Bad file descriptor" in error for error in scene.errors):
        return ("The callback stopped the server and closed the socket, and you called accept on "
                "it once more: its fd is nobody's now, or soon somebody else's.")
    return None


# ---- helpers ----


class Doorkeeper(TCPServer):
    """A server that lets in, and waits."""

    def __init__(self, io_loop: IOLoop) -> None:
        super().__init__(io_loop=io_loop)
        self.inside: list = []  # type: ignore[type-arg]

    def handle_stream(self, stream, address) -> None:  # type: ignore[no-untyped-def]
        self.inside.append((stream, address))


class Scene:
    """A server with one listening socket, on a scripted kernel; who is let in becomes an event."""

    def __init__(
        self, lab: Lab, patience: float = float("inf"), max_polls: int = MAX_POLLS
    ) -> None:
        self.lab = lab
        self.kernel = Kernel(lab, patience, max_polls)
        self.listener: ScriptedListener = self.kernel.listen()
        self.server = Doorkeeper(io_loop=self.kernel.loop)
        self.server.handle_stream = self._let_in  # type: ignore[method-assign]
        self.knocked = 0
        self.inside: list[str] = []
        self.errors: list[str] = []
        self.then = lambda: None
        lab.step("a server; add_sockets of a listening socket")
        self.server.add_sockets([self.listener])

    def _let_in(self, stream, address) -> None:  # type: ignore[no-untyped-def]
        self.inside.append(stream.socket.name)
        self.lab.event(f"{stream.socket.name} is inside")
        self.then()

    def serve(self, sock) -> None:  # type: ignore[no-untyped-def]
        """A handler of somebody inside: does what it is asked."""
        sock.recv(10)
        self.lab.event(f"{sock.name} is served")

    def knock(self, many: int) -> None:
        """So many clients connect; the loop does not know yet."""
        self.lab.step("a client knocks" if many == 1 else f"{many} clients knock")
        for _ in range(many):
            self.knocked += 1
            self.listener.knock(f"client {self.knocked}")

    def run(self, quietly: bool = False) -> None:
        """Turn until the loop sleeps; `quietly`: whatever comes of it."""
        self.lab.step("the loop turns")
        with errors_logged() as self.errors:
            if quietly:
                with contextlib.suppress(Unexpected):
                    self.kernel.run()
            else:
                self.kernel.run()

    def rounds(self) -> int:
        """How many polls have said that somebody is at the door."""
        return sum("listener has READ" in event for event in self.lab.events)

    def expect(self, *names: str) -> None:
        """These, and no others, must be inside, in this order."""
        self.lab.check(self.inside == list(names), f"expected {', '.join(names)} inside, got "
                                                   f"{', '.join(self.inside[:6]) or 'nobody'}")
