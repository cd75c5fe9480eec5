"""What notebook 00 asks: six predictions. No answer is written here: it comes from a run."""

from __future__ import annotations

import functools

from ..predict import Option, ask
from . import scenarios

MIXED = "a begins, b begins, a ends, b ends"
IN_A_ROW = "a begins, a ends, b begins, b ends"


def ask_all() -> None:
    """Make the notebook's questions known to `predict` and `compare`."""
    _ask_about_one_request()
    _ask_about_a_large_answer()
    _ask_about_two_browsers()


def _ask_about_one_request() -> None:
    trace = functools.cache(scenarios.one_request)
    ask(
        "P00.1",
        "How many turns does the loop make, from the knock until the answer is out?",
        {
            "a": Option(
                "one: the request comes with the knock", 1,
                "A connection is not a request yet. The browser connects, and that wakes the "
                "porter; its bytes come later, and wake him again.", "M01",
            ),
            "b": Option(
                "two", 2,
                "One for the knock, one for the request. In the second, everything else happens: "
                "reading, parsing, your function, the answer.",
            ),
            "c": Option(
                "three: the answer needs a turn of its own", 3,
                "There is nothing to wait for before writing, because there nearly always is room. "
                "So the answer goes out in the turn in which the request came in.", "M05",
            ),
            "d": Option(
                "hundreds: while nobody calls, it looks again and again", lambda n: n >= 100,
                "It does not look again and again, it sleeps. It does not wait for this "
                "browser alone; it waits for all of them at once.", "M02",
            ),
        },
        measure=lambda: scenarios.turns(trace()),
        finding="Turns of the loop: {}.",
    )  # fmt: skip
    ask(
        "P00.2",
        "How often is `epoll_ctl` called for this browser's lamp, until the browser hangs up?",
        {
            "a": Option(
                "never: the kernel tells of every socket by itself", 0,
                "It tells of those it was asked to watch, and for what. A new connection has no "
                "lamp before somebody puts one up.", "M04",
            ),
            "b": Option(
                "once: to watch it for READ", 1,
                "The lamp is put up for READ, and stays. It need not be asked for again after it "
                "has been lit.",
            ),
            "c": Option(
                "twice or more: READ for the request, then WRITE for the answer", lambda n: n >= 2,
                "That would be a call, and a turn, for each answer, only to learn that there is "
                "room. The server simply tries.", "M05",
            ),
        },
        measure=lambda: scenarios.epoll_ctls(trace()),
        finding="Calls of `epoll_ctl`: {}.",
    )  # fmt: skip
    ask(
        "P00.3",
        "Is the porter ever asked to watch this browser's lamp for WRITE?",
        {
            "a": Option(
                "yes, before the answer: one has to ask whether there is room",
                "before the first `send`",
                "There nearly always is. A lamp for WRITE would be lit nearly always, and nobody "
                "would get any sleep. So the server tries first, and asks only if bytes are left.",
                "M05",
            ),
            "b": Option(
                "yes, afterwards: one has to know when the browser has got it",
                "after the first `send`",
                "WRITE says that there is room, not that anything has arrived. When `send` "
                "returns, the bytes are the kernel's, and nobody tells you more.", "M26",
            ),
            "c": Option(
                "no", "never", "The kernel took the whole answer. Nothing was left to wait for."
            ),
        },
        measure=lambda: scenarios.write_interest(trace()),
        finding="WRITE was asked for: {}.",
    )  # fmt: skip
    ask(
        "P00.4",
        "Your function hands over the answer, and returns. Which comes first: it returns, or the "
        "kernel has the answer?",
        {
            "a": Option(
                "it returns; the server then sends what it was given",
                "after your function had returned",
                "What a function returns is no answer, and nobody waits for it to send one. Who "
                "answers is `write_headers`, and at once.", "M25",
            ),
            "b": Option(
                "the kernel has it, while the function is still running",
                "while your function ran",
                "`write_headers` goes all the way down to `send`, on the stack of your function.",
            ),
            "c": Option(
                "it returns; the loop sends in its next turn", "a turn later",
                "To send needs nobody's permission. A later turn would be needed only if the "
                "kernel had refused bytes.", "M05",
            ),
        },
        measure=lambda: scenarios.when_sent(trace()),
        finding="The kernel got the answer {}.",
    )  # fmt: skip


def _ask_about_a_large_answer() -> None:
    ask(
        "P00.5",
        "The same question as P00.2, for an answer of 3 MB: how often is `epoll_ctl` called for "
        "this browser's lamp?",
        {
            "a": Option(
                "once, as before: `send` sends all of it", 1,
                "`send` takes what fits, and says how much that was. The rest is still yours.",
                "M06",
            ),
            "b": Option(
                "twice: for READ, later also for WRITE", 2,
                "Then WRITE would stay asked for. With everything sent there is always room: the "
                "lamp would be lit for ever, and the porter would never sleep again.", "M05",
            ),
            "c": Option(
                "three times", 3,
                "READ at the start; WRITE as well, once the kernel has refused bytes; and READ "
                "only, as soon as the last of them are gone.",
            ),
            "d": Option(
                "dozens of times: before every piece", lambda n: n > 3,
                "A lamp that is put up stays up, and is lit as long as there is room. It need not "
                "be asked for before each piece.", "M04",
            ),
        },
        measure=lambda: scenarios.epoll_ctls(scenarios.large_answer()),
        finding="Calls of `epoll_ctl`: {}.",
    )  # fmt: skip


def _ask_about_two_browsers() -> None:
    ask(
        "P00.6",
        "Two browsers, a and b, have asked at the same time. The function computes for a while "
        "before it answers. In which order?",
        {
            "a": Option(
                MIXED, MIXED,
                "There is one thread, and it does one thing at a time, to its end. Non-blocking "
                "means that nobody stands and waits in it. It does not mean that two things are "
                "done in it at once.", "M02",
            ),
            "b": Option(
                IN_A_ROW, IN_A_ROW,
                "While a's function computes, the porter is inside of it. Until it ends he cannot "
                "even look at b.",
            ),
            "c": Option(
                "now like this, now like that", lambda order: order not in (MIXED, IN_A_ROW),
                "There is no chance in it: one thread, and nothing that could interrupt it "
                "between two lines.", "M08",
            ),
        },
        measure=scenarios.order_of_work,
        finding="The order: {}.",
    )  # fmt: skip
