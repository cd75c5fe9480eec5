"""Who is measured: a table of servers, and a Python of their own to run them with.

A peer is a program of the folder `programs`, started in a process of its own: it listens on a
free port of 127.0.0.1, prints the number, and serves until it is killed.  What the peers need is
installed into a side environment by the first run; minitornado depends on none of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from minitornado.cli.output import Complaint

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).resolve().parents[2]  # what makes `import minitornado` work

#: The only place where versions stand; what these packages stand on, pip chooses.
PINS = {
    "tornado": "6.6.1",
    "aiohttp": "3.14.5",
    "uvicorn": "0.54.0",
    "h11": "0.16.0",
    "httptools": "0.9.0",
    "uvloop": "0.23.0",
}


@dataclass(frozen=True)
class Peer:
    """A server: its name, its program with arguments, and the packages it is made of."""

    name: str
    label: str
    program: tuple[str, ...]
    packages: tuple[str, ...] = ()

    def command(self, python: str) -> list[str]:
        return [python, str(PROGRAMS / self.program[0]), *self.program[1:]]

    def with_arguments(self, *arguments: str) -> Peer:
        """The same peer, its program started with other arguments at the end."""
        kept = self.program[: -len(arguments)]
        return Peer(self.name, self.label, kept + arguments, self.packages)


OURS = "minitornado"
REFERENCE = "tornado"

PEERS = {
    peer.name: peer
    for peer in (
        Peer(OURS, "minitornado", ("callback_server.py", "minitornado", "callback")),
        Peer(REFERENCE, "Tornado", ("callback_server.py", "tornado", "callback"), ("tornado",)),
        Peer("uvicorn-h11", "uvicorn, h11", ("uvicorn_server.py", "h11", "asyncio"),
             ("uvicorn", "h11")),
        Peer("aiohttp", "aiohttp", ("aiohttp_server.py",), ("aiohttp",)),
        Peer("uvicorn-c", "uvicorn, httptools, uvloop",
             ("uvicorn_server.py", "httptools", "uvloop"), ("uvicorn", "httptools", "uvloop")),
        Peer("asyncio", "asyncio (no HTTP)", ("streams_server.py",)),
        Peer("epoll", "bare epoll (no checks)", ("epoll_server.py",)),
        Peer("uvloop", "uvloop", ("loop_costs.py", "uvloop"), ("uvloop",)),
    )
}  # fmt: skip


def default_folder() -> Path:
    """Where the side environment is, unless the user says otherwise."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "minitornado" / "peers"


def python_for(peers: Iterable[Peer], folder: Path) -> str:
    """Return the Python that all of `peers` run with; it makes the side environment if it must."""
    if not any(peer.packages for peer in peers):
        return sys.executable
    python = folder / "bin" / "python"
    stamp = folder / "pins.json"
    wanted = json.dumps({**PINS, "python": sys.version}, indent=1)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing the peers into {folder}, once", file=sys.stderr, flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        pins = [f"{package}=={version}" for package, version in PINS.items()]
        _run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins)
        stamp.write_text(wanted)
    return str(python)


def versions(python: str, peers: Iterable[Peer]) -> dict[str, str]:
    """The versions of the packages that `peers` are made of, as that Python has them."""
    packages = [name for name in PINS if any(name in peer.packages for peer in peers)]
    if not packages:
        return {}
    code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    done = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True)
    return dict(zip(packages, done.stdout.split(), strict=True))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise Complaint(f"the peers can't be installed: {last}")
