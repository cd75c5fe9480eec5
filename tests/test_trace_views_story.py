"""The story: a sentence a step, none of which says more than the trace holds.

Promised: the numbers and names in a sentence are those of its event; the edges under it exist,
and point back; one GET is 15 to 25 steps; what the story says of bytes is what the client
counted; the same trace is told in the same words, on every width, without colours, in ASCII.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import io
import logging
import operator
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console
from tls import Certificates
from trace_programs import tls
from trace_scenarios import (
    DELEGATE,
    OK,
    RECV,
    SCRIPTS,
    SEND,
    Application,
    answer,
    get,
    one,
    traced,
)

from minitornado import gen, http1connection, httpserver
from minitornado.concurrent import Future
from minitornado.httputil import HTTPHeaders, HTTPServerRequest
from minitornado.ioloop import IOLoop
from minitornado.trace import Trace, tracing
from minitornado.trace.drive import Driven
from minitornado.trace.events import Event
from minitornado.trace.probes import Syscall
from minitornado.trace.tables import MINITORNADO
from minitornado.trace.views import Story, View
from minitornado.trace.views.facts import Facts
from minitornado.trace.views.sentences import RULES
from minitornado.trace.views.state import State
from minitornado.trace.views.story import Step

pytestmark = pytest.mark.deadline(120)

NAMES = [*SCRIPTS, "delegate", "stream", "busy", "thread"]
WIDTHS = (80, 100, 120)


async def in_pieces(request: HTTPServerRequest) -> None:
    """An answer whose length nobody knows beforehand."""
    request.connection.write_headers(OK, HTTPHeaders())
    for _ in range(3):
        await gen.sleep(0.05)
        await request.connection.write(b"piece")
    request.connection.finish()


def busy() -> None:
    """Make an fd ready while a callback is waiting: the loop polls, and may not sleep."""
    loop = IOLoop.current()
    ours, theirs = socket.socketpair()

    def handler(fd: socket.socket, events: int) -> None:
        loop.remove_handler(ours)
        ours.close()
        theirs.close()

    loop.add_handler(ours, handler, IOLoop.READ)
    theirs.send(b"x")
    loop.add_callback(int)


def elsewhere() -> None:
    """Have another thread ask the loop for something."""
    loop = IOLoop.current()
    thread = threading.Thread(target=loop.add_callback, args=(answered_here,))
    thread.start()
    thread.join()


def answered_here() -> None:
    pass


@functools.cache
def recorded(name: str) -> tuple[Trace, Driven]:
    """The trace of a scenario, and what its client saw; recorded once for all tests."""
    logging.disable(logging.CRITICAL)
    try:
        if name == "delegate":
            return traced(application=Application(), script=DELEGATE)
        if name == "busy":
            return traced(script=[("call", busy)])
        if name == "thread":
            return traced(script=[*one((*SEND, get()), RECV), ("call", elsewhere)])
        if name == "stream":
            return traced(application=in_pieces, script=one((*SEND, get()), RECV))
        return traced(name)
    finally:
        logging.disable(logging.NOTSET)


def told(name: str, **options: str) -> Story:
    return Story(recorded(name)[0], **options)


def printed(view: View, width: int = 80, colours: bool = False, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    system = "truecolor" if colours else None
    Console(
        file=file, width=width, force_terminal=colours, color_system=system, _environ={}
    ).print(view)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def reachable(trace: Trace, event: Event) -> set[int]:
    """What an event's edges lead to, however many of them."""
    found: set[int] = set()
    waiting = [event.seq]
    while waiting:
        at = trace[waiting.pop()]
        edges = {at.parent, at.cause, at.link, at.of} - {None}
        waiting += [edge for edge in edges if edge not in found]
        found |= edges  # type: ignore[arg-type]
    return found


def same_waits(trace: Trace, seqs: set[int]) -> Iterator[int]:
    """The waits that these events are a part of: a wait is told once, by the innermost to wait."""
    for seq in seqs:
        while seq and (
            trace[seq].kind == "yield"
            or (trace[seq].kind == "schedule" and trace[seq].data["how"] == "future")
        ):
            yield seq
            seq -= 1


# ---- edges ----


@pytest.mark.parametrize("name", NAMES)
def test_every_edge_shown_leads_back_to_an_earlier_step(name: str) -> None:
    for step in told(name):
        assert all(number < step.number for _edge, number in step.edges()), step


@pytest.mark.parametrize("name", NAMES)
def test_every_edge_shown_is_made_of_edges_of_the_trace(name: str) -> None:
    trace = recorded(name)[0]
    story = told(name)
    for step in story:
        behind = reachable(trace, step.event)
        for edge, number in step.edges():
            other = story.steps[number - 1].event
            assert other.seq in behind | set(same_waits(trace, behind)), (edge, step)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_inside_of_a_bracket_that_was_open(name: str) -> None:
    trace = recorded(name)[0]
    story = told(name)
    for step in story:
        if step.within is not None:
            around = story.steps[step.within - 1].event
            closer = trace.closer(around)
            assert around.seq < step.event.seq
            assert closer is None or step.event.seq <= closer.seq  # a wait is what closes it


@pytest.mark.parametrize("name", NAMES)
def test_in_is_for_the_same_stack_and_because_of_for_another(name: str) -> None:
    trace = recorded(name)[0]
    story = told(name)
    for step in story:
        around = [event.seq for event in trace.ancestors(step.event)]
        if step.because is not None:
            assert story.steps[step.because - 1].event.seq not in around, step
        if step.within is not None:
            assert story.steps[step.within - 1].event.seq in {*around, step.event.of}


@pytest.mark.parametrize("name", NAMES)
def test_a_coroutine_that_goes_on_was_asked_for_where_it_waited(name: str) -> None:
    story = told(name)
    for step in story:
        if step.event.kind == "resume":
            assert step.asked is not None
            wait = story.steps[step.asked - 1].event
            assert (wait.kind, wait.name) == ("yield", step.event.name)
            assert wait.data["target"] == step.event.data["target"]


@pytest.mark.parametrize("name", NAMES)
def test_whatever_runs_off_the_loop_says_why_now_and_who_asked(name: str) -> None:
    for step in told(name):
        how = step.event.data.get("how")
        if step.event.kind == "run" and how in ("fd", "timer") and step.event.fd != "listen1":
            assert step.because is not None and step.asked is not None, step


# ---- truth ----


def words_of(event: Event, trace: Trace) -> str:
    """All that a sentence about an event may be made of."""
    facts = Facts(trace)
    about = [event, *facts.effects(event), trace.closer(event) or event]
    return " ".join(str(entry.to_dict()) for entry in about)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_in_a_sentence_is_a_number_of_its_event(name: str) -> None:
    trace = recorded(name)[0]
    for step in told(name):
        held = set(re.findall(r"\d+(?:\.\d+)?", words_of(step.event, trace)))
        held |= {f"{float(number):g}" for number in held}  # 1.0 is "1 second"
        for number in re.findall(r"\d+(?:\.\d+)?", step.sentence.replace(",", "")):
            assert number in held, (number, step.sentence)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_in_a_sentence_is_a_name_of_its_event(name: str) -> None:
    trace = recorded(name)[0]
    known = re.compile(r"\b(?:\w+#\d+|c\d+r\d+|c\d+|listen\d+|[A-Z]+Error|E[A-Z]{4,}|\w*_\w+)\b")
    said_anyway = {  # of what every such event is, whatever else it holds
        "epoll_wait", "epoll_ctl", "add_callback", "_ServerRequestAdapter", "handle_stream",
    }  # fmt: skip
    for step in told(name):
        held = words_of(step.event, trace)
        for word in known.findall(step.sentence):
            assert word in held or word in said_anyway, (word, step.sentence)


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_of_the_story_are_those_that_the_client_counted(name: str) -> None:
    trace, driven = recorded(name)
    for conn in trace.connections():
        received = sent = 0
        for step in Story(trace, conn=conn):
            if match := re.match(r"recv: ([\d,]+) bytes? of", step.sentence):
                received += int(match[1].replace(",", ""))
            if match := re.match(r"send: the kernel takes ([\d,]+) byte", step.sentence):
                sent += int(match[1].replace(",", ""))
        assert received == driven.sent[conn]
        if name != "gone before the answer":
            assert sent == driven.received[conn]


def _polled(step: Step, trace: Trace) -> bool:
    """Nothing was queued when the loop went to wait, and it had a limit if it says so."""
    event, state = step.event, State()
    for before in trace:
        if before.seq < event.seq:
            state.apply(before)
    limit = "until its next timeout" in step.sentence
    return not state.queued and limit == (event.data["wait"] == "timer") == bool(state.timers)


def _told_at_once(step: Step, trace: Trace) -> bool:
    """Somebody ran because of it, before the function that resolved it had returned."""
    ran = [event for event in trace if event.cause == step.event.seq and event.kind == "run"]
    around = trace.get(step.event.parent)
    end = None if around is None else trace.closer(around)
    return bool(ran) and (end is None or all(event.seq < end.seq for event in ran))


def _waited(step: Step, trace: Trace) -> bool:
    """The same coroutine has waited for the same Future, and has not gone on since."""
    asleep = trace[step.event.link or 0]
    return (
        asleep.kind == "yield"
        and asleep.name == step.event.name
        and asleep.data["target"] == step.event.data["target"]
    )


def _ran_later(step: Step, trace: Trace) -> bool:
    """What was queued ran with nothing but the loop below it, after the call had returned."""
    ran = [event for event in trace if event.kind == "run" and event.cause == step.event.seq]
    around = [trace.closer(bracket) for bracket in trace.ancestors(step.event)]
    return all(
        event.parent is None and all(end is not None and end.seq < event.seq for end in around)
        for event in ran
    )


def _handler(step: Step, trace: Trace) -> bool:
    """It was registered for this fd, and the last poll has reported this fd."""
    asked, ready = trace[step.event.link or 0], trace[step.event.cause or 0]
    return (
        asked.fd == ready.fd == step.event.fd
        and asked.data["target"] == step.event.name
        and ready.kind == "ready"
        and ready.turn == step.event.turn
    )


def _complete(step: Step, trace: Trace) -> bool:
    """No byte of this request's body came after it was said to be complete."""
    later = [event for event in trace if event.req == step.event.req and event.seq > step.event.seq]
    return not [event for event in later if event.name.endswith("Adapter.data_received")]


def _never_complete(step: Step, trace: Trace) -> bool:
    same = [event for event in trace if event.req == step.event.req]
    return not [event for event in same if event.name.endswith("Adapter.finish")]


def _answered(step: Step, trace: Trace) -> bool:
    """It was finished, and its bytes were sent: at once, or with those of the next answers."""
    finished = any(event.req == step.event.req and event.name == "HTTP1Connection.finish"
                   and event.seq < step.event.seq for event in trace)  # fmt: skip
    return finished and any(event.conn == step.event.conn and event.name == "send"
                            and event.data.get("bytes") for event in trace)  # fmt: skip


def _no_more(step: Step, trace: Trace) -> bool:
    """No other request of this connection was ever read."""
    later = [event for event in trace if event.conn == step.event.conn]
    return not [
        event for event in later
        if event.seq > step.event.seq and event.name.endswith("Adapter.headers_received")
    ]  # fmt: skip


# What a sentence claims beyond the names and numbers in it.
CLAIMS: dict[str, Callable[[Step, Trace], bool]] = {
    r"nothing to run and waits": _polled,
    r"There is work at hand": lambda step, trace: step.event.data["wait"] == "none",
    r"When it returns, no fd is ready": lambda step, trace: step.event.data["ready"] == 0,
    r"told at once": _told_at_once,
    r"goes on where it waited": _waited,
    r"queues": _ran_later,
    r"the handler of": _handler,
    r"The request is complete": _complete,
    r"will never be complete": _never_complete,
    r"The answer to .* is complete": _answered,
    r"no other will follow": _no_more,
    r"all that it was given": lambda step, trace: (
        step.event.data["bytes"] == step.event.data["asked"]
    ),
    r"the rest waits": lambda step, trace: step.event.data["bytes"] < step.event.data["asked"],
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_sentence_claims_is_so_in_every_scenario(claim: str) -> None:
    found = 0
    for name in NAMES:
        trace = recorded(name)[0]
        for step in told(name):
            if re.search(claim, step.sentence):
                found += 1
                assert CLAIMS[claim](step, trace), (name, step)
    assert found


def sentences(name: str, **options: str) -> list[str]:
    return [step.sentence for step in told(name, **options)]


def test_what_goes_wrong_is_said() -> None:
    assert any("raises RuntimeError" in said for said in sentences("boom"))
    assert any("500 Internal Server Error" in said for said in sentences("boom"))
    assert any("400 Bad Request" in said for said in sentences("bad request"))
    assert any("408 Request Timeout" in said for said in sentences("idle in the head"))
    assert any("ECONNRESET" in said for said in sentences("gone before the answer"))
    assert any("will never be complete" in said for said in sentences("body cut short"))


def test_no_answer_is_claimed_for_a_request_that_never_came() -> None:
    assert not [said for said in sentences("nothing said") if "answer" in said]
    assert not [said for said in sentences("gone before the answer")
                if "The answer to" in said]
    assert [said for said in sentences("get") if "answer to c1r1 is complete" in said]
    assert not [said for said in sentences("get") if re.search("to c1r2|c1r2 is over", said)]


def test_the_end_of_what_a_client_sends_is_not_told_as_bytes() -> None:
    assert [said for said in sentences("get") if said.startswith("recv: no bytes, ")]
    assert not [said for said in sentences("get") if "recv: 0 bytes" in said]


def test_a_write_that_did_not_fit_says_how_much_the_kernel_took() -> None:
    said = "\n".join(sentences("big"))
    assert re.search(r"takes [\d,]+ bytes of 200,\d+ for c1; the rest waits", said)
    assert "when c1 is readable and writable" in said


def test_a_timeout_that_never_came_due_is_not_told() -> None:
    assert not [said for said in sentences("get") if "_Deadline" in said]
    assert [said for said in sentences("idle") if "_Deadline._wake in 10 seconds" in said]


def test_how_a_request_has_ended_is_not_told_by_what_came_before_by_chance() -> None:
    trace = recorded("get")[0]
    accept = next(event for event in trace if event.name == "accept")  # its value is no verdict
    end = next(event for event in trace if event.kind == "end" and event.name == "request")
    assert end.seq in [step.event.seq for step in Story(trace)]
    assert [step.event.seq for step in Story(Trace([accept, end]))] == [accept.seq]


def test_what_another_thread_asks_for_is_under_its_name() -> None:
    text = told("thread").text(80)
    assert re.search(r"^ +thread-1\n.*add_callback queues answered_here", text, re.M)
    assert text.count("before the first poll") == 1


def test_what_openssl_does_is_told_as_its_own(certificates: Certificates) -> None:
    with tracing() as trace:
        tls(certificates.server_context(), certificates.client_context())
    said = [re.sub(r"\d+ bytes", "n bytes", step.sentence) for step in trace.story(conn="c1")]
    wanted = [
        "The TLS handshake on c1 waits for the client (SSLWantReadError).",
        "The TLS handshake on c1 is done.",
        "ssl_read: n bytes of c1 come from OpenSSL.",
        "ssl_write: OpenSSL takes n bytes for c1, all that it was given.",
        "ssl_read: nothing from c1 yet. OpenSSL says so (SSLWantReadError) instead of waiting.",
    ]
    assert sorted(map(said.index, wanted)) == list(map(said.index, wanted))
    assert not [sentence for sentence in said if "ENOENT" in sentence or "recv" in sentence]
    counts = trace.counts(conn="c1").text()
    assert "ssl_write" in counts and "recv" not in counts
    assert "What OpenSSL asks of the kernel is not seen." in counts
    labels = [row.label for row in trace.lanes(conn="c1").rows]
    assert "handshake WantRead" in labels and max(map(len, labels)) < 22


@pytest.mark.parametrize("name", ["get", "slow", "boom", "delegate"])
def test_what_another_thread_does_in_between_changes_no_sentence(name: str) -> None:
    trace = recorded(name)[0]
    mixed = []
    for event in trace:
        edges = {edge: 2 * seq for edge in ("parent", "cause", "link", "of")
                 if (seq := getattr(event, edge)) is not None}  # fmt: skip
        mixed.append(dataclasses.replace(event, seq=2 * event.seq, **edges))
        mixed.append(Event(2 * event.seq + 1, "note", "tick", lane="thread-9"))
    for alone, among in zip(Story(trace), Story(Trace(mixed)), strict=True):
        assert (alone.sentence, alone.edges()) == (among.sentence, among.edges())


# ---- length ----


def test_one_get_is_fifteen_to_twenty_five_steps_and_fewer_in_brief() -> None:
    trace = recorded("get")[0]
    story, brief = Story(trace, req="c1r1"), Story(trace, req="c1r1", brief=True)
    assert 15 <= len(story) <= 25
    assert 10 <= len(brief) < len(story)
    assert seqs(brief) < seqs(story)


def seqs(story: Story) -> set[int]:
    return {step.event.seq for step in story}


def test_a_get_is_told_in_the_order_in_which_it_travels() -> None:
    keys = iter([step.key for step in told("get", req="c1r1")])
    for key in (
        "sleep", "accept", "handle-stream", "new-request", "start-read", "recv", "watch", "wait",
        "sleep", "handle-events", "recv", "resolve", "enqueue", "resume",
        "headers-received", "dispatch", "app", "write-headers", "send", "request-end",
    ):  # fmt: skip
        assert key in keys, key  # an iterator: each is looked for behind the one before


def test_what_a_coroutine_does_after_its_wait_was_asked_for_where_it_waited() -> None:
    story = told("get", req="c1r1")
    (wait,) = [step.number for step in story if step.event.kind == "yield"]
    steps = {step.key: step for step in story}
    for key in ("enqueue", "resume", "request-end"):
        assert steps[key].asked == wait, steps[key]
    for key in ("headers-received", "dispatch"):  # what it does there stands in its going on
        assert steps[key].within == steps["resume"].number, steps[key]


def test_the_story_of_one_connection_has_nothing_of_another() -> None:
    for conn, other in (("c1", "c2"), ("c2", "c1")):
        for step in told("two clients", conn=conn):
            if step.event.kind != "poll":  # it reports whoever is ready
                assert not re.search(rf"\b{other}", step.sentence), step
                assert step.event.conn != other


def test_a_story_goes_through_another_connection_where_the_cause_does() -> None:
    waiting: list[Future[None]] = []

    def app(request: HTTPServerRequest) -> object:
        if request.path == "/resolve":
            waiting[0].set_result(None)
            return answer(request.connection, b"done")
        waiting.append(Future())
        return wait(request)

    async def wait(request: HTTPServerRequest) -> None:
        await waiting[0]
        answer(request.connection, b"at last")

    script = [
        ("connect", "k1"), ("connect", "k2"), ("send", "k1", get("/wait")),
        ("send", "k2", get("/resolve")), ("recv", "k1"), ("recv", "k2"), ("close", "k1"),
        ("close", "k2"),
    ]  # fmt: skip
    story = Story(traced(application=app, script=script)[0], req="c1r1")
    told = [step.event for step in story]
    assert any(event.req == "c2r1" and event.kind == "resolve" for event in told)
    assert any(event.req == "c1r1" and event.kind == "resume" for event in told)


def test_who_is_accepted_beside_is_not_of_the_story() -> None:
    events = [
        Event(1, "run", "accept_handler", layer="tcp", turn=1, data={"how": "fd"}, fd="listen1"),
        Event(2, "syscall", "accept", layer="kernel", turn=1, parent=1, data={"value": "c1"}),
        Event(3, "call", "f", layer="app", turn=1, parent=1, conn="c1"),
        Event(4, "syscall", "accept", layer="kernel", turn=1, parent=1, data={"value": "c2"}),
        Event(5, "syscall", "accept", layer="kernel", turn=1, parent=1, data={"error": "EMFILE"}),
    ]
    said = "\n".join(step.sentence for step in Story(Trace(events), conn="c1"))
    assert "called c1" in said and "called c2" not in said and "EMFILE" in said


def test_the_story_of_a_request_has_nothing_of_a_later_one() -> None:
    assert not [said for said in sentences("two", req="c1r1") if "c1r2" in said]


# ---- looks ----


@pytest.mark.parametrize("name", NAMES)
def test_a_story_fits_its_width_with_and_without_colours(name: str) -> None:
    story = told(name)
    for width in WIDTHS:
        plain = printed(story, width)
        assert max(map(len, plain.splitlines())) <= width
        assert "\x1b" not in plain
        coloured = printed(story, width, colours=True)
        assert "\x1b[" in coloured
        assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_every_step_names_its_layer_and_every_edge_is_written() -> None:
    story = told("post in parts")
    text = story.text(80)
    for step in story:
        assert re.search(rf"^ *{step.number} {step.event.layer} ", text, re.M)
    flat = re.sub(r"\s+", " ", text)
    for step in story:
        for edge, number in step.edges():
            assert f"{edge} {number}" in flat


def test_no_edge_is_broken_at_the_end_of_a_line() -> None:
    for line in told("get").text(80).splitlines():
        assert not re.search(r"(because|because of|asked|asked at| in)$", line), line


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert printed(told("get"), encoding="ascii").isascii()


def test_an_empty_trace_has_an_empty_story() -> None:
    assert len(Story(Trace())) == 0
    assert Story(Trace()).text() == ""


def test_twenty_recordings_are_told_in_the_same_bytes() -> None:
    texts = {Story(traced("get")[0]).text(80) for _ in range(20)}
    assert len(texts) == 1


def test_a_loaded_trace_is_told_as_the_live_one(tmp_path: object) -> None:
    trace = recorded("chunked")[0]
    path = f"{tmp_path}/trace.jsonl"
    trace.dump(path)
    assert Story(Trace.load(path)).text(100) == Story(trace).text(100)


def test_a_notebook_gets_html_and_plain_text() -> None:
    bundle = told("get")._repr_mimebundle_()
    assert bundle["text/html"].startswith("<pre") and "because of" in bundle["text/html"]
    assert bundle["text/plain"] == told("get").text()


# ---- rules ----


def functions_of_the_stack() -> Iterator[str]:
    for module in (
        "poller", "waker", "ioloop", "concurrent", "gen", "iostream", "netutil", "tcpserver",
        "http1connection", "httpserver", "ssliostream",
    ):  # fmt: skip
        found = importlib.import_module(f"minitornado.{module}")
        for name, entry in vars(found).items():
            yield name
            if inspect.isclass(entry):
                yield from vars(entry)


def test_every_rule_speaks_of_functions_that_exist() -> None:
    syscalls = {row.name for row in MINITORNADO.rows if isinstance(row, Syscall)}
    assert {"accept", "recv", "send", "ssl_read", "epoll_ctl"} <= syscalls
    known = set(functions_of_the_stack()) | syscalls
    qualified = [name for rule in RULES for name in rule.names if "." in name]
    for name in qualified:
        module = httpserver if hasattr(httpserver, name.partition(".")[0]) else http1connection
        assert callable(operator.attrgetter(name)(module))
    for rule in RULES:
        assert set(rule.names) - set(qualified) <= known, rule


def test_every_rule_has_something_to_say_in_some_scenario(certificates: Certificates) -> None:
    used: set[int] = set()
    with tracing() as over_tls:
        tls(certificates.server_context(), certificates.client_context())
    for trace in (over_tls, *(recorded(name)[0] for name in NAMES)):
        facts = Facts(trace)
        for event in trace:
            used |= {at for at, rule in enumerate(RULES) if rule.sentence(event, facts)}
    unused = [rule for at, rule in enumerate(RULES) if at not in used]
    assert not unused


def test_a_step_says_what_it_is_because_of_in_words() -> None:
    step = Step(3, Event(9, "run", "f", layer="app"), "f runs.", None, 2, 1)
    assert step.edges() == [("because of", 2), ("asked at", 1)]
