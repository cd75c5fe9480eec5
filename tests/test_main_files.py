"""The command line's files: a page, exports for other tools, and two traces compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minitornado.cli import main
from minitornado.trace import load, views
from minitornado.trace.export import FORMATS

pytestmark = pytest.mark.deadline(120)


def test_a_trace_is_written_as_a_page_and_as_exports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, page, export = (str(tmp_path / name) for name in ("t.jsonl", "t.html", "t.json"))
    assert main(["trace", "/hello", "--json", kept, "--html", page]) == 0
    assert Path(page).read_text(encoding="utf-8") == views.page(load(kept))
    for name, form in FORMATS.items():
        assert main(["show", kept, "--export", name, export]) == 0
        assert json.loads(Path(export).read_text()) == form(load(kept))
    capsys.readouterr()
    assert main(["show", kept, "--export", "svg", export]) == 2
    assert capsys.readouterr().err.count("chrome or otlp, not 'svg'") == 1
    assert main(["show", kept, "--html", str(tmp_path / "no" / "t.html")]) == 1
    assert "can't write" in capsys.readouterr().err


def test_a_diff_is_empty_for_one_request_twice_and_not_for_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / name) for name in ("one", "same", "other")]
    for path, target in zip(files, ("/hello", "/hello", "/stream"), strict=True):
        assert main(["trace", target, "--json", path]) == 0
    capsys.readouterr()
    assert main(["diff", files[0], files[1]]) == 0
    assert "The same steps in the same order." in capsys.readouterr().out
    assert main(["diff", files[0], files[2]]) == 1
    assert "steps are in one of them only" in capsys.readouterr().out
    assert main(["diff", files[0], str(tmp_path / "none")]) == 2
