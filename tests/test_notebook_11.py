"""Notebook 11 keeps what it alone promises: its runs, its pictures, its snippets.

The rest is in test_notebook_form.py; and what its prose claims of a trace is asserted in the
notebook's own cells tagged "check", at each build.
"""

from __future__ import annotations

import gc
import logging
import re
import subprocess
import sys

import pytest
from doubles import open_fds
from notebook_form import Book, check_picture

from minitornado import httpserver
from minitornado.classroom import explain as explaining
from minitornado.classroom import nb11
from minitornado.classroom.exercises.catalog import Course
from minitornado.classroom.nb11 import pictures, questions, real, scenarios
from minitornado.classroom.real import ask
from minitornado.ioloop import IOLoop

BOOK = Book("11")


# ---- the form ----


def test_the_inner_names_of_the_prose_are_those_that_it_explains():
    inner = set(re.findall(r"(?<![\w`/])`?(_[a-zA-Z]\w+)", BOOK.prose))
    explained = {part for margin in owned() for part in margin.name.split(".")}
    # The two of Tornado 6 stand in the table beside.
    assert inner - {"_CallableAdapter", "_ProxyAdapter"} <= explained


# ---- what it owns ----


def owned():
    # What nb11 has said at its import; what other notebooks say is no matter here.
    return [margin for margin in explaining._owned.values() if margin.notebook == "11"]


# ---- the kernel ----


def test_the_runs_leave_no_fd_no_current_loop_and_the_log_as_it_was():
    channel = logging.getLogger("tornado")
    handlers, propagate = list(channel.handlers), channel.propagate
    scenarios.answered_by_return()
    gc.collect()
    before = open_fds()
    for _ in range(5):
        scenarios.in_two_pieces()
        scenarios.half_a_request()
        scenarios.answered_by_return()
        scenarios.second_client(undone=False)
    gc.collect()
    assert open_fds().keys() == before.keys()
    assert IOLoop.current(instance=False) is None
    assert (channel.handlers, channel.propagate) == (handlers, propagate)
    assert httpserver._HTTPRequestContext._unapply_xheaders.__name__ == "_unapply_xheaders"


# ---- the questions ----


def test_the_measures_tell_runs_apart():
    """A measure that gave the same for every run would prove nothing."""
    whole, half = scenarios.in_two_pieces(), scenarios.half_a_request()
    assert scenarios.order(whole) == questions.IN_ORDER
    assert scenarios.order(scenarios.two_requests()) == questions.IN_ONE
    assert scenarios.when_it_leaves(whole) == "your function is called"
    assert scenarios.when_it_leaves(half) == "the adapter is told"
    silent, _ = scenarios.serve(scenarios.echo, [("connect", "k"), ("close", "k")])
    assert scenarios.when_it_leaves(silent) == "nothing"
    assert scenarios.request_made(silent) == "never"
    assert scenarios.request_made(whole) == "headers_received"
    assert [scenarios.adapters(trace) for trace in (silent, half, whole)] == [1, 1, 2]
    assert scenarios.second_client() == "127.0.0.1" != scenarios.second_client(undone=False)
    assert scenarios.client_got(b"") == "nothing"
    assert scenarios.client_got(b"HTTP/1.1 200 OK\r\n\r\n") == "200 OK"


def test_the_table_tells_who_was_told_and_whom_they_called(capsys):
    nb11.conversation(scenarios.serve(scenarios.echo, scenarios.TWO_CLIENTS, xheaders=True)[0])
    rows = capsys.readouterr().out.splitlines()
    [first] = [at for at, row in enumerate(rows) if "c1r1" in row and "headers_received" in row]
    assert rows[first].endswith("_apply_xheaders")
    assert rows[first + 1].split() == ["HTTPServerRequest"]
    assert rows[first + 2].split() == ["2", "c1r1", "_ServerRequestAdapter", "finish", "echo"]
    assert rows[first + 3].split() == ["_unapply_xheaders"]


# ---- the quiz ----


@pytest.fixture(scope="module")
def trace():
    head = scenarios.PROXIED.replace(b"GET", b"POST")
    head = head.replace(b"Host", b"Content-Length: 5\r\nHost")
    moves = [("connect", "k"), ("send", "k", head + b"hello"), ("recv", "k"), ("close", "k")]
    return scenarios.serve(scenarios.echo, moves, xheaders=True)[0]


# ---- the picture ----


def test_the_picture_says_in_its_twin_what_it_says(monkeypatch):
    check_picture(pictures, nb11.adapter, monkeypatch)


# ---- the real one ----


def test_the_real_tornado_is_as_the_prose_says():
    ours, theirs = real.find(), ask(real.PROGRAM)
    assert ours.keys() == theirs.keys()
    differ = {name: theirs[name] for name in ours if ours[name] != theirs[name]}
    assert differ == {
        "who receives the events": "_CallableAdapter",
        "answered by return": "nothing",
        "an async def answers": "nothing",
    }
    assert ours["answered by return"].startswith("500")
    assert ours["an async def answers"] == "200 OK"


# The prose names a third class, and what stands in front of what.
PROXY = """
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerConnectionDelegate

class Delegate(HTTPServerConnectionDelegate):
    def start_request(self, server_conn, request_conn):
        return HTTPMessageDelegate()

for application in (print, Delegate()):
    for xheaders in (False, True):
        server = HTTPServer(application, xheaders=xheaders)
        print(type(server.start_request(None, None)).__name__)
"""


def test_in_tornado_three_classes_share_the_work():
    done = subprocess.run([sys.executable, "-c", PROXY], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [
        "_CallableAdapter", "_ProxyAdapter", "HTTPMessageDelegate", "_ProxyAdapter"], done.stderr


# ---- commands ----


def test_the_exercises_take_the_minutes_that_are_said():
    said = dict(re.findall(r"\*\*(ex\d\d)\*\*[^\n]*(?:\n[^-\n][^\n]*)*?About (\d+)", BOOK.prose))
    assert {name: int(minutes) for name, minutes in said.items()} == {
        name: Course().exercise(name).minutes for name in ("ex25", "ex26", "ex27")}
