"""What notebook 06 asks: six predictions. No answer is written here: it comes from a run."""

from __future__ import annotations

import functools

from ..predict import Option, ask
from . import runs


def ask_all() -> None:
    """Make the notebook's questions known to `predict` and `compare`."""
    _ask_what_is_read()
    _ask_about_leftovers()
    _ask_when_it_goes_on()
    _ask_about_two_reads()
    _ask_about_small_pieces()


def _ask_what_is_read() -> None:
    whole = b"".join(runs.PACKETS[:3]).decode()
    ask(
        "P06.1",
        "What does the first `await stream.read_until(b\"\\r\\n\")` give?",
        {
            "a": Option(
                "`HEL`: what came first", "HEL",
                "The network knows no messages, only bytes in a row. What comes in one piece, and "
                "what in three, says nothing.", "M01",
            ),
            "b": Option(
                "`HELLO\\r\\n`", "HELLO\r\n",
                "Up to the delimiter, with it, and not a byte more.",
            ),
            "c": Option(
                "`HELLO\\r\\nONE\\r\\nTWO\\r\\nTHR`: all there is, once the delimiter has come",
                whole,
                "What comes after the delimiter is not part of this line. It is kept for the next "
                "read.", "M16",
            ),
            "d": Option(
                "nothing, ever: no packet has the `\\r\\n` of HELLO as a whole",
                lambda line: not line.endswith("\r\n") and line not in ("HEL", whole),
                "It is not looked for in a packet. It is looked for in the buffer, where the "
                "packets have become one row of bytes.", "M17",
            ),
        },
        measure=lambda: runs.read_lines()[1][0].decode(),
        finding="The first line is {!r}.",
    )  # fmt: skip


def _ask_about_leftovers() -> None:
    trace = functools.cache(lambda: runs.read_lines()[0])
    ask(
        "P06.2",
        "`ONE` and `TWO` came with the end of `HELLO`. How often is the kernel asked for bytes "
        "(recv) to read these two lines?",
        {
            "a": Option(
                "never", 0,
                "Both are in the buffer. It is searched first, and it is enough.",
            ),
            "b": Option(
                "once: what follows the first line has to be fetched again", 1,
                "Whoever takes bytes out of the kernel has them, and the kernel has them no "
                "more. So they must be kept, and they are.", "M16",
            ),
            "c": Option(
                "twice: a recv for each message", 2,
                "`recv` knows nothing of messages. It gives what is there: three letters, or "
                "three lines.", "M01",
            ),
        },
        measure=lambda: runs.receives_for(trace(), 2, 3),
        finding="Calls of recv for the two lines: {}.",
    )  # fmt: skip
    ask(
        "P06.4",
        "Four lines are read, so there are four times `await`. How often does the coroutine stop "
        "and let others run, until it has the fourth?",
        {
            "a": Option(
                "four times: once for each `await`", 4,
                "`await` stops only if there is something to wait for. A Future that is done "
                "already gives its value at once.", "M27",
            ),
            "b": Option(
                "twice", 2,
                "For `HELLO` and for `THREE`. The other two lines were in the buffer, and their "
                "Futures were done before anybody could wait for them.",
            ),
            "c": Option(
                "once: it waits for the first bytes, and then reads on to the end", 1,
                "The fourth line is not complete when it is asked for. Three letters of it are "
                "here.", "M01",
            ),
            "d": Option(
                "never: it is the loop that waits", 0,
                "The loop sleeps, yes. But the function has to stand somewhere meanwhile: it has "
                "stopped at its `await`, and kept its place.", "M27",
            ),
        },
        measure=lambda: runs.stops(trace()),
        finding="It stops this often: {}.",
    )  # fmt: skip


def _ask_when_it_goes_on() -> None:
    ask(
        "P06.3",
        "The bytes are here, and the line is complete. When does the coroutine that waits for it "
        "go on?",
        {
            "a": Option(
                "at once, called by the stream in the middle of its work", "inside",
                "Then your code would run inside of the stream's, which is not through yet. It "
                "might read again, or close the stream that is just being used.", "M14",
            ),
            "b": Option(
                "when the handler is through: it is put on the list", "from the list",
                "The stream first ends what it is doing. Then comes the list, and the coroutine "
                "is on it: same turn, empty stack.",
            ),
            "c": Option(
                "when the kernel has been asked again", "after a poll",
                "After the handlers comes the list, as you know from notebook 03. The kernel is "
                "asked after that.", "M07",
            ),
        },
        measure=lambda: runs.goes_on(runs.read_lines()[0]),
        finding="It goes on: {}.",
    )  # fmt: skip


def _ask_about_two_reads() -> None:
    ask(
        "P06.5",
        "A read is pending. Somebody begins another one on the same stream. What happens?",
        {
            "a": Option(
                "it waits behind the first, and gets the second line", "a Future of its own",
                "Reads have no queue. Who would say which part of the program gets which line?",
                "M15",
            ),
            "b": Option(
                "both get the same line", "the same Future",
                "Bytes are given out once. Two readers who get the same ones would each answer "
                "them.", "M15",
            ),
            "c": Option(
                "it is refused", lambda outcome: outcome.startswith("AssertionError"),
                "One read at a time. Two at once on one stream are a mistake in the program, and "
                "it is told so, loudly.",
            ),
        },
        measure=runs.two_reads,
        finding="It gives: {}.",
    )  # fmt: skip


def _ask_about_small_pieces() -> None:
    ask(
        "P06.6",
        "Now the stream asks the kernel for four bytes at a time, and not for 65,536. What "
        "changes?",
        {
            "a": Option(
                "the lines: none has more than four bytes", "other lines",
                "How many bytes come at once has nothing to do with where a line ends. Only the "
                "delimiter has.", "M01",
            ),
            "b": Option(
                "the number of recvs, and nothing else", "the same lines, more recvs",
                "The same bytes in more pieces, and the same buffer in the end.",
            ),
            "c": Option(
                "it hangs: a `\\r\\n` that is cut in two is not found", "fewer lines",
                "The last byte of the delimiter may come alone. The search looks back far enough "
                "to see both.", "M17",
            ),
            "d": Option(
                "nothing", "the same lines, as many recvs",
                "The third packet has more than four bytes. Somebody has to fetch the rest.",
                "M01",
            ),
        },
        measure=small_pieces,
        finding="There are {}.",
    )  # fmt: skip


def small_pieces() -> str:
    """What a chunk size of four changes."""
    (large, lines), (small, others) = runs.read_lines(), runs.read_lines(read_chunk_size=4)
    if lines != others:
        return "fewer lines" if others == lines[: len(others)] else "other lines"
    more = runs.receives(small) > runs.receives(large)
    return "the same lines, more recvs" if more else "the same lines, as many recvs"
