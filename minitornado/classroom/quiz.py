"""The exit quiz of a notebook: five questions, of which four right ones tick it.

    ask("Q06.1", …)                            a question with options, as in predict.py
    ask_order("Q06.5", "What …?", items, run)  events of a trace, to be put in order

    quiz("06")                                 shows them
    quiz("06", "b a c d 81234567")             says of each answer what there is to say

No answer is written down: that of a question comes from its `measure`, an order from the trace
of `run`, which knows what came first. An event that the trace has not is an error, and the
notebook does not build.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_uppercase, digits

from minitornado.classroom import progress
from minitornado.trace import Event, Trace

from .predict import (
    Judgement,
    Question,
    QuestionError,
    html_of,
    in_build,
    known_questions,
    paragraphs,
    wrap,
    wrap_all,
)
from .show import present

ENOUGH = 4  # right answers tick a notebook
NOT_ANSWERED = "-"


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


@dataclass(eq=False)
class Order:
    """Events to be put in order; an answer is their digits, such as "3124", or their letters."""

    id: str
    text: str
    items: Sequence[Item]
    run: Callable[[], Trace]

    @cached_property
    def named(self) -> dict[str, Item]:
        # By their words: an order that tells nothing, and is the same every time.
        shuffled = sorted(self.items, key=lambda item: item.text)
        # Digits, as long as there are enough: what happens may have a letter for its name.
        names = digits[1:] if len(shuffled) < 10 else ascii_uppercase
        return dict(zip(names, shuffled, strict=False))

    @cached_property
    def right(self) -> str:
        """The names in the order of the trace."""
        trace = self.run()
        return "".join(sorted(self.named, key=lambda name: self.named[name].seq(trace)))

    @property
    def listed(self) -> list[str]:
        return [f"{name}) {item.text}" for name, item in self.named.items()]

    @property
    def hint(self) -> str:
        """How an answer is written."""
        return f"Write each of {''.join(self.named)} once, in order"

    def read(self, answer: str) -> str | None:
        """What somebody means by `answer`, None if it is not each of the names once."""
        names = "".join(answer.upper().split())
        return names if sorted(names) == list(self.named) else None

    def judge(self, answer: str) -> Judgement:
        """How far an answer is right, and why it goes on otherwise; runs `run`."""
        for at, (given, due) in enumerate(zip(answer, self.right, strict=True)):
            if given != due:
                so_far = (f"Right so far: {' '.join(answer[:at])}. Then you say" if at
                          else "You begin with")
                return Judgement(False, (
                    f"{so_far}: {given}) {self.named[given].text} In the trace comes first: "
                    f"{due}) {self.named[due].text} {self.named[due].because}"
                ))
        return Judgement(True, f"All {len(answer)} in order. You have read a trace.")

    def show_solution(self) -> str:
        """As HTML, the events, and folded below them their order and the reasons."""
        told = [f"{at}) {self.named[at].text} {self.named[at].because}" for at in self.right]
        return (
            f"<p>{'<br>'.join(map(html_of, self.listed))}</p>\n"
            f"<details><summary>The order in the trace</summary><p>{html.escape(self.right)}</p>"
            f"{paragraphs(told)}</details>"
        )


Asked = Question | Order

_orders: dict[str, Order] = {}


def ask_order(id: str, text: str, items: Sequence[Item], run: Callable[[], Trace]) -> None:
    """Make an order known by its `id`, such as "Q06.5"; `run` is called at most once."""
    _orders[id] = Order(id, text, items, run)


def items_of(notebook: str) -> list[Asked]:
    """What the quiz of a notebook, such as "06", asks, by number."""
    found: dict[str, Asked] = {**known_questions(), **_orders}
    return [found[id] for id in sorted(found) if id.startswith(f"Q{notebook}.")]


def quiz(notebook: str, answers: str | None = None) -> None:
    """Show the quiz of a notebook; with `answers`, one a word, say what is to be said of each.

    A word is a letter, or for an order its digits; "-" leaves one out. Raises QuestionError for
    another number of words, and for one that is no answer.
    """
    items = items_of(notebook)
    if answers is None:
        _show(notebook, items)
        return
    given = _read(items, answers)
    pages, lines, right = [], [], 0
    for item, answer in zip(items, given, strict=True):
        verdict, comment = "Not answered.", ""
        if answer:
            judged = item.judge(answer)
            right += judged.right
            verdict, comment = f"{answer}: {'right.' if judged.right else 'no.'}", judged.comment
            if progress.in_use():
                progress.keep_quietly(item.id, answer)
        pages.append(f"{_heading(item)}\n{_options(item)}\n"
                     f"<p><strong>{verdict}</strong> {html_of(comment)}</p>")
        lines += [*wrap(f"{item.id}  {item.text}"), *wrap_all(item.listed),
                  *wrap(f"{verdict} {comment}"), ""]
    end = close(notebook, right, len(items))
    present("\n".join([*pages, _last(end)]), "\n".join([*lines, *wrap(end)]))


def close(notebook: str, right: int, total: int) -> str:
    """The sentence at the end of a quiz; a notebook with enough right answers is ticked."""
    if right < ENOUGH:
        return f"{right} of {total} right. {ENOUGH} of them tick notebook {notebook}: once more?"
    if not in_build():
        progress.keep_quietly(progress.tick_of(notebook), f"{right} of {total}")
    return f"{right} of {total} right: notebook {notebook} is ticked. {progress.line()}"


def _show(notebook: str, items: Sequence[Asked]) -> None:
    pages, lines = [], []
    for item in items:
        options = item.show_solution() if in_build() else _options(item)
        pages.append(f"{_heading(item)}\n{options}")
        lines += [*wrap(f"{item.id}  {item.text}"), *wrap_all(item.listed), ""]
    example = " ".join("".join(item.named) if isinstance(item, Order) else next(iter(item.options))
                       for item in items)
    todo = (f'To answer, write `quiz("{notebook}", "{example}")`, with an answer of your own for '
            f"each, and run the cell. {ENOUGH} right ones tick the notebook. In a terminal: "
            f"`python -m minitornado quiz {notebook}`")
    present("\n".join([*pages, _last(todo)]), "\n".join([*lines, *wrap(todo)]))


def _heading(item: Asked) -> str:
    return f'<p style="margin-top:1.2em"><strong>{item.id}</strong> {html_of(item.text)}</p>'


def _options(item: Asked) -> str:
    return f"<p>{'<br>'.join(map(html_of, item.listed))}</p>"


def _last(text: str) -> str:
    return f'<p style="margin-top:1.2em">{html_of(text)}</p>'


def _read(items: Sequence[Asked], answers: str) -> list[str | None]:
    words = answers.split()
    if len(words) != len(items):
        raise QuestionError(f"{len(items)} answers, with spaces between them, not {len(words)}; "
                            f"{NOT_ANSWERED} leaves one out")
    given = []
    for item, word in zip(items, words, strict=True):
        answer = item.read(word)
        if answer is None and word != NOT_ANSWERED:
            raise QuestionError(f"{item.id}: {item.hint}, not {word!r}")
        given.append(answer)
    return given
