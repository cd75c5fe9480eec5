"""Notebook 12 keeps what it alone promises: its runs, its pictures, its snippets.

The rest is in test_notebook_form.py; and what its prose claims of a trace is asserted in the
notebook's own cells tagged "check", at each build.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import re
import sys
import threading

import pytest
from doubles import open_fds
from notebook_form import Book, check_picture, plain

from minitornado import gen
from minitornado.benchmark import reasons, results
from minitornado.classroom import nb12, ran, show
from minitornado.classroom.browser import _find_browser, what_is_missing
from minitornado.classroom.nb12 import pictures, real, scenarios
from minitornado.classroom.real import ask
from minitornado.httpserver import HTTPServer
from minitornado.ioloop import IOLoop
from minitornado.netutil import bind_sockets

BOOK = Book("12")
READ = "http1connection.HTTP1Connection.read_response"


# ---- the form ----


def test_it_owns_no_line_and_the_inner_names_of_its_prose_are_shown_by_a_cell():
    assert importlib.util.find_spec("minitornado.classroom.nb12.margins") is None
    shown = "\n".join(map(plain, BOOK.outputs))
    inner = set(re.findall(r"`(_[a-z]\w+)", BOOK.prose))
    assert inner == {"_application_failed", "_end_exchange"}
    assert all(name in shown for name in inner)


# ---- the kernel ----


def test_the_runs_leave_no_fd_no_current_loop_and_no_line_trace():
    scenarios.failed()
    gc.collect()
    before, watched = open_fds(), sys.gettrace()
    for _ in range(3):
        scenarios.interleaved()
        scenarios.serve_at_once(scenarios.hello)
        scenarios.failed(scenarios.fails_later)
        scenarios.life()
        for once in scenarios.fates().values():
            nb12.lines_executed(READ, once)
    gc.collect()
    assert open_fds().keys() == before.keys()
    assert IOLoop.current(instance=False) is None
    assert sys.gettrace() is watched


# ---- the questions ----


def test_the_measures_tell_runs_apart():
    """A measure that gave the same for every run would prove nothing."""
    two, in_order = scenarios.interleaved(), scenarios.tabs(("/a", "/a"))
    assert scenarios.answered_first(two) == "client b"
    assert scenarios.answered_first(in_order) == "client a"
    assert scenarios.where_is(two) == "nowhere on the stack"
    assert scenarios.where_is_the_other(scenarios.serve_at_once(scenarios.hello)) == (
        "read, and on the list")
    assert scenarios.where_is_the_other(in_order) == "in the kernel"
    assert scenarios.where_is_the_other(two) == "answered"
    assert scenarios.failed() == scenarios.failed(scenarios.fails_later) == "500, 200"
    assert scenarios.statuses(b"") == "nothing"
    assert scenarios.life() == "begins, told, goes on, ends"
    stays = [("connect", "a"), ("send", "a", scenarios.ASK), ("recv", "a"), ("close", "a")]
    assert scenarios.life(stays) == "begins, goes on, ends"
    assert scenarios.second_arrives(in_order) == "after the first answer"
    assert scenarios.second_arrives(scenarios.tabs(("/a", "/b"))) == "before the first answer"


def test_the_clients_stand_side_by_side(capsys):
    nb12.side_by_side(scenarios.interleaved())
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["turn", "client", "a", "client", "b"]
    right = rows[0].index("client b")
    begins = [row.index("hello begins") for row in rows if "hello begins" in row]
    assert begins == [right, rows[0].index("client a")]
    assert [row.split()[0] for row in rows if row[:1].isdigit()] == ["1", "2", "3", "4", "5", "6",
                                                                    "7"]


# ---- the lines that ran ----


def two_branches(high):
    if high:
        return "high"
    return "low"


async def awaits():
    await gen.moment
    two_branches(True)


def test_the_lines_that_ran_are_those_that_ran(monkeypatch):
    monkeypatch.setattr(ran, "code_of", lambda name: [two_branches.__code__])
    first = two_branches.__code__.co_firstlineno
    assert nb12.lines_executed("", lambda: two_branches(True)) == {first + 1, first + 2}
    assert nb12.lines_executed("", lambda: two_branches(False)) == {first + 1, first + 3}
    both = lambda: (two_branches(True), two_branches(False))  # noqa: E731
    assert nb12.lines_executed("", both) == {first + 1, first + 2}, "the first call alone"
    assert nb12.lines_executed("", lambda: None) == set()


def test_of_a_coroutine_all_its_segments_are_seen(monkeypatch):
    monkeypatch.setattr(ran, "code_of", lambda name: [awaits.__code__])
    loop = IOLoop(make_current=False)
    first = awaits.__code__.co_firstlineno
    numbers = nb12.lines_executed("", lambda: loop.run_sync(awaits, timeout=60))
    loop.close()
    assert numbers == {first + 1, first + 2}


# ---- the quiz ----


@pytest.fixture(scope="module")
def trace():
    moves = [("connect", "a"), ("send", "a", scenarios.ASK), ("recv", "a"), ("close", "a")]
    return scenarios.serve(scenarios.hello, moves)[0]


# ---- the picture ----


def test_the_picture_shows_the_way_that_a_request_takes(trace):
    called = [event.name.rpartition(".")[2] for event in trace
              if event.kind in ("poll", "run", "syscall", "call", "resume") and event.turn == 2]
    called = ["your function" if name == "hello" else name for name in called]
    at = -1
    for _floor, name in pictures.STATIONS:
        at = called.index(name, at + 1)


def test_the_picture_says_in_its_twin_what_it_says_and_fits(monkeypatch):
    svg, _alt, _text = check_picture(pictures, nb12.way, monkeypatch)
    for x in re.findall(r'<text x="([\d.]+)"', svg):
        assert float(x) < 860


# ---- what it costs ----


def test_the_page_of_reasons_is_that_of_the_committed_results():
    measured = results.load()
    _html, text = show.render(reasons.table(measured))
    assert text in map(plain, BOOK.outputs)
    assert reasons.sentence(measured) in "\n".join(map(plain, BOOK.outputs))
    # A run of the benchmark makes other figures: none is typed.
    [section] = re.findall(r"^## What it costs\n(.*?)^## ", BOOK.prose, re.MULTILINE | re.DOTALL)
    assert not re.search(r"\d", section)


# ---- the real one, and a real browser ----


def test_the_real_tornado_is_as_the_prose_says():
    ours, theirs = real.find(), ask(real.PROGRAM)
    assert ours.keys() == theirs.keys()
    assert {name: theirs[name] for name in ours if ours[name] != theirs[name]} == {
        "a function that raises": "nothing, and hangs up"}


async def open_tabs(port, paths):
    """Open each path in a tab of one Chromium, all at once."""
    playwright = importlib.import_module("playwright.async_api")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=_find_browser(),
                                               args=["--no-sandbox"])
        context = await browser.new_context()
        pages = [await context.new_page() for _ in paths]
        await asyncio.gather(*(
            page.goto(f"http://127.0.0.1:{port}{path}")
            for page, path in zip(pages, paths, strict=True)
        ))
        await browser.close()


@pytest.mark.deadline(180)
@pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing() or "nothing is missing")
@pytest.mark.parametrize(("paths", "order"), [
    (("/same", "/same"), ["comes", "answered", "comes", "answered"]),
    (("/one", "/two"), ["comes", "comes", "answered", "answered"]),
])
def test_a_real_browser_keeps_back_the_second_of_two_equal_tabs(paths, order):
    seen = []

    async def waits(request):
        counts = request.path in paths  # and is not the icon that a browser asks for by itself
        seen.extend(["comes"] * counts)
        if paths[0] == paths[1]:
            await gen.sleep(1)  # time enough for another to come, if it were let
        while paths[0] != paths[1] and seen.count("comes") < 2:
            await gen.sleep(0.01)
        seen.extend(["answered"] * counts)
        scenarios.answer(request, b"x")

    loop = IOLoop(make_current=False)
    server = HTTPServer(waits, io_loop=loop)
    listeners = bind_sockets(0, "127.0.0.1")
    server.add_sockets(listeners)
    thread = threading.Thread(target=loop.start)
    thread.start()
    try:
        asyncio.run(open_tabs(listeners[0].getsockname()[1], paths))
    finally:
        loop.add_callback(loop.stop)
        thread.join(60)
        loop.close(all_fds=True)
    assert seen == order


