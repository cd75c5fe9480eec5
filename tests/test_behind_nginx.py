"""Several processes behind a real nginx: who the client is, kept connections, deaths under load.

The example is run as a learner runs it: one command, ended by Ctrl-C.  Everything that is
killed here was started here, and is known by its process id.
"""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import os
import pwd
import queue
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minitornado.demo.behind_nginx import __main__ as command
from minitornado.demo.behind_nginx import family
from minitornado.httpserver import DEFAULT_IDLE_TIMEOUT

ROOT = Path(__file__).parents[1]
DEADLINE = 60.0  # seconds for any one thing to happen; on an idle machine none takes two

try:
    NGINX: str | None = family.find_nginx()
except family.CannotStart as missing:
    NGINX = None
    MISSING = f"SKIPPED, nothing about the proxy is proven: {missing}"

needs_nginx = pytest.mark.skipif(NGINX is None, reason="" if NGINX else MISSING)
pytestmark = pytest.mark.deadline(180)


class Example:
    """The command in a process of its own, and what it says."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "minitornado.demo.behind_nginx", "--port", "0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            process_group=0,  # as a shell starts a command of a terminal
        )
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.errors: list[str] = []  # nginx's log, and tracebacks if there are any
        self._threads = [
            threading.Thread(target=self._copy, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.lines.put),
                         (self.process.stderr, self.errors.append))
        ]
        for thread in self._threads:
            thread.start()
        self.nginx = 2**22  # no process's id: Linux counts to there
        self.backends: dict[int, tuple[int, int]] = {}  # number: port, pid
        try:
            match = self.wait_for(r"nginx +https?://127\.0\.0\.1:(\d+)  pid (\d+)")
            self.port, self.nginx = int(match[1]), int(match[2])
            while (match := self.wait_for(r"process (\d+) .*:(\d+)  pid (\d+)|Ctrl-C"))[1]:
                self.backends[int(match[1])] = (int(match[2]), int(match[3]))
        except BaseException:
            self.clean_up()
            raise

    @staticmethod
    def _copy(pipe: Any, put: Any) -> None:
        for line in pipe:
            put(line)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the match in the next line that has one."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"the example never said {pattern!r}; its errors: {self.errors}")
            match = re.search(pattern, line)
            if match:
                return match

    def wait_for_restart(self, number: int) -> str:
        """Return how process `number` ended, once it is there again; note its new pid."""
        match = self.wait_for(rf"process {number} \(pid \d+\) (.*); started again, pid (\d+)")
        self.backends[number] = (self.backends[number][0], int(match[2]))
        return match[1]

    def end(self, signum: int = signal.SIGINT) -> int:
        """Stop it; return its exit status."""
        self.process.send_signal(signum)
        return self.process.wait(DEADLINE)

    def clean_up(self) -> None:
        """Leave nothing behind, whatever has happened; what is alive here has failed at its job."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.end()
        with contextlib.suppress(OSError):
            os.kill(self.nginx, signal.SIGTERM)  # it takes its worker with it
        for pid in (self.process.pid, *(pid for _port, pid in self.backends.values())):
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)  # its pipe ends with the last process that holds it
            assert not thread.is_alive(), "somebody still holds the example's output"
        assert self.process.stdout is not None and self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()


@contextlib.contextmanager
def running(*options: str) -> Iterator[Example]:
    example = Example(*options)
    try:
        yield example
    finally:
        example.clean_up()
    assert not [line for line in example.errors if "Traceback" in line], "".join(example.errors)


@pytest.fixture(scope="module")
def example() -> Iterator[Example]:
    with running("--processes", "3") as example:
        yield example


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until_gone(*pids: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {[p for p in pids if is_alive(p)]}"
        time.sleep(0.02)


def ask(port: int, path: str = "/", method: str = "GET", body: bytes | None = None,
        source: str | None = None, **fields: str) -> tuple[int, bytes]:
    """Send one request on a connection of its own; return status and body."""
    address = (source, 0) if source else None
    conn = http.client.HTTPConnection("127.0.0.1", port, DEADLINE, source_address=address)
    with contextlib.closing(conn):
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        conn.request(method, path, body=body, headers=headers)
        response = conn.getresponse()
        return response.status, response.read()


def ask_who(port: int, **options: Any) -> dict[str, Any]:
    status, body = ask(port, **options)
    assert status == 200
    answer = json.loads(body)
    assert isinstance(answer, dict)
    return answer


# ---- the configuration, on paper ----


def test_the_configuration_names_every_process_and_the_loopback_only() -> None:
    text = family.configuration(8000, [8001, 8002])
    assert re.findall(r"^ *listen (.*);", text, re.M) == ["127.0.0.1:8000"]
    servers = re.findall(r"^ *server (\S+:\d+) .*;", text, re.M)
    assert servers == ["127.0.0.1:8001", "127.0.0.1:8002"]
    assert "@" not in re.sub(r"#.*", "", text), "a word was not filled in"


def test_nginx_gives_up_a_kept_connection_long_before_the_server_does() -> None:
    text = family.configuration(8000, [8001])
    (seconds,) = re.findall(r"keepalive_timeout (\d+)s;", text)
    assert int(seconds) <= DEFAULT_IDLE_TIMEOUT / 10


def test_show_config_prints_what_a_run_would_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--show-config", "--port", "8000", "--processes", "2"]) == 0
    assert capsys.readouterr().out == family.configuration(8000, [8001, 8002])


@needs_nginx
@pytest.mark.parametrize("with_tls", [False, True], ids=["http", "https"])
def test_nginx_takes_the_configuration_without_being_root(with_tls: bool) -> None:
    assert NGINX is not None
    # Not pytest's folder, to which nobody but its owner has a way.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tls = make_certificate(folder) if with_tls else None
        port, held = family.reserve_port(0)  # nginx -t binds it for a moment
        (folder / "nginx.conf").write_text(family.configuration(port, [port], tls))
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in (folder, *folder.iterdir()):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        result = subprocess.run(
            [NGINX, "-t", "-p", name, "-c", "nginx.conf", "-e", "stderr"],
            capture_output=True, text=True, timeout=DEADLINE, cwd="/", **user,
        )
        held.close()
    assert result.returncode == 0, result.stderr
    assert "[warn]" not in result.stderr and "[emerg]" not in result.stderr, result.stderr


# ---- the command line ----


def test_without_nginx_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    assert command.main(["--port", "0"]) == 1
    said = capsys.readouterr().err
    assert "nginx is not installed" in said and "apt-get install nginx" in said


def test_nginx_is_found_where_debian_puts_it_and_few_look(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(shutil, "which", lambda name, path: asked.extend(path.split(":")) or name)
    assert family.find_nginx() == "nginx"
    assert asked[0] == "/nowhere" and "/usr/sbin" in asked


def test_a_port_that_is_taken_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(family, "find_nginx", lambda: "nginx")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if port > 65000:
            pytest.skip("SKIPPED: the kernel chose a port with no room above it")
        assert command.main(["--port", str(port)]) == 1
    assert f"Port {port} can't be had: Address already in use" in capsys.readouterr().err


def test_a_reserved_port_is_had_by_servers_only() -> None:
    port, held = family.reserve_port(0)
    with held:
        with socket.create_server(("127.0.0.1", port)):  # sets SO_REUSEADDR
            pass
        with socket.socket() as client, pytest.raises(OSError, match="in use"):
            client.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--processes", "0"], "--processes takes a number from 1 to 32"),
        (["--processes", "33"], "--processes takes a number from 1 to 32"),
        (["--port", "65535"], "--port takes a number from 0 to 65532"),
        (["--port", "-1"], "--port takes a number from 0 to 65532"),
    ],
)
def test_options_without_sense_are_refused_with_a_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        command.main(options)
    assert exit.value.code == 2
    assert sentence in capsys.readouterr().err


def test_help_says_what_to_try_and_where_the_configuration_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit:
        command.main(["--help"])
    assert exit.value.code == 0
    text = capsys.readouterr().out
    for word in ("--processes", "--port", "kill -9", "Ctrl-C", "curl 127.0.0.1:8080/"):
        assert word in text
    assert (ROOT / re.findall(r"minitornado/\S*nginx\.conf", text)[0]).is_file()


# ---- who the client is ----


@needs_nginx
def test_the_application_sees_the_client_and_not_nginx(example: Example) -> None:
    # Any address of 127/8 is on the loopback; nginx itself calls from 127.0.0.1.
    you = ask_who(example.port, source="127.0.0.2")["you"]
    assert you == {"ip": "127.0.0.2", "protocol": "http", "host": f"127.0.0.1:{example.port}"}


@needs_nginx
def test_what_a_client_says_about_itself_does_not_pass_nginx(example: Example) -> None:
    you = ask_who(
        example.port, source="127.0.0.2", X_Real_Ip="6.6.6.6", X_Forwarded_For="6.6.6.6",
        X_Scheme="https", X_Forwarded_Proto="https",
    )["you"]
    assert (you["ip"], you["protocol"]) == ("127.0.0.2", "http")


@needs_nginx
def test_who_gets_past_nginx_is_believed_so_the_processes_listen_on_the_loopback_only(
    example: Example,
) -> None:
    for port, _pid in example.backends.values():
        assert ask_who(port, X_Real_Ip="6.6.6.6")["you"]["ip"] == "6.6.6.6"
        assert listening_addresses(port) == {"127.0.0.1"}
    assert listening_addresses(example.port) == {"127.0.0.1"}


def listening_addresses(port: int) -> set[str]:
    """IPv4 and IPv6 addresses that listen on a port, as the kernel tells it (proc(5))."""
    found = set()
    for table, af in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, _remote, state = line.split()[1:4]
            address, hex_port = local.split(":")
            if state == "0A" and int(hex_port, 16) == port:
                words = bytes.fromhex(address)
                swapped = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
                found.add(socket.inet_ntop(af, swapped))
    return found


@needs_nginx
def test_behind_a_proxy_that_speaks_tls_the_protocol_is_https(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    trust = ssl.create_default_context(cafile=certificate)
    with running("--processes", "1", "--tls", certificate, key) as example:
        conn = http.client.HTTPSConnection("127.0.0.1", example.port, timeout=DEADLINE,
                                           context=trust)
        with contextlib.closing(conn):
            conn.request("GET", "/", headers={"X-Scheme": "http"})
            assert json.loads(conn.getresponse().read())["you"]["protocol"] == "https"


def make_certificate(folder: Path) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("SKIPPED: no openssl command to make a certificate with")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
         "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True, timeout=60)
    return certificate, key


# ---- between nginx and the processes ----


@needs_nginx
def test_nginx_asks_all_processes_in_turn_and_keeps_one_connection_to_each() -> None:
    with running("--processes", "3") as example:
        answers = [ask_who(example.port) for _ in range(60)]
        assert {answer["pid"] for answer in answers} == {p for _, p in example.backends.values()}
        last = {answer["pid"]: answer for answer in answers}
        assert [answer["requests"] for answer in last.values()] == [20, 20, 20]
        assert [answer["connections"] for answer in last.values()] == [1, 1, 1]


@needs_nginx
def test_bodies_larger_than_nginx_keeps_in_memory_pass_both_ways(example: Example) -> None:
    body = os.urandom(300_000)  # nginx's buffer holds 16 KiB; the rest goes through its folder
    assert ask(example.port, "/echo", "POST", body) == (200, body)


# ---- deaths ----


def until_bytes_wait(port: int) -> None:
    """Return when somebody has sent what the process on a port has not read (proc(5))."""
    deadline = time.monotonic() + DEADLINE
    while True:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, _remote, state, queues = line.split()[1:5]
            is_ours = int(local.partition(":")[2], 16) == port and state == "01"
            if is_ours and int(queues.partition(":")[2], 16) > 0:
                return
        assert time.monotonic() < deadline, "nobody asks it"
        time.sleep(0.01)


class Load:
    """Clients that send GETs, each over a connection that it keeps, until they are told to stop."""

    def __init__(self, port: int, clients: int = 6, most: int = 100) -> None:
        self.outcomes: collections.Counter[object] = collections.Counter()
        self._port, self._most, self._enough = port, most, threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "a request was never answered"

    def _run(self) -> None:
        conn = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        for _ in range(self._most):
            if self._enough.is_set():
                break
            try:
                conn.request("GET", "/slow?seconds=0.02")
                response = conn.getresponse()
                body = response.read()
                self.outcomes[response.status if b"waited" in body else body] += 1
            except (OSError, http.client.HTTPException) as error:
                self.outcomes[repr(error)] += 1
                conn.close()
        conn.close()

    def wait_for(self, more: int) -> None:
        """Return when so many more requests have got their answer."""
        target = self.outcomes.total() + more
        deadline = time.monotonic() + DEADLINE
        while self.outcomes.total() < target:
            assert time.monotonic() < deadline, f"no more answers; so far: {self.outcomes}"
            time.sleep(0.01)


@needs_nginx
def test_no_get_is_lost_when_a_process_is_killed_under_load() -> None:
    with running("--processes", "3") as example, Load(example.port) as load:
        for number in (0, 1):
            load.wait_for(30)
            port, pid = example.backends[number]
            # Frozen first: requests pile up in front of it, so that it can't die idle.
            os.kill(pid, signal.SIGSTOP)
            until_bytes_wait(port)
            os.kill(pid, signal.SIGKILL)
            assert example.wait_for_restart(number) == "was killed by SIGKILL"
        load.wait_for(30)
    assert set(load.outcomes) == {200}, load.outcomes
    # And it was not luck: nginx says that it had to ask again.
    log = "".join(example.errors)
    assert re.search("prematurely closed|reset by peer", log), log


@needs_nginx
def test_a_killed_process_comes_back_on_its_port_and_is_asked_again() -> None:
    with running("--processes", "2") as example:
        port, pid = example.backends[0]
        os.kill(pid, signal.SIGKILL)
        example.wait_for_restart(0)
        assert ask_who(port)["pid"] == example.backends[0][1] != pid
        deadline = time.monotonic() + DEADLINE
        while ask_who(example.port)["pid"] != example.backends[0][1]:
            assert time.monotonic() < deadline, "nginx never asks it again"
            time.sleep(0.05)


@needs_nginx
def test_no_get_is_lost_when_a_process_is_told_to_stop_under_load() -> None:
    with running("--processes", "2") as example, Load(example.port) as load:
        for number in (0, 1):
            load.wait_for(30)
            os.kill(example.backends[number][1], signal.SIGTERM)
            assert example.wait_for_restart(number) == "ended with status 0"
        load.wait_for(30)
    assert set(load.outcomes) == {200}, load.outcomes


@needs_nginx
def test_a_post_is_not_sent_twice_since_it_may_have_been_done() -> None:
    with running("--processes", "2") as example:
        first = ask_who(example.port)["pid"]
        # In turn: the next request is for the other one.  Frozen, so that it dies unanswered.
        ((number, pid),) = [(n, pid) for n, (_, pid) in example.backends.items() if pid != first]
        os.kill(pid, signal.SIGSTOP)
        answers: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        threading.Thread(
            target=lambda: answers.put(ask(example.port, "/echo", "POST", b"pay")), daemon=True
        ).start()
        until_bytes_wait(example.backends[number][0])
        assert answers.empty(), "the POST was meant for the frozen process"
        os.kill(pid, signal.SIGKILL)
        assert answers.get(timeout=DEADLINE)[0] == 502
        example.wait_for_restart(number)
        asked = {(who := ask_who(example.port))["pid"]: who["requests"] for _ in range(2)}
        assert asked == {first: 2, example.backends[number][1]: 1}, "somebody has got the POST"


# ---- the end ----


@needs_nginx
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_ctrl_c_ends_all_of_them_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running("--processes", "2") as example:
        assert [path.name.startswith("minitornado-nginx-") for path in tmp_path.iterdir()] == [True]
        pids = [example.nginx, *(pid for _, pid in example.backends.values())]
        with socket.create_connection(("127.0.0.1", example.port)):  # an idle client is no reason
            started = time.monotonic()
            assert example.end(signum) == 0
            assert time.monotonic() - started < family.STOP_SECONDS
        assert [pid for pid in pids if is_alive(pid)] == []
        assert list(tmp_path.iterdir()) == []
        assert example.errors == []
        for port in (example.port, *(port for port, _ in example.backends.values())):
            socket.create_server(("127.0.0.1", port)).close()


@needs_nginx
def test_ctrl_c_lets_an_answer_that_is_under_way_come_to_its_end() -> None:
    with running("--processes", "1") as example:
        with socket.create_connection(("127.0.0.1", example.port), DEADLINE) as client:
            received = b"piece 5"
            while b"piece 5" in received:  # we were too slow: it was here as a whole
                client.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
                received = client.recv(1000)
            os.killpg(example.process.pid, signal.SIGINT)  # as a terminal does it
            while more := client.recv(1000):
                received += more
            assert received.endswith(b"piece 5 of 5\n\r\n0\r\n\r\n")
        assert example.end() == 0


@needs_nginx
def test_if_the_example_itself_is_killed_its_processes_end_too() -> None:
    with running("--processes", "2") as example:
        assert example.end(signal.SIGKILL) == -signal.SIGKILL
        # nginx, which doesn't know that it has a parent, stays; clean_up ends it.
        until_gone(*(pid for _, pid in example.backends.values()))


@needs_nginx
def test_if_nginx_dies_the_example_says_so_and_ends() -> None:
    with running("--processes", "1") as example:
        os.kill(example.nginx, signal.SIGTERM)
        assert example.process.wait(DEADLINE) == 1
        until_gone(*(pid for _, pid in example.backends.values()))
    assert any("nginx ended with status 0" in line for line in example.errors), example.errors


def test_nginx_is_not_ready_while_a_signal_would_still_kill_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer() -> None:
        for _ in range(2):
            with early.accept()[0] as client, contextlib.suppress(OSError):
                client.recv(100)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as early:
        nginx = family.Nginx("nginx", early.getsockname()[1], "/nowhere")
        monkeypatch.setattr(family, "ANSWER_SECONDS", 0.05)
        assert not nginx._is_ready()  # though the kernel takes connections for it
        monkeypatch.setattr(family, "ANSWER_SECONDS", DEADLINE)
        worker = threading.Thread(target=answer)
        worker.start()
        assert nginx._is_ready()
        worker.join(DEADLINE)
