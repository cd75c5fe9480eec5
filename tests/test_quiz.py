"""The exit quiz: answers are computed, orders come from a trace, four right ones tick it."""

from types import SimpleNamespace

import pytest

from minitornado.classroom import predict, quiz
from minitornado.classroom.predict import Option, QuestionError, ask
from minitornado.classroom.quiz import Item, Order, ask_order, items_of

TRACE = [SimpleNamespace(seq=seq, name=name)
         for seq, name in enumerate(["one", "two", "one", "three", "four"])]
EVENTS = [
    Item("Then the second.", lambda event: event.name == "two", "It waits for the first."),
    Item("Last the third.", lambda event: event.name == "three", "It waits for the second."),
    Item("A first one.", lambda event: event.name == "one", "Somebody has to begin."),
]  # 1, 2, 3 are the first one, the third, the second: by their words


@pytest.fixture
def shown(monkeypatch):
    """What is shown, as a list of (HTML, text), of a quiz with two questions and an order."""
    pages = []
    monkeypatch.setattr(quiz, "present", lambda html, text: pages.append((html, text)))
    monkeypatch.setattr(quiz, "_orders", {})
    monkeypatch.setattr(predict, "_questions", {})
    monkeypatch.delenv("MINITORNADO_BUILD", raising=False)
    options = {"a": Option("none", 0, "There is one.", "M01"), "b": Option("one", 1, "Alone.")}
    for id in ("Q99.2", "Q99.1", "P99.1"):
        ask(id, "How many?", options, measure=lambda: 1)
    ask_order("Q99.3", "What comes when?", EVENTS, lambda: TRACE)
    return pages


def test_its_questions_come_in_order_and_no_prediction_is_among_them(shown):
    assert [item.id for item in items_of("99")] == ["Q99.1", "Q99.2", "Q99.3"]
    assert items_of("98") == []


def test_it_is_shown_without_its_answers_and_says_how_to_answer(shown):
    quiz.quiz("99")
    [(html, text)] = shown
    for part in ("How many?", "a) none", "b) one", "1) A first one.", "2) Last the third."):
        assert part in html and part in text
    assert '`quiz("99", "a a 123")`' in text and "python -m minitornado quiz 99" in text
    for secret in ("M01", "Alone", "There is one", "Somebody", "Right", "132"):
        assert secret not in html + text


def test_in_a_build_the_answers_are_folded_and_not_in_the_text(shown, monkeypatch):
    monkeypatch.setenv("MINITORNADO_BUILD", "1")
    quiz.quiz("99")
    [(html, text)] = shown
    assert html.count("<summary>b) one</summary><p>Right. Alone.</p></details>") == 2
    folded = html.partition("<summary>The order in the trace</summary>")[2]
    assert folded.startswith("<p>132</p><p>1) A first one. Somebody has to begin.</p>")
    assert "132" not in html.partition("<summary>The order")[0] + text
    assert "Alone" not in text and "waits" not in text


def test_each_answer_hears_what_is_meant_for_it(shown):
    quiz.quiz("99", "b a 132")
    [(html, text)] = shown
    assert text.split("\n") == [
        "Q99.1  How many?", "  a) none", "  b) one", "b: right. Alone.", "",
        "Q99.2  How many?", "  a) none", "  b) one",
        "a: no. [M01 · A stream has no messages] There is one.", "",
        "Q99.3  What comes when?", "  1) A first one.", "  2) Last the third.",
        "  3) Then the second.", "132: right. All 3 in order. You have read a trace.", "",
        "2 of 3 right. 4 of them tick notebook 99: once more?",
    ]
    assert "<p><strong>a: no.</strong> [M01 · A stream has no messages] There is one.</p>" in html


def test_one_can_be_left_out(shown):
    quiz.quiz("99", "- b -")
    lines = shown[0][1].split("\n")
    assert lines.count("Not answered.") == 2 and "b: right. Alone." in lines


@pytest.mark.parametrize(("answers", "message"), [
    ("b a", r"3 answers, with spaces between them, not 2; - leaves one out"),
    ("b a b a", "3 answers"),
    ("c a 123", r"Q99\.1: Choose one of a, b, not 'c'"),
    ("a a 112", r"Q99\.3: Write each of 123 once, in order, not '112'"),
])
def test_what_is_no_answer_is_told_so(shown, answers, message):
    with pytest.raises(QuestionError, match=message):
        quiz.quiz("99", answers)
    assert shown == []


def test_an_order_is_right_however_it_is_written():
    order = Order("Q99.3", "?", EVENTS, lambda: TRACE)
    assert order.right == "132"
    assert order.read(" 1 3 2 \n") == "132" and order.read("1 32") == "132"
    assert order.judge("132").right
    for answer in ("", "13", "1322", "abc"):
        assert order.read(answer) is None


def test_a_wrong_order_hears_where_it_leaves_the_trace_and_why():
    order = Order("Q99.3", "?", EVENTS, lambda: TRACE)
    judged = order.judge("123")
    assert not judged.right and judged.said == (
        "Right so far: 1. Then you say: 2) Last the third. In the trace comes first: 3) Then the "
        "second. It waits for the first.")
    assert order.judge("213").said.startswith("You begin with: 2) Last the third.")


def test_a_trace_is_recorded_once_and_only_when_needed():
    runs = []
    order = Order("Q99.3", "?", EVENTS, lambda: runs.append(1) or TRACE)
    assert order.listed[0] == "1) A first one." and order.read("123") and runs == []
    order.judge("123")
    order.judge("132")
    assert runs == [1]


def test_an_event_that_the_trace_has_not_is_an_error():
    flies = Item("Pigs fly.", lambda event: False, "They do not.")
    order = Order("Q99.3", "?", [*EVENTS, flies], lambda: TRACE)
    with pytest.raises(QuestionError, match=r"never happens: Pigs fly\."):
        order.judge("1234")


def test_ten_events_have_letters():
    ten = Order("Q99.3", "?", [EVENTS[0]] * 10, lambda: TRACE)
    assert "".join(ten.named) == "ABCDEFGHIJ" and ten.read("jihgfedcba") == "JIHGFEDCBA"
