"""Predict first: a question, the reader's choice, and what the run really gave.

    ask("P00.1", "How often …?", {"a": Option(…), …}, measure=…)    the question
    predict("P00.1")           shows it; the reader edits this to predict("P00.1", "b")
    compare("P00.1", turns)    the prediction beside the value that the run gave

Which option is right is never written down. Each option claims a value, `measure` runs the
thing, and the right option is the one whose claim the value fits. If none fits, or two, or a
wrong one does not say which misconception it betrays, that is an error in the question, and
the notebook does not build.

The answer is locked. In a running kernel it is not even computed before there is a choice. A
built notebook may be read where nothing can run, so there it has to be on the page: each option
unfolds to what is to be said to who believes in it, and to no more.
"""

from __future__ import annotations

import html
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from minitornado.classroom import progress
from minitornado.classroom.misconceptions import MISCONCEPTIONS
from minitornado.classroom.show import WIDTH, present

_CODE = re.compile(r"`([^`]+)`")
_NOTHING = object()


def commented(said: str, betrays: str) -> str:
    """What there is to say to an answer; to a wrong one, under the idea that it goes against."""
    return f"[{betrays} · {MISCONCEPTIONS[betrays].topic}] {said}" if betrays else said


class QuestionError(ValueError):
    """A question that the run contradicts, or that is not complete."""


@dataclass(frozen=True)
class Option:
    """One possible answer.

    text: what the reader sees
    claim: the value this option stands for, or a function that tells whether a value fits
    because: one or two sentences for who chose it: why it is right, or what is wrong with it
    betrays: of a wrong option, the id of the misconception behind it, such as "M05"
    """

    text: str
    claim: object
    because: str
    betrays: str = ""

    def fits(self, value: object) -> bool:
        if callable(self.claim):
            return bool(self.claim(value))
        # True == 1 in Python; "yes" is not "once".
        return type(self.claim) is type(value) and self.claim == value

    @property
    def comment(self) -> str:
        return commented(self.because, self.betrays)


@dataclass(frozen=True)
class Judgement:
    """Of an answer: whether it is right, what to say to it, and what it betrays if not."""

    right: bool
    said: str
    betrays: str = ""

    @property
    def comment(self) -> str:
        return commented(self.said, self.betrays)


@dataclass
class Question:
    """A question with its options by letter; `choice` is the reader's, in this session."""

    id: str
    text: str
    options: Mapping[str, Option]
    measure: Callable[[], object]
    finding: str
    choice: str | None = None

    @cached_property
    def answer(self) -> object:
        """The value, computed by running `measure`, once. Raises QuestionError."""
        value = self.measure()
        self._check(value)
        return value

    def right(self, value: object) -> str | None:
        """The letter of the option that `value` fits, None if there is not exactly one."""
        letters = [letter for letter, option in self.options.items() if option.fits(value)]
        return letters[0] if len(letters) == 1 else None

    def told(self, value: object) -> str:
        """The finding as a sentence."""
        return self.finding.format(value)

    def named(self, letter: str) -> str:
        return f"{letter}) {self.options[letter].text}"

    @property
    def listed(self) -> list[str]:
        return [self.named(letter) for letter in self.options]

    @property
    def hint(self) -> str:
        """How an answer is written."""
        return f"Choose one of {', '.join(self.options)}"

    def read(self, answer: str) -> str | None:
        """The letter that somebody means by `answer`, None if it is none."""
        letter = answer.strip().rstrip(")").lower()
        return letter if letter in self.options else None

    def judge(self, letter: str) -> Judgement:
        """What to say to who chose `letter`; runs `measure`."""
        option = self.options[letter]
        return Judgement(letter == self.right(self.answer), option.because, option.betrays)

    def show_solution(self) -> str:
        """As HTML, the options, each of which unfolds to what is said of it."""
        return "\n".join(
            f"<details><summary>{html_of(self.named(letter))}</summary>"
            f"{paragraphs([f'{_verdict(judged)} {judged.comment}'])}</details>"
            for letter in self.options for judged in [self.judge(letter)]
        )  # fmt: skip

    def _check(self, value: object) -> None:
        right = self.right(value)
        if right is None:
            fits = [letter for letter, option in self.options.items() if option.fits(value)]
            which = f"options {', '.join(fits)} all claim" if fits else "no option claims"
            raise QuestionError(f"{self.id}: the run gave {value!r}, which {which}")
        for letter, option in self.options.items():
            if letter == right and option.betrays:
                raise QuestionError(
                    f"{self.id}: the run gave {value!r}: option {letter} is right, and cannot "
                    f"betray {option.betrays}"
                )
            if letter != right and option.betrays not in MISCONCEPTIONS:
                raise QuestionError(
                    f"{self.id}: the run gave {value!r}: option {letter} is wrong, and must say "
                    'which misconception it betrays, such as betrays="M05"'
                )


_questions: dict[str, Question] = {}


def ask(
    id: str,
    question: str,
    options: Mapping[str, Option],
    *,
    measure: Callable[[], object],
    finding: str = "The run gave {}.",
) -> None:
    """Make a question known by its `id`, such as "P00.1"; `predict` and `compare` show it.

    `measure` runs what the question is about and returns the value; it is called at most once.
    `finding` is the sentence that tells the value, in place of its ``{}``. Backticks in any
    text make code. Asking again under the same id starts afresh.
    """
    if len(options) < 2:
        raise QuestionError(f"{id}: a question has at least two options")
    for letter, option in options.items():
        if not option.because.strip():
            raise QuestionError(f"{id}: option {letter} says nothing to who chooses it: because=")
    _questions[id] = Question(id, question, dict(options), measure, finding)


def predict(id: str, choice: str | None = None) -> None:
    """Show the question `id` and its options; with a `choice`, such as "b", keep that.

    In the reader's own notebook the choice is kept, and is there at the next run, as well as in
    `python -m minitornado predict`. It unlocks the answer, which is folded below it, and
    `compare`. In plain text nothing folds, so there the answer waits for `compare`.
    """
    question = _find(id)
    if choice is not None and choice not in question.options:
        known = ", ".join(question.options)
        raise QuestionError(f"{id} has no option {choice!r}: choose one of {known}")
    question.choice = _kept(question) if choice is None else choice
    example = f'`predict("{id}", "{next(iter(question.options))}")`'
    todo = f"write {example}, or another letter, and run the cell."
    below = f"<p>{'<br>'.join(map(html_of, question.listed))}</p>"
    if question.choice is not None:
        todo = f"You chose {question.named(question.choice)}.{_keep(question)}"
        answer = paragraphs(_told_in_full(question, question.answer))
        below += (f"\n<p>{html_of(todo)}</p>\n<details><summary>The answer, computed by running "
                  f"it</summary>{answer}</details>")
    elif in_build():
        below = (f'{question.show_solution()}\n<p style="margin-top:0.6em">Click on what you '
                 f"believe. Or {html_of(todo)}</p>")
        todo = f"To choose, {todo}"
    else:
        todo = f"To choose, {todo} Until then the answer is locked."
        below += f"\n<p>{html_of(todo)}</p>"
    later = f'What really happens comes further down: `compare("{id}")`.'
    present(
        f"<p><strong>{html.escape(id)}</strong> {html_of(question.text)}</p>\n{below}",
        "\n".join([*wrap(f"{id}  {question.text}"), *wrap_all(question.listed), *wrap(todo),
                   *wrap(later)]),
    )


def compare(id: str, value: object = _NOTHING) -> None:
    """Show the reader's prediction beside `value`, which the run just gave.

    Without a `value`, that of the question's own run. Whoever changed the run gets the verdict
    for the changed one. Whoever has not chosen gets none: it is locked, and in a built notebook
    folded. While a notebook is built, the two runs have to agree.
    """
    question = _find(id)
    heading = (
        # Below another one, in the same cell, it would stick to it.
        f'<p style="margin-top:1.2em"><strong>{html.escape(id)}</strong> '
        f"{html_of(question.text)}</p>\n"
    )
    locked = wrap(f'Locked until you have chosen: `predict("{id}", …)`, above. Then run this cell '
                  "again.")
    if question.choice is None and not in_build():
        present(f"{heading}{paragraphs(locked)}",
                "\n".join([*wrap(f"{id}  {question.text}"), *locked]))
        return
    rows, notes = _compared(question, value)
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left">{name}</th>'
        f'<td style="text-align:left">{html_of(text)}</td></tr>'
        for name, text in rows.items()
    )
    page = f"<table>{cells}</table>\n{paragraphs(notes)}"
    lines = [*[line for name, text in rows.items() for line in wrap(f"{name:14} {text}", 15)],
             *wrap_all(notes, "")]
    if question.choice is None:
        page, lines = f"<details><summary>What the run gave</summary>{page}</details>", locked
    present(f"{heading}{page}", "\n".join([*wrap(f"{id}  {question.text}"), *lines]))


def _compared(question: Question, value: object) -> tuple[dict[str, str], list[str]]:
    """The rows of the table that `compare` shows, and what is said below it."""
    expected = question.answer
    if value is _NOTHING:
        value = expected
    rows = {} if question.choice is None else {"You predicted": question.named(question.choice)}
    right = question.right(value)
    rows["The run"] = question.told(value)
    rows["So right is"] = "none of the options" if right is None else question.named(right)
    if value != expected:
        if in_build():
            raise QuestionError(
                f"{question.id}: measure gave {expected!r}, but this run gave {value!r}")
        rows["Another run"] = f"As the question has it: {question.told(expected)}"
    return rows, _notes(question, value)


def in_build() -> bool:
    """Tell whether a notebook is being built, for readers who may not be able to run it."""
    return bool(os.environ.get("MINITORNADO_BUILD"))


def _find(id: str) -> Question:
    if id not in _questions:
        known = ", ".join(_questions) or "none yet"
        raise QuestionError(f"nobody has asked {id!r}; known questions: {known}")
    question = _questions[id]
    question.choice = question.choice or _kept(question)
    return question


def _kept(question: Question) -> str | None:
    """The choice that the reader made before this session, or in the terminal."""
    choice = progress.choices().get(question.id) if progress.in_use() else None
    return choice if choice in question.options else None


def _keep(question: Question) -> str:
    """Keep the choice for the reader's next session; return what to say if that fails."""
    if not progress.in_use() or question.choice == _kept(question):
        return ""
    failure = progress.keep_quietly(question.id, question.choice)
    return f" (It could not be kept: {failure}.)" if failure else ""


def known_questions() -> dict[str, Question]:
    """All that have been asked, by id."""
    return dict(_questions)


def questions(notebook: str) -> list[Question]:
    """The predictions of a notebook, such as "00", in its order."""
    return [_questions[id] for id in sorted(_questions) if id.startswith(f"P{notebook}.")]


def _verdict(judged: Judgement) -> str:
    return "Right." if judged.right else "No."


def _told_in_full(question: Question, value: object) -> list[str]:
    """The finding, the right option, and what to say to who chose, or to who did not."""
    right = question.right(value)
    named = [] if right is None else [f"Right is {question.named(right)}."]
    return [question.told(value), *named, *_notes(question, value)]


def _notes(question: Question, value: object) -> list[str]:
    """Why what is right is right; before that, of a wrong choice, what is wrong with it."""
    right = question.right(value)
    because = [] if right is None else [question.options[right].because]
    if question.choice is None:
        return because
    if question.choice == right:
        return [f"Well predicted. {question.options[right].because}"]
    return [question.options[question.choice].comment, *because]


def html_of(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(text))


def paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<p>{html_of(line)}</p>" for line in lines)


def wrap(text: str, indent: int = 0) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def wrap_all(texts: Iterable[str], first: str = "  ") -> list[str]:
    """Each of `texts` wrapped, begun with `first`, its further lines under its first word."""
    return [line for text in texts for line in wrap(first + text, len(first) + 3)]
