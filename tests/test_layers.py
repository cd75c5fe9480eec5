"""Who may import whom: the map that the package's docstring draws is true.

Row by row, a module imports rows above its own alone; below the application there is the
standard library and nothing else; and importing the server loads nothing it does not use.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minitornado

pytestmark = pytest.mark.deadline(120)

PACKAGE = Path(minitornado.__file__).parent

ROWS = [
    ["log", "util", "concurrent", "poller", "waker", "pending_read", "httputil"],
    ["ioloop"],
    ["gen", "netutil", "process", "iostream", "ssliostream", "http1parser"],
    ["tcpserver", "http1connection"],
    ["httpserver"],
]
ROW = {name: number for number, row in enumerate(ROWS) for name in row}
STACK = sorted(ROW)

# What the rest of row 0 may lean on.
GROUND = ["log", "util", "concurrent"]

# One way, and inside a function: iostream hands SSLIOStream on to who asks for it by that name,
# tcpserver makes one when it has ssl_options.
LAZY = {("iostream", "ssliostream"), ("tcpserver", "ssliostream")}


class Imports(ast.NodeVisitor):
    """The modules that a file imports: `top` when it is loaded, `lazy` when a function runs."""

    def __init__(self, path: Path) -> None:
        self.top: set[str] = set()
        self.lazy: set[str] = set()
        self._package = [PACKAGE.name, *path.relative_to(PACKAGE).parts[:-1]]
        self._found = self.top
        self.visit(ast.parse(path.read_text()))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer, self._found = self._found, self.lazy
        self.generic_visit(node)
        self._found = outer

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []  # for the type checker: nothing is loaded
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self._found |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._package[: len(self._package) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        if module == PACKAGE.name:  # from . import netutil
            self._found |= {f"{module}.{alias.name}" for alias in node.names}
        else:
            self._found.add(module)


def ours(names: set[str]) -> set[str]:
    """Those of `names` that are modules of this package, by their first name in it."""
    return {name.split(".")[1] for name in names if name.startswith(PACKAGE.name + ".")}


@pytest.fixture(scope="module")
def imports() -> dict[str, Imports]:
    return {name: Imports(PACKAGE / f"{name}.py") for name in STACK}


def test_every_module_of_the_stack_has_its_place_in_the_table():
    top = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert top == set(STACK)


@pytest.mark.parametrize("name", STACK)
def test_a_module_imports_from_rows_above_its_own(imports: dict[str, Imports], name: str):
    for other in ours(imports[name].top | imports[name].lazy):
        assert other in ROW, f"{name} imports {other}, which is not of the stack"
        if (name, other) in LAZY:
            continue
        above = ROW[other] < ROW[name]
        beside = ROW[other] == ROW[name] and (
            (ROW[name] == 0 and other in GROUND and name not in ("log", "util"))
            or (name == "ssliostream" and other in ("iostream", "netutil"))
        )
        assert above or beside, f"{name} (row {ROW[name]}) imports {other} (row {ROW[other]})"


def test_no_two_modules_import_each_other(imports: dict[str, Imports]):
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in seen:
            for other in ours(imports[name].top):
                visit(other, (*path, name))
            seen.add(name)
            order.append(name)

    for name in STACK:
        visit(name, ())


@pytest.mark.parametrize("name", STACK)
def test_the_stack_imports_the_standard_library_alone(imports: dict[str, Imports], name: str):
    for module in imports[name].top | imports[name].lazy:
        first = module.split(".")[0]
        assert first in sys.stdlib_module_names or first == PACKAGE.name, f"{name}: {module}"


def test_ssl_is_imported_where_it_is_used_and_by_ssliostream(imports: dict[str, Imports]):
    for name in STACK:
        if name != "ssliostream":
            assert "ssl" not in imports[name].top, name
            assert "ssliostream" not in ours(imports[name].top), name
    assert "ssliostream" in ours(imports["iostream"].lazy)


@pytest.mark.parametrize("folder", [path.name for path in PACKAGE.iterdir() if path.is_dir()])
def test_no_module_of_the_stack_knows_what_stands_on_it(imports: dict[str, Imports], folder: str):
    for name in STACK:
        assert folder not in ours(imports[name].top | imports[name].lazy)


def test_http_and_tcp_meet_in_httpserver_alone(imports: dict[str, Imports]):
    assert "tcpserver" not in ours(imports["http1connection"].top | imports["http1connection"].lazy)
    assert "http1connection" not in ours(imports["tcpserver"].top | imports["tcpserver"].lazy)
    assert {"tcpserver", "http1connection"} <= ours(imports["httpserver"].top)


def loaded(code: str) -> set[str]:
    """The modules that are loaded in a fresh interpreter after `code`, beyond its own."""
    script = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); known = set(sys.modules)\n"
        f"{code}\nprint(*(set(sys.modules) - known))"
    )
    command = [sys.executable, "-I", "-S", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


SLOW = ["ssl", "urllib", "urllib.parse", "email", "http", "http.client", "asyncio", "rich"]


@pytest.mark.parametrize("module", ["ioloop", "iostream", "tcpserver", "httpserver"])
def test_importing_the_server_loads_nothing_slow_that_it_may_not_use(module: str):
    modules = loaded(f"import minitornado.{module}")
    assert f"minitornado.{module}" in modules
    assert not modules & set(SLOW)
    assert {name for name in modules if name.startswith("minitornado.")} <= {
        f"minitornado.{name}" for name in STACK
    }


def test_asking_for_ssliostream_loads_ssl():
    assert "ssl" in loaded("from minitornado.iostream import SSLIOStream")


def test_importing_makes_no_loop_and_opens_no_fd():
    code = """
import os
before = os.listdir("/proc/self/fd")
import minitornado.httpserver
from minitornado.ioloop import IOLoop
assert not IOLoop.initialized() and IOLoop.current(instance=False) is None
assert os.listdir("/proc/self/fd") == before
"""
    assert "minitornado.ioloop" in loaded(code)


def test_each_module_can_be_imported_first():
    # In a circle, one of them could not.
    forget = "for m in [m for m in sys.modules if m.startswith('minitornado')]: del sys.modules[m]"
    code = "\n".join(f"{forget}\nimport minitornado.{name}" for name in STACK)
    assert f"minitornado.{STACK[-1]}" in loaded(code)
