"""What people believe of servers like this one, and what is so: the ids of the course.

An option of a prediction and a diagnosis of an exercise say which of these they betray; the
index of the book leads from each to where it is asked, to the code, and to the exercise. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Misconception:
    """topic: in a few words; belief: as somebody says who holds it; truth: what is so."""

    topic: str
    belief: str
    truth: str


MISCONCEPTIONS = {
    "M01": Misconception(
        "A stream has no messages", "one `recv` returns one request",
        "TCP carries bytes: half a request may come, or one, or three."),
    "M02": Misconception(
        "One thread, one thing at a time", "non-blocking code runs in the background",
        "One callback runs, to its end, then the next. Only the waiting is gone."),
    "M03": Misconception(
        "Browsers wait for themselves", "two tabs in a row prove that the server is serial",
        "A browser holds back a second request for the same address by itself."),
    "M04": Misconception(
        "Readiness is a state", "the kernel reports each arrival once, by itself",
        "It reports what it was asked to watch, as often as it is asked, while it is so."),
    "M05": Misconception(
        "WRITE only after a refusal", "before writing one asks for WRITE",
        "There nearly always is room. One tries, and asks only if bytes are left."),
    "M06": Misconception(
        "A send may be partial", "`send` sends all of it",
        "It takes what fits, and says how much that was. The rest is still yours."),
    "M07": Misconception(
        "A callback waits for its turn", "`add_callback` runs it now, or at an interval",
        "It runs in the next turn of the loop: not in this one, and only once."),
    "M08": Misconception(
        "A turn has an order", "callbacks, timers and I/O come in any order",
        "Callbacks, then timers that are due, then the poll, then handlers. Always."),
    "M09": Misconception(
        "A timer is a lower bound", "`call_later` fires on time, by the clock on the wall",
        "It fires not before its time, by a clock that nobody sets."),
    "M10": Misconception(
        "A sleeping loop has to be woken", "a loop notices at once what a thread has queued",
        "It sleeps in the kernel. A byte on a fd of its own wakes it."),
    "M11": Misconception(
        "One call is thread-safe", "with a lock, any thread may use the loop",
        "Other threads may call `add_callback`, and nothing else."),
    "M12": Misconception(
        "Stopping takes effect later", "`stop` ends the loop where it stands",
        "It sets a flag. What this turn has begun is finished first."),
    "M13": Misconception(
        "Who catches an exception", "an exception in a callback reaches who scheduled it",
        "Who scheduled it has returned long ago. The loop logs it, and goes on."),
    "M14": Misconception(
        "A waiter runs in a later turn", "a read may call back before it has returned",
        "Who waits for bytes goes on in a later turn, even if they were here already."),
    "M15": Misconception(
        "One read at a time", "two reads may wait on one stream",
        "Nobody could tell whose bytes come next. The second is refused."),
    "M16": Misconception(
        "What is left over stays", "bytes after the delimiter are lost, or belong to it",
        "They stay in the buffer, and are where the next read begins."),
    "M17": Misconception(
        "A delimiter can be cut in two", "the delimiter is in the last piece that came",
        "It may begin in one piece and end in another."),
    "M18": Misconception(
        "End of file is not an error", "a closed connection has nothing more to read",
        "What has come before the end can still be read, and only then it ends."),
    "M19": Misconception(
        "Who leaves is noticed by reading", "the server knows when the client has left",
        "Only somebody who reads, or watches for it, learns of it."),
    "M20": Misconception(
        "One knock, many connections", "each event of a listening socket is one connection",
        "Several may wait. One accepts until there is none, or enough for one turn."),
    "M21": Misconception(
        "Numbers are used again", "a fd stands for one connection for ever",
        "The kernel hands out the number of a closed one at once."),
    "M22": Misconception(
        "Connections stay open", "HTTP closes the connection after each answer",
        "HTTP/1.1 keeps it open unless somebody says otherwise; HTTP/1.0 the other way round."),
    "M23": Misconception(
        "Answers in the order of requests", "pipelined requests may be answered in any order",
        "Nothing in an answer says which request it is for, except its place."),
    "M24": Misconception(
        "Where a body ends", "a body ends when `recv` comes back short",
        "A length says so, or the last chunk, or the end of the connection. Some have none."),
    "M25": Misconception(
        "An answer is written, not returned", "what a function returns is the answer",
        "The answer is what it writes, until it says that it has finished."),
    "M26": Misconception(
        "Written is not received", "when `write` returns, the client has it",
        "The bytes are in your buffer, or the kernel's. More nobody tells you."),
    "M27": Misconception(
        "A Future does not run who waits", "a result makes the waiting coroutine go on at once",
        "It makes the loop resume it, later. A Future that is done already needs no loop."),
    "M28": Misconception(
        "Fork before the loop is made", "one may fork at any time",
        "Two processes would share one epoll, and take each other's events."),
    "M29": Misconception(
        "TLS has a buffer of its own", "an encrypted stream is readable when its socket is",
        "Decrypted bytes may wait where no kernel sees them."),
    "M30": Misconception(
        "Each thread has its loop", "`instance` and `current` give the same loop",
        "One is the program's, the other is that of the thread one is in."),
    "M31": Misconception(
        "A notebook has a loop already", "a loop can be started inside of any other",
        "One of a kind runs in a thread at a time, and Jupyter's is running."),
    "M32": Misconception(
        "await is no concurrency", "`await` makes things run side by side",
        "It lets others run. Whether there are others is another matter."),
}  # fmt: skip
