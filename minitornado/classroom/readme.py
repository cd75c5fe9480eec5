"""What the README shows: a trace's picture and story, recorded anew; the benchmark's figures.

    python -m minitornado.classroom.readme            write them
    python -m minitornado.classroom.readme --check    only say whether they are fresh

Nothing in the README is typed that a run can tell.  The trace's picture is
notebooks/one-request.svg.  Story and figures stand between markers in README.md; the figures are
those of the benchmark's committed results, which are not measured anew here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..benchmark import picture, readme, results
from ..cli.trace import quiet_log, record, request_bytes
from ..trace.views import Lanes, Story

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "<!-- {}: recomputed by tests/test_readme.py -->\n"
END = "<!-- end of {} -->\n"
WIDTH = 88


def pictures() -> dict[Path, str]:
    """Return {file: text} of all that the README shows, recorded now."""
    quiet_log()
    trace, _answer = record(request_bytes(None, "/hello", [], None))
    request = Story(trace, req="c1r1")
    story = f"```text\n{request.text(WIDTH).rstrip()}\n```\n"
    measured = results.load()
    page = ROOT / "README.md"
    text = _between(page.read_text(), "story", story)
    return {
        page: _between(text, "speed", readme.section(measured)),
        ROOT / "notebooks" / "one-request.svg": Lanes(trace, conn="c1").svg() + "\n",
        ROOT / readme.PICTURE: picture.draw(measured),
    }


def _between(text: str, name: str, new: str) -> str:
    """Return `text` with `new` between the two markers called `name`."""
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{new}{end}{after}"


def main(argv: Sequence[str] | None = None) -> int:
    """Write what is stale, or with --check say so; 1 if anything is."""
    parser = argparse.ArgumentParser(
        prog="python -m minitornado.classroom.readme", description="Renew what the README shows."
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(argv)
    status = 0
    for path, text in pictures().items():
        if path.exists() and path.read_text() == text:
            continue
        name = path.relative_to(ROOT)
        if options.check:
            print(f"{name} is stale; to renew it: python -m minitornado.classroom.readme")
            status = 1
        else:
            path.write_text(text)
            print(f"{name} written")
    return status


if __name__ == "__main__":
    sys.exit(main())
