"""Runs the cells of one notebook in a fresh kernel, the same way on every machine.

    cells ──> kernel (this very python) ──> the same cells with their outputs

An output may depend on the code alone. So the kernel gets an environment made here, not the
one of whoever builds; no configuration of the user's; and a folder of its own for its files.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minitornado.classroom.percent import Cell

CELL_SECONDS = 60  # a cell that takes longer is stuck, or too long for a reader to wait
COLUMNS = 88  # fits a code host's page and a projector

# What the kernel needs of the builder's environment: to find programs, libraries and packages.
_KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT",
         "USERPROFILE", "APPDATA", "TEMP", "TMP")

PINS = {
    "NO_COLOR": "1",
    "COLUMNS": str(COLUMNS),
    "JUPYTER_COLUMNS": str(COLUMNS),  # rich reads this one in a kernel, and else takes 115
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "PYTHONUTF8": "1",
    "MINITORNADO_BUILD": "1",  # in predict.py, a run that contradicts an answer is an error
}

# ipykernel asks for colour in whatever a cell starts, NO_COLOR or not, after it has read the
# environment; so this has to run inside of it.
_UNCOLOUR = (
    "__import__('os').environ.update(FORCE_COLOR='', CLICOLOR='', CLICOLOR_FORCE='', TERM='dumb')"
)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_LINE_IN_CELL = re.compile(r"Cell In\[\d+\], line (\d+)")


class BuildError(Exception):
    """A notebook that cannot be built; the text says which, where and why."""


@dataclass(frozen=True)
class Failure:
    """Where a cell failed: its number in the notebook, counted from 1, and the source line."""

    cell: int
    line: int
    reason: str


def kernel_environment(scratch: Path, overrides: Mapping[str, str] = {}) -> dict[str, str]:
    """The whole environment of the kernel; its files go to `scratch`.

    A list of what is kept, not of what is dropped: FORCE_COLOR, PYTHONSTARTUP or a profile of
    IPython would change the outputs, and so might the next variable that nobody here knows.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = {
        "IPYTHONDIR": str(scratch),
        "JUPYTER_CONFIG_DIR": str(scratch),
        "JUPYTER_DATA_DIR": str(scratch),
        "JUPYTER_RUNTIME_DIR": str(scratch),
        # The checkout that is being built, wherever else the package may be installed.
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    return {**kept, **own, **PINS, **overrides}


async def execute(
    cells: list[Cell],
    *,
    source: str,
    folder: Path,
    overrides: Mapping[str, str] = {},
    on_cell: Callable[[], object] = lambda: None,
) -> list[list[dict[str, Any]]]:
    """Run `cells` in `folder`; return the outputs of each, in nbformat's shape.

    `source` is what errors call the source file; `on_cell` is called after each cell.
    Cells tagged "check" run after all others: they test what the prose claims, and cannot
    change what a reader sees. Raises BuildError for a cell that raises, hangs or kills its
    kernel.
    """
    order = sorted(range(len(cells)), key=lambda index: "check" in cells[index].tags)
    outputs: list[list[dict[str, Any]]] = [[] for _ in cells]
    with _scratch_folder() as scratch, open(scratch / "stderr.txt", "w+b") as stderr:
        client = _make_client([cells[index] for index in order], scratch)
        running = 0
        try:
            env = kernel_environment(scratch, overrides)
            async with _kernel(client, cwd=str(folder), env=env, stderr=stderr):
                for running, node in enumerate(client.nb.cells):
                    await client.async_execute_cell(node, running)
                    outputs[order[running]] = node.get("outputs", [])
                    on_cell()
        except Exception as error:
            at = order[running]
            failure = _explain(error, cells[at], at + 1)
            if failure is None:
                raise
            text = f"{source}:{failure.line}: cell {failure.cell}: {failure.reason}"
            stderr.seek(0)
            said = stderr.read().decode(errors="replace").strip()
            raise BuildError(f"{text}\n{said}" if said else text) from None
    return outputs


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    # Short, and not below a folder of pytest's or the user's choosing: the kernel's sockets are
    # files in it, and a path of more than 107 bytes is no address for a socket.
    with tempfile.TemporaryDirectory(prefix="mt-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@asynccontextmanager
async def _kernel(client: Any, **options: Any) -> AsyncIterator[None]:
    # Not nbclient's own async_setup_kernel: it takes Ctrl-C for itself, and when two notebooks
    # run, the second undoes what the first has set up. asyncio.run cancels both, and that is all.
    try:
        await client.async_start_new_kernel(**options)
        await client.async_start_new_kernel_client()
        yield
    finally:
        if client.km is not None:  # else nbclient has cleaned up after a kernel that died early
            await client.km.shutdown_kernel(now=True)
        if client.kc is not None:
            client.kc.stop_channels()


def _make_client(cells: list[Cell], scratch: Path) -> Any:
    import nbformat.v4
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class ThisPython(KernelSpecManager):
        # A kernelspec named python3 may be installed anywhere and start any Python. The one
        # that builds has minitornado and its requirements; so it is the one that runs.
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher",
                    "-f", "{connection_file}", f"--IPKernelApp.exec_lines={_UNCOLOUR}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    new: Any = nbformat.v4  # its functions carry no types
    # The text alone, no metadata: tags such as raises-exception mean something to nbclient,
    # and a traceback, with the paths of this machine, would become an output.
    make = {"code": new.new_code_cell, "markdown": new.new_markdown_cell}
    client = NotebookClient(
        new.new_notebook(cells=[make[cell.kind](cell.text) for cell in cells]),
        timeout=CELL_SECONDS,
        coalesce_streams=True,  # how often stdout was flushed must not show
    )
    client.km = AsyncKernelManager(
        kernel_spec_manager=ThisPython(),
        connection_file=str(scratch / "kernel.json"),
        # Over TCP, five ports are picked first and bound later: two kernels that start
        # together can pick the same.
        transport="tcp" if os.name == "nt" else "ipc",
    )
    return client


def _explain(error: Exception, cell: Cell, number: int) -> Failure | None:
    """What went wrong in a cell, in words; None if it is no failure of a cell's."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    if isinstance(error, CellExecutionError):
        text = _ANSI.sub("", error.traceback)
        # nbclient prints the cell in front of the traceback, between two lines of dashes.
        traceback = text.partition("\n------------------\n\n\n")[2] or text
        match = _LINE_IN_CELL.search(traceback)
        line = cell.line + (int(match[1]) - 1 if match else 0)
        return Failure(number, line, f"{error.ename}: {error.evalue}\n{traceback.rstrip()}")
    if isinstance(error, CellTimeoutError):
        return Failure(number, cell.line, f"did not end within {CELL_SECONDS} seconds")
    if isinstance(error, DeadKernelError) or "Kernel died" in str(error):
        return Failure(number, cell.line, f"the kernel died ({sys.executable})")
    return None
