"""What opens the course without an installation: .binder and .devcontainer name what exists."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from minitornado import cli
from minitornado.cli.arguments import DEFAULT_PORT

ROOT = Path(__file__).parents[1]
BINDER = ROOT / ".binder"
CONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
FILES = [*BINDER.iterdir(), *(ROOT / ".devcontainer").iterdir()]


def oldest() -> tuple[int, ...]:
    """The oldest Python that the package takes."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    match = re.fullmatch(r">=(\d+)\.(\d+)", wanted)
    return tuple(map(int, match.groups()))


def version(text: str, pattern: str) -> tuple[int, ...]:
    return tuple(map(int, re.fullmatch(pattern, text.strip()).groups()))


def test_both_have_the_same_python_and_one_that_the_package_takes():
    binder = version((BINDER / "runtime.txt").read_text(), r"python-(\d+)\.(\d+)")
    container = version(CONTAINER["image"], r"python:(\d+)\.(\d+)")
    assert binder == container >= oldest()


def test_both_install_the_requirements_of_the_classroom():
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    [line] = [line for line in lines if not line.startswith("#")]
    # pip takes it from the file that it stands in.
    assert (BINDER / line.removeprefix("-r ")).resolve() == ROOT / "requirements.txt"
    [installed] = re.findall(r"^python -m pip install -r (\S+)$", CONTAINER["postCreateCommand"])
    assert ROOT / installed == ROOT / "requirements.txt"
    assert (ROOT / "requirements.txt").is_file()


def test_the_port_is_the_one_that_serve_listens_on():
    assert CONTAINER["forwardPorts"] == [DEFAULT_PORT]
    [(port, attributes)] = CONTAINER["portsAttributes"].items()
    assert int(port) == DEFAULT_PORT
    assert attributes["label"].removeprefix("python -m minitornado ") in cli.COMMANDS


def test_binder_finds_nothing_that_it_would_not_read():
    assert {path.name for path in BINDER.iterdir()} == {"requirements.txt", "runtime.txt"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_address_of_a_registry_and_no_path_of_a_machine_is_in_them(path: Path):
    text = path.read_text()
    assert "//" not in text and not re.search(r"\w\.(com|io|org|dev|net)\b", text)
    assert not re.search(r"(^|[\s\"])/\w", text)
