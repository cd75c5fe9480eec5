"""Asks the servers: each scenario in each of them, one process a server, side by side.

    compare(["get"])  ──>  python -m minitornado.compare.child minitornado get
                           python -m minitornado.compare.child tornado get      the installed one
                           (and one more for each path to another Tornado)
                      <──  JSON, of which Runs are made
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import minitornado

from .differences import Comparison, Server
from .scenarios import SCENARIOS
from .steps import Run
from .views import Comparisons

SECONDS = 120.0  # for all scenarios in one server, which needs a fiftieth of it
ROOT = Path(minitornado.__file__).parents[1]


class NotAsked(Exception):
    """A server could not be asked; one sentence about why."""


def ask_all(names: Iterable[str], tornados: Iterable[str | Path]) -> Comparisons:
    """Do what `compare` says."""
    wanted = list(names) or list(SCENARIOS)
    unknown = [name for name in wanted if name not in SCENARIOS]
    if unknown:
        raise ValueError(f"there is no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
    commands = [_command("minitornado"), _command("tornado"), *map(_other, tornados)]
    (_us, ours), *others = [_told(*asked, wanted) for asked in _ask(commands, wanted)]
    return Comparisons(
        Comparison(SCENARIOS[name], ours[name], runs[name], server)
        for name in wanted
        for server, runs in others
    )


Command = tuple[list[str], dict[str, str]]  # the program, and its environment


def _command(which: str, python: str = sys.executable, *folders: str) -> Command:
    """Return how a server is asked.  `folders` come first where modules are looked for."""
    path = os.pathsep.join([*folders, str(ROOT), os.environ.get("PYTHONPATH", "")])
    # The environment's own words on how Python is to behave are for the program that asks.
    env = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep), "PYTHONWARNINGS": "ignore"}
    # -P: where the program happens to be started is no place to import from.
    return [python, "-P", "-m", "minitornado.compare.child", which], env


def _other(path: str | Path) -> Command:
    """Return how the Tornado at a path is asked."""
    path = Path(path)
    for python in (path, path / "bin" / "python"):
        if python.is_file():
            return _command("tornado", str(python))
    if (path / "tornado").is_dir():
        return _command("tornado", sys.executable, str(path.resolve()))
    raise NotAsked(f"{path} is no Python, no virtual environment, and no folder with a tornado")


def _ask(commands: Sequence[Command], names: list[str]) -> list[tuple[Command, str]]:
    """Run the programs at the same time; return what each has printed."""
    started = [
        subprocess.Popen([*words, *names], env=env, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for words, env in commands
    ]  # fmt: skip
    told = []
    try:
        for command, process in zip(commands, started, strict=True):
            out, errors = process.communicate(timeout=SECONDS)
            if process.returncode != 0:
                last = (errors.strip().splitlines() or ["it says nothing"])[-1]
                raise NotAsked(f"{command[0][0]} can't be asked: {last}")
            told.append((command, out))
    except subprocess.TimeoutExpired:
        raise NotAsked(f"no answer for {SECONDS:g} seconds") from None
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return told


def _told(command: Command, out: str, names: list[str]) -> tuple[Server, dict[str, Run]]:
    told: dict[str, Any] = json.loads(out)
    which = "Tornado" if command[0][-1] == "tornado" else command[0][-1]
    runs = {name: Run(**told["runs"][name]) for name in names}
    return Server(which, told["version"], told["python"]), runs
