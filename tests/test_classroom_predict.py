"""Answers are computed, never typed; a question that the run contradicts is an error."""

import re

import pytest

from minitornado.classroom import predict as module
from minitornado.classroom.predict import Option, QuestionError, ask, compare, predict

OPTIONS = {
    "a": Option("never", 0, "The kernel has to be told once.", "M05"),
    "b": Option("twice", 2, "Once to add, once to remove."),
    "c": Option("more than <ten> times", lambda n: n > 10, "The kernel remembers.", "M04"),
}


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """What is shown, as a list of (HTML, text); every test begins without questions."""
    pages = []
    monkeypatch.setattr(module, "present", lambda html, text: pages.append((html, text)))
    monkeypatch.setattr(module, "_questions", {})
    monkeypatch.delenv("MINITORNADO_BUILD", raising=False)
    return pages


def ask_how_often(measured=2, options=OPTIONS):
    runs = []

    def measure():
        runs.append(measured)
        return measured

    ask("P00.1", "How often is `epoll_ctl` called?", options, measure=measure,
        finding="`epoll_ctl` was called {} times.")
    return runs


def test_the_question_shows_its_options_and_how_to_choose(shown):
    ask_how_often()
    predict("P00.1")
    [(html, text)] = shown
    assert "<strong>P00.1</strong> How often is <code>epoll_ctl</code> called?" in html
    assert "a) never<br>b) twice<br>c) more than &lt;ten&gt; times" in html
    assert text.split("\n") == [
        "P00.1  How often is `epoll_ctl` called?",
        "  a) never",
        "  b) twice",
        "  c) more than <ten> times",
        'To choose, write `predict("P00.1", "a")`, or another letter, and run the cell. Until',
        "then the answer is locked.",
        'What really happens comes further down: `compare("P00.1")`.',
    ]


SECRETS = ("was called", "Right", "M05", "M04", "to add", "The kernel")


def test_until_somebody_has_chosen_the_answer_is_nowhere_and_not_even_computed(shown):
    runs = ask_how_often()
    predict("P00.1")
    compare("P00.1", 2)
    assert runs == []
    assert 'Locked until you have chosen: `predict("P00.1", …)`, above. Then run' in shown[1][1]
    for html, text in shown:
        assert not any(secret in html + text for secret in SECRETS)


def test_a_choice_unlocks_the_answer_folded_below_it(shown):
    ask_how_often()
    predict("P00.1", "a")
    [(html, text)] = shown
    folded = re.search(r"<details><summary>[^<]+</summary>(.*)</details>", html, re.DOTALL)[1]
    assert "was called 2 times" in folded and "Right is b) twice." in folded
    assert "[M05 · WRITE only after a refusal] The kernel has to be told once." in folded
    assert "M04" not in folded
    open_part = html.replace(folded, "")
    assert not any(secret in open_part + text for secret in SECRETS)


def test_in_a_build_each_option_unfolds_to_what_is_said_of_it_and_compare_is_folded(
    shown, monkeypatch
):
    monkeypatch.setenv("MINITORNADO_BUILD", "1")
    ask_how_often()
    predict("P00.1")
    compare("P00.1", 2)
    (asked, asked_text), (compared, compared_text) = shown
    assert re.findall(r"<details><summary>(.*?)</summary><p>(.*?)</p></details>", asked) == [
        ("a) never",
         "No. [M05 · WRITE only after a refusal] The kernel has to be told once."),
        ("b) twice", "Right. Once to add, once to remove."),
        ("c) more than &lt;ten&gt; times",
         "No. [M04 · Readiness is a state] The kernel remembers."),
    ]
    assert "Click on what you believe" in asked and "Click" not in asked_text
    open_part = re.sub(r"<details>(<summary>.*?</summary>).*?</details>", r"\1", asked + compared,
                       flags=re.DOTALL)
    assert "What the run gave" in open_part
    for secret in SECRETS:
        assert secret not in open_part + asked_text + compared_text
    assert "was called 2 times" in compared and "Right is" not in asked


def test_which_option_is_right_follows_from_the_run(shown):
    options = {
        "a": Option("never", 0, "Nobody told the kernel."),
        "b": Option("twice", 2, "It was not watched at all.", "M04"),
    }
    ask_how_often(0, options)
    predict("P00.1", "b")
    assert "Right is a) never." in shown[0][0]


def test_the_run_is_made_once_and_only_when_needed(shown):
    runs = ask_how_often()
    assert runs == []
    predict("P00.1", "a")
    predict("P00.1", "b")
    compare("P00.1")
    assert runs == [2]


def test_a_wrong_prediction_hears_of_its_own_misconception_and_of_no_other(shown):
    ask_how_often()
    predict("P00.1", "c")
    compare("P00.1", 2)
    (html, text), (compared, compared_text) = shown
    assert "You chose c) more than &lt;ten&gt; times." in html
    assert "You chose c) more than <ten> times." in text
    assert compared_text.split("\n") == [
        "P00.1  How often is `epoll_ctl` called?",
        "You predicted  c) more than <ten> times",
        "The run        `epoll_ctl` was called 2 times.",
        "So right is    b) twice",
        "[M04 · Readiness is a state] The kernel remembers.",
        "Once to add, once to remove.",
    ]
    assert "[M04 · Readiness is a state] The kernel remembers." in compared
    assert "M05" not in compared
    assert '<th scope="row"' in compared


def test_a_right_prediction_hears_why_it_is_right(shown):
    ask_how_often()
    predict("P00.1", "b")
    compare("P00.1", 2)
    html, text = shown[1]
    assert text.endswith("Well predicted. Once to add, once to remove.")
    assert "M0" not in html


def test_a_changed_run_gets_its_own_verdict_and_names_the_other(shown):
    ask_how_often()
    predict("P00.1", "b")
    compare("P00.1", 50)
    text = shown[1][1]
    assert "`epoll_ctl` was called 50 times." in text
    assert "So right is    c) more than <ten> times" in text
    assert "Another run    As the question has it: `epoll_ctl` was called 2" in text


def test_a_changed_run_may_fit_no_option(shown):
    ask_how_often()
    predict("P00.1", "a")
    compare("P00.1", 5)
    assert "So right is    none of the options" in shown[1][1]


def test_in_a_build_two_runs_have_to_agree(monkeypatch):
    monkeypatch.setenv("MINITORNADO_BUILD", "1")
    ask_how_often()
    with pytest.raises(QuestionError, match="measure gave 2, but this run gave 3"):
        compare("P00.1", 3)


def test_a_choice_nobody_offers_is_refused_with_those_there_are(shown):
    ask_how_often()
    with pytest.raises(QuestionError, match=r"P00\.1 has no option 'd': choose one of a, b, c"):
        predict("P00.1", "d")
    assert shown == []


def test_an_unknown_question_is_refused_with_those_there_are():
    with pytest.raises(QuestionError, match="known questions: none yet"):
        predict("P00.1")
    ask_how_often()
    with pytest.raises(QuestionError, match=r"'P00.2'; known questions: P00.1"):
        compare("P00.2")


def test_asking_again_forgets_choice_and_answer(shown):
    ask_how_often()
    predict("P00.1", "a")
    ask_how_often(12, {"a": Option("2", 2, "x", "M01"), "b": Option("12", 12, "y")})
    compare("P00.1")
    assert "Locked" in shown[1][1]
    predict("P00.1", "a")
    assert "called 12 times" in shown[2][0]


@pytest.mark.parametrize(
    ("measured", "options", "message"),
    [
        (7, {}, "the run gave 7, which no option claims"),
        (2, {"c": Option("some", lambda n: n > 0, "x", "M01")}, "options b, c all claim"),
        (0, {}, "option a is right, and cannot betray M05"),
        (2, {"c": Option("three", 3, "x")}, "option c is wrong, and must say which misconception"),
        (2, {"c": Option("three", 3, "x", "epoll")}, "option c is wrong, and must say which"),
        (True, {"c": Option("one", 1, "x", "M01")}, "the run gave True, which no option claims"),
    ],
)
def test_a_question_that_the_run_contradicts_is_an_error(measured, options, message):
    ask_how_often(measured, {**OPTIONS, "c": Option("ten", 10, "z", "M04"), **options})
    with pytest.raises(QuestionError, match=f"P00.1: .*{message}"):
        predict("P00.1", "b")


def test_an_incomplete_question_is_an_error():
    with pytest.raises(QuestionError, match="at least two options"):
        ask_how_often(2, {"b": OPTIONS["b"]})
    with pytest.raises(QuestionError, match="option c says nothing"):
        ask_how_often(2, {**OPTIONS, "c": Option("ten", 10, " ", "M04")})


def test_no_line_of_the_text_is_wider_than_the_page(shown):
    long = "many words " * 30
    ask("P1", long, {"a": Option(long, 1, long), "b": Option(long, 2, long, "M01")},
        measure=lambda: 1, finding=long + "{}")
    predict("P1")
    compare("P1")
    predict("P1", "b")
    compare("P1")
    for _, text in shown:
        assert max(map(len, text.split("\n"))) <= 88
