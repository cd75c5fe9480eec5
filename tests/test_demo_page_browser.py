"""The traced demo server's page in a real browser.

Promised: every button shows what it says; all of it works with keys alone; two windows see the
same; a server that stops and starts again is noticed and said; nothing is fetched from
elsewhere, no script fails, and it can be read on a light and on a dark page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_demo_page import Others, Watched
from test_demo_page import others as others  # a fixture

from minitornado.classroom import browser
from minitornado.classroom.palette import contrast

pytestmark = [
    pytest.mark.deadline(120),
    pytest.mark.skipif(bool(browser.what_is_missing()), reason=browser.what_is_missing() or "-"),
]


@pytest.fixture
def watched() -> Iterator[Watched]:
    with Watched() as served:
        yield served


class Window:
    """A window in which the page is open; ends the test if a script fails, or it goes elsewhere."""

    def __init__(self, chromium: Any, served: Watched, scheme: str = "light") -> None:
        self._context = chromium.new_context(
            viewport={"width": 1400, "height": 1000}, color_scheme=scheme
        )
        self._context.set_default_timeout(60_000)
        self.page = self._context.new_page()
        self.errors: list[str] = []
        self.home = f"http://127.0.0.1:{served.port}/"
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._check)
        self.page.goto(self.home)
        self.wait_for_lanes("GET /")

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()
        assert self.errors == []

    def _check(self, request: Any) -> None:
        if not request.url.startswith((self.home, "data:")):
            self.errors.append(request.url)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def wait_until(self, script: str, *arguments: object) -> None:
        self.page.wait_for_function(script, arg=list(arguments))

    def wait_for_lanes(self, line: str) -> None:
        """Wait until the picture of a request with this line is drawn, and is complete."""
        self.wait_until(
            "([line]) => document.querySelector('#chosen').textContent.endsWith(' ' + line)"
            " && document.querySelector('#lanes svg title')?.textContent.endsWith(': ' + line)"
            " && document.querySelector('#lanes svg').textContent.includes('_finish_request')",
            line,
        )

    def rows(self) -> list[list[str]]:
        return list(
            self.page.evaluate(
                "[...document.querySelectorAll('#rows tr')].map("
                "row => [...row.children].map(cell => cell.textContent))"
            )
        )

    def lines(self) -> list[str]:
        return [row[1] for row in self.rows()]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.textContent.trim()"))

    def where(self) -> str:
        return str(self.page.locator(".where").inner_text())


@pytest.fixture
def window(chromium: Any, watched: Watched) -> Iterator[Window]:
    with Window(chromium, watched) as opened:
        yield opened


def click(window: Window, what: str) -> None:
    window.page.click(f"[data-do={what}]")


def click_block(window: Window, others: Others) -> None:
    def note(request: Any) -> None:
        if request.url.endswith("/hello"):
            others.asked.set()

    others.asked.clear()
    window.page.on("request", note)
    click(window, "block")


def test_the_page_shows_the_request_that_has_fetched_it(window: Window) -> None:
    assert window.text("#state") == "Watching."
    assert window.lines() == ["GET /  (this page)"]
    assert "accept" in window.text("#lanes")
    assert "in epoll_wait" in window.text(".now")


def test_get_and_post_are_drawn_with_what_the_browser_has_waited(window: Window) -> None:
    click(window, "get")
    window.wait_for_lanes("GET /hello")
    click(window, "post")
    window.wait_for_lanes("POST /echo")
    assert "data_received" in window.text("#lanes")
    assert window.lines() == ["POST /echo", "GET /hello", "GET /  (this page)"]
    assert re.fullmatch(r"/echo: 200 OK after [\d.]+ ms\.", window.text("#said"))
    for row in window.rows()[:2]:
        assert row[2] == "200 OK" and re.fullmatch(r"[\d.]+ ms", row[5])


def test_a_blocking_handler_is_said_to_keep_another_waiting(
    window: Window, others: Others
) -> None:
    click_block(window, others)
    window.wait_until("() => document.querySelector('#effects').innerText.includes('had to wait')")
    window.wait_for_lanes("GET /block?...")
    held, waited = window.text("#effects").splitlines()
    told = re.fullmatch(r"It held the loop for ([\d,]+) ms without a break: nobody else .*\.", held)
    found = re.fullmatch(r"GET /hello \((c\d+r\d+)\) had to wait for ([\d,]+) ms of that\.", waited)
    assert told and found
    loop_held, hello_waited = (int(text.replace(",", "")) for text in (told[1], found[2]))
    assert loop_held >= 1000
    assert others.met * 1000 - 1 <= hello_waited <= loop_held
    window.page.click(f"button[data-name={found[1]}]")
    window.wait_until("() => document.querySelector('#effects').innerText.startsWith('It waited')")
    assert re.search(r"It waited [\d,]+ ms while the loop ran GET /block", window.text("#effects"))


def test_a_waiting_handler_is_said_to_let_others_run(window: Window, others: Others) -> None:
    click(window, "wait")
    window.wait_for_lanes("GET /slow?...")
    told = re.search(
        r"([\d,]+) ms went by; the loop ran for it ([\d.]+) ms of them\. "
        r"One other request was answered meanwhile\.",
        window.text("#effects"),
    )
    assert told and int(told[1].replace(",", "")) >= 1000 > 2 * float(told[2])


def test_of_two_pipelined_requests_the_second_is_said_to_wait(window: Window) -> None:
    click(window, "pipelined")
    window.wait_for_lanes("GET /slow?...")
    window.wait_until("() => document.querySelector('#said').textContent.includes('second')")
    window.page.click("tr:has-text('GET /hello')")
    window.wait_for_lanes("GET /hello")
    assert "Answers keep the order of requests" in window.text("#effects")


def test_a_slow_reader_is_drawn_in_turns(window: Window) -> None:
    # On a busy machine it may hold the loop by the clock, and the page says so.  Then the next
    # one may meet what the last one has left.
    for attempt in range(5):
        others = r"(One|\d+) other requests? w(as|ere)" if attempt else "One other request was"
        click(window, "slow-reader")
        window.wait_until("() => document.querySelector('#said').textContent.includes('first')")
        window.wait_for_lanes("GET /big?...")
        if "held the loop" not in window.text("#effects"):
            break
    assert "is writable" in window.text("#lanes")
    assert re.search(rf"{others} answered meanwhile\.", window.text("#effects"))


def test_a_request_of_somebody_else_comes_up_by_itself_if_asked_to(
    window: Window, watched: Watched
) -> None:
    watched.ask("/headers")
    window.wait_for_lanes("GET /headers")
    window.page.uncheck("#follow")
    watched.ask("/remote")
    window.wait_until("() => document.querySelector('#rows').innerText.includes('/remote')")
    assert window.text("#chosen").endswith("GET /headers")


# ---- keys ----


def test_everything_is_reached_and_done_with_keys(window: Window) -> None:
    for name in ("GET", "POST", "Two pipelined", "Slow reader", "Waiting handler"):
        window.press("Tab")
        assert window.focused().startswith(name)
    window.press("Shift+Tab", "Shift+Tab", "Shift+Tab", "Enter")
    window.wait_for_lanes("POST /echo")
    window.page.keyboard.press("Shift+Tab")
    window.press("Space")
    window.wait_for_lanes("GET /hello")
    for _ in range(8):  # five buttons, two boxes, the list
        window.press("Tab")
    assert window.focused() == window.rows()[0][0]
    window.press("ArrowDown")
    window.wait_for_lanes("POST /echo")
    assert window.focused() == window.rows()[1][0]
    window.press("End")
    window.wait_for_lanes("GET /")
    window.press("Home", "Enter")
    window.wait_for_lanes("GET /hello")
    assert window.page.evaluate("document.activeElement.className") == "mt-steps"
    window.press("n", "n")
    assert window.where().startswith("3 of ")
    window.press("Escape")
    assert window.focused() == window.rows()[0][0]


def test_the_chosen_request_is_marked_without_colour_too(window: Window) -> None:
    click(window, "get")
    window.wait_for_lanes("GET /hello")
    marks = window.page.evaluate(
        "[...document.querySelectorAll('#rows button')].map(button =>"
        " [getComputedStyle(button, '::before').content, button.getAttribute('aria-current')])"
    )
    assert marks[0] == ['"▸ "', "true"] and marks[1][1] is None and "▸" not in marks[1][0]


def test_the_step_and_the_picture_go_together(window: Window) -> None:
    def marked() -> str:
        return str(
            window.page.evaluate(
                "(() => { const svg = document.querySelector('#lanes svg');"
                " const box = svg.querySelector('.here-now'), top = +box.getAttribute('y');"
                " return [...svg.querySelectorAll('text')].filter(text => +text.getAttribute('y')"
                " > top && +text.getAttribute('y') < top + 24).map(text => text.textContent)"
                ".join(' '); })()"
            )
        )

    window.page.locator(".box").focus()
    seen = set()
    for _ in range(40):
        sentence = window.text(".now").splitlines()[0]
        for word in ("accept", "recv", "send"):
            if re.match(rf"\d+ kernel {word}:", sentence) and "EAGAIN" not in sentence:
                assert word in marked()
                seen.add(word)
        window.press("n")
    assert seen >= {"accept", "recv", "send"}
    window.page.locator("#lanes svg text", has_text="accept c").first.click()
    assert "accept: the kernel" in window.text(".now")


def test_what_is_new_does_not_take_the_focus_or_the_step_away(
    window: Window, watched: Watched
) -> None:
    window.page.uncheck("#follow")
    window.page.locator(".box").focus()
    window.press("n", "n", "n")
    watched.ask("/hello")
    window.wait_until("() => document.querySelector('#rows').innerText.includes('/hello')")
    assert window.where().startswith("4 of ")
    window.press("n")
    assert window.where().startswith("5 of ")


def test_only_two_short_texts_are_read_aloud(window: Window) -> None:
    live = window.page.locator("[role=status], [aria-live]")
    assert live.count() == 3  # with the stepper's own, which speaks when it is asked
    ids = [live.nth(at).get_attribute("id") for at in range(3)]
    assert ids[:2] == ["state", "said"]


# ---- watching is not seen ----


def test_the_pages_own_requests_are_shown_when_asked_for(window: Window) -> None:
    click(window, "get")
    window.wait_for_lanes("GET /hello")
    assert not [line for line in window.lines() if "/trace/" in line]
    # Its connection may have begun with a request that is not shown: it is watched for all that.
    window.page.locator(".box").focus()
    window.press("n", "n", "n", "n")
    conn = window.rows()[0][0].partition("r")[0]
    state = re.sub(r"\s+", " ", window.text(".now"))
    assert re.search(rf"epoll watches listen1 READ, .*\b{conn} READ.*; left out: ", state)
    window.page.check("#own")
    window.wait_until("() => document.querySelector('#rows').innerText.includes('/trace/events')")
    assert {"GET /trace/request?...", "GET /hello"} <= set(window.lines())
    window.page.uncheck("#own")
    window.wait_until(
        "() => !document.querySelector('#rows').innerText.includes('/trace/')"
        " && document.querySelector('#rows').innerText.includes('/hello')"
    )


# ---- two windows, and a server that comes back ----


def test_two_windows_are_told_the_same(chromium: Any, window: Window, watched: Watched) -> None:
    with Window(chromium, watched) as other:
        click(window, "get")
        other.wait_until("() => document.querySelector('#rows').innerText.includes('/hello')")
        other.wait_for_lanes("GET /hello")
        window.wait_for_lanes("GET /hello")
        names = [[row[0] for row in each.rows()] for each in (window, other)]
        assert names[0] == names[1]
        assert [row[1].endswith("(this page)") for row in window.rows()] == [False, False, True]
        assert [row[1].endswith("(this page)") for row in other.rows()] == [False, True, False]


def test_a_server_that_stops_and_starts_again_is_noticed(chromium: Any) -> None:
    with Watched() as first:
        port = first.port
        opened = Window(chromium, first)
        click(opened, "get")
        opened.wait_for_lanes("GET /hello")
    with opened as window:
        window.wait_until("() => document.querySelector('#state').className === 'bad'")
        assert window.text("#state") == "The server was stopped. Trying to reach it again …"
        click(window, "get")
        window.wait_until("() => document.querySelector('#said').textContent.includes('no answer')")
        with Watched(port):
            window.wait_until(
                "() => document.querySelector('#state').textContent.includes('started again')"
            )
            assert window.lines() == []
            click(window, "post")
            window.wait_for_lanes("POST /echo")
            assert window.lines() == ["POST /echo"]
            window.page.goto("about:blank")


# ---- light and dark ----


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(
    chromium: Any, watched: Watched, others: Others, scheme: str
) -> None:
    with Window(chromium, watched, scheme) as window:
        click_block(window, others)
        window.wait_until("() => document.querySelector('#effects').innerText.includes('wait')")
        texts = window.page.evaluate(COLOURS)
    backgrounds = {background for _text, _colour, background in texts}
    assert backgrounds <= ({"#ffffff"} if scheme == "light" else {"#111111"})
    for text, colour, background in texts:
        assert contrast(colour, background) >= 4.5, (text, colour)
    assert len(texts) > 30


# Of every text on the page: itself, its colour, and the colour of what is opaque behind it.
COLOURS = """() => {
  const hex = (colour) => '#' + colour.match(/[\\d.]+/g).slice(0, 3)
    .map((part) => Math.round(part).toString(16).padStart(2, '0')).join('');
  const opaque = (colour) => (colour.match(/[\\d.]+/g)[3] ?? 1) == 1;
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    let at = walker.currentNode.parentElement;
    if (!at.checkVisibility() || at.closest('svg, script, style, noscript')
        || !walker.currentNode.data.trim()) continue;
    const colour = getComputedStyle(at).color;
    while (at && !opaque(getComputedStyle(at).backgroundColor)) at = at.parentElement;
    found.push([walker.currentNode.data, hex(colour),
                at ? hex(getComputedStyle(at).backgroundColor) : 'none']);
  }
  return found;
}"""


def test_a_narrow_window_does_not_scroll_sideways(window: Window) -> None:
    window.page.set_viewport_size({"width": 420, "height": 800})
    wide: Callable[[], object] = lambda: window.page.evaluate(  # noqa: E731
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    assert not wide()


def test_in_800_pixels_every_column_of_the_list_is_to_be_seen(window: Window) -> None:
    window.page.set_viewport_size({"width": 800, "height": 1000})
    assert window.page.evaluate(
        "(list => list.scrollWidth - list.clientWidth)(document.querySelector('.list'))"
    ) == 0  # fmt: skip
