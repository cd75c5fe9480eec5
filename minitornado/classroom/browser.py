"""Opens the built notebooks in a real JupyterLab in Chromium, runs them, takes screenshots.

    notebooks/NN_name.ipynb ──copy──> JupyterLab on a free loopback port <── headless Chromium
                                      before: nobody trusts it, nothing has run
                                      after:  all cells run, saved, no output is an error
                                      dark:   the same in the dark theme

Optional: it needs Chromium and Playwright for Python, which the classroom does not.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minitornado.classroom.build import FOLDER, Notebook, find_notebooks
from minitornado.classroom.execute import BuildError

START_SECONDS = 60
RUN_SECONDS = 120
WIDTH_PIXELS = 1100
MAX_HEIGHT_PIXELS = 15000  # Chromium's own limit for a picture is 16384

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The panel of the notebook that the page has open, once it is there.
_PANEL = "window.jupyterapp && window.jupyterapp.shell.currentWidget"
_READY = f"({_PANEL}) && ({_PANEL}).sessionContext && ({_PANEL}).sessionContext.isReady"


@dataclass
class Visit:
    """What happened to one notebook: its errors in words, its screenshots."""

    notebook: Notebook
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    screenshots: list[Path] = field(default_factory=list)


def what_is_missing() -> str:
    """One sentence saying what to install before `visit_all` can work; empty if nothing is."""
    missing = []
    if importlib.util.find_spec("playwright") is None:
        missing.append("Playwright (pip install playwright)")
    if _find_browser() is None:
        missing.append("Chromium (on Debian: apt-get install chromium)")
    if not missing:
        return ""
    return f"To see the notebooks in a browser, install {' and '.join(missing)}."


def launch(driver: Any) -> Any:
    """Start a headless Chromium by `driver`, a Playwright."""
    # As root, in a container, Chromium refuses to start with its sandbox; the others keep it from
    # asking for what is not of the page.
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    return driver.chromium.launch(executable_path=_find_browser(), args=flags)


def visit_all(notebooks: Sequence[Notebook], screenshots: Path) -> list[Visit]:
    """Open each of `notebooks` in one JupyterLab; three PNG files each go to `screenshots`."""
    with laboratory() as visit:
        return [visit(notebook, screenshots) for notebook in notebooks]


@contextmanager
def laboratory() -> Iterator[Callable[[Notebook, Path | None], Visit]]:
    """A JupyterLab and a browser; gives a function that visits a notebook.

    It takes the folder for the notebook's screenshots, or None: then there are none.
    """
    playwright: Any = importlib.import_module("playwright.sync_api")
    with tempfile.TemporaryDirectory(prefix="mt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with _jupyterlab(folder) as (address, token), playwright.sync_playwright() as driver:
            browser = launch(driver)

            def visit(notebook: Notebook, screenshots: Path | None) -> Visit:
                copy = shutil.copy(notebook.target, folder)
                url = f"{address}/doc/tree/{notebook.target.name}?token={token}"
                return _visit(browser, notebook, Path(copy), url, screenshots)

            try:
                yield visit
            finally:
                browser.close()


def _visit(
    browser: Any, notebook: Notebook, copy: Path, url: str, screenshots: Path | None
) -> Visit:
    playwright: Any = importlib.import_module("playwright.sync_api")
    start = time.monotonic()
    visit = Visit(notebook)
    context = browser.new_context(viewport={"width": WIDTH_PIXELS, "height": 900})
    context.set_default_timeout(START_SECONDS * 1000)

    def refuse(route: Any) -> None:
        visit.errors.append(f"the page asked for {route.request.url}: it should need no network")
        route.abort()

    here = ("http://127.0.0.1:", "data:", "blob:")
    context.route(lambda url: not url.startswith(here), refuse)
    page = context.new_page()

    def picture(moment: str) -> None:
        _show_all(page)  # also where there is no picture: what is out of sight asks for nothing
        if screenshots is not None:
            screenshots.mkdir(parents=True, exist_ok=True)
            path = screenshots / f"{notebook.name}-{moment}.png"
            page.screenshot(path=str(path))
            visit.screenshots.append(path)

    try:
        page.goto(url)
        page.wait_for_function(_READY)
        if screenshots is not None:  # the notebook before this one has left it dark
            _execute(page, "apputils:change-theme", theme="JupyterLab Light")
        picture("before")
        _execute(page, "notebook:run-all-cells")
        _execute(page, "docmanager:save")
        picture("after")
        if screenshots is not None:
            _execute(page, "apputils:change-theme", theme="JupyterLab Dark")
            picture("dark")
        visit.errors += find_errors(copy)
    except playwright.Error as error:
        visit.errors.append(str(error).splitlines()[0])
    finally:
        context.close()
    visit.seconds = time.monotonic() - start
    return visit


def _execute(page: Any, command: str, **arguments: object) -> None:
    """Have JupyterLab do `command`, and wait until it is done."""
    # Playwright has no deadline for a promise: a cell that never ends would hold us for ever.
    page.evaluate(
        """([command, options, seconds]) => Promise.race([
            window.jupyterapp.commands.execute(command, options),
            new Promise((_, refuse) => setTimeout(
                () => refuse(`${command} did not end within ${seconds} seconds`),
                seconds * 1000)),
        ]).then(() => null)""",
        [command, arguments, RUN_SECONDS],
    )


def find_errors(path: Path) -> list[str]:
    """Cells of the notebook at `path` that did not run, or whose output is an error."""
    errors = []
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
        if cell["cell_type"] != "code":
            continue
        if cell["execution_count"] is None:
            errors.append(f"cell {number} did not run")
        errors += [
            f"cell {number}: {output['ename']}: {output['evalue']}"
            for output in cell["outputs"]
            if output["output_type"] == "error"
        ]
    return errors


def _show_all(page: Any) -> None:
    # JupyterLab scrolls inside of the page and draws what is in sight. So grow the page until
    # all is, and only then measure where the last cell really ends.
    for find_height in (
        "Math.max(...[...document.querySelectorAll('.jp-Notebook, .jp-Notebook *')]"
        ".map(e => e.scrollHeight)) + 200",
        "Math.max(...[...document.querySelectorAll('.jp-Notebook .jp-Cell')]"
        ".map(e => e.getBoundingClientRect().bottom)) + 60",
    ):
        height = min(MAX_HEIGHT_PIXELS, int(page.evaluate(find_height)))
        page.set_viewport_size({"width": WIDTH_PIXELS, "height": height})
        page.wait_for_timeout(500)  # two frames would do; a picture taken too early proves nothing


@contextmanager
def _jupyterlab(folder: Path) -> Iterator[tuple[str, str]]:
    """A JupyterLab that serves `folder`, and nothing of the user's; its address and token."""
    private = folder / ".jupyter"
    token = secrets.token_hex(16)
    log = folder / ".log.txt"
    for name, value in {
        # It would ask in every picture whether it may fetch Jupyter's news.
        "apputils-extension/notification": '{"fetchNews": "false"}',
        # It would leave cells out that were out of sight.
        "notebook-extension/tracker": '{"windowingMode": "none"}',
    }.items():
        path = private / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "JUPYTER_CONFIG_DIR": str(private),
        "JUPYTER_DATA_DIR": str(private),
        "JUPYTER_RUNTIME_DIR": str(private),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "IPYTHONDIR": str(private),
        "MY_MINITORNADO": str(private / "mine"),  # else the pictures show what she predicted
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]
    with open(log, "wb") as output:
        server = subprocess.Popen(command, env=env, stdout=output, stderr=output, cwd=folder)
    try:
        yield _wait_for_address(server, private, token, log), token
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for_address(
    server: subprocess.Popen[bytes], private: Path, token: str, log: Path
) -> str:
    """The address from the file that a Jupyter server writes about itself, once it answers."""
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        for path in private.glob("jpserver-*.json"):
            try:
                port = json.loads(path.read_text())["port"]
                address = f"http://127.0.0.1:{port}"
                urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5).close()
                return address
            except (OSError, ValueError, KeyError):
                pass  # half written, or not listening yet
        time.sleep(0.1)
    said = log.read_text(errors="replace")[-2000:]
    raise BuildError(f"JupyterLab did not start within {START_SECONDS} seconds.\n{said}")


def _find_browser() -> str | None:
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status: 0 fine, 1 an error, 2 something is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m minitornado.classroom.browser",
        description="Open the built notebooks in a real JupyterLab in headless Chromium, run all "
        "cells, and take screenshots of each: before, after, and dark.",
        epilog="Exit status: 0 all well; 1 a cell failed; 2 Chromium, Playwright or the notebook "
        "is missing.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="as 00 or 00_name (default: all)")
    parser.add_argument("--screenshots", type=Path, default=Path("build/screenshots"),
                        metavar="DIR", help="where the PNG files go (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="DIR",
                        help="where the notebooks are (default: those of the project)")
    options = parser.parse_args(arguments)
    if missing := what_is_missing():
        print(missing, file=sys.stderr)
        return 2
    try:
        visits = visit_all(find_notebooks(options.folder, options.names), options.screenshots)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    for visit in visits:
        verdict = "\n  ".join(visit.errors) if visit.errors else "all cells ran"
        print(f"{visit.notebook.name}: {verdict} ({visit.seconds:.1f} s)")
        for path in visit.screenshots:
            print(f"  {path}")
    return int(any(visit.errors for visit in visits))


if __name__ == "__main__":
    sys.exit(main())
