"""ex05: what is added runs on the next turn, in order, once; and nobody is kept from the sockets.

All on a scripted kernel but for the last: minitornado/classroom/exercises/lab.py says how
scenarios are built and run.  Diagnoses try a mistake alone, on a loop of their own.
"""

import contextlib
import threading
from collections.abc import Callable

from minitornado.classroom.exercises.actors import errors_logged
from minitornado.classroom.exercises.kernel import Kernel
from minitornado.classroom.exercises.lab import Lab, Unexpected, diagnosis
from minitornado.ioloop import IOLoop

SLEEP_SECONDS = 2.0  # of a real loop that nobody wakes
TOO_OFTEN = 1_000  # how often a callback adds itself, if nobody else gets a turn


class Mistake(Exception):
    """What a callback may raise."""


def test_not_before_add_callback_returns(lab: Lab) -> None:
    """A callback is added, in the middle of a function.

    Who calls add_callback is not interrupted by it: what follows the call comes first.
    """
    scene = Scene(lab)
    scene.add("A")
    lab.event("add_callback has returned")
    scene.run()
    scene.expect("add_callback has returned", "A runs")


def test_first_in_first_out(lab: Lab) -> None:
    """Three callbacks wait.

    A queue: who came first is served first.
    """
    scene = Scene(lab)
    for name in "ABC":
        scene.add(name)
    scene.run()
    scene.expect("A runs", "B runs", "C runs")


def test_once(lab: Lab) -> None:
    """One callback is added, and the loop turns for as long as there is work.

    Added once, run once; a loop with nothing to do sleeps.
    """
    scene = Scene(lab)
    scene.add("A")
    scene.run()
    scene.expect("A runs")


def test_arguments_are_handed_on(lab: Lab) -> None:
    """A callback is added with arguments.

    They are kept with it until it runs.
    """
    scene = Scene(lab)
    lab.step("add_callback(report, 1, two=2); the loop turns")
    scene.loop.add_callback(lambda *args, **kwargs: lab.event(f"called with {args} {kwargs}"),
                            1, two=2)
    scene.kernel.run()
    scene.expect("called with (1,) {'two': 2}")


def test_callback_that_adds_itself_lets_io_in(lab: Lab) -> None:
    """A callback adds itself again, and a client has sent something.

    Between two turns the loop asks the kernel; a turn must end for that.
    """
    scene = Scene(lab)
    client = scene.kernel.connect()
    runs = [0]

    def handler(fd: object, events: int) -> None:
        lab.event("the client is served")
        scene.loop.stop()

    def again() -> None:
        runs[0] += 1
        if runs[0] < TOO_OFTEN:
            scene.loop.add_callback(again)
        else:
            scene.loop.stop()

    lab.step("a client has sent a byte; its fd is watched for READ")
    scene.loop.add_handler(client.socket, handler, IOLoop.READ)
    client.arrive(b"x")
    lab.step(f"add_callback(again), which adds itself again, {TOO_OFTEN:,} times; the loop turns")
    scene.loop.add_callback(again)
    scene.kernel.run()
    lab.facts["starved"] = runs[0] > 2
    lab.check(runs[0] <= 2, f"expected the client to be served after the first turn; `again` ran "
                            f"{runs[0]:,} times before")


def test_what_a_callback_adds_runs_on_the_next_turn(lab: Lab) -> None:
    """A adds B; C waits already.

    B is for the next turn, after a poll that does not sleep: there is work.
    """
    scene = Scene(lab)
    scene.add("A", then=lambda: scene.add("B"))
    scene.add("C")
    scene.run()
    lab.check(lab.events[:4] == ["A runs", "C runs", "poll: nothing", "B runs"],
              f"expected A, C, a poll, B; got {lab.events[:4]}")
    lab.check(scene.kernel.poller.sleeps[0] == 0,
              f"expected poll(0), since B waits; got poll({scene.kernel.poller.sleeps[0]})")


def test_callbacks_before_due_timeouts(lab: Lab) -> None:
    """A timeout is due, and a callback waits.

    The order of a turn is fixed: callbacks, timeouts, poll, handlers.
    """
    scene = Scene(lab)
    scene.timeout("T")
    scene.add("A")
    scene.run()
    scene.expect("A runs", "T runs")


def test_timeout_that_a_callback_removes(lab: Lab) -> None:
    """A timeout is due, and a callback that waits removes it.

    The callback comes first; what it has removed does not run any more.
    """
    scene = Scene(lab)
    handle = scene.timeout("T")
    scene.add("A", then=lambda: scene.loop.remove_timeout(handle))
    with errors_logged() as errors:
        scene.run()
    scene.expect("A runs")
    lab.check(not errors, f"expected nothing in the log, got {errors[:1]}")


def test_removing_one_that_has_run_does_nothing(lab: Lab) -> None:
    """A timeout has run, and somebody removes it afterwards.

    It is over; the loop must not count it among the dead that are still in its heap.
    """
    scene = Scene(lab)
    handle = scene.timeout("T")
    scene.run()
    scene.expect("T runs")
    lab.step("remove_timeout(T)")
    scene.loop.remove_timeout(handle)
    dead = scene.loop._cancelled_timeouts
    lab.check(not dead, f"expected no dead timeout in the heap, the loop counts {dead}")


def test_timeout_that_a_callback_makes_due(lab: Lab) -> None:
    """A callback sets a timeout for right now.

    What is due is settled before anything runs; what comes later is for the next turn.
    """
    scene = Scene(lab)
    scene.add("A", then=lambda: scene.timeout("T"))
    scene.run()
    lab.check(lab.events[1].startswith("poll"), f"expected a poll after A, got {lab.events[1]}")
    scene.expect("A runs", "T runs")


def test_one_that_raises_costs_itself_only(lab: Lab) -> None:
    """Of two callbacks and of two due timeouts, the first raises.

    A mistake is for the log; whoever comes after it has nothing to do with it.
    """
    scene = Scene(lab)
    for name in "AB":
        scene.timeout(f"{name}, a timeout,", then=raises if name == "A" else None)
    for name in "CD":
        scene.add(name, then=raises if name == "C" else None)
    with errors_logged() as errors:
        scene.run()
    scene.expect("C runs", "D runs", "A, a timeout, runs", "B, a timeout, runs")
    lab.check(len(errors) == 2, f"expected two lines in the log, got {errors}")


def test_sleeping_loop_is_woken(lab: Lab) -> None:
    """The loop sleeps, and another thread adds a callback.

    A loop that is asleep sees nothing but fds: somebody must ring.
    """
    scene = Scene(lab)
    lab.step("nothing to do: the loop sleeps; meanwhile, add_callback(A)")
    scene.kernel.meanwhile.append(lambda: scene.loop.add_callback(lab.event, "A runs"))
    scene.kernel.run()
    scene.expect("A runs")


def test_busy_loop_is_not_woken(lab: Lab) -> None:
    """A callback adds another one.

    The loop is awake, you are it: ringing would be a syscall for nothing.
    """
    scene = Scene(lab)
    rings = [0]
    scene.loop._waker.wake = lambda: rings.__setitem__(0, rings[0] + 1)  # type: ignore[method-assign]
    scene.add("A", then=lambda: scene.add("B"))
    scene.add("stop", then=lambda: lab.facts.__setitem__("rings", rings[0]))
    scene.run()
    lab.check(not lab.facts["rings"],
              f"expected no call of wake() while the loop runs, counted {lab.facts['rings']}")


def test_thread_wakes_sleeping_loop_real(lab: Lab) -> None:
    """A real loop sleeps in a real poller, and a real thread adds a callback.

    What holds on the scripted kernel holds on a real one.
    """
    loop = IOLoop(make_current=False)
    lab.step("start(); a thread calls add_callback(loop.stop)")
    began = loop.time()
    over = loop.call_later(SLEEP_SECONDS, loop.stop)
    loop.add_callback(lambda: threading.Timer(0.002, loop.add_callback, [loop.stop]).start())
    loop.start()
    slept = loop.time() - began
    loop.remove_timeout(over)
    loop.close()
    lab.check(slept < SLEEP_SECONDS,
              f"expected the thread's callback at once; it ran after {slept:.1f} s, when the loop "
              "woke by itself")


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M07", "IOLoop.add_callback", RecursionError, Mistake)
def at_once(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.add("A")
    if scene.runs():
        return ("The callback ran before add_callback returned: whoever calls it is interrupted "
                "by his own callback. Keep it for the next turn.")
    return None


@diagnosis("M07", "IOLoop.add_callback")
def kwargs_lost(lab: Lab) -> str | None:
    got: list[object] = []
    scene = Scene(Lab())
    scene.loop.add_callback(lambda *args, **kwargs: got.append((args, kwargs)), 1, two=2)
    scene.turn()
    if got and got[0] != ((1,), {"two": 2}):
        return (f"add_callback(f, 1, two=2) came out as {got[0]}: positional and keyword arguments "
                "are both for the callback, and kept with it.")
    return None


@diagnosis("M07", "IOLoop._work")
def stack(lab: Lab) -> str | None:
    scene = Scene(Lab())
    for name in "ABC":
        scene.add(name)
    if scene.turn() == "CBA":
        return "Order C, B, A: you take the newest first. A queue, not a pile."
    return None


@diagnosis("M07", "IOLoop._work")
def never_clears(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.add("A")
    if len(runs := scene.turn()) > 1:
        return (f"A was added once and ran {len(runs):,} times, once a turn: take a callback out "
                "of the queue before you run it.")
    return None


@diagnosis("M07", "IOLoop._work")
def live_queue(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.add("A", then=lambda: scene.add("B"))
    scene.turn()
    if scene.lab.events[:2] == ["A runs", "B runs"]:
        times = f", {TOO_OFTEN:,} times," if lab.facts["starved"] else ""
        return (f"What a callback added ran{times} in the same turn, and the client was not "
                "looked at meanwhile. Count what waits before you begin.")
    return None


@diagnosis("M08", "IOLoop._work")
def timers_first(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.timeout("T")
    scene.add("A")
    if scene.turn() == "TA":
        return ("The timeout ran before the callback that was waiting. The order of a turn is: "
                "callbacks, due timeouts, poll, handlers.")
    return None


@diagnosis("M08", "IOLoop._work")
def due_too_late(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.add("A", then=lambda: scene.timeout("T"))
    scene.turn()
    if scene.lab.events[:2] == ["A runs", "T runs"]:
        return ("A callback set a timeout for now, and it ran in the same turn: you asked what is "
                "due after the callbacks had run. Ask first, then run both.")
    return None


@diagnosis("M08", "IOLoop._work")
def removed_runs(lab: Lab) -> str | None:
    scene = Scene(Lab())
    handle = scene.timeout("T")
    scene.add("A", then=lambda: scene.loop.remove_timeout(handle))
    if "T" in scene.turn():
        return ("A callback of this turn has removed the timeout, and you ran it all the same: "
                "ask whether its callback is still there when its turn comes.")
    return None


@diagnosis("M08", "IOLoop._work")
def holds_on(lab: Lab) -> str | None:
    scene = Scene(Lab())
    handle = scene.timeout("T")
    if scene.turn() == "T":
        scene.loop.remove_timeout(handle)
        if scene.loop._cancelled_timeouts:
            return ("The timeout has run and still has its callback: removing it later looks like "
                    "removing one that waits. Let go of the callback once it has run.")
    return None


@diagnosis("M13", "IOLoop._work", Mistake)
def calls_directly(lab: Lab) -> str | None:
    if isinstance(lab.error, Mistake):
        return ("A callback raised, and it came through to whoever runs the loop: the loop has "
                "ended, for all. _run calls a callback, and minds what it raises.")
    return None


@diagnosis("M10", "IOLoop.add_callback")
def no_wake(lab: Lab) -> str | None:
    awake = Scene(Lab())
    awake.add("A")
    if awake.turn() != "A":
        return None
    scene = Scene(Lab())
    scene.kernel.meanwhile.append(lambda: scene.add("A"))
    if not scene.turn() and "add_callback(A)" in scene.lab.steps:
        return ("The callback is in the queue, and the loop sleeps on in poll: it sees fds, not "
                "your queue. If it is asleep, ring: wake it.")
    return None


@diagnosis("M02", "IOLoop.add_callback")
def always_wakes(lab: Lab) -> str | None:
    if lab.facts["rings"]:
        return (f"{lab.facts['rings']} needless syscalls: you rang for a loop that is awake. One "
                "thread: while your code runs, the loop does not sleep, you are it.")
    return None


# ---- helpers ----


def raises() -> None:
    raise Mistake


class Scene:
    """A loop on a scripted kernel, and callbacks that say their names."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.kernel = Kernel(lab)
        self.loop = self.kernel.loop

    def _speaker(self, name: str, then: Callable[[], object] | None) -> Callable[[], None]:
        def callback() -> None:
            self.lab.event(f"{name} runs")
            if then is not None:
                then()
        return callback

    def add(self, name: str, then: Callable[[], object] | None = None) -> None:
        """add_callback of one that says `name`, then does something."""
        self.lab.step(f"add_callback({name})")
        self.loop.add_callback(self._speaker(name, then))

    def timeout(self, name: str, then: Callable[[], object] | None = None) -> object:
        """A timeout that is due now."""
        self.lab.step(f"call_later(0, {name})")
        return self.loop.call_later(0, self._speaker(name, then))

    def run(self) -> None:
        """Turn until the loop sleeps."""
        self.lab.step("the loop turns")
        self.kernel.run()

    def runs(self) -> str:
        """Who has run, in order: "ABC"."""
        return "".join(event[0] for event in self.lab.events if event.endswith(" runs"))

    def turn(self) -> str:
        """Run, whatever comes of it; who has run."""
        with contextlib.suppress(Unexpected):  # it never came to rest
            self.kernel.run()
        return self.runs()

    def expect(self, *events: str) -> None:
        """These must be the events, polls apart."""
        got = [event for event in self.lab.events if not event.startswith("poll")]
        shown = ", ".join(got[:4]) + (" …" if len(got) > 4 else "") or "nothing"
        self.lab.check(got == list(events), f"expected {', '.join(events)}; got {shown}")
