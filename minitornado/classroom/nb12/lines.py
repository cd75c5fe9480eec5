"""Which lines of a function ran: its source, with a column of marks for each of several runs.

What Python itself reports as executed, line by line, of the first call in each run: of a
coroutine, all that happened to it until its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich import box
from rich.style import Style
from rich.table import Table
from rich.text import Text

from ..palette import PALETTE
from ..ran import Watch
from ..show import WIDTH, show
from ..stack import Line, read_module

MARK = "●"
CODE_WIDTH = WIDTH - 14


def executed(name: str, runs: Mapping[str, Callable[[], object]]) -> None:
    """Show the lines of the definition `name`, and which of them each of `runs` executes.

    The columns are numbered, in the order of `runs`.
    """
    ran = {title: lines_executed(name, run) for title, run in runs.items()}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number in range(1, len(ran) + 1):
        table.add_column(str(number), width=1)
    table.add_column(name.partition(".")[2], no_wrap=True, overflow="ellipsis", width=CODE_WIDTH)
    lines = [line for line in read_module(name.partition(".")[0]).of(name) if line.code]
    indent = len(lines[0].text) - len(lines[0].text.lstrip())
    for line in lines:
        marks = [MARK if line.number in numbers else "" for numbers in ran.values()]
        table.add_row(*marks, _code(line, indent, any(marks)))
    show(table)


def lines_executed(name: str, run: Callable[[], object]) -> set[int]:
    """The numbers of the lines of `name` that its first call in `run` executes."""
    with Watch([name], first_call=True) as watch:
        run()
    return watch.ran[name]


def _code(line: Line, indent: int, ran: bool) -> Text:
    text = " " * (len(line.text) - len(line.text.lstrip()) - indent) + line.code
    return Text(text, Style(bold=True) if ran else Style(color=PALETTE["kernel"]))
