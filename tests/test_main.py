"""python -m minitornado as its users meet it: each command in a process of its own.

A terminal, a pipe, a closed pipe, a wrong option, a taken port, Ctrl-C: one clear sentence or
nothing, and never a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import doctest
import errno
import http.client
import importlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from minitornado.cli import arguments, main, output, serve, trace
from minitornado.cli.output import Complaint
from minitornado.cli.views import NAMES as VIEWS
from minitornado.demo.application import ROUTES
from minitornado.ioloop import IOLoop

ROOT = Path(__file__).parents[1]
DEADLINE = 60.0  # seconds for a command on a loaded machine; none needs two on a free one
COMMAND = [sys.executable, "-m", "minitornado"]

# As in a plain shell: what pytest's environment says about output must not leak in.
LEAKS = {
    "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM",
    "PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONHASHSEED",
}  # fmt: skip
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in LEAKS}

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl to judge with")


def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"env": ENVIRONMENT, "cwd": ROOT, "timeout": DEADLINE, **options}
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, **options)


def shell(line: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `minitornado` is the command."""
    if shutil.which("bash") is None:
        pytest.skip("no bash to run it with")
    line = line.replace("minitornado", " ".join(COMMAND))
    options = {"env": ENVIRONMENT, "cwd": ROOT, "timeout": DEADLINE, **options}
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, **options)


def assert_readable(text: str, width: int = 80) -> None:
    """No colours, no control characters, no line that a terminal would fold."""
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text) == []
    assert [line for line in text.splitlines() if len(line) > width] == []
    assert "Traceback" not in text


class Serve:
    """`serve` in a process of its own, on a free port."""

    def __init__(self, *words: str, command: list[str] = COMMAND) -> None:
        self.words = words
        self.command = command

    def __enter__(self) -> Serve:
        self.process = subprocess.Popen(
            [*self.command, "serve", "--port", "0", *self.words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT, cwd=ROOT,
        )  # fmt: skip
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.wait_for(r"one of /hello")
        except BaseException:
            self.__exit__()
            raise
        self.port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", self.text)[0])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self.text), DEADLINE)
        assert found, f"no {pattern!r} in:\n{self.text}"

    def end(self, number: int) -> int:
        """Send a signal; return the exit status."""
        self.process.send_signal(number)
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end; it had said:\n{self.text}") from None
        self._reader.join(DEADLINE)
        return status

    def get(self, path: str = "/hello", method: str = "GET") -> bytes:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            client.request(method, path)
            return client.getresponse().read()
        finally:
            client.close()

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)


# ---- help, and what is misused ----


@pytest.mark.parametrize("words", [(), ("serve",), ("trace",), ("show",), ("learn",), ("build",)])
def test_help_fits_a_terminal_and_shows_examples(words: tuple[str, ...]):
    done = run(*words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m minitornado")
    assert_readable(done.stdout)
    if words not in (("learn",), ("build",)):
        assert "examples:" in done.stdout


def test_help_names_every_command():
    text = run("--help").stdout
    for command in ("serve", "trace", "show", "diff", "learn", "notebooks"):
        assert f"\n  {command} " in text


def test_version_is_the_package_s():
    from minitornado import __version__

    assert run("--version").stdout == f"minitornado {__version__}\n"


OPTION = "python -m minitornado {}: argument {} (--help says more)"
MISUSED = [
    (["bla"], "minitornado: there is no command 'bla'; there are "
              "serve, trace, show, diff, compare, learn, predict, quiz, progress, explain, "
              "notebooks, book, benchmark"),
    (["--bla"], "python -m minitornado: unrecognized arguments: --bla (--help says more)"),
    (["serve", "--port", "65536"],
     OPTION.format("serve", "--port: a port is a number from 0 to 65535, not '65536'")),
    (["serve", "--port", "-1"],
     OPTION.format("serve", "--port: a port is a number from 0 to 65535, not '-1'")),
    (["serve", "--level", "story", "--no-trace"],
     OPTION.format("serve", "--no-trace: not allowed with argument --level")),
    (["trace", "hello"],
     OPTION.format("trace", "URL-path: a path begins with a slash, as /hello; not 'hello'")),
    (["trace", "/a b"],
     OPTION.format("trace", "URL-path: a path is ASCII without spaces: write them as %20")),
    (["trace", "--method", "G T"],
     OPTION.format("trace", "--method: a method is a word, as GET; not 'G T'")),
    (["trace", "--header", "a\nb: c"],
     OPTION.format("trace", "--header: a header field is 'Name: value', not 'a\\nb: c'")),
    (["show"], "python -m minitornado show: the following arguments are required: FILE "
               "(--help says more)"),
    (["show", "/nowhere/x"], "minitornado: can't read /nowhere/x: no such file or directory"),
    (["show", "/"], "minitornado: can't read /: is a directory"),
    (["show", "README.md"], "minitornado: README.md is no trace: `trace --json FILE` writes them"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sentence"), MISUSED, ids=[" ".join(row[0]) for row in MISUSED])
def test_a_wrong_option_gets_one_sentence(words: list[str], sentence: str):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence + "\n")


def test_the_classroom_s_commands_are_handed_over(monkeypatch: pytest.MonkeyPatch):
    from minitornado.classroom import book, build, explain, learn, predictions, progress, quizzes

    seen = []
    monkeypatch.setattr(learn, "main", lambda words: seen.append(("learn", words)) or 0)
    monkeypatch.setattr(build, "main", lambda words: seen.append(("build", words)) or 1)
    assert main(["learn", "check", "ex13"]) == 0
    assert main(["notebooks", "--check"]) == main(["build", "00"]) == 1
    assert seen == [("learn", ["check", "ex13"]), ("build", ["--check"]), ("build", ["00"])]
    for name, module in (("predict", predictions), ("quiz", quizzes), ("progress", progress),
                         ("explain", explain), ("book", book)):
        monkeypatch.setattr(module, "main", lambda words: seen.append(words) or 2)
        assert main([name, "x"]) == 2
        assert seen.pop() == ["x"]


def test_help_is_there_at_once():
    """What a command needs is imported when it is chosen: neither rich nor the stack's servers."""
    code = (
        "import sys; sys.argv[1:] = ['--help']; import minitornado.cli; minitornado.cli.main();"
        "print(sorted(name for name in sys.modules if name.startswith(('rich', 'minitornado'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, cwd=ROOT
    )
    loaded = done.stdout.splitlines()[-1]
    for name in ("'rich", "trace", "classroom", "httpserver", "demo"):
        assert name not in loaded


# ---- serve ----


@pytest.fixture(scope="module")
def plain() -> Iterator[Serve]:
    with Serve("--no-trace") as process:
        yield process


@needs_curl
def test_serve_prints_an_address_and_a_line_that_curl_takes(plain: Serve):
    (line,) = re.findall(r"^    (curl .*)$", plain.text, re.MULTILINE)
    done = subprocess.run(line.split(), capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stdout) == (0, "hello world")
    assert "< HTTP/1.1 200 OK" in done.stderr
    plain.wait_for(r"\[I \d\d:\d\d:\d\d\] 200 GET '/hello' \(127\.0\.0\.1\)\n")
    assert_readable(plain.text.partition("[I")[0])


def test_serve_without_trace_logs_one_line_a_request_and_what_goes_wrong(plain: Serve):
    with plain.raw() as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
    plain.wait_for(r"--- POST '/echo' \(127\.0\.0\.1\): its body ended before its time")
    with plain.raw() as sock:
        sock.sendall(b"no request\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 400 ")
    plain.wait_for(r"Malformed HTTP message from 127\.0\.0\.1")
    plain.get("/boom")
    plain.wait_for(r"RuntimeError: this route always fails")
    assert plain.get() == b"hello world"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_is_a_good_end(number: int):
    with Serve("--no-trace") as process, process.raw() as idle:
        process.get()
        assert process.end(number) == 0
        assert "Traceback" not in process.text
        assert idle.recv(1) == b"", "idle connections are closed"


def test_ctrl_c_lets_an_answer_end_that_has_begun():
    # Its five pieces take 0.2 seconds of the one that it has; on a busy machine it may need more.
    patient = "import sys; from minitornado.cli import main, serve; serve.DRAIN_SECONDS = 60"
    command = [sys.executable, "-c", f"{patient}; sys.exit(main(sys.argv[1:]))"]
    with Serve("--no-trace", command=command) as process, process.raw() as sock:
        sock.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        data = sock.recv(65536)
        process.process.send_signal(signal.SIGINT)
        while chunk := sock.recv(65536):
            data += chunk
        assert data.endswith(b"\r\n0\r\n\r\n"), "the last piece has come too"
        assert process.process.wait(DEADLINE) == 0


def test_ctrl_c_does_not_wait_long_for_a_slow_answer_and_a_second_one_not_at_all():
    with Serve("--no-trace") as process, process.raw() as sock:
        sock.sendall(b"GET /slow?seconds=60 HTTP/1.1\r\nHost: a\r\n\r\n")
        process.get()
        begun = time.monotonic()
        assert process.end(signal.SIGINT) == 0
        assert time.monotonic() - begun < 50
    with Serve("--no-trace") as process, process.raw() as sock:
        sock.sendall(b"GET /block?seconds=10 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        begun = time.monotonic()
        process.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.end(signal.SIGINT) in (130, 0)
        assert time.monotonic() - begun < 9
        assert "Traceback" not in process.text


@pytest.fixture
def signals() -> Iterator[None]:
    """Put back what `serve` sets for the process, and give it a loop of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    loop = IOLoop(make_current=True)
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
    loop.close(all_fds=True)


@pytest.mark.deadline(120)
def test_a_signal_stops_it_that_comes_right_before_the_loop_falls_asleep(signals: None):
    serving = serve._Serving(argparse.Namespace(no_trace=True))
    serving.catch_signals()
    fd = signal.set_wakeup_fd(-1)
    os.write(fd, bytes([signal.SIGINT]))  # all that happens before Python's next step
    serving.run()
    os.close(fd)


@pytest.mark.deadline(120)
def test_a_signal_stops_it_that_comes_in_the_middle_of_the_tracer(
    signals: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(
        "minitornado.trace.views.Live.__call__", lambda self, event: os.kill(os.getpid(), 2)
    )
    assert main(["serve", "--port", "0"]) == 0


def test_a_taken_port_gets_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"minitornado: port {port} is taken by another program: choose another with --port\n"
    )


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EACCES, "Permission denied"), "port 80 is for root alone: choose one from"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "this machine has no address 192.0.2.1"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "nobody knows an address '192.0.2.1'"),
        (UnicodeError("label too long"), "nobody knows an address '192.0.2.1'"),
        (OSError(errno.EMFILE, "Too many open files"), "can't listen on 192.0.2.1 port 80: too"),
    ],
)  # fmt: skip
def test_what_keeps_it_from_listening_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
):
    def refuse(port: int, address: str) -> None:
        raise error

    monkeypatch.setattr(serve, "bind_sockets", refuse)
    with pytest.raises(Complaint, match="^" + re.escape(sentence)):
        serve.listen("192.0.2.1", 80)


@pytest.mark.parametrize("address", ["192.0.2.1", "no such name", "a" * 70 + ".example", "\udcff"])
def test_an_address_that_is_none_gets_one_sentence(address: str):
    with pytest.raises(Complaint, match="leave --address out"):
        serve.listen(address, 0)


@pytest.mark.parametrize(
    ("words", "err"), [(["--no-trace"], subprocess.STDOUT), ([], subprocess.PIPE),
                       (["--level", "story"], subprocess.PIPE)]
)  # fmt: skip
def test_serve_ends_when_nobody_reads_its_log_any_more(words: list[str], err: int):
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *words], stdout=subprocess.PIPE, stderr=err, text=True,
        env=ENVIRONMENT, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())):
            assert process.poll() is None, process.communicate(timeout=DEADLINE)
        process.stdout.close()
        port = int(found[1])
        while process.poll() is None:  # a hang ends with the test's deadline
            with contextlib.suppress(OSError, http.client.HTTPException):
                asking = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
                with contextlib.closing(asking):
                    asking.request("GET", "/hello")
                    asking.getresponse()
        _out, said = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 141
    assert "Traceback" not in (said or "")


@pytest.mark.parametrize(
    ("address", "url", "warning"),
    [
        (("127.0.0.1", 80), "http://127.0.0.1:80", ""),
        (("::1", 80, 0, 0), "http://[::1]:80", ""),
        (("0.0.0.0", 80), "http://127.0.0.1:80",
         "Everybody who reaches this machine can use it, /block too.\n"),
        (("::", 80, 0, 0), "http://[::1]:80",
         "Everybody who reaches this machine can use it, /block too.\n"),
    ],
)  # fmt: skip
def test_serve_prints_an_address_that_a_client_can_use(
    capsys: pytest.CaptureFixture[str], address: tuple[Any, ...], url: str, warning: str
):
    serve.greet(address)
    out, err = capsys.readouterr()
    assert out.startswith(f"Listening on {url} until Ctrl-C.")
    assert f"    curl -v {url}/hello\n" in out
    assert err == warning


# ---- the main job, trace, show ----


@pytest.fixture(scope="module")
def main_job() -> subprocess.CompletedProcess[str]:
    return run()


def test_the_main_job_shows_one_request_and_ends_well(main_job: subprocess.CompletedProcess[str]):
    assert (main_job.returncode, main_job.stderr) == (0, "")
    assert_readable(main_job.stdout)
    lines = main_job.stdout.splitlines()
    assert lines[0] == "One request, GET /hello, over a real socket: its callbacks as they run"
    for title in (
        "The same as a story, from the connection to the answer", "What that took", "Try next"
    ):  # fmt: skip
        assert title in lines
    assert "The answer: HTTP/1.1 200 OK" in main_job.stdout
    assert "hello world" in lines


def test_the_main_job_takes_less_than_two_seconds():
    begun = time.monotonic()
    before = os.times()
    assert run().returncode == 0
    after = os.times()
    # Of the processor's time, since a machine that has other things to do is not our affair.
    used = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    assert min(used, time.monotonic() - begun) < 2.0


def test_what_it_took_is_what_the_log_shows(main_job: subprocess.CompletedProcess[str]):
    log = main_job.stdout.partition("\nThe same as a story")[0]
    request = log[log.index("── turn 1 ") : log.index("request c1r1 ends")]
    took = main_job.stdout.partition("\nWhat that took\n")[2]
    for words, pattern in (
        ("turns?", "── turn "), ("polls?", "kernel +epoll_wait"), ("accept", "kernel +accept"),
        ("epoll_ctl", "kernel +epoll_ctl"), ("recv", "kernel +recv"), ("send", "kernel +send"),
    ):  # fmt: skip
        (number,) = re.findall(rf"^ *(\d+) {words}\b", took, re.MULTILINE)
        assert int(number) == len(re.findall(pattern, request)), words


def test_the_main_job_s_story_has_15_to_25_steps(main_job: subprocess.CompletedProcess[str]):
    story = main_job.stdout.partition("\nThe same as a story")[2].partition("\nWhat that took")[0]
    numbers = [int(number) for number in re.findall(r"^ *(\d+) [a-z]", story, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 15 <= len(numbers) <= 25


def test_what_to_try_next_works(main_job: subprocess.CompletedProcess[str]):
    lines = main_job.stdout.partition("Try next\n")[2].splitlines()
    commands = [line.split("  ")[1].removeprefix("python -m minitornado ") for line in lines]
    assert len(commands) >= 3
    for command in commands:
        if command != "serve":
            done = run(*command.split())
            assert (done.returncode, done.stderr) == (0, ""), command


def test_twenty_runs_of_the_main_job_print_the_same():
    first = run(env={**ENVIRONMENT, "PYTHONHASHSEED": "0"}).stdout
    assert "hello world" in first
    for seed in range(1, 20):
        assert run(env={**ENVIRONMENT, "PYTHONHASHSEED": str(seed)}).stdout == first


@pytest.mark.parametrize(
    "words",
    [
        ["/echo", "--data", "hello"],
        ["/stream"],
        ["/big?n=300000", "--view", "counts"],
        ["/slow?seconds=0.01", "--level", "chain"],
        ["/boom", "--view", "turns"],
        ["/hello", "--header", "Connection: close", "--level", "full"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_three_traces_of_a_request_print_the_same(words: list[str]):
    outputs = {run("trace", *words).stdout for _ in range(3)}
    assert len(outputs) == 1
    assert outputs != {""}


VIEW_OPTIONS = [
    [], *(["--level", level] for level in arguments.LEVELS), *(["--view", name] for name in VIEWS),
    ["--view", "tree", "--level", "full"], ["--event", "20"],
]  # fmt: skip


@pytest.mark.parametrize("options", VIEW_OPTIONS, ids=lambda options: " ".join(options) or "none")
def test_every_view_reads_in_a_pipe_and_shows_a_file_as_it_showed_the_request(
    options: list[str], tmp_path: Path
):
    file = str(tmp_path / "trace.jsonl")
    traced = run("trace", "/echo", "--data", "abc", "--json", file, *options)
    assert (traced.returncode, traced.stderr) == (0, "")
    assert_readable(traced.stdout)
    shown = run("show", file, *options)
    assert (shown.returncode, shown.stderr) == (0, "")
    view, _, answer = traced.stdout.partition("\nThe answer: ")
    assert answer.endswith(" with this body:\nabc\n")
    assert view == shown.stdout
    assert len(view.splitlines()) > 5


def test_a_file_can_be_asked_for_a_connection_a_request_or_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def show(*words: str) -> str:
        assert main(["show", file, *words]) == 0
        return capsys.readouterr().out

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    file = str(tmp_path / "trace.jsonl")
    assert main(["trace", "--json", file]) == 0
    capsys.readouterr()
    for view in ("story", "log", "lanes", "tree", "counts", "step"):
        texts = {of: show("--view", view, "--of", of) for of in ("c1r1", "c1", "all")}
        assert len(set(texts.values())) == 3, view
        assert show("--view", view) == texts["all" if view == "log" else "c1r1"], view
    assert main(["show", file, "--of", "c2"]) == 2
    assert capsys.readouterr().err == (
        "minitornado: there is no connection or request 'c2': there are c1, c1r1, c1r2\n"
    )


def test_the_steps_go_forward_and_back_with_keys():
    done = run("trace", "--view", "step", input="n\nn\np\nb\na\nq\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert_readable(done.stdout)
    steps = [int(number) for number in re.findall(r"step (\d+) of", done.stdout)]
    assert steps[:4] == [1, 2, 3, 2]
    assert shell("minitornado trace --view step <&-").stderr == (
        "minitornado: --view step needs keys, and there is no input to read them from\n"
    )


def test_audit_gives_its_verdict_on_the_last_line():
    for path in ("/hello", "/stream", "/boom"):
        done = run("trace", path, "--audit")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == "Nothing is missed."


def test_audit_fails_when_a_probe_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from minitornado.trace import tracer

    table = tracer.MINITORNADO
    rows = tuple(row for row in table.rows if row.attribute != "HTTP1Connection.finish")
    assert len(rows) == len(table.rows) - 1
    monkeypatch.setattr(tracer, "MINITORNADO", dataclasses.replace(table, rows=rows))
    assert main(["trace", "--audit"]) == 1
    out = capsys.readouterr().out
    assert "HTTP1Connection.finish was called 1 times, and has no probe" in out
    assert out.endswith(" missed or wrong.\n")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["/nowhere"], "The answer: HTTP/1.1 404 Not Found"),
        (["/boom"], "The answer: HTTP/1.1 500 Internal Server Error"),
        (["/hello", "--method", "HEAD"], "0 of them its body"),
        (["/hello", "--method", "PUT"], "The answer: HTTP/1.1 405 Method Not Allowed"),
        (["/status?code=204"], "The answer: HTTP/1.1 204 No Content"),
        (["/stream"], "The answer: HTTP/1.1 200 OK"),
        (["/big?n=3000000"], "3,000,000 of them its body"),
        (["/headers", "--header", "Host: a", "--header", "X-One: 1"],
         '[["Host", "a"], ["X-One", "1"]]'),
        (["/echo", "--method", "POST", "--header", "Content-Length: x"],
         "The answer: HTTP/1.1 400 Bad Request"),
        (["/hello", "--header", "Connection: close"], "hello world"),
        (["/echo", "--header", "Transfer-Encoding: chunked", "--data", "3\r\nabc\r\n0\r\n\r\n"],
         "body:\nabc\n"),
        (["/echo", "--header", "Expect: 100-continue", "--data", "abc"],
         "The answer: HTTP/1.1 200 OK"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_trace_says_what_was_answered(words: list[str], answer: str):
    done = run("trace", *words, "--view", "counts")
    assert (done.returncode, done.stderr) == (0, "")
    assert answer in done.stdout


def test_a_request_that_never_ends_is_no_reason_to_wait():
    done = run("trace", "/echo", "--header", "Content-Length: 9", "--data", "abc")
    assert done.returncode == 0
    assert "There was no answer." in done.stdout


def test_a_request_that_takes_too_long_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    # Not by a dotted name: the package has a function of the same name.
    module = importlib.import_module("minitornado.trace.drive")
    monkeypatch.setattr(module, "MAX_SECONDS", -1.0)
    assert main(["trace"]) == 1
    assert capsys.readouterr().err.endswith("seconds: ask for less\n")


def test_ctrl_c_ends_a_trace_without_a_word():
    process = subprocess.Popen(
        [*COMMAND, "trace", "/block?seconds=9", "--level", "chain"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    assert "add_handler" in process.stdout.readline()  # as it happens, in a pipe too if asked
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "The answer" not in out


def test_a_trace_that_can_not_be_written_is_a_sentence():
    done = run("trace", "--json", "/nowhere/x.jsonl")
    assert done.returncode == 1
    assert done.stderr == "minitornado: can't write /nowhere/x.jsonl: no such file or directory\n"


def test_an_event_that_is_not_there_is_a_sentence():
    done = run("trace", "--event", "99999")
    assert done.returncode == 2
    sentence = r"minitornado: there is no event 99999: they go from 1 to \d+\n"
    assert re.fullmatch(sentence, done.stderr)


def test_files_that_are_nearly_traces_are_refused(tmp_path: Path):
    file = tmp_path / "trace.jsonl"
    run("trace", "--json", str(file))
    header, first, *_ = file.read_text().splitlines()
    for text in ("", "{}", "[]", "\0\xff", header + "\n{", header + "\n[]", header + "\n{}",
                 header + "\n" + first[:-5]):  # fmt: skip
        file.write_bytes(text.encode("latin-1"))
        done = run("show", str(file))
        assert done.returncode == 2, text
        assert done.stderr == f"minitornado: {file} is no trace: `trace --json FILE` writes them\n"
    file.write_text(header.replace('"version":1', '"version":99'))
    assert run("show", str(file)).stderr == f"minitornado: {file} has version 99, not 1\n"


# ---- serve, traced ----


@pytest.mark.parametrize("level", arguments.LEVELS)
def test_serve_logs_every_request_and_what_goes_wrong_at_each_level(level: str):
    with Serve("--level", level) as process:
        for number in (1, 2):
            assert process.get("/hello") == b"hello world"
            process.wait_for(rf"c{number}r1")
        with process.raw() as sock:
            sock.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        process.wait_for(r"c3")
        with process.raw() as sock:
            sock.sendall(b"no request\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 400 ")
        process.wait_for(r"Malformed HTTP message from 127\.0\.0\.1")
        assert process.get("/boom") == b"500 Internal Server Error\n"
        assert process.get() == b"hello world"
        process.wait_for(r"c6")
        assert process.end(signal.SIGINT) == 0
        assert "tracer-error" not in process.text


@needs_curl
def test_curl_is_answered_twice_on_every_route_and_the_log_shows_both_chains():
    routes = [
        (path, f"?{route.number.name}={route.number.example}" if route.number else "")
        for path, route in ROUTES.items()
    ]
    with Serve() as process:
        for number, (path, query) in enumerate(routes, 1):
            url = f"http://127.0.0.1:{process.port}{path}{query}"
            data = ["--data", "hi"] if path == "/echo" else []
            done = subprocess.run(
                ["curl", "-sv", "-o", os.devnull, "-o", os.devnull, "-w", "%{num_connects} ",
                 *data, url, url],
                capture_output=True, text=True, timeout=DEADLINE,
            )  # fmt: skip
            assert (done.returncode, done.stdout) == (0, "1 0 "), path
            status = {"/status": "404 Not Found", "/boom": "500 Internal"}.get(path, "200 OK")
            assert done.stderr.count(f"< HTTP/1.1 {status}") == 2, path
            process.wait_for(rf"connection c{number} ends")
        for number in range(1, len(routes) + 1):
            for request in (f"c{number}r1", f"c{number}r2"):
                assert len(re.findall(rf"request {request} begins", process.text)) == 1
                assert len(re.findall(rf"request {request} ends", process.text)) == 1
                assert len(re.findall(rf"{request} +kernel +send c{number} ", process.text)) >= 1


def test_a_signal_ends_a_traced_server_well_too():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Serve() as process, process.raw():
            process.get()
            assert process.end(number) == 0
            assert "Traceback" not in process.text


# ---- how it looks ----


def test_no_color_and_dumb_terminals_are_respected():
    command = "minitornado trace --level chain"
    colours = "\x1b["
    in_terminal = f"script -qec '{command}' /dev/null"
    if shutil.which("script") is None:
        pytest.skip("no script command to make a terminal with")
    terminal = {**ENVIRONMENT, "TERM": "xterm-256color"}
    assert colours in shell(in_terminal, env=terminal).stdout
    for change in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        text = shell(in_terminal, env={**terminal, **change}).stdout
        assert re.findall(r"\x1b\[[0-9;]*3[0-9]", text) == [], change


@pytest.mark.parametrize("width", [60, 100, 120])
def test_every_view_keeps_to_the_width_that_it_is_given(width: int, tmp_path: Path):
    file = str(tmp_path / "trace.jsonl")
    run("trace", "/echo", "--data", "abc", "--json", file)
    environment = {**ENVIRONMENT, "COLUMNS": str(width)}
    for name in VIEWS:
        done = run("show", file, "--view", name, env=environment, stdin=subprocess.DEVNULL)
        assert done.returncode == 0
        assert_readable(done.stdout, width)


def test_a_c_locale_gets_ascii():
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    done = shell("minitornado", env=environment)
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "?" not in done.stdout
    done = shell("minitornado trace /echo --data é", env=environment)
    assert done.stdout.endswith("with this body:\n?\n")


@pytest.mark.parametrize("words", ["", "trace --level full", "trace --view lanes"])
def test_head_may_have_enough(words: str):
    done = shell(f"minitornado {words} | head -2; echo ${{PIPESTATUS[0]}}")
    assert len(done.stdout.splitlines()) == 3
    assert done.stdout.splitlines()[-1] in ("141", "0")  # 0: it was through before head was
    assert done.stderr == ""


# ---- terminals, pipes, files, nobody ----


def test_a_closed_pipe_is_the_end_without_a_word():
    done = shell("minitornado --help | head -1; echo ${PIPESTATUS[0]}")
    assert done.stdout.startswith("usage:")
    assert done.stderr == ""


def test_nobody_listening_at_all_is_no_reason_to_fail():
    assert shell("minitornado --version >&- 2>&- <&-").returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_gets_one_sentence():
    done = shell("minitornado trace > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "minitornado: can't write the output: no space left on device\n"


@pytest.mark.parametrize("module", [arguments, trace])
def test_what_the_docstrings_show_is_true(module: ModuleType):
    tried = doctest.testmod(module)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_a_log_that_fails_is_not_hidden_by_the_tracer(monkeypatch: pytest.MonkeyPatch):
    def broken(self: object, event: object) -> None:
        raise ZeroDivisionError("a bug in a view")

    monkeypatch.setattr("minitornado.trace.views.Live.__call__", broken)
    with pytest.raises(ZeroDivisionError):
        main(["trace", "--level", "chain"])


def test_a_bug_is_not_hidden():
    def command() -> int:
        raise OSError(errno.ENOENT, "nothing here")

    with pytest.raises(OSError, match="nothing here"):
        output.guard_output(command)
