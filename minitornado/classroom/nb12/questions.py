"""What notebook 12 asks: six predictions. No answer is written here: it comes from a run."""

from __future__ import annotations

from ..predict import Option, ask
from . import scenarios


def ask_all() -> None:
    """Make the notebook's questions known to `predict` and `compare`."""
    _ask_about_two_clients()
    _ask_about_a_function_that_blocks()
    _ask_about_an_error()
    _ask_about_leaving()
    _ask_about_two_tabs()


def _ask_about_two_clients() -> None:
    ask(
        "P12.1",
        "Client a sends the first ten bytes of its request. Then b sends all of its own. Then a "
        "sends the rest. Who gets the first answer?",
        {
            "a": Option(
                "a: it was the first to come", "client a",
                "Requests on one connection are answered in their order. Two connections have "
                "no order. A half request of one keeps nobody else waiting.",
                "M23",
            ),
            "b": Option(
                "b: its request was the first to be complete", "client b",
                "There is nothing to do for a before the rest of it comes. So the loop does "
                "something else.",
            ),
            "c": Option(
                "now a, now b", lambda first: first not in ("client a", "client b"),
                "There is no chance in it. One thread does what the kernel reports, in that order.",
                "M08",
            ),
        },
        measure=lambda: scenarios.answered_first(scenarios.interleaved()),
        finding="The first answer goes to {}.",
    )  # fmt: skip
    ask(
        "P12.2",
        "While b's function runs, a is still in the middle of its request. Where is a?",
        {
            "a": Option(
                "further down on the stack, in a `recv` that has not returned", "on the stack",
                "`recv` returned long ago, with ten bytes. Nobody stands and waits in it: else b "
                "could not be served.", "M02",
            ),
            "b": Option(
                "in a thread of its own", "in a thread",
                "There is one thread. What makes this server able to serve many is not that it "
                "does much at once, but that it waits for all at once.", "M02",
            ),
            "c": Option(
                "nowhere on the stack: it is ten bytes, a coroutine and a lamp",
                "nowhere on the stack",
                "The bytes lie in the buffer of its stream. The coroutine has kept its place. The "
                "lamp will wake the loop. None of them is running.",
            ),
        },
        measure=lambda: scenarios.where_is(scenarios.interleaved()),
        finding="Client a is {}.",
    )  # fmt: skip


def _ask_about_a_function_that_blocks() -> None:
    ask(
        "P12.3",
        "a and b have sent their requests in the same moment. a's function now blocks, say in "
        "`time.sleep`. Where is b's request meanwhile?",
        {
            "a": Option(
                "in the kernel: nobody has looked at it", "in the kernel",
                "In one turn, all the lit lamps come first. Then comes the list. b's bytes were "
                "read before any function was called.", "M08",
            ),
            "b": Option(
                "in the server: read, and its coroutine is on the list", "read, and on the list",
                "It has come so far, and needs nothing from anybody but the thread. That is what "
                "it does not get.",
            ),
            "c": Option(
                "it is being answered: non-blocking means that the two do not disturb each other",
                "answered",
                "Non-blocking are the server's own calls. Your function is yours. While it has the "
                "thread, nobody else has anything.", "M02",
            ),
        },
        measure=lambda: scenarios.where_is_the_other(scenarios.serve_at_once(scenarios.hello)),
        finding="b's request is {}.",
    )  # fmt: skip


def _ask_about_an_error() -> None:
    ask(
        "P12.4",
        "The function raises `ZeroDivisionError` at `/bad`. The client then asks for `/good`, on "
        "the same connection. Which answers does it get?",
        {
            "a": Option(
                "none: nobody catches it, so the server falls over", "nothing",
                "The connection catches it. What it did not catch, the loop would, for each "
                "callback by itself. It never reaches the `start()` that you have called.", "M13",
            ),
            "b": Option(
                "none to `/bad`, and 200 to `/good`", "200",
                "Then the client would take the second answer for the first. The connection knows "
                "whose request it was, and answers for your function.", "M13",
            ),
            "c": Option(
                "500, and then the server hangs up", "500",
                "It could. But nothing is wrong with the connection: the request has been read to "
                "its end, and the answer is complete. So both may go on.", "M22",
            ),
            "d": Option(
                "500 and 200", "500, 200",
                "The error is logged, the client is told, and the coroutine of the connection "
                "goes on to the next request.",
            ),
        },
        measure=scenarios.failed,
        finding="The answers: {}.",
    )  # fmt: skip


def _ask_about_leaving() -> None:
    ask(
        "P12.5",
        "A function begins, and waits for a second. Meanwhile its client leaves. The function has "
        "asked to be told of that (`set_close_callback`). What comes next?",
        {
            "a": Option(
                "it is told, and stopped: nobody wants its answer any more", "begins, told",
                "Nobody stops your function but itself. The server cannot know whether it is in "
                "the middle of something that has to be finished.", "M19",
            ),
            "b": Option(
                "it goes on to its end, and is told only when it writes", "begins, goes on, told, "
                "ends",
                "The stream is still listened to, although nobody wants to read. So it is told "
                "when it happens, and not a second later.", "M19",
            ),
            "c": Option(
                "it is told, goes on, and raises when it writes", "begins, told, goes on",
                "To write for somebody who has gone is no error of your function. The bytes are "
                "dropped without a word.", "M13",
            ),
            "d": Option(
                "it is told, goes on, writes for nobody, and ends", "begins, told, goes on, ends",
                "To be told is all. What to make of it is up to the function.",
            ),
        },
        measure=scenarios.life,
        finding="What the function noted: {}.",
    )  # fmt: skip


def _ask_about_two_tabs() -> None:
    ask(
        "P12.6",
        "The function waits for a second, with `await`. You open the same address in two tabs of "
        "your browser. The first takes a second, the other one two. When did the server receive "
        "the second request?",
        {
            "a": Option(
                "before the first answer: it then kept it waiting, one after the other",
                "before the first answer",
                "A server that waits with `await` answers both after one second. Look at the "
                "trace before you believe a browser.", "M03",
            ),
            "b": Option(
                "after the first answer: the browser had kept it back", "after the first answer",
                "Of an address that it is fetching already, this browser asks for no second copy. "
                "It waits for the first, hoping to need no second.",
            ),
        },
        measure=lambda: scenarios.second_arrives(scenarios.tabs(("/slow", "/slow"))),
        finding="The second request came {}.",
    )  # fmt: skip
