"""The stepper and the lanes in a real browser.

Promised: the keys and the buttons do what they say, no script fails, nothing is fetched, two
steppers on one page do not disturb each other, and the picture is drawn as large as it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_trace_views_story import recorded

from minitornado.classroom import browser
from minitornado.trace.views import Lanes, Stepper, page

pytestmark = [
    pytest.mark.deadline(120),
    pytest.mark.skipif(bool(browser.what_is_missing()), reason=browser.what_is_missing() or "-"),
]


@pytest.fixture
def two_steppers(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    """A page on which two steppers stand; it fails the test for every error and request."""
    steps = Stepper(recorded("slow")[0], req="c1r1")
    path = tmp_path / "page.html"
    path.write_text(f"<meta charset=utf-8><body>{steps.html()}<hr>{steps.html()}</body>")
    context = chromium.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert errors == [path.as_uri()]


def where(page: Any, number: int = 0) -> str:
    return str(page.locator(".where").nth(number).inner_text())


def test_keys_move_and_say_where(two_steppers: Any) -> None:
    steps = Stepper(recorded("slow")[0], req="c1r1")
    two_steppers.locator(".box").first.focus()
    for key in "nnnnnnnnnnnnnnpbaanb":
        two_steppers.keyboard.press(key)
        steps.press(key)
        assert where(two_steppers) == f"{steps.at} of {len(steps.steps)}"
        sentence = two_steppers.locator(".now").first.inner_text().splitlines()[0]
        assert sentence.endswith(steps.steps[steps.at - 1].sentence)


def test_a_key_with_control_is_the_browsers(two_steppers: Any) -> None:
    two_steppers.locator(".box").first.focus()
    two_steppers.keyboard.press("Control+ArrowRight")
    assert where(two_steppers).startswith("1 of")


def test_buttons_do_what_keys_do_and_are_off_where_they_lead_nowhere(two_steppers: Any) -> None:
    buttons = two_steppers.locator(".box").first.locator("button")
    assert [buttons.nth(at).is_disabled() for at in range(4)] == [True, False, True, True]
    buttons.nth(1).click()
    assert where(two_steppers).startswith("2 of")
    buttons.nth(0).click()
    assert where(two_steppers).startswith("1 of")


def test_the_slider_moves_and_its_arrow_keys_are_its_own(two_steppers: Any) -> None:
    slider = two_steppers.locator("input").first
    slider.focus()
    for _ in range(3):
        two_steppers.keyboard.press("ArrowRight")
    assert where(two_steppers).startswith("4 of")


def test_two_steppers_on_a_page_move_by_themselves(two_steppers: Any) -> None:
    two_steppers.locator(".box").nth(1).focus()
    two_steppers.keyboard.press("n")
    assert where(two_steppers, 0).startswith("1 of") and where(two_steppers, 1).startswith("2 of")


def test_without_scripts_all_steps_are_there(chromium: Any, tmp_path: Path) -> None:
    steps = Stepper(recorded("get")[0], req="c1r1")
    path = tmp_path / "page.html"
    path.write_text(f"<meta charset=utf-8><body>{steps.html()}</body>")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    text = page.locator("body").inner_text()
    context.close()
    assert all(step.sentence in text for step in steps.steps)


def test_a_picture_is_drawn_as_an_image(chromium: Any, tmp_path: Path) -> None:
    lanes = Lanes(recorded("get")[0], req="c1r1")
    path = tmp_path / "page.html"
    path.write_text(f"<meta charset=utf-8><body>{lanes._repr_mimebundle_()['text/html']}</body>")
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.goto(path.as_uri())
    width, alt = page.evaluate("[document.images[0].naturalWidth, document.images[0].alt]")
    page.close()
    assert width > 1000 and alt == lanes.alt()


def test_the_page_works_from_disk_under_its_own_policy(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "trace.html"
    path.write_text(page(recorded("get")[0], req="c1r1", title="<One> GET"), "utf-8")
    context = chromium.new_context()
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text))
    tab.on("request", lambda request: errors.append(request.url))
    tab.goto(path.as_uri())
    assert tab.title() == "<One> GET"
    assert tab.locator("h2").all_inner_texts() == [
        "What it took", "Step by step", "The picture", "The story", "The turns of the loop",
    ]  # fmt: skip
    tab.locator(".box").focus()
    tab.keyboard.press("n")
    assert where(tab).startswith("2 of")
    assert tab.evaluate("document.images[0].naturalWidth") > 1000
    context.close()
    assert [error for error in errors if not error.startswith("data:")] == [path.as_uri()]
