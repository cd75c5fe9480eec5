"""The book in a real browser, opened from the disk: no request, search, keys, both themes.

Optional: without Chromium or Playwright these are skipped, and say what to install.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minitornado.classroom import browser
from minitornado.classroom.book.command import write
from minitornado.classroom.book.pages import Book

pytestmark = [
    pytest.mark.deadline(180),
    pytest.mark.skipif(bool(browser.what_is_missing()), reason=browser.what_is_missing() or "-"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    write(Book().files(), folder)
    return folder


@pytest.fixture
def visit(chromium: Any, folder: Path) -> Iterator[Any]:
    """Opens pages of the book; what they ask for beyond its files, or get wrong, fails the test."""
    wrong: list[str] = []
    contexts = []

    def open_page(name: str, **options: Any) -> Any:
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("requestfailed",
                lambda request: wrong.append(f"failed: {request.url}: {request.failure}"))
        page.on("request", lambda request: request.url.startswith((folder.as_uri(), "data:"))
                or wrong.append(f"asked for {request.url}"))
        page.goto(f"{folder.as_uri()}/{name}")
        return page

    open_page.wrong = wrong
    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def find(page: Any, words: str) -> list[str]:
    """What a search for `words` gives: its results' first lines."""
    page.keyboard.press("/")
    page.locator("#query").fill(words)
    return page.locator("#results b").all_inner_texts()


def test_no_page_asks_for_anything_and_no_script_fails(visit: Any, folder: Path):
    page = visit("index.html")
    for path in sorted(folder.glob("*.html")):
        page.goto(path.as_uri())
        assert page.locator("main").inner_text().strip()
        assert page.locator("#query").is_visible()
        broken = "[...document.images].filter(it => !it.naturalWidth).map(it => it.alt)"
        assert page.evaluate(broken) == []


def test_the_browser_itself_refuses_to_fetch(visit: Any):
    page = visit("index.html")
    refused = page.evaluate("""() => new Promise(resolve => {
        document.addEventListener("securitypolicyviolation", event => resolve(event.blockedURI));
        setTimeout(() => resolve("nothing was refused"), 5000);
        const style = document.createElement("style");
        style.textContent = "body { background: url(https://192.0.2.1/picture.png) }";
        document.head.append(style);
    })""")
    assert refused == "https://192.0.2.1/picture.png"
    assert f"failed: {refused}: csp" in visit.wrong  # by the page's own policy: it never left
    visit.wrong.clear()


@pytest.mark.parametrize(("words", "kind"), [
    ("eagain", "Glossary"), ("night porter", "Notebook 00 · One request in forty lines"),
    ("next turn", "Exercise"), ("m05", "Concept"), ("add_callback", "Source · ioloop.py"),
])  # fmt: skip
def test_search_finds_words_sections_ideas_exercises_and_code(visit: Any, words: str, kind: str):
    page = visit("index.html")
    assert find(page, words)
    assert kind in page.locator("#results small").all_inner_texts()
    count = int(page.locator("#found").inner_text().split()[0])
    assert count >= page.locator("#results a").count() > 0
    text = page.locator("#results").inner_text().lower()
    assert all(word in text for word in words.split())


def test_every_word_of_the_query_has_to_be_there(visit: Any):
    page = visit("index.html")
    assert find(page, "porter") and find(page, "delimiter")
    assert find(page, "porter hippopotamus") == []
    assert page.locator("#found").inner_text() == "0 results"
    assert find(page, "a.b*[") == []


def test_a_search_is_done_with_the_keyboard_alone(visit: Any):
    page = visit("index.html")
    titles = find(page, "coroutine")
    assert len(titles) > 2
    query = page.locator("#query")
    chosen = page.locator('#results [aria-selected="true"]')
    for key, at in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("ArrowUp", 0)):
        page.keyboard.press(key)
        assert chosen.locator("b").all_inner_texts() == [titles[at]]
        assert query.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    target = chosen.evaluate("it => it.href")
    page.keyboard.press("Enter")
    page.wait_for_url(target)
    page.keyboard.press("/")
    page.keyboard.type("turn")
    assert query.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert query.get_attribute("aria-expanded") == "false" and query.input_value() == ""


def test_the_first_key_leads_past_the_contents(visit: Any):
    page = visit("00_one_request.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the text"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def answer_of(page: Any, id: str) -> Any:
    return page.locator(f'p[id="{id}"] ~ div.answer').first


def compared(page: Any, id: str) -> Any:
    return page.locator(f'p:has(strong:text-is("{id}")) + details:has(table)').first


def test_an_answer_is_locked_until_one_has_chosen(visit: Any):
    page = visit("00_one_request.html")
    answer = answer_of(page, "P00.2")
    assert answer.inner_text() == "" and not answer.is_visible()
    page.locator('input[name="P00.2"]').first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert not answer.is_visible()  # to look at an option is not to choose it
    page.keyboard.press("Enter")
    assert answer.is_visible()
    wrong, right = answer.locator("p").all_inner_texts()
    assert wrong.startswith("No. [M05 · WRITE only after a refusal] ")
    assert right.startswith("Right. ")
    verdicts = page.locator('fieldset:has(input[name="P00.2"]) label').all_inner_texts()
    assert [text[0] for text in verdicts if text.endswith("right")] == ["b"]
    assert [text[0] for text in verdicts if "yours" in text] == ["c"]
    assert page.locator('input[name="P00.2"]').first.is_disabled()


def test_a_choice_is_kept_shown_in_compare_and_can_be_taken_back(visit: Any):
    page = visit("00_one_request.html")
    assert not compared(page, "P00.2").is_visible()
    page.locator('input[name="P00.2"]').first.click()
    page.reload()
    assert answer_of(page, "P00.2").is_visible()
    row = compared(page, "P00.2").locator("tr").first
    assert row.inner_text().split("\t") == [
        "You predicted", "a) never: the kernel tells of every socket by itself"]
    page.locator('[role="status"] button').click()
    page.reload()
    assert not answer_of(page, "P00.2").is_visible()
    assert not compared(page, "P00.2").is_visible()
    assert page.locator('p:text-is("Choose above, and this opens."):visible').count() == 6


def test_every_question_of_every_notebook_is_locked(visit: Any):
    for chapter in Book().chapters:
        page = visit(chapter.page)
        assert page.locator("fieldset.choices").count() == len(chapter.questions) >= 9
        assert page.locator("div.answer:visible").count() == 0
        for prediction in chapter.predictions:
            assert not compared(page, prediction.id).is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_light_or_dark_as_the_system_or_the_reader_wants(visit: Any, scheme: str):
    page = visit("00_one_request.html", color_scheme=scheme)
    seen = {}
    for _ in range(3):
        theme = page.locator("#theme span").inner_text()
        seen[theme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator("#theme").click()
    assert seen["light"] == "rgb(255, 255, 255)" and seen["dark"] == "rgb(17, 17, 17)"
    assert seen["auto"] == seen[scheme]
    page.locator("#theme").click()
    page.goto(page.url.replace("00_one_request", "glossary"))
    assert page.locator("#theme span").inner_text() == "light"


def test_on_paper_it_is_black_on_white_and_the_text_alone(visit: Any):
    page = visit("00_one_request.html", color_scheme="dark")
    page.emulate_media(media="print")
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    assert colours == ["rgb(255, 255, 255)", "rgb(27, 31, 36)"]
    for selector in ("header", "#contents", ".skip", ".locked"):
        assert not page.locator(selector).first.is_visible()
    assert page.locator("fieldset.choices").first.is_visible()


def test_without_scripts_it_reads_all_the_same(visit: Any):
    page = visit("00_one_request.html", java_script_enabled=False)
    assert not page.locator("#query").is_visible()
    assert page.locator('p[id="P00.2"] ~ details').first.is_visible()
    assert page.locator("main").inner_text().count("Click on what you believe") >= 4


@pytest.mark.parametrize("width", [340, 700, 1000])
def test_a_page_is_never_wider_than_its_window(visit: Any, folder: Path, width: int):
    page = visit("index.html", viewport={"width": width, "height": 800})
    for path in sorted(folder.glob("*.html")):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


def test_where_a_link_leads_is_in_sight(visit: Any):
    for address in ("source_ioloop.html#L200", "glossary.html#eagain", "concepts.html#M25",
                    "00_one_request.html#exit-quiz", "00_one_request.html#P00.6"):
        page = visit(address, viewport={"width": 1200, "height": 800})
        page.wait_for_function(
            "() => document.querySelector('header').offsetHeight"
            " <= document.querySelector(':target').getBoundingClientRect().top")
        top = page.locator(":target").evaluate("it => it.getBoundingClientRect().top")
        assert page.locator("header").evaluate("it => it.offsetHeight") <= top < 800, address
