"""The same requests through ours and the real Tornado: what differs is explained, or it fails here.

Each scenario runs once in each server, one process a server.  The installed Tornado is always
asked.  An older one is as well if TORNADO4 names where it is (a Python, a virtual environment, or
a folder that pip has installed it into; several are separated as in PATH).
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from minitornado.cli import main
from minitornado.compare import ask, compare
from minitornado.compare.differences import Comparison, Pair
from minitornado.compare.explanations import EXPLANATIONS, TESTED, claims
from minitornado.compare.scenarios import SCENARIOS
from minitornado.compare.steps import MASKED, Run, Step, _without_rounds
from minitornado.compare.views import Comparisons

pytestmark = pytest.mark.deadline(120)

ROOT = Path(__file__).resolve().parents[1]
OLDER = [path for path in os.environ.get("TORNADO4", "").split(os.pathsep) if path]


@pytest.fixture(scope="module")
def found() -> Comparisons:
    """All scenarios, beside the installed Tornado and those of TORNADO4."""
    return compare((), OLDER)


@pytest.fixture(scope="module")
def known(found: Comparisons) -> Comparisons:
    """Those beside versions that the table of explanations was written for."""
    versions = {comparison.server.version for comparison in found}
    new = sorted(version for version in versions if not version.startswith(TESTED))
    if new:
        pytest.skip(f"the explanations were written for {TESTED}: nobody has looked at {new}")
    return found


def of(found: Comparisons, scenario: str) -> Comparison:
    """A scenario beside the installed Tornado."""
    return next(comparison for comparison in found if comparison.scenario.name == scenario)


# ---- the table ----


def test_every_difference_is_explained_by_one_entry(known: Comparisons):
    wrong = [
        (comparison.scenario.name, str(comparison.server), pair.side, pair.step.key, entries)
        for comparison in known
        for pair in comparison.differences
        if pair.why is None or len(entries := [e.name for e in comparison.claims(pair)]) != 1
    ]
    assert wrong == []


def test_every_explanation_explains_something_in_each_scenario_that_it_names(known: Comparisons):
    used = {
        (name, scenario)
        for comparison in known
        for name in comparison.reasons
        for scenario in (comparison.scenario.name, None)
    }
    versions = {comparison.server.version for comparison in known}
    for entry in EXPLANATIONS:
        # An entry that is about older versions alone can only be tried where there is one.
        if any(version.startswith(entry.versions) for version in versions):
            for scenario in entry.scenarios or (None,):
                if _all_tried(entry.versions, versions):
                    assert (entry.name, scenario) in used, f"{entry.name} is stale in {scenario}"


def _all_tried(wanted: tuple[str, ...], versions: set[str]) -> bool:
    return all(any(version.startswith(prefix) for version in versions) for prefix in wanted)


@pytest.mark.skipif(
    not OLDER, reason="TORNADO4 names no older Tornado: what is about it was not tried"
)
def test_with_an_older_tornado_no_claim_is_stale(known: Comparisons):
    pairs = [(pair, c.claims(pair)) for c in known for pair in c.differences]
    for entry in EXPLANATIONS:
        for claim in entry.claims:
            assert any(
                entry in entries and claims(claim, pair.side, pair.step) for pair, entries in pairs
            ), f"{entry.name} claims {claim!r}, which there isn't"


def test_every_explanation_names_places_that_are_in_the_source(known: Comparisons):
    for entry in EXPLANATIONS:
        assert entry.where, entry.name
        for place in entry.where:
            module, _, path = place.partition(":")
            found = importlib.import_module(module)
            for name in path.split("."):
                found = getattr(found, name)
            assert callable(found)


def test_the_table_s_entries_are_sentences_about_scenarios_that_there_are():
    assert len({entry.name for entry in EXPLANATIONS}) == len(EXPLANATIONS)
    for entry in EXPLANATIONS:
        assert set(entry.scenarios) <= set(SCENARIOS)
        for text in (entry.what, entry.why):
            assert text[-1] in ".)" and "- " not in text and "  " not in text
        for claim in entry.claims:
            assert re.match(r"[<>~]|\[[<>~]+\]", claim) and re.compile(claim)


def test_without_an_entry_its_differences_are_findings(known: Comparisons):
    for entry in EXPLANATIONS:
        table = [other for other in EXPLANATIONS if other is not entry]
        for comparison in known:
            number = comparison.reasons[entry.name]
            if number:
                left = replace(comparison, table=table)
                assert len(left.unexplained) == number
                break


# What the table would let pass, if ours did it once less or once more: Tornado has more of them
# at many places, and one by one they can't be told apart.
LET_PASS = {
    "turns": "epoll_wait .*", "loop": r"a (coroutine|callback) of c\d.*|handler of c1|c1 is .*",
    "kernel": r"recv c\d EAGAIN|epoll_ctl .*|close c1|send c1 99 bytes|recv c1 49 bytes",
    "calls": r"(data_received|write_headers|connection.finish|the application) c1",
    "wire": r"c1 (Date: .*|Connection: close|)",
}  # fmt: skip


def test_what_ours_would_do_once_less_or_once_more_would_be_found(known: Comparisons):
    tried = missed = 0
    for comparison in known:
        same = [pair for pair in comparison.pairs if pair.side == "="]
        for number, pair in enumerate(same):
            tried += 1
            if not _changed(comparison, pair, twice=number % 2 == 0).unexplained:
                missed += 1
                told = comparison.scenario.name, str(comparison.server), pair.step
                assert re.fullmatch(LET_PASS[pair.step.facet], pair.step.key), told
    assert tried > 1000
    assert missed < tried / 8


def _changed(comparison: Comparison, pair: Pair, twice: bool) -> Comparison:
    """Return the comparison with a step of ours done twice, or left out."""
    part = "wire" if pair.step.facet == "wire" else "steps"
    steps = getattr(comparison.ours, part)
    at = next(at for at, step in enumerate(steps) if step is pair.ours)
    ours = copy.copy(comparison.ours)
    setattr(ours, part, [*steps[: at + twice], *steps[at + (not twice) :]])
    return replace(comparison, ours=ours)


# ---- the scenarios ----


def test_all_that_a_server_meets_is_among_the_scenarios():
    assert set(SCENARIOS) >= {
        "get", "head", "post", "chunked", "keep-alive", "pipelined", "fragments", "http10", "close",
        "continue", "bad-request", "cut-short", "gone", "slow-reader", "idle", "two-clients",
        "blocks", "raises", "delegate",
    }  # fmt: skip


def test_the_laws_of_a_trace_hold_for_the_real_tornado_as_they_do_for_ours(found: Comparisons):
    """Each run with its cause, each handle accounted for, each byte that the client counted."""
    for comparison in found:
        for run in (comparison.ours, comparison.theirs):
            case = comparison.scenario.name, run is comparison.theirs
            # What comes after an early answer, Tornado never reads.
            sent = None if case == ("early-answer", True) else run.sent
            received = {conn: len(text) for conn, text in run.received.items()}
            broken = run.trace.check(sent=sent, received=received)
            if case == ("coroutine", True):
                # It makes a coroutine of the application's, and drops it.
                [law] = broken
                assert law.endswith("does not call the application")
            else:
                assert broken == [], (*case, str(comparison.server))


@pytest.mark.parametrize("name", ["get", "head", "post", "chunked", "keep-alive", "pipelined"])
def test_on_the_wire_there_is_no_difference_in_what_most_clients_do(found: Comparisons, name: str):
    comparison = of(found, name)
    assert [pair.side for pair in comparison.pairs if pair.step.facet == "wire"] == (
        ["="] * len(comparison.ours.wire)
    )


def test_who_blocks_keeps_the_other_waiting_in_both(found: Comparisons):
    comparison = of(found, "blocks")
    for run in (comparison.ours, comparison.theirs):
        keys = [step.key for step in run.steps]
        assert keys.index("connection.finish c1") < keys.index("headers_received c2")


# ---- steps ----


def test_values_of_the_moment_are_masked_with_as_many_characters():
    received = "HTTP/1.1 200 OK\r\nDate: today\r\nServer: x\r\nETag: y\r\nX-Date: 1\r\n\r\n"
    run = Run([], [], {}, {"c1": received})
    keys = [step.key for step in run.wire]
    assert keys[1:5] == ["c1 Date: ·····", "c1 Server: ·", "c1 ETag: ·", "c1 X-Date: 1"]
    assert set(MASKED) == {"date", "server", "etag"}


def test_what_is_logged_stands_where_it_was_logged():
    record = {"channel": "tornado.general", "level": "INFO", "text": "a\nb", "error": None}
    events = [
        {"seq": 1, "kind": "poll", "name": "epoll_wait", "turn": 1, "data": {"wait": "none"}},
        {"seq": 2, "kind": "poll", "name": "epoll_wait", "turn": 2, "data": {"wait": "timer"}},
    ]
    run = Run(events, [{**record, "seq": 1}, {**record, "seq": 2}], {}, {})
    assert [(step.turn, step.key) for step in run.steps] == [
        (1, "epoll_wait does not wait"), (1, "tornado.general INFO: a"), (2, "epoll_wait waits"),
        (2, "tornado.general INFO: a"),
    ]  # fmt: skip


def test_into_how_many_pieces_the_kernel_cuts_an_answer_is_no_difference():
    def steps(*turns: str) -> list[Step]:
        return [Step("kernel", key, turn) for turn, keys in enumerate(turns, 1)
                for key in keys.split(", ")]  # fmt: skip

    begin, end = "epoll_wait waits, send c1 a part, send c1 a part", "epoll_wait waits, close c1"
    again = "epoll_wait waits, c1 is writable, handler of c1, send c1 a part, send c1 EAGAIN"
    rest = "epoll_wait waits, c1 is writable, handler of c1, send c1 a part, send c1 the rest"
    short = "epoll_wait waits, c1 is writable, handler of c1, send c1 the rest"
    told = _without_rounds(steps(begin, again, again, rest, end))
    assert told == _without_rounds(steps(begin, again, short, end))
    assert [step.key for step in told if step.turn == 2] == short.split(", ")
    assert told[-1] == Step("kernel", "close c1", 3)


def pairs_of(ours: str, theirs: str) -> list[tuple[str, str]]:
    """How words are paired: a step each."""

    def run(words: str) -> Run:
        run = Run([], [], {}, {})
        run.steps = [
            Step("turns" if word == "epoll_wait" else "calls", word) for word in words.split()
        ]
        return run

    server = ask.Server("Tornado", "6.6", "3")
    comparison = Comparison(SCENARIOS["get"], run(ours), run(theirs), server, ())
    return [(pair.side, pair.step.key) for pair in comparison.pairs]


def test_steps_are_paired_so_that_most_of_them_have_a_partner():
    assert pairs_of("c1 c2 c3 c1 c2", "c1 c2 c1 c2") == [
        ("=", "c1"), ("=", "c2"), ("<", "c3"), ("=", "c1"), ("=", "c2"),
    ]  # fmt: skip


def test_a_step_that_both_have_elsewhere_was_moved_and_a_turn_never_is():
    assert pairs_of("c1 c2 c3 epoll_wait", "epoll_wait c2 c3 c1") == [
        ("~", "c1"), (">", "epoll_wait"), ("=", "c2"), ("=", "c3"), ("<", "epoll_wait"),
        ("~", "c1"),
    ]  # fmt: skip


def test_an_explanation_claims_a_step_once_and_the_second_is_a_finding():
    server = ask.Server("Tornado", "6.6.1", "3")
    date, run, theirs = Step("wire", "c1 Date: ·"), Run([], [], {}, {}), Run([], [], {}, {})
    run.wire = [date, date]
    whys = [pair.why and pair.why.name for pair in
            Comparison(SCENARIOS["bare"], run, theirs, server).pairs]  # fmt: skip
    assert whys == ["date", None]


# ---- asking ----


def test_two_runs_print_the_same_bytes():
    """Under other hash seeds; by name and not all, for the time that it takes."""
    names = ["slow-reader", "two-clients", "blocks", "idle", "bad-request", "delegate"]
    command = [sys.executable, "-m", "minitornado", "compare", *names, "--view", "beside"]
    runs = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "COLUMNS": "100"},
        )
        for seed in ("1", "2")
    ]  # fmt: skip
    one, other = (process.communicate(timeout=60)[0] for process in runs)
    assert one == other
    assert "\x1b" not in one  # a pipe is no terminal
    assert one.count("what the client received") == len(names)
    assert max(map(len, one.splitlines())) <= 100


def test_a_tornado_may_be_named_by_its_python_its_environment_or_its_folder(tmp_path: Path):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    (tmp_path / "folder" / "tornado").mkdir(parents=True)
    for path in ("venv", "venv/bin/python"):
        assert ask._other(tmp_path / path)[0][0] == str(tmp_path / "venv/bin/python")
    words, env = ask._other(tmp_path / "folder")
    assert words[0] == sys.executable
    assert env["PYTHONPATH"].split(os.pathsep)[:2] == [str(tmp_path / "folder"), str(ROOT)]
    with pytest.raises(ask.NotAsked, match="no folder with a tornado"):
        ask._other(tmp_path)


def test_a_tornado_that_is_too_old_or_broken_is_told_of_in_a_sentence(tmp_path: Path):
    package = tmp_path / "tornado"
    package.mkdir()
    package.joinpath("__init__.py").write_text("version, version_info = '5.1', (5, 1, 0, 0)")
    for name in ("httputil", "netutil", "ioloop", "httpserver"):
        package.joinpath(name + ".py").touch()
    command = ask._other(tmp_path)
    with pytest.raises(ask.NotAsked, match=r"Tornado 5\.1 can't be compared: 4\.0 to 4\.5, or 6"):
        ask._ask([command], ["get"])


# ---- showing ----


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("view", ["beside", "differences", "reasons", "summary"])
def test_no_view_is_wider_than_the_page(found: Comparisons, view: str, width: int):
    text = found.view(view).text(width)
    assert max(map(len, text.splitlines())) <= width
    assert "differences, " in text.splitlines()[-1] or "explained." in text.splitlines()[-1]


def test_side_by_side_both_stories_are_whole(found: Comparisons):
    comparison = of(found, "pipelined")
    text = Comparisons([comparison]).text(160)
    assert "pipelined: two requests in one packet" in text
    story = text.partition("\n  1 ")[0]
    for run in (comparison.ours, comparison.theirs):
        for step in run.steps:
            assert f"{step.turn:2} {step.key}" in story
    assert comparison.reasons and all(name in text for name in comparison.reasons)


@pytest.mark.parametrize("width", [80, 120])
def test_why_and_the_turns_are_told_of_the_real_tornado_too(found: Comparisons, width: int):
    some = Comparisons([of(found, "get"), of(found, "idle")])
    why, turns = some.view("why").text(width), some.view("turns").text(width)
    for text in (why, turns):
        assert max(map(len, text.splitlines())) <= width
        assert re.findall("^(get|idle): (minitornado|Tornado)", text, re.MULTILINE) == [
            (name, server) for name in ("get", "idle") for server in ("minitornado", "Tornado")
        ]
    ours, theirs = why.partition("get: Tornado")[::2]
    for part in (ours, theirs):
        # From the answer back to the client's bytes, and who had asked to be told of them.
        assert re.search("send c1 80 B", part) and "c1 is readable" in part
        assert "asked for by add_handler c1 READ" in part
    assert "Nothing was sent." in theirs
    assert turns.count("accept_handler") == 4


def test_a_difference_that_nobody_explains_stands_out_and_sets_the_exit_status(
    found: Comparisons, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    left = Comparisons([replace(of(found, "bare"), table=())])
    monkeypatch.setattr("minitornado.compare.compare", lambda names, tornados: left)
    assert main(["compare", "bare"]) == 1
    out = capsys.readouterr().out
    assert len(re.findall("[<>~]!", out)) == len(left.unexplained) > 3
    assert f"{len(left.unexplained)} of them not explained." in out
    monkeypatch.setattr("minitornado.compare.compare", lambda names, tornados: found)
    assert main(["compare"]) == int(bool(found.unexplained))


def test_it_writes_a_page_that_fetches_nothing_and_json_that_holds_every_step(
    found: Comparisons, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    some = Comparisons([of(found, "get"), of(found, "close")])
    monkeypatch.setattr("minitornado.compare.compare", lambda names, tornados: some)
    page, data = tmp_path / "page.html", tmp_path / "data.json"
    main(["compare", "get", "close", "--html", str(page), "--json", str(data)])
    text = page.read_text()
    assert text.count("<details>") == 2 and "default-src 'none'" in text
    assert not re.search(r"""(src|href)=["']?(?!data:)""", text)
    told = json.loads(data.read_text())
    assert [entry["scenario"] for entry in told["comparisons"]] == ["get", "close"]
    for entry, comparison in zip(told["comparisons"], some, strict=True):
        assert len(entry["steps"]) == len(comparison.pairs)
        assert {step["side"] for step in entry["steps"]} == {pair.side for pair in comparison.pairs}
    capsys.readouterr()


def test_a_notebook_shows_it_with_a_twin_in_plain_text(found: Comparisons):
    shown = Comparisons([of(found, "get")])._repr_mimebundle_()
    assert shown["text/plain"].startswith("get: GET, the smallest request")
    assert "<script" not in shown["text/html"]
    assert "start_request c1" in shown["text/html"] and "start_request c1" in shown["text/plain"]


def test_the_command_lists_its_scenarios_and_knows_no_others(capsys: pytest.CaptureFixture[str]):
    assert main(["compare", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(SCENARIOS)
    assert main(["compare", "nothing"]) == 2
    assert "there is no scenario 'nothing'; there are get, " in capsys.readouterr().err
    assert main(["compare", "get", "--tornado", "/nowhere"]) == 2
    assert capsys.readouterr().err.startswith("minitornado: /nowhere is no Python")


def test_a_tornado_that_the_table_does_not_know_is_said_so(found: Comparisons):
    comparison = of(found, "get")
    later = replace(comparison, server=ask.Server("Tornado", "9.9", "3.99"))
    assert "were written for 4.4, 4.5, 6.6, not for Tornado 9.9." in Comparisons([later]).verdict()


