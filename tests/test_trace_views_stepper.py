"""The stepper: one step at a time, forward and back, in a terminal and in a page.

Promised: `b` leads to why now and `a` to who asked; what it shows of the loop's state is what
the trace had said by then; the source line is the one of the event; the page needs no network,
and without scripts it is a list of all steps.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console
from test_trace_views_story import NAMES, printed, recorded

from minitornado import iostream
from minitornado.trace import Event, Trace
from minitornado.trace.views import Stepper
from minitornado.trace.views.state import State
from minitornado.trace.views.stepper import source

pytestmark = pytest.mark.deadline(120)

HERE = Path(sys.modules[Stepper.__module__].__file__ or "").parent


def stepper(name: str = "get", **options: str) -> Stepper:
    return Stepper(recorded(name)[0], **options)


def seen(keys: str, name: str = "get") -> list[str]:
    file = io.StringIO()
    stepper(name).run(Console(file=file, width=80), keys)
    return re.findall(r"step (\d+) of", file.getvalue())


# ---- moving ----


@pytest.mark.parametrize("name", NAMES)
def test_from_every_step_each_key_leads_where_it_says(name: str) -> None:
    steps = stepper(name)
    for at, step in enumerate(steps.steps, 1):
        why = step.because if step.because is not None else step.within
        for key, to in (("n", at + 1), ("p", at - 1), ("b", why), ("a", step.asked)):
            steps.at = at
            moved = steps.press(key)
            assert moved == (to is not None and 1 <= to <= len(steps.steps))
            assert steps.at == (to if moved else at)


def test_keys_move_until_q() -> None:
    assert seen("nnpq" + "nnn") == ["1", "2", "3", "2"]


def test_a_key_that_leads_nowhere_says_so_and_an_unknown_one_helps() -> None:
    file = io.StringIO()
    stepper().run(Console(file=file, width=80), "px")
    assert "This is the first step." in file.getvalue()
    assert file.getvalue().count("keys: n next, p previous, b because, a asked, q quit") == 2


def test_without_a_terminal_a_line_is_a_key() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_trace_views_story import recorded\n"
        "from minitornado.trace.views import Stepper\n"
        "Stepper(recorded('get')[0]).run()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], input="n\n\nq\nn\n", capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert re.findall(r"step (\d+) of", ran.stdout) == ["1", "2", "3"]


def test_in_a_terminal_keys_need_no_return_and_the_terminal_is_left_as_it_was() -> None:
    code = (
        "import sys, termios; sys.path.insert(0, 'tests')\n"
        "from test_trace_views_story import recorded\n"
        "from minitornado.trace.views import Stepper\n"
        "before = termios.tcgetattr(0)\n"
        "Stepper(recorded('get')[0]).run()\n"
        "print('as before', termios.tcgetattr(0) == before)"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdin=theirs, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        try:
            output = b""
            while b"keys:" not in output:  # the first step is there, and the keys are awaited
                output += os.read(child.stdout.fileno(), 65536)
            os.write(ours, b"n n\x1b[D\x1b[A\x1b[C")
            while output.count(b"keys:") < 7:
                output += os.read(child.stdout.fileno(), 65536)
            os.write(ours, b"\x04")  # Ctrl-D; earlier, the terminal might still take it for itself
            output += child.communicate(timeout=60)[0]
        finally:
            child.kill()
            os.close(ours)
            os.close(theirs)
    assert re.findall(r"step (\d+) of", output.decode()) == ["1", "2", "3", "4", "3", "4"]
    assert output.decode().count("keys: ") == 7  # an arrow that leads nowhere is told once
    assert "as before True" in output.decode()


def test_an_empty_trace_has_nothing_to_step_through() -> None:
    file = io.StringIO()
    Stepper(Trace()).run(Console(file=file, width=80), "n")
    assert file.getvalue() == "This trace has no step to show.\n"


# ---- what is shown ----


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_fits_and_says_why_and_who(name: str) -> None:
    steps = stepper(name)
    for step in steps.steps:
        steps.at = step.number
        for width in (80, 100, 120):
            plain = printed(steps, width)
            assert max(map(len, plain.splitlines())) <= width
        assert f"step {step.number} of {len(steps.steps)}   {step.event.layer}" in plain
        for name_of_edge, number in (("why now", step.because), ("asked for by", step.asked)):
            assert (name_of_edge in plain) == (number is not None)
            assert number is None or f"step {number} · " in plain


def test_the_line_with_the_marker_is_the_line_of_the_event() -> None:
    trace = recorded("get")[0]
    found = [event for event in trace if event.name.endswith("_handle_events") and event.src]
    place, lines = source(trace, found[0])
    assert place == found[0].src
    here = [text for _number, text, marked in lines if marked]
    assert len(here) == 1 and here[0].strip().startswith("def _handle_events(")
    number = next(number for number, _text, marked in lines if marked)
    assert Path(iostream.__file__).read_text().splitlines()[number - 1].rstrip() == here[0]


def test_a_coroutine_that_goes_on_shows_the_line_at_which_it_waited() -> None:
    trace = recorded("get")[0]
    resumed = next(e for e in trace if e.kind == "resume" and e.name.endswith("read_response"))
    assert [text for _n, text, marked in source(trace, resumed)[1] if marked and "await" in text]


def test_a_system_call_shows_the_function_that_has_made_it() -> None:
    trace = recorded("get")[0]
    place, lines = source(trace, next(event for event in trace if event.name == "recv"))
    assert place.startswith("iostream.py:") and place.endswith(", the function around it")
    assert [text for _n, text, marked in lines if marked and "def read_from_fd(" in text]
    assert "the function around it" in stepper().html()
    poll = next(event for event in trace if event.kind == "poll")
    assert source(trace, poll) == ("", [])


def test_source_of_a_loaded_trace_is_found_in_this_package_and_nowhere_else(
    tmp_path: Path,
) -> None:
    recorded("get")[0].dump(tmp_path / "trace.jsonl")
    loaded = Trace.load(tmp_path / "trace.jsonl")
    of_ours = next(e for e in loaded if e.name.endswith("write_headers") and e.src)
    assert source(loaded, of_ours)[1]
    of_theirs = next(e for e in loaded if e.layer == "app" and e.src)
    assert source(loaded, of_theirs) == ("", [])


def test_no_source_is_shown_of_a_file_that_is_another_by_now() -> None:
    trace = recorded("get")[0]
    event = Event(1, "call", "f", mod="minitornado.iostream", src="elsewhere.py:3")
    assert source(trace, event) == ("", [])
    event.src = "iostream.py:3"
    assert len(source(trace, event)[1]) == 9


def test_the_kernel_watches_what_was_added_until_it_is_deleted() -> None:
    state = State()
    for op, events, watched in (
        ("ADD", "READ", {"c1": "READ"}), ("MOD", "READ|WRITE", {"c1": "READ|WRITE"}),
        ("DEL", None, {}),
    ):  # fmt: skip
        data = {"op": op} if events is None else {"op": op, "events": events}
        state.apply(Event(1, "syscall", "epoll_ctl", fd="c1", data=data))
        assert state.watched == watched


def test_the_state_of_the_loop_is_what_waits_at_that_moment() -> None:
    trace = recorded("slow")[0]
    state = State()
    for event in trace:
        state.apply(event)
        if event.kind == "schedule" and event.data["how"] == "callback":
            assert event.data["handle"] in state.queued
        if event.kind == "run":
            assert event.data["handle"] not in state.queued
            assert event.data["handle"] not in state.timers
        if event.kind == "poll" and event.data["wait"] != "none":
            assert not state.queued
            assert bool(state.timers) == (event.data["wait"] == "timer")
    assert not state.queued and not state.timers
    assert "c1" not in state.watched


def test_what_waits_for_another_connection_says_so() -> None:
    steps = stepper("two clients", conn="c1")
    own = [step.event for step in steps.steps if step.event.conn == "c1"]
    timers = {dict(steps._states[event.seq])["timers"] for event in own}
    assert "_Deadline._wake, _Deadline._wake (c2)" in timers
    assert "c2 READ" in dict(steps._states[own[-2].seq])["epoll watches"]


def test_the_state_is_shown() -> None:
    steps = stepper("slow", req="c1r1")
    sleeping = [step for step in steps.steps if "Future.set_result in 1 second" in step.sentence]
    steps.at = sleeping[0].number
    text = steps.text(120)
    assert re.search(r"timers +.*Future.set_result", text)
    queued = next(step for step in steps.steps if "queues Runner.run" in step.sentence)
    assert steps._states[queued.event.seq][0][1].startswith("Runner.run of ")
    assert re.search(r"epoll watches .*c1 READ", text)
    assert re.search(r"c1 buffers +\d+ bytes to be read, 0 bytes to be sent", text)


# ---- the page ----


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(page)
    assert parser.open == []
    return parser.tags


@pytest.mark.parametrize("name", NAMES)
def test_without_scripts_the_page_is_a_list_of_all_steps(name: str) -> None:
    steps = stepper(name)
    tags = parsed(steps.html())
    assert len([tag for tag, _ in tags if tag == "details"]) == len(steps.steps)
    for (_, attributes), step in zip(
        [entry for entry in tags if entry[0] == "details"], steps.steps, strict=True
    ):
        why = step.because if step.because is not None else step.within
        assert attributes == {"data-because": str(why or 0), "data-asked": str(step.asked or 0)}


def test_the_page_fetches_nothing_and_keeps_jupyters_keys_away() -> None:
    page = stepper().html()
    assert not re.search(r"https?:|url\(|@import|<link|src=", page.replace("iostream.py", ""))
    (host,) = [found for _tag, found in parsed(page) if found.get("class") == "mt-steps"]
    assert host["data-lm-suppress-shortcuts"] == "true" and host["aria-label"]


def test_script_and_style_are_less_than_six_kilobytes() -> None:
    size = sum((HERE / name).stat().st_size for name in ("stepper.js", "stepper.css"))
    assert size < 6000


def test_what_a_trace_holds_cannot_become_markup() -> None:
    trace = recorded("get")[0]
    event = next(event for event in trace if event.layer == "app" and event.kind == "call")
    name, event.name = event.name, "</details><script>alert(1)</script>"
    try:
        assert "<script>alert" not in Stepper(trace).html()
    finally:
        event.name = name


def test_a_notebook_gets_the_player_and_the_story_as_text() -> None:
    steps = stepper()
    bundle = steps._repr_mimebundle_()
    assert bundle["text/html"] == steps.html()
    assert bundle["text/plain"] == steps.story.text()
