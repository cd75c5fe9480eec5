"""The same source gives the same bytes everywhere; what cannot be built says where and why."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from textwrap import dedent

import pytest

from minitornado.classroom import execute as execute_module
from minitornado.classroom.build import (
    Built,
    Notebook,
    build_all,
    complain,
    find_notebooks,
    find_orphans,
    main,
    write,
)
from minitornado.classroom.difference import MAX_LINES, describe_difference
from minitornado.classroom.execute import BuildError
from minitornado.classroom.normalise import NotRepeatable, notebook_text
from minitornado.classroom.percent import parse_percent
from minitornado.classroom.show import render

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-W", "error", "-m", "minitornado.classroom.build"]

PROSE = "# %% [markdown]\n# # Prose\n\n"


@pytest.fixture
def folder(tmp_path):
    # Deep on purpose: a socket's path is at most 107 bytes, and the kernel has sockets.
    return tmp_path / ("deep" * 20) / "notebooks"


@pytest.fixture
def source(folder):
    """Writes a source, and gives its notebook."""

    def write_source(name, text):
        notebook = Notebook(name, folder)
        notebook.source.parent.mkdir(parents=True, exist_ok=True)
        notebook.source.write_text(dedent(text))
        return notebook

    return write_source


def run_command(*arguments, env=None):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], env={**os.environ, **(env or {})}, cwd=ROOT,
        capture_output=True, text=True, timeout=120,
    )


# --- a good build -----------------------------------------------------------------------------

GOOD = """
    # %% [markdown]
    # # Title

    # %%
    import sys
    for number in range(50):
        print(number, flush=True)
    "value"

    # %% tags=["check"]
    import os
    assert late == 3, "a check runs after all other cells"
    late = 4
    assert sys.executable == os.environ["EXPECTED_PYTHON"]
    from ipykernel.connect import get_connection_info
    assert get_connection_info(unpack=True)["transport"] == "ipc"

    # %% tags=["hide-input"]
    late = 3
    import os
    [os.environ.get(name, "") for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TZ")]

    # %%
    from minitornado.classroom.show import show
    show("[bold]shown[/]")
    os.getcwd().endswith("notebooks")
"""


@pytest.fixture
def good(source):
    [built] = build_all(
        [source("00_good", GOOD)], overrides={"EXPECTED_PYTHON": sys.executable}
    )
    assert built.error == ""
    return json.loads(built.text)


def test_a_built_notebook_is_valid_executed_and_bare(good):
    import nbformat

    nbformat.validate(good)
    title, first, tagged, last = good["cells"]
    assert [cell["id"] for cell in good["cells"]] == ["cell-00", "cell-01", "cell-02", "cell-03"]
    assert title["source"] == ["# Title"] and "outputs" not in title
    # Fifty flushes are one output: how often the kernel sent must not show.
    stream, result = first["outputs"]
    assert stream["text"] == [f"{number}\n" for number in range(50)]
    assert result["data"] == {"text/plain": ["'value'"]}
    assert [cell["execution_count"] for cell in (first, tagged, last)] == [1, 2, 3]
    assert result["execution_count"] == 1
    assert first["metadata"] == {} and tagged["metadata"] == {"tags": ["hide-input"]}
    assert tagged["outputs"][0]["data"]["text/plain"] == ["['1', '', '88', 'UTC']"]
    display, where = last["outputs"]
    assert display["data"]["text/plain"] == ["shown"]
    assert "".join(display["data"]["text/html"]) == render("[bold]shown[/]")[0]
    assert where["data"]["text/plain"] == ["True"]
    assert "version" not in good["metadata"]["language_info"]


def test_the_cells_that_check_the_prose_run_but_are_not_shown(good, source):
    assert "assert" not in json.dumps(good["cells"])
    [built] = build_all([source("01_x", '# %% tags=["check"]\nassert 1 == 2\n\n# %%\n1\n')])
    assert "notebooks/src/01_x.py:2: cell 1: AssertionError" in built.error


def test_two_environments_give_the_same_bytes(source, folder, tmp_path):
    hostile = tmp_path / "hostile"
    startup = hostile / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("started_up = 'by the startup folder'\n")
    (hostile / "start.py").write_text("started_up = 'by PYTHONSTARTUP'\n")
    kernel = hostile / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        '{"argv": ["false"], "display_name": "Not this one", "language": "python"}'
    )
    notebook = source("00_env", """
        # %%
        import os, time, locale, rich.console
        print(sorted(set(os.environ) - {"JPY_PARENT_PID", "LD_LIBRARY_PATH", "TMPDIR"}))
        print(time.tzname, locale.getpreferredencoding(False), hash("x"))
        print(os.get_terminal_size.__name__, rich.console.Console().width)

        # %%
        import logging
        logging.getLogger().handlers, globals().get("started_up", "by nobody")
    """)
    outside = {
        "FORCE_COLOR": "1", "COLUMNS": "31", "JUPYTER_COLUMNS": "32", "TZ": "Asia/Tokyo",
        "LC_ALL": "C", "PYTHONHASHSEED": "123", "PYTHONSTARTUP": str(hostile / "start.py"),
        "HOME": str(hostile), "IPYTHONDIR": str(startup.parents[1]),
        "JUPYTER_PATH": str(hostile), "JUPYTER_CONFIG_DIR": "/nowhere",
        "PYTHONWARNINGS": "default", "SOMETHING_ELSE": "1",
    }
    texts = []
    for env in ({}, outside):
        done = run_command("--folder", folder, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        texts.append(notebook.target.read_bytes())
        notebook.target.unlink()
    assert texts[0] == texts[1]
    assert b"get_terminal_size 88" in texts[0]
    assert b"by nobody" in texts[0] and b"SOMETHING" not in texts[0]


def test_another_hash_seed_gives_the_same_bytes_unless_the_source_depends_on_it(source):
    notebooks = [
        source("00_sorted", "# %%\nsorted({'a', 'b', 'c', 'd'})\n"),
        source("01_unsorted", "# %%\nlist({'a', 'b', 'c', 'd'})\n"),
    ]
    one = build_all(notebooks, overrides={"PYTHONHASHSEED": "1"})
    two = build_all(notebooks, overrides={"PYTHONHASHSEED": "2"})
    assert one[0].text == two[0].text
    assert one[1].text != two[1].text


def test_notebooks_are_built_two_at_a_time_and_come_back_in_order(source):
    notebooks = [source(f"0{n}_x", f"# %%\n{n}\n") for n in range(3)]
    running, most, seen = set(), 0, []

    def on_cell(notebook, done, total):
        nonlocal most
        running.add(notebook.name)
        most = max(most, len(running))
        seen.append((notebook.name, done, total))
        if done == total:
            running.discard(notebook.name)

    results = build_all(notebooks, jobs=2, on_cell=on_cell)
    assert [built.notebook for built in results] == notebooks
    assert most == 2
    assert [event for event in seen if event[0] == "02_x"] == [("02_x", 0, 1), ("02_x", 1, 1)]


# --- what fails, and what it says -------------------------------------------------------------


def test_a_cell_that_raises_names_notebook_cell_line_and_exception(source):
    [built] = build_all([source("00_raises", PROSE + "# %%\ndef fail():\n    1 / 0\n\n"
                                             "# %%\nx = 1\nfail()\n")])
    first, *rest = built.error.split("\n")
    assert first == "notebooks/src/00_raises.py:10: cell 3: ZeroDivisionError: division by zero"
    assert any("----> 2 fail()" in line for line in rest)
    assert "\x1b" not in built.error and "An error occurred while" not in built.error
    assert built.text == ""


def test_a_cell_that_may_raise_fails_all_the_same(source):
    [built] = build_all([source("00_x", '# %% tags=["raises-exception"]\n1 / 0\n')])
    assert "00_x.py:2: cell 1: ZeroDivisionError" in built.error


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os\nos._exit(3)", "the kernel died"),
        ("import time\ntime.sleep(60)", "did not end within 2 seconds"),
        ("import warnings\nwarnings.warn('old')", "its output wrote to stderr.*UserWarning: old"),
        ("print(object())", "its output shows the address of an object: 0x"),
        ("import os\nos.__file__", "its output shows a path of this machine"),
    ],
    ids=["dies", "hangs", "warns", "address", "path"],
)
def test_what_cannot_be_built_says_where_and_why(source, monkeypatch, code, message):
    if "2 seconds" in message:
        monkeypatch.setattr(execute_module, "CELL_SECONDS", 2)
    started = time.monotonic()
    [built] = build_all([source("00_x", PROSE + f"# %%\n{code}\n")])
    assert re.match(rf"notebooks/src/00_x.py:5: cell 2: .*{message}", built.error, re.DOTALL)
    assert time.monotonic() - started < 50


def test_a_python_without_ipykernel_says_so(source, monkeypatch):
    monkeypatch.setattr(execute_module, "_UNCOLOUR", "")
    notebook = source("00_x", "# %%\n1\n")
    monkeypatch.setattr(sys, "executable", str(Path(sys.base_prefix) / "bin" / "python3"))
    has_it = subprocess.run([sys.executable, "-c", "import ipykernel"], capture_output=True)
    if has_it.returncode == 0:
        pytest.skip("the base Python of this environment has ipykernel too")
    [built] = build_all([notebook])
    assert "the kernel died" in built.error and "No module named ipykernel" in built.error


def test_a_broken_source_is_reported_without_a_kernel(source):
    [built] = build_all([source("00_x", "# %%\nx = = 1\n")])
    assert built.error == "notebooks/src/00_x.py:2: invalid syntax"


def test_a_failing_notebook_does_not_stop_the_others(source, folder):
    bad, fine = source("00_bad", "# %%\n1 / 0\n"), source("01_fine", "# %%\n1\n")
    done = run_command("--folder", folder)
    assert done.returncode == 1
    assert "notebooks/00_bad.ipynb cannot be built.\nnotebooks/src/00_bad.py:2: " in done.stdout
    assert fine.target.exists() and not bad.target.exists()
    assert done.stderr == ""


def test_ctrl_c_ends_the_build_and_its_kernels_without_a_traceback(source, folder, tmp_path):
    sign = tmp_path / "pid"
    for number in (0, 1):
        source(f"0{number}_x", f"""
            # %%
            import os, time, pathlib
            pathlib.Path({str(sign)!r} + "{number}").write_text(str(os.getpid()))
            time.sleep(60)
        """)
    process = subprocess.Popen([*COMMAND, "--folder", folder], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        signs = [Path(f"{sign}{number}") for number in (0, 1)]
        deadline = time.monotonic() + 60
        while not all(path.exists() and path.read_text() for path in signs):
            assert time.monotonic() < deadline, "the kernels did not start"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "Interrupted; no notebook was changed.\n")
    for path in signs:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


# --- normalising, without a kernel ------------------------------------------------------------

CODE = parse_percent("# %%\n1\n")


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


@pytest.mark.parametrize(
    "text",
    ["<object at 0x7f0a1b2c3d4e>", f"{ROOT}/minitornado/x.py", f"{Path.home()}/x",
     f"in {tempfile.gettempdir()}/x1"],
)
def test_what_differs_from_machine_to_machine_is_refused(text):
    with pytest.raises(NotRepeatable) as caught:
        notebook_text(CODE, [[{"output_type": "display_data", "metadata": {},
                               "data": {"text/html": f"<b>{text}</b>"}}]])
    assert caught.value.cell == 0


@pytest.mark.parametrize("text", ["mask 0x19", "base64,AAA/tmp/AAA", "the folder /tmp", "0xff"])
def test_what_only_looks_like_it_is_not_refused(text):
    assert text in notebook_text(CODE, [[stream(text)]])


def test_where_home_is_the_root_not_every_path_is_refused(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert "/etc/hosts" in notebook_text(CODE, [[stream("/etc/hosts and // too")]])


def test_stderr_is_refused():
    with pytest.raises(NotRepeatable, match="stderr"):
        notebook_text(CODE, [[stream("careful", "stderr")]])


def test_execution_counts_are_those_of_a_first_run_from_top_to_bottom():
    cells = parse_percent('# %% tags=["check"]\n0\n# %%\n1\n')
    result = {"output_type": "execute_result", "data": {"text/plain": "1"}, "metadata": {},
              "execution_count": 7}
    notebook = json.loads(notebook_text(cells, [[], [result]]))
    [cell] = notebook["cells"]
    assert cell["execution_count"] == cell["outputs"][0]["execution_count"] == 1


def test_the_text_is_written_as_nbformat_writes_it():
    import nbformat

    text = notebook_text(
        parse_percent("# %% [markdown]\n# é\n# b\n# %%\n1\n"), [[], [stream("a\nb\n")]]
    )
    assert nbformat.writes(nbformat.reads(text, as_version=4)) + "\n" == text


# --- freshness --------------------------------------------------------------------------------


def notebook_of(*texts):
    cells = parse_percent("".join(f"# %%\n{text}\n" for text in texts))
    return notebook_text(cells, [[stream(f"printed by {text}\n")] for text in texts])


def test_equal_notebooks_have_no_difference():
    assert describe_difference(notebook_of("a"), notebook_of("a")) == ""


def test_a_difference_names_the_cell_and_shows_both_sides():
    text = describe_difference(notebook_of("a", "b"), notebook_of("a", "b").replace(
        "printed by b", "printed by c"))
    assert text.startswith("cell 2 (code) differs:\n")
    assert "-printed by b\n+printed by c" in text and "by a" not in text


def test_a_difference_of_a_long_line_shows_its_place():
    long = "".join(f"{number:04}" for number in range(5000))
    old = notebook_text(CODE, [[stream(long)]])
    text = describe_difference(old, old.replace("43214322", "4321abcd"))
    assert "abcd" in text and len(text) < 1000


def test_a_long_difference_is_cut():
    old = notebook_text(CODE, [[stream("".join(f"{number}\n" for number in range(500)))]])
    new = notebook_text(CODE, [[stream("".join(f"n{number}\n" for number in range(500)))]])
    assert describe_difference(old, new).count("\n") <= MAX_LINES + 1
    assert "lines more" in describe_difference(old, new)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "{", "not JSON"),
        (lambda text: notebook_of("a"), "has 1 cells, the rebuilt 2"),
        (lambda text: text.replace('"nbformat_minor": 5', '"nbformat_minor": 4'), "metadata"),
        (lambda text: json.dumps(json.loads(text)), "spelling"),
    ],
)
def test_other_differences_are_named(change, message):
    new = notebook_of("a", "b")
    assert message in describe_difference(change(new), new)


def test_fresh_stale_missing_and_broken_are_told_apart(source):
    notebook = source("00_x", "# %%\n1\n")
    built = Built(notebook, notebook_of("a"), 0.1)
    command = f"python -m minitornado.classroom.build 00_x --folder {notebook.folder}"
    assert complain(built) == f"notebooks/00_x.ipynb is missing; build it with: {command}"
    assert write(built) is True
    assert complain(built) == "" and write(built) is False
    stale = complain(Built(notebook, notebook_of("b"), 0.1))
    assert stale.startswith(f"notebooks/00_x.ipynb is stale; rebuild it with: {command}\ncell 1 ")
    notebook.target.write_bytes(built.text.replace("\n", "\r\n").encode())
    assert "is stale" in complain(built)
    broken = complain(Built(notebook, "", 0.1, "00_x.py:1: why"))
    assert broken == "notebooks/00_x.ipynb cannot be built.\n00_x.py:1: why"
    assert sorted(path.name for path in notebook.folder.iterdir()) == ["00_x.ipynb", "src"]


def test_an_interrupted_build_leaves_the_old_notebook(source, monkeypatch):
    notebook = source("00_x", "# %%\n1\n")
    write(Built(notebook, "old", 0.1))
    monkeypatch.setattr(os, "replace", lambda *paths: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(Built(notebook, "new", 0.1))
    assert notebook.target.read_text() == "old"


def test_the_rebuild_command_for_the_projects_own_notebooks_needs_no_folder():
    text = complain(Built(Notebook("99_none"), "", 0.1))
    assert text.endswith("build it with: python -m minitornado.classroom.build 99_none")


# --- the command ------------------------------------------------------------------------------


def test_the_command_builds_then_finds_all_fresh_then_finds_the_stale_one(source, folder, capsys):
    source("00_a", "# %%\n'a'\n")
    edited = source("01_b", "# %%\n'b'\n")
    done = run_command("--folder", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.sub(r"\(.*?\)", "", done.stdout).split("\n") == [
        "notebooks/00_a.ipynb built ", "notebooks/01_b.ipynb built ", ""]
    assert main(["--folder", str(folder), "--check"]) == 0
    assert capsys.readouterr().out.count("is fresh") == 2
    edited.source.write_text("# %%\n'c'\n")
    before = edited.target.read_bytes()
    assert main(["--folder", str(folder), "--check", "01"]) == 1
    assert edited.target.read_bytes() == before
    said = capsys.readouterr().out
    assert "notebooks/01_b.ipynb is stale; rebuild it with: " in said
    assert "-'b'\n+'c'" in said and "00_a" not in said


def test_a_notebook_without_source_is_an_error(source, folder):
    orphan = source("00_x", "# %%\n1\n").target
    orphan.write_text("{}")
    assert find_orphans(folder) == []
    (folder / "src" / "00_x.py").unlink()
    assert find_orphans(folder) == [orphan]
    done = run_command("--folder", folder, "--check")
    assert done.returncode == 1 and f"{orphan} has no source in" in done.stdout


def test_notebooks_are_found_by_number_name_or_path(source, folder):
    one, two = source("00_a", "# %%\n1\n"), source("01_b", "# %%\n1\n")
    assert find_notebooks(folder) == [one, two]
    for name in ("01", "01_b", "notebooks/src/01_b.py", "notebooks/01_b.ipynb"):
        assert find_notebooks(folder, [name]) == [two]
    assert find_notebooks(folder, ["01", "00", "01_b"]) == [one, two]
    with pytest.raises(BuildError, match=r"no notebook 'b' in .*: there is 00_a, 01_b"):
        find_notebooks(folder, ["b"])


def test_a_source_with_a_strange_name_is_an_error_not_overlooked(source, folder, capsys):
    source("draft", "# %%\n1\n")
    assert main(["--folder", str(folder)]) == 2
    assert "draft.py: a notebook's source is named NN_name.py" in capsys.readouterr().err


def test_an_unknown_name_and_an_empty_folder_are_wrong_usage(folder, capsys):
    assert main(["--folder", str(folder)]) == 2
    assert capsys.readouterr().err == f"There are no notebooks in {folder / 'src'}.\n"
    assert main(["--folder", str(folder), "07"]) == 2
    assert "no notebook '07'" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["0", "-1", "x", "٣"])
def test_a_wrong_number_of_jobs_is_one_clear_sentence(jobs, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--jobs", jobs])
    assert caught.value.code == 2
    assert f"a number from 1 on, not '{jobs}'" in capsys.readouterr().err


def test_help_names_every_option_and_the_exit_statuses(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("NAME", "--check", "--jobs", "--folder", "Exit status"):
        assert word in text
