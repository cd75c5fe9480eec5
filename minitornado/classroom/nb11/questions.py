"""What notebook 11 asks: six predictions. No answer is written here: it comes from a run."""

from __future__ import annotations

from ..predict import Option, ask
from . import scenarios

EARLY = "start_request, headers_received, your function, data_received, data_received, finish"
IN_ORDER = "start_request, headers_received, data_received, data_received, finish, your function"
IN_ONE = "start_request, headers_received, data_received, finish, your function"


def ask_all() -> None:
    """Make the notebook's questions known to `predict` and `compare`."""
    _ask_about_events()
    _ask_about_the_request()
    _ask_about_adapters()
    _ask_about_half_a_request()
    _ask_about_answers()
    _ask_about_who_is_there()


def _ask_about_events() -> None:
    ask(
        "P11.1",
        "The head comes with the first half of the body, and the second half a little later. Who "
        "is called, in which order?",
        {
            "a": Option(
                EARLY, EARLY,
                "At that moment half of the body is still on its way. Your function would have to "
                "wait for it, and it cannot: it is an ordinary function.", "M01",
            ),
            "b": Option(
                IN_ONE, IN_ONE,
                "The two halves came at different times. Nobody glues them together before the "
                "adapter does: each is told of when it is here.", "M01",
            ),
            "c": Option(
                IN_ORDER, IN_ORDER,
                "Somebody to receive the request is found first. Each piece is told of when it "
                "comes. Your function is called last, and once.",
            ),
            "d": Option(
                "start_request, your function, headers_received, data_received, data_received, "
                "finish",
                lambda order: order.startswith("start_request, your function"),
                "Your function is called with a request. Before the head is here, nobody knows "
                "what is asked for.", "M24",
            ),
        },
        measure=lambda: scenarios.order(scenarios.in_two_pieces()),
        finding="The order: {}.",
    )  # fmt: skip


def _ask_about_the_request() -> None:
    ask(
        "P11.2",
        "When is the request object made, the one that your function is called with?",
        {
            "a": Option(
                "when the client connects", "start_request",
                "A connection says nothing yet. It may bring one request, or a hundred, or none.",
                "M01",
            ),
            "b": Option(
                "when the head is here, its body still empty", "headers_received",
                "Method, path and headers are known, and that is what it is made of. The body is "
                "filled in at the end.",
            ),
            "c": Option(
                "when all of the body is here", "finish",
                "It could be made so late. But the head is here long before, and where the body "
                "ends is no part of the head's story.", "M24",
            ),
        },
        measure=lambda: scenarios.request_made(scenarios.in_two_pieces()),
        finding="It is made in {}.",
    )  # fmt: skip


def _ask_about_adapters() -> None:
    ask(
        "P11.3",
        "A client connects, sends two requests one after the other, and hangs up. How many "
        "adapters are made for it?",
        {
            "a": Option(
                "one: an adapter is for a connection", 1,
                "Then the second request would find the chunks of the first. A connection is kept "
                "for the next request. What belongs to one request must not be.", "M22",
            ),
            "b": Option(
                "two: one for each request", 2,
                "That would take a server that knows how many will come. This one does not know "
                "that the client has nothing more to say.", "M19",
            ),
            "c": Option(
                "three", 3,
                "One for each request. And one that stands ready for the next, since nobody "
                "knows that there will be none.",
            ),
        },
        measure=lambda: scenarios.adapters(scenarios.two_requests()),
        finding="Adapters: {}.",
    )  # fmt: skip


def _ask_about_half_a_request() -> None:
    ask(
        "P11.4",
        "A client promises ten bytes, sends five, and hangs up. What happens?",
        {
            "a": Option(
                "your function is called, with five bytes", "your function is called",
                "The head said ten. Where a body ends is not for the connection to say, and half "
                "of a request is none.", "M24",
            ),
            "b": Option(
                "nothing, the server waits for the other five", "nothing",
                "Whoever reads learns that the client has left, and the server is reading. (If "
                "nobody read, nobody would notice.)", "M19",
            ),
            "c": Option(
                "the adapter is told, and your function is never called", "the adapter is told",
                "`on_connection_close` comes in place of `finish`. The tray is emptied, and your "
                "function never hears of it.",
            ),
        },
        measure=lambda: scenarios.when_it_leaves(scenarios.half_a_request()),
        finding="What happened: {}.",
    )  # fmt: skip


def _ask_about_answers() -> None:
    ask(
        "P11.5",
        'A function writes no answer. It says `return b"hello"`. What does the client get?',
        {
            "a": Option(
                "200 and hello", "200 OK",
                "Who should make a status and headers of five bytes? In a framework on top of this "
                "server somebody does. Down here your function writes its answer itself.", "M25",
            ),
            "b": Option(
                "500", "500 Internal Server Error",
                "What comes back is taken for something to wait for, as an `async def` returns "
                "it. Bytes are nothing to wait for: that is an error of the application.",
            ),
            "c": Option(
                "nothing: what comes back is ignored", "nothing",
                "It is looked at, since it may be a coroutine that has still to run. Ignored, an "
                "`async def` would never be run.", "M32",
            ),
        },
        measure=lambda: scenarios.client_got(scenarios.answered_by_return()),
        finding="The client got: {}.",
    )  # fmt: skip


def _ask_about_who_is_there() -> None:
    ask(
        "P11.6",
        "Now nobody undoes it. The first request says `X-Real-Ip: 203.0.113.9`, the second, on "
        "the same connection, says nothing. Whom does your function take the second for?",
        {
            "a": Option(
                "127.0.0.1, the address that the connection comes from", "127.0.0.1",
                "It would be so if each request had a connection of its own. The context is made "
                "once a connection, and it still holds what the first request said.", "M22",
            ),
            "b": Option(
                "203.0.113.9, the first one's client", "203.0.113.9",
                "It is somebody else, who is now taken for the first one. Perhaps with the first "
                "one's rights.",
            ),
            "c": Option(
                "nobody: without the header there is no address", "0.0.0.0",
                "There always is one, that of the other end of the connection. The header only "
                "puts another in its place.", "M22",
            ),
        },
        measure=lambda: scenarios.second_client(undone=False),
        finding="The second one is taken for {}.",
    )  # fmt: skip
