"""The built notebooks in a real JupyterLab: readable untrusted, and no cell fails.

Optional: without Chromium or Playwright these are skipped, and say what to install.
"""

import json
import struct
import subprocess
import sys

import pytest

from minitornado.classroom import browser
from minitornado.classroom.browser import find_errors, laboratory, what_is_missing
from minitornado.classroom.build import Notebook, build_all, find_notebooks, write

MISSING = what_is_missing()
needs_browser = pytest.mark.skipif(bool(MISSING), reason=MISSING or "nothing is missing")

WELL = """
# %% [markdown]
# # Well

# %%
from minitornado.classroom.show import picture, show

show("[bold #1376e7]IOLoop[/]")

# %%
picture('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>', "Nothing", "nothing")
"""

# What a build cannot know: it fails in the reader's kernel, and fetches in the reader's page.
ILL = """
# %%
import os

assert os.environ.get("MINITORNADO_BUILD"), "at the reader's desk"

# %%
from IPython.display import HTML

HTML('<img alt="far away" src="http://192.0.2.1/picture.png">')
"""

STUCK = """
# %%
import os
import time

while not os.environ.get("MINITORNADO_BUILD"):
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "src").mkdir()
    notebooks = {}
    for name, text in {"00_well": WELL, "01_ill": ILL, "02_stuck": STUCK}.items():
        (folder / "src" / f"{name}.py").write_text(text)
        notebooks[name[3:]] = Notebook(name, folder)
    for one in build_all(list(notebooks.values())):
        assert not one.error
        write(one)
    return notebooks


@pytest.fixture(scope="module")
def visit(built):  # first they are built: Playwright has a loop of its own running in this thread
    with laboratory() as visit:
        yield visit


def size_of(png):
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


@needs_browser
def test_a_good_notebook_runs_and_a_bad_one_is_caught(tmp_path, built, visit):
    well, ill = (visit(built[name], tmp_path / "shots") for name in ("well", "ill"))
    assert well.errors == []
    names = [path.name for path in well.screenshots]
    assert names == ["00_well-before.png", "00_well-after.png", "00_well-dark.png"]
    for path in well.screenshots:
        width, height = size_of(path)
        assert width == browser.WIDTH_PIXELS and 200 < height < 2000
    # In the dark theme the page really is another one.
    assert well.screenshots[1].read_bytes() != well.screenshots[2].read_bytes()
    assert "cell 1: AssertionError: at the reader's desk" in ill.errors
    assert any("192.0.2.1/picture.png" in error for error in ill.errors)


@needs_browser
def test_a_cell_that_never_ends_is_named_in_time(built, visit, monkeypatch):
    monkeypatch.setattr(browser, "RUN_SECONDS", 2)
    stuck = visit(built["stuck"], None)
    [error] = stuck.errors
    assert "notebook:run-all-cells did not end within 2 seconds" in error
    assert stuck.seconds < 60


@needs_browser
@pytest.mark.parametrize("notebook", find_notebooks(), ids=lambda notebook: notebook.name)
def test_every_notebook_runs_in_a_real_jupyterlab(notebook, visit):
    assert visit(notebook, None).errors == []


def test_errors_and_cells_that_did_not_run_are_found(tmp_path):
    path = tmp_path / "00_x.ipynb"
    error = {"output_type": "error", "ename": "OSError", "evalue": "no", "traceback": []}
    path.write_text(json.dumps({"cells": [
        {"cell_type": "markdown"},
        {"cell_type": "code", "execution_count": 1, "outputs": [{"output_type": "stream"}]},
        {"cell_type": "code", "execution_count": 2, "outputs": [error]},
        {"cell_type": "code", "execution_count": None, "outputs": []},
    ]}))
    assert find_errors(path) == ["cell 3: OSError: no", "cell 4 did not run"]


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(browser, "_find_browser", lambda: None)
    monkeypatch.setattr(browser.importlib.util, "find_spec", lambda name: None)
    assert what_is_missing() == (
        "To see the notebooks in a browser, install Playwright (pip install playwright) and "
        "Chromium (on Debian: apt-get install chromium)."
    )
    assert browser.main([]) == 2


def test_the_command_explains_itself():
    done = subprocess.run(
        [sys.executable, "-m", "minitornado.classroom.browser", "--help"],
        capture_output=True, text=True, timeout=60, check=True,
    )
    for word in ("--screenshots", "--folder", "NAME", "Exit status"):
        assert word in done.stdout
