"""ex07: a timeout runs at its time or after it, in the order of the deadlines, then of the calls.

The kernel's clock jumps over the loop's sleeps, so no time passes here but in the last scenario.
minitornado/classroom/exercises/lab.py says how scenarios are built and run.
"""

import contextlib
import random
import time

from minitornado.classroom.exercises.actors import REAL_SECONDS, guarded
from minitornado.classroom.exercises.kernel import MAX_POLLS, Kernel
from minitornado.classroom.exercises.lab import Lab, Unexpected, diagnosis
from minitornado.ioloop import MAX_CANCELLED_TIMEOUTS, IOLoop

START = 1_000.0  # what the loop's clock says at first
TIMEOUTS = 600  # in the scenario about many
MAX_COMPARISONS = 100  # a timeout; a heap takes about 40, sorting after each call 600
ODD = START + 1.0005  # a deadline that is not a whole millisecond


def test_fires_when_its_time_has_come(lab: Lab) -> None:
    """A timeout in 5 seconds; the loop's clock says 1,000.

    A deadline is a point on the loop's clock, and the loop sleeps up to it.
    """
    scene = Scene(lab)
    scene.later(5, "T")
    scene.run()
    scene.expect("T at 1005")


def test_fires_not_before(lab: Lab) -> None:
    """A timeout at 1,001.0005; something else wakes the loop at 1,001.

    Late is unavoidable, early is wrong: who waits has a reason.
    """
    scene = Scene(lab)
    lab.step("call_at(1001.0005, T); at 1001, a callback")
    scene.loop.call_at(ODD, scene.speaker("T"))
    scene.kernel.now = START + 1
    scene.loop.add_callback(lambda: None)
    scene.run()
    scene.expect("T at 1001.0005")


def test_due_exactly_now(lab: Lab) -> None:
    """The loop wakes exactly at the deadline.

    The sleep ends when it was meant to, so this is the ordinary case.
    """
    scene = Scene(lab)
    scene.later(2, "T")
    scene.run()
    scene.expect("T at 1002")
    lab.check(len(scene.kernel.poller.sleeps) == 2,
              f"expected 2 polls, counted {len(scene.kernel.poller.sleeps)}")


def test_earliest_first(lab: Lab) -> None:
    """Timeouts are set in another order than they are due.

    What counts is when they are due.
    """
    scene = Scene(lab)
    for delay, name in ((3, "C"), (1, "A"), (4, "D"), (2, "B")):
        scene.later(delay, name)
    scene.run()
    scene.expect("A at 1001", "B at 1002", "C at 1003", "D at 1004")


def test_same_deadline_keeps_order(lab: Lab) -> None:
    """Three timeouts have the same deadline.

    Nobody can tell them apart by time: who called first is first.
    """
    scene = Scene(lab)
    lab.step("call_at(1001, A), call_at(1001, B), call_at(1001, C)")
    for name in "ABC":
        scene.loop.call_at(START + 1, scene.speaker(name))
    scene.run()
    scene.expect("A at 1001", "B at 1001", "C at 1001")


def test_all_that_are_due_run_in_one_turn(lab: Lab) -> None:
    """The loop was busy for 5 seconds, and three timeouts are overdue.

    They have waited long enough; a poll between them would be a syscall for nothing.
    """
    scene = Scene(lab)
    for delay, name in ((1, "A"), (2, "B"), (3, "C")):
        scene.later(delay, name)
    scene.kernel.now = START + 5
    scene.run()
    lab.check(lab.events[:3] == ["A at 1005", "B at 1005", "C at 1005"],
              f"expected A, B, C before the first poll, got {', '.join(lab.events[:3])}")


def test_one_that_sets_itself_again_lets_io_in(lab: Lab) -> None:
    """A timeout sets itself again, for right now.

    What comes while the due ones run is for the next turn.
    """
    scene = Scene(lab)
    runs = [0]

    def again() -> None:
        runs[0] += 1
        lab.event(f"run {runs[0]}")
        if runs[0] < 5:
            scene.loop.call_later(0, again)

    lab.step("call_later(0, again), which does the same again, five times")
    scene.loop.call_later(0, again)
    scene.run()
    lab.check(lab.events[:3] == ["run 1", "poll: nothing", "run 2"],
              f"expected a poll between run 1 and run 2, got {', '.join(lab.events[:3])}")


def test_arguments_are_handed_on(lab: Lab) -> None:
    """A timeout is set with arguments.

    They are kept with it until it runs.
    """
    scene = Scene(lab)
    def report(*args: object, **kwargs: object) -> None:
        lab.event(f"called with {args} {kwargs}")

    lab.step("call_later(1, report, 1, two=2), call_later(2, report, two=2)")
    scene.loop.call_later(1, report, 1, two=2)
    scene.loop.call_later(2, report, two=2)
    scene.run()
    scene.expect("called with (1,) {'two': 2}", "called with () {'two': 2}")


def test_removed_does_not_run(lab: Lab) -> None:
    """A timeout is set, and removed again.

    Who sets one gets a handle, to be able to change his mind.
    """
    scene = Scene(lab)
    for name, set_it in (("A", scene.loop.call_later), ("B", scene.loop.call_at)):
        lab.step(f"{set_it.__name__}(…, {name}), remove_timeout(what it returned)")
        handle = set_it(START + 1, scene.speaker(name))
        lab.facts["handle"] = handle
        lab.check(handle is not None, f"expected {set_it.__name__} to return a handle, got None")
        scene.loop.remove_timeout(handle)
    scene.run()
    scene.expect()


def test_removed_ones_that_left_are_counted_off(lab: Lab) -> None:
    """Hundreds of removed timeouts have come due, and are gone from the heap.

    remove_timeout counts the dead; who takes one off the heap counts it off.
    """
    scene = Scene(lab)
    many = MAX_CANCELLED_TIMEOUTS
    lab.step(f"{2 * many} timeouts, {many} of them removed; all come due; then one more, removed")
    scene.drop(many)
    handles = [scene.loop.call_later(9, print) for _ in range(4)]
    heap = scene.loop._timeouts
    scene.loop.remove_timeout(handles[0])
    lab.facts["rebuilt"] = scene.loop._timeouts is not heap
    dead = scene.loop._cancelled_timeouts
    lab.check(lab.facts["rebuilt"] or dead == 1, f"expected 1 dead timeout, the loop counts {dead}")
    lab.check(not lab.facts["rebuilt"], "expected 1 dead timeout of 4 to stay where it is; the "
                                        "heap was built anew")


def test_many_timeouts_cost_little(lab: Lab) -> None:
    """600 timeouts, in any order.

    Every connection has one: setting it must not mean looking at all the others.
    """
    scene = Scene(lab)
    lab.step(f"{TIMEOUTS} times call_at, in random order; then all of them come due")
    Counted.comparisons = 0
    order = list(range(TIMEOUTS))
    random.Random(7).shuffle(order)
    ran: list[float] = []
    for number in order:
        scene.loop.call_at(Counted(START + number / 1000), ran.append, number)
    scene.kernel.now = START + TIMEOUTS
    scene.loop._work()
    lab.facts["comparisons"] = Counted.comparisons
    lab.check(ran == sorted(ran) and len(ran) == TIMEOUTS, "expected all of them, earliest first")
    most = MAX_COMPARISONS * TIMEOUTS
    lab.check(Counted.comparisons <= most,
              f"expected at most {most:,} comparisons, counted {Counted.comparisons:,}")


def test_real_clock_real(lab: Lab) -> None:
    """A real loop, a real clock of whole milliseconds, 10 of them.

    What holds on the scripted kernel holds on a real one.
    """
    # Of whole ones, for a deadline that is rounded is another scenario's.
    loop = IOLoop(make_current=False, time_func=lambda: int(time.monotonic() * 1000) / 1000)
    lab.step("call_later(0.01, stop); start()")
    began = loop.time()
    loop.call_later(0.01, loop.stop)
    with guarded(loop, seconds=REAL_SECONDS):
        loop.start()
    took = round(loop.time() - began, 3)
    loop.close()
    lab.check(0.01 <= took < REAL_SECONDS, f"expected it after 0.01 s, took {took:.3f} s")


# ---- known mistakes, in the order in which they are ruled out ----


@diagnosis("M09", "IOLoop.call_later", AssertionError)
def no_handle(lab: Lab) -> str | None:
    if Scene(Lab()).loop.call_later(1, print) is None:
        return ("call_later returned None: who sets a timeout needs something to remove it with. "
                "call_at returns it, and call_later what call_at returns.")
    return None


@diagnosis("M09", "IOLoop.call_at", TypeError)
def ties(lab: Lab) -> str | None:
    loop = Scene(Lab()).loop
    try:
        for _ in range(3):
            loop.call_at(START, print)
    except TypeError as error:
        return (f"Two timeouts share a deadline, and Python went on to compare what comes next: "
                f"{error}. Put a number between that no two have.")
    return None


@diagnosis("M09", "IOLoop.call_later")
def delay_as_deadline(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.later(5, "T")
    if scene.ran() == ["T at 1000"]:
        return ("In 5 seconds, at 1,000 on the clock, is at 1,005; you took 5 for the deadline, "
                "which was long ago.")
    return None


@diagnosis("M09", "IOLoop.call_later", ValueError)
def wall_clock(lab: Lab) -> str | None:
    scene = Scene(Lab())
    try:
        scene.later(5, "T")
        off = abs(float(scene.ran()[0].removeprefix("T at ")) - 1005) > 2
    except ValueError:  # call_at says that this is years ahead
        off = True
    if off:
        return ("You counted from another clock than the loop's. The wall clock is set back, and "
                "the timeout comes a day late: deadlines are on self.time().")
    return None


@diagnosis("M09", "IOLoop.call_at")
def early(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.loop.call_at(ODD, scene.speaker("T"))
    scene.kernel.now = START + 1
    scene.loop.add_callback(lambda: None)
    when = float(scene.ran()[0].removeprefix("T at "))
    if when < ODD:
        return (f"Due at 1001.0005, run at {when:.10g}: a rounded deadline can be early. Keep the "
                "number that you were given.")
    return None


@diagnosis("M09", "IOLoop._pop_due_timeouts")
def not_yet(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.later(2, "T")
    scene.ran()
    polls = len(scene.kernel.poller.sleeps)
    if polls >= MAX_POLLS:
        return (f"The loop woke exactly at the deadline, and you said \"not yet\": poll(0), "
                f"{polls:,} times, while the clock stood still. Exactly now is due.")
    return None


@diagnosis("M09", "IOLoop.call_at")
def newest_first(lab: Lab) -> str | None:
    scene = Scene(Lab())
    for name in "ABC":
        scene.loop.call_at(START, scene.speaker(name))
    if scene.ran() == ["C at 1000", "B at 1000", "A at 1000"]:
        return ("The same deadline, and the last that was set came first: let the number that "
                "settles a tie grow with every call.")
    return None


@diagnosis("M07", "IOLoop._pop_due_timeouts")
def one_a_turn(lab: Lab) -> str | None:
    scene = Scene(Lab())
    for name in "AB":
        scene.later(0, name)
    scene.ran()
    if scene.lab.events[:3] == ["A at 1000", "poll: nothing", "B at 1000"]:
        return ("Two were due, and you took one: the other waits for another turn, with a poll "
                "between. Take all whose time has come.")
    return None


@diagnosis("M09", "IOLoop._pop_due_timeouts")
def dead_stay_counted(lab: Lab) -> str | None:
    scene = Scene(Lab())
    scene.drop(3)
    if count := scene.loop._cancelled_timeouts:
        return (f"{count} removed timeouts have left the heap, and still count as dead entries "
                "in it: too many of those, and every remove_timeout builds it anew.")
    return None


@diagnosis("M09", "IOLoop.call_at")
def sorts(lab: Lab) -> str | None:
    if (lab.facts["comparisons"] or 0) > MAX_COMPARISONS * TIMEOUTS:
        each = lab.facts["comparisons"] // TIMEOUTS
        return (f"{each} comparisons a timeout, with {TIMEOUTS} of them: you look at all of the "
                "others for each. A heap looks at about ten.")
    return None


# ---- helpers ----


class Scene:
    """A loop on a scripted kernel whose clock says 1,000, and timeouts that say when they ran."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.kernel = Kernel(lab)
        self.kernel.now = START
        self.loop = self.kernel.loop

    def speaker(self, name: str):  # type: ignore[no-untyped-def]
        return lambda: self.lab.event(f"{name} at {self.kernel.now:.10g}")

    def later(self, delay: float, name: str) -> object:
        """call_later of a timeout that says `name`."""
        self.lab.step(f"call_later({delay:g}, {name})")
        return self.loop.call_later(delay, self.speaker(name))

    def run(self) -> None:
        """Turn until there is nothing left to wait for."""
        self.lab.step("the loop turns")
        self.kernel.run()

    def drop(self, many: int) -> None:
        """Set `many` timeouts twice, remove every other, and let all of them come due."""
        handles = [self.loop.call_later(1, lambda: None) for _ in range(2 * many)]
        for handle in handles[::2]:
            self.loop.remove_timeout(handle)
        self.kernel.now += 2
        self.loop._work()

    def ran(self) -> list[str]:
        """Run, whatever comes of it; who has run, and when."""
        with contextlib.suppress(Unexpected):  # it never came to rest
            self.kernel.run()
        return [event for event in self.lab.events if " at " in event]

    def expect(self, *events: str) -> None:
        """These must be the events, polls apart."""
        got = [event for event in self.lab.events if not event.startswith("poll")]
        shown = ", ".join(got[:5]) or "nothing"
        self.lab.check(got == list(events),
                       f"expected {', '.join(events) or 'nothing'}; got {shown}")


class Counted(float):
    """A deadline that counts how often it is compared."""

    comparisons = 0

    def __lt__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float(self) < float(other)

    def __le__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float(self) <= float(other)

    def __gt__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float(self) > float(other)
