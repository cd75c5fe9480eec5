"""What notebook 03 asks: five predictions. No answer is written here: it comes from a run."""

from __future__ import annotations

from ..predict import Option, ask
from . import runs


def ask_all() -> None:
    """Make the notebook's questions known to `predict` and `compare`."""
    _ask_about_six()
    _ask_about_never_ending()
    _ask_about_a_failure()
    _ask_about_no_time()


def _ask_about_six() -> None:
    ask(
        "P03.1",
        "In which order do the six run?",
        {
            "a": Option(
                "H T A B C D: in the order in which they were asked for", "H T A B C D",
                "There is not one queue but three kinds of waiting, and they have their fixed "
                "places in a turn: the list, then the timeouts that are due, then the kernel is "
                "asked. Only within a kind does it matter who came first.", "M08",
            ),
            "b": Option(
                "A C B T H D: C runs when A asks for it", "A C B T H D",
                "`add_callback` runs nothing. It writes a name on the list, and returns. A goes on "
                "to its end, and nobody is called in the middle of it.", "M07",
            ),
            "c": Option(
                "A B C T H D: C goes to the end of the list, and the list is run", "A B C T H D",
                "It does go to the end of the list. But who runs in this pass was counted before "
                "A ran, and C was not there yet.", "M07",
            ),
            "d": Option(
                "A B T H C D", "A B T H C D",
                "The list as it was, the timeout that was due, then the kernel and what it had to "
                "say. C and D came on the list meanwhile, and had to wait for the next pass.",
            ),
            "e": Option(
                "now like this, now like that", lambda order: not order.startswith(("A", "H")),
                "One thread, and a fixed order of asking. There is nothing that could throw dice.",
                "M08",
            ),
        },
        measure=lambda: runs.six()[1],
        finding="They run in this order: {}.",
    )  # fmt: skip
    ask(
        "P03.2",
        "H puts D on the list. How often does the loop ask the kernel (poll) between H and D?",
        {
            "a": Option(
                "never", 0,
                "When the handlers are through, the loop goes on with the list, and D is on it. "
                "The kernel is asked after that.",
            ),
            "b": Option(
                "once: D is for the next turn, and a turn begins with the kernel", 1,
                "For C that is so: it came while the list was being run. But D came while the "
                "handlers were, and after the handlers the list is next.", "M07",
            ),
            "c": Option(
                "many times: a callback waits for a moment, and the loop looks around meanwhile",
                lambda polls: polls > 1,
                "There is no such moment. What is on the list runs as soon as the list is run.",
                "M07",
            ),
        },
        measure=lambda: runs.polls_between(runs.six()[0], "H", "D"),
        finding="Between H and D the kernel was asked this often: {}.",
    )  # fmt: skip


def _ask_about_never_ending() -> None:
    ask(
        "P03.3",
        "A callback adds itself again each time it runs, so the list is never empty. A socket is "
        "ready all the while. How often does the callback run before the socket's handler does?",
        {
            "a": Option(
                "for ever: the handler never gets its turn", lambda runs: runs < 0,
                "It would, if the list were run until it is empty. It is run as long as it was "
                "when the pass began, and then the kernel is asked.", "M07",
            ),
            "b": Option(
                "not at all: who is ready goes first", 0,
                "The kernel is asked after the list, and nobody knows of the socket before that.",
                "M08",
            ),
            "c": Option(
                "once", 1,
                "It was alone on the list, so this pass was over after one run. Its new entry is "
                "for the next pass, and the kernel comes before that.",
            ),
            "d": Option(
                "some hundred times: callbacks get a share of the time, then sockets",
                lambda runs: runs > 1,
                "No clock decides it. The list is counted, and that is all.", "M07",
            ),
        },
        measure=runs.spin,
        finding="Runs of the callback before the handler's: {}.",
    )  # fmt: skip


def _ask_about_a_failure() -> None:
    ask(
        "P03.4",
        "A callback divides by zero. Another one is on the list behind it. What happens?",
        {
            "a": Option(
                "a `try` around `add_callback` catches it", "caught where it was asked for",
                "When the callback runs, that `try` is long over. Its function has returned, and "
                "is not on the stack any more.", "M13",
            ),
            "b": Option(
                "`start` raises it, and the loop is over", "raised by start",
                "Then one bad callback would take a thousand good connections with it.", "M13",
            ),
            "c": Option(
                "it is logged, and the other one runs", "logged, the next one ran",
                "The loop catches it around each single call, logs it, and goes on with the list.",
            ),
            "d": Option(
                "nothing: nobody ever hears of it",
                lambda end: end.startswith("not even logged"),
                "The loop does write it to the log. But a log is all there is: whoever asked for "
                "the callback has gone on long ago.", "M13",
            ),
        },
        measure=runs.fail,
        finding="What became of it: {}.",
    )  # fmt: skip


def _ask_about_no_time() -> None:
    ask(
        "P03.5",
        "Now A asks for C with `call_later(0, C)`. In which order do they run?",
        {
            "a": Option(
                "A C B T H D: no time is now", "A C B T H D",
                "Also `call_later` runs nothing. It notes a time and a function, and returns.",
                "M07",
            ),
            "b": Option(
                "A B T C H D: it is due, and due timeouts come right after the list",
                "A B T C H D",
                "They do. But those of this pass were taken off before A ran, and C was not among "
                "them.", "M08",
            ),
            "c": Option(
                "A B T H C D: as before", "A B T H C D",
                "Before, both were on the list, and C was there first. Now D is on the list and C "
                "is a timeout, and the list comes first.", "M08",
            ),
            "d": Option(
                "A B T H D C", "A B T H D C",
                "It could not be in the first pass. In the second, the list comes first, which is "
                "D, and then what is due, which is C.",
            ),
        },
        measure=lambda: runs.six(runs.in_no_time)[1],
        finding="They run in this order: {}.",
    )  # fmt: skip
