"""A quiz at the end of a notebook: events of a trace, to be put in order.

    put_in_order("What comes after what?", items, trace)              shows them, out of order
    put_in_order("What comes after what?", items, trace, "CABD")      says how far that is right

The right order is never written down: each item finds its event in the trace, and the trace
knows which came first. An item that finds none is an error, and the notebook does not build.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from minitornado.trace import Event, Trace

from .predict import QuestionError, html_of, paragraphs, wrap, wrap_all
from .show import present


@dataclass(frozen=True)
class Item:
    """An event to be put in its place.

    text: what the reader sees
    happens: tells whether an event is the one; the first such event of the trace is meant
    because: a sentence that says why it comes where it does
    """

    text: str
    happens: Callable[[Event], bool]
    because: str

    def seq(self, trace: Trace) -> int:
        """The number of its event. Raises QuestionError if the trace has none."""
        for event in trace:
            if self.happens(event):
                return event.seq
        raise QuestionError(f"in this trace it never happens: {self.text}")


def put_in_order(
    question: str, items: Sequence[Item], trace: Trace, answer: str | None = None
) -> None:
    """Show `items` by letter, out of order; say of an `answer`, their letters, how far it is right.

    Raises QuestionError for an answer that is not each of the letters once.
    """
    # By their words: an order that tells nothing, and is the same every time.
    shuffled = sorted(items, key=lambda item: item.text)
    named = dict(zip(ascii_uppercase, shuffled, strict=False))
    right = sorted(named, key=lambda letter: named[letter].seq(trace))
    listed = [f"{letter}) {item.text}" for letter, item in named.items()]
    if answer is None:
        _show_question(question, listed, [f"{at}) {named[at].text} {named[at].because}"
                                          for at in right], "".join(right))
        return
    letters = list(answer.upper().replace(" ", ""))
    if sorted(letters) != list(named):
        raise QuestionError(f"write each of the letters {''.join(named)} once, not {answer!r}")
    verdict = _verdict(letters, right, named)
    present(
        f"<p>{html_of(question)}</p>\n{paragraphs(verdict)}",
        "\n".join([*wrap(question), *wrap_all(verdict, "")]),
    )


def _show_question(question: str, listed: list[str], solution: list[str], right: str) -> None:
    todo = f'Write their letters in order, as in "{"".join(sorted(right))}", and run the cell.'
    present(
        f"<p>{html_of(question)}</p>\n"
        f"<p>{'<br>'.join(html_of(line) for line in listed)}</p>\n<p>{html_of(todo)}</p>\n"
        f"<details><summary>The order in the trace</summary><p>{html.escape(right)}</p>"
        f"{paragraphs(solution)}</details>",
        "\n".join([*wrap(question), *wrap_all(listed), *wrap(todo)]),
    )


def _verdict(letters: list[str], right: list[str], named: dict[str, Item]) -> list[str]:
    for at, (given, due) in enumerate(zip(letters, right, strict=True)):
        if given != due:
            so_far = f"Right so far: {' '.join(letters[:at])}." if at else "Not yet."
            return [
                f"{so_far} Then you say: {given}) {named[given].text}",
                f"In the trace comes first: {due}) {named[due].text} {named[due].because}",
            ]
    return [f"All {len(right)} in order: {' '.join(right)}. You have read a trace."]
