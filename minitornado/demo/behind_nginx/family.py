"""nginx and the processes behind it: started, watched, started again, stopped.

    start   processes first, then nginx: nobody is sent to a door that isn't open yet
    watch   a process that has died is started again, on its own port
    stop    nginx first, then processes: what nginx has passed on is still answered

Each is a program of its own, started anew and not forked: it could as well run elsewhere, or
be another version.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

START_SECONDS = 30.0  # until a process must listen
ANSWER_SECONDS = 1.0  # until nginx is asked again whether it is ready
STOP_SECONDS = 8.0  # until a process that was told to stop is killed; more than it drains
WATCH_SECONDS = 0.05  # between two looks at who is still alive

TEMPLATE = Path(__file__).with_name("nginx.conf")


class CannotStart(Exception):
    """Something that the example needs is missing or taken; the message is for the user."""


def find_nginx() -> str:
    """Return the path of nginx, or raise CannotStart with the way to get it."""
    # Debian keeps it in /usr/sbin, which is not on everybody's PATH.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    nginx = shutil.which("nginx", path=path)
    if nginx is None:
        raise CannotStart(
            "nginx is not installed. On Debian and Ubuntu: apt-get install nginx "
            "(the service that comes with it need not run)."
        )
    return nginx


def configuration(port: int, backends: Sequence[int], tls: tuple[str, str] | None = None) -> str:
    """Return nginx's configuration for its own `port` and those of the `backends`.

    `tls`: paths of a certificate and its key, in PEM; nginx then speaks https.
    """
    servers = [f"server 127.0.0.1:{each} max_fails=0;" for each in backends]
    listen = [f"listen 127.0.0.1:{port};"]
    if tls is not None:
        certificate, key = (os.path.abspath(path) for path in tls)
        listen = [
            f"listen 127.0.0.1:{port} ssl;",
            f'ssl_certificate     "{certificate}";',
            f'ssl_certificate_key "{key}";',
        ]
    indent = "\n" + " " * 8
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("@SERVERS@", indent.join(servers))
    return text.replace("@LISTEN@", indent.join(listen))


def reserve_port(port: int) -> tuple[int, socket.socket]:
    """Return `port` (0: a free one), and a socket that keeps it ours while it is open.

    The socket is bound but does not listen.  Linux gives such a port to those who ask for it
    with SO_REUSEADDR, as all servers do, and to nobody else: not to a client's connection
    either, in the moment between the death of a process and its next start.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        sock.close()
        raise CannotStart(
            f"Port {port} can't be had: {error.strerror}. Choose others with --port."
        ) from None
    number: int = sock.getsockname()[1]
    if sys.platform != "linux":  # pragma: no cover  (elsewhere it would keep the server out too)
        sock.close()
    return number, sock


class Member:
    """One program of the family; `process` is its present incarnation."""

    def __init__(self, name: str, port: int, command: Sequence[str]) -> None:
        self.name = name
        self.port = port
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program; it may not listen yet when this returns."""
        self.process = subprocess.Popen(
            self.command,
            # Held open and never written to.  It ends when we are gone, however that came, and
            # a backend follows us.  (nginx does not look at it; kill -9 leaves it alone.)
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C goes to all processes of a terminal's foreground group.  Not to these: in
            # which order they stop is ours to say.
            process_group=0,
        )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def is_gone(self) -> str | None:
        """Say how it ended; None while it runs."""
        assert self.process is not None
        status = self.process.poll()
        if status is None:
            return None
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    def wait_until_ready(self) -> None:
        """Return when it takes connections and signals; raise CannotStart if it never will."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            end = self.is_gone()
            if end is not None:
                raise CannotStart(f"{self.name} {end} before it was ready on port {self.port}.")
            if time.monotonic() > deadline:
                raise CannotStart(f"{self.name} was not ready on port {self.port}.")

    def _is_ready(self) -> bool:
        raise NotImplementedError

    def tell(self, signum: int) -> None:
        """Send it a signal, if it is still there."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signum)

    def wait(self) -> None:
        """Return when it is gone; help it along if it takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # with nginx's worker
            self.process.wait()
        self.forget()

    def forget(self) -> None:
        """Close our ends of the pipes to a process that is gone."""
        assert self.process is not None
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class BackendProcess(Member):
    """A process of `backend.py`; it says on its standard output that it listens."""

    def __init__(self, number: int, port: int) -> None:
        module = f"{__package__}.backend"
        command = [sys.executable, "-m", module, "--port", str(port), "--until-eof"]
        super().__init__(f"process {number}", port, command)

    def _is_ready(self) -> bool:
        assert self.process is not None and self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], WATCH_SECONDS)
        return bool(ready) and bool(self.process.stdout.readline())


class Nginx(Member):
    """nginx, with a folder for its configuration and all that it writes."""

    def __init__(self, path: str, port: int, folder: str) -> None:
        super().__init__("nginx", port, [path, "-p", folder, "-c", "nginx.conf", "-e", "stderr"])

    def _is_ready(self) -> bool:
        # That it listens says little: the kernel takes connections for it before it has said what
        # to do on signals, when one would kill it; and one that comes before it has blocked them
        # to start its worker is lost.  So the worker must answer: that this is no request.
        try:
            with socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS) as client:
                client.sendall(b"?\r\n\r\n")
                return bool(client.recv(1))
        except OSError:
            time.sleep(WATCH_SECONDS)
            return False


class Family:
    """nginx on `port` and `processes` backends on the ports after it (0: on free ones)."""

    def __init__(self, processes: int, port: int, tls: tuple[str, str] | None = None) -> None:
        self._stopping = False
        self._nginx_path = find_nginx()
        self._tls = tls
        wanted = [port + number if port else 0 for number in range(processes + 1)]
        with contextlib.ExitStack() as reserved:
            pairs = []
            for each in wanted:
                pairs.append(reserve_port(each))
                reserved.callback(pairs[-1][1].close)
            self._reserved = reserved.pop_all()
        self.port, *ports = [number for number, _sock in pairs]
        self.backends = [BackendProcess(number, each) for number, each in enumerate(ports)]

    def stop_soon(self, signum: int = 0, frame: object = None) -> None:
        """Let `run` return; fit for a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Start all, watch them until `stop_soon`, stop all.  Raises CannotStart."""
        with self._reserved, tempfile.TemporaryDirectory(prefix="minitornado-nginx-") as folder:
            # A root's nginx lets others do the work, and they must get at their own folders.
            os.chmod(folder, 0o711)
            ports = [backend.port for backend in self.backends]
            text = configuration(self.port, ports, self._tls)
            Path(folder, "nginx.conf").write_text(text, encoding="utf-8")
            nginx = Nginx(self._nginx_path, self.port, folder)
            try:
                self._start(nginx)
                while not self._stopping:
                    self._look_after(nginx)
                    time.sleep(WATCH_SECONDS)
            finally:
                self._stop(nginx)

    def _start(self, nginx: Nginx) -> None:
        for backend in self.backends:
            backend.start()
        for backend in self.backends:
            backend.wait_until_ready()
        nginx.start()
        nginx.wait_until_ready()
        scheme = "https" if self._tls else "http"
        say(f"nginx      {scheme}://127.0.0.1:{self.port}  pid {nginx.pid}, passing on to")
        for backend in self.backends:
            say(f"{backend.name}  http://127.0.0.1:{backend.port}  pid {backend.pid}")
        curl = "curl --insecure" if self._tls else "curl"  # it may be a certificate of one's own
        say(f"Ask who answers:  {curl} {scheme}://127.0.0.1:{self.port}/")
        say(f"End one, see it come back:  kill -9 {self.backends[0].pid}")
        say("Ctrl-C stops all.")

    def _look_after(self, nginx: Nginx) -> None:
        end = nginx.is_gone()
        if end is not None:
            raise CannotStart(f"nginx {end}, so nobody can come in any more.")
        for backend in self.backends:
            end = backend.is_gone()
            if end is not None:
                pid = backend.pid
                backend.forget()
                backend.start()
                backend.wait_until_ready()
                say(f"{backend.name} (pid {pid}) {end}; started again, pid {backend.pid}")

    def _stop(self, nginx: Nginx) -> None:
        nginx.tell(signal.SIGQUIT)  # to nginx: end what has begun, then leave
        nginx.wait()
        for backend in self.backends:
            backend.tell(signal.SIGTERM)
        for backend in self.backends:
            backend.wait()
        say("All stopped.")


def say(line: str) -> None:
    print(line, flush=True)
