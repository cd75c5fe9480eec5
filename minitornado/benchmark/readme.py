"""What the README says of speed, made of the committed results. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from . import picture, tricks
from .bench import Figure
from .peers import OURS, PEERS, REFERENCE
from .report import goals, number
from .results import Results, ratio, spread

PICTURE = "minitornado/benchmark/ratios.svg"
COLUMNS = (OURS, "uvicorn-h11", "aiohttp", "uvicorn-c", "asyncio", "uvloop", "epoll")


def section(results: Results) -> str:
    """Return the picture, the table behind it, and where it was measured, as Markdown."""
    return "\n".join([
        f"![{picture.alt(results)}]({PICTURE})",
        "",
        *_table(results),
        "",
        *_absolute(results),
        "",
        *_tricks(results),
        _where(results),
        "",
    ])  # fmt: skip


def _table(results: Results) -> Iterator[str]:
    labels = " | ".join(PEERS[name].label for name in COLUMNS)
    yield f"| times less than Tornado | Tornado | {labels} | goal |"
    yield "|---" * (len(COLUMNS) + 3) + "|"
    for work, figure in goals(results):
        theirs = spread(results, work.name, REFERENCE, figure.key)
        if figure.ratio is not None and theirs is not None:
            cells = [_ratio(results, work.name, name, figure) for name in COLUMNS]
            yield (f"| {work.title}: {figure.label} | {number(theirs.median)} {figure.unit} | "
                   f"{' | '.join(cells)} | {figure.goal()} |")  # fmt: skip


def _ratio(results: Results, work: str, name: str, figure: Figure) -> str:
    found = ratio(results, work, name, figure.key)
    if found is None:
        return ""
    text = number(found.median)
    return f"**{text}** ({number(found.least)} to {number(found.most)})" if name == OURS else text


def _absolute(results: Results) -> Iterator[str]:
    """The goals that are not set against Tornado."""
    yield "| | minitornado | Tornado | goal |"
    yield "|---|---|---|---|"
    for work, figure in goals(results):
        ours = spread(results, work.name, OURS, figure.key)
        if figure.ratio is None and ours is not None:
            theirs = spread(results, work.name, REFERENCE, figure.key)
            cells = [f"{number(own.median)} {figure.unit}".rstrip() if own else ""
                     for own in (ours, theirs)]  # fmt: skip
            yield f"| {work.title}: {figure.label} | {' | '.join(cells)} | {figure.goal()} |"


def _tricks(results: Results) -> Iterator[str]:
    """What was left out though it may be faster, if that was measured."""
    if "tricks" in results:
        yield "| left out, with hello over keep-alive | times less CPU than minitornado | why |"
        yield "|---|---|---|"
        for trick, found, _calls in tricks.rows(results):
            spread = f"{number(found.median)} ({number(found.least)} to {number(found.most)})"
            yield f"| {trick.title} | {spread} | {trick.left_out} |"
        yield ""


def _where(results: Results) -> str:
    machine, settings = results["machine"], results["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    pinned = "the server on one, the load on the other" if machine["pinned"] else "not pinned"
    return (
        f"Medians of {settings['rounds']} rounds, with the least and the most. "
        f"{machine['cpu']}, {machine['cores']} cores ({pinned}), "
        f"Linux {machine['kernel']}, {machine['python']}, {versions}; "
        f"load average {min(results['load_averages']):g} to {max(results['load_averages']):g}, "
        "the benchmark's own included."
    )
