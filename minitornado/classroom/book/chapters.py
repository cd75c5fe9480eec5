"""A built notebook as a chapter: its page's HTML, and what the other pages say of it.

The HTML is nbconvert's, by its `basic` template; anchors and links between pages are added here.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .markup import code_html, link_sources, relink, slug, text_of

_FILE = re.compile(r"(?P<number>\d\d)_\w+\.ipynb")
_HEADING = re.compile(r"<h(?P<level>[1-6])>(?P<title>.*?)</h(?P=level)>", re.DOTALL)
# What predict.py shows of a question, and quiz.py; `compare` has the like below a margin.
_QUESTION = re.compile(
    r'<p(?: style="[^"]*")?><strong>(?P<id>[PQ]\d\d\.\d+)</strong> '
    r"(?P<text>(?:(?!</p>).)*)</p>"
    r"(?P<options>(?:\s*<details><summary>[a-z]\) .*?</details>)+)", re.DOTALL,
)  # fmt: skip
_BETRAYED = re.compile(r"\[(M\d\d)( · [^\]]*)?\]")
_CODE = re.compile(r"(```.*?```|`[^`\n]+`|\[[^\]]*\]\([^)]*\))", re.DOTALL)
_MENTION = re.compile(r"\b(?P<notebook>[Nn]otebook (?P<number>\d\d))\b|\b(?P<exercise>ex\d\d)\b")
_ROW = re.compile(r"^\|\s*(?P<word>.*?[^\\])\s*\|\s*(?P<meaning>.*?)\s*\|\s*$", re.MULTILINE)
_NAME = re.compile(r"\"(\w+(?:\.\w+)+)\"")


@dataclass(frozen=True)
class Section:
    """A part of a chapter under a heading of its own; `text` is for the search."""

    anchor: str
    title: str  # HTML
    text: str


@dataclass(frozen=True)
class Word:
    """A row of a notebook's Words; both are HTML."""

    word: str
    meaning: str

    @property
    def text(self) -> str:
        return text_of(self.word)


@dataclass(frozen=True)
class Question:
    """A prediction of the page, or one of its quiz, and what its options betray."""

    id: str
    text: str  # HTML
    betrays: tuple[str, ...]


@dataclass(frozen=True)
class Chapter:
    """One notebook. `definitions` are those of the stack that it walks through, by name."""

    name: str  # "00_one_request"
    number: str
    title: str  # HTML, without the number
    question: str  # HTML
    minutes: int | None
    body: str
    sections: tuple[Section, ...]
    words: tuple[Word, ...]
    questions: tuple[Question, ...]
    definitions: tuple[str, ...]
    exercises: tuple[str, ...]  # "ex13"

    @property
    def page(self) -> str:
        return f"{self.name}.html"

    @property
    def predictions(self) -> list[Question]:
        return [question for question in self.questions if question.id.startswith("P")]


def read_chapters(
    folder: Path, definitions: Collection[str], exercises: Collection[str]
) -> list[Chapter]:
    """The chapters of the built notebooks in `folder`, by number.

    `definitions` and `exercises` are the names there are in the stack and in the course.
    """
    paths = [path for path in sorted(folder.glob("*.ipynb")) if _FILE.fullmatch(path.name)]
    pages = {path.name[:2]: f"{path.stem}.html" for path in paths}
    return [_read(path, pages, definitions, exercises) for path in paths]


def _read(
    path: Path, pages: Mapping[str, str], definitions: Collection[str], exercises: Collection[str]
) -> Chapter:
    notebook = importlib.import_module("nbformat").read(path, as_version=4)
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    first = prose[0] if prose else ""
    title = re.search(r"^# (?:\d\d · )?(.+)$", first, re.MULTILINE)
    question = re.search(r"^\*\*(.+\?)\*\*$", first, re.MULTILINE)
    minutes = re.search(r"\b(\d+) minutes", first)
    mentioned = re.findall(r"\bex\d\d\b", "\n".join(prose))
    walked = [name for source in code for name in _NAME.findall(source) if name in definitions]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _link_mentions(cell.source, pages, exercises)
    modules = {name.partition(".")[0] for name in definitions}
    body = link_sources(relink(_convert(notebook), modules), modules)
    questions = tuple(_questions(body))
    body, sections = _add_anchors(body)
    return Chapter(
        name=path.stem, number=path.name[:2],
        title=code_html(title[1] if title else path.stem),
        question=code_html(question[1] if question else ""),
        minutes=int(minutes[1]) if minutes else None,
        body=_BETRAYED.sub(r'[<a href="concepts.html#\1">\1\2</a>]', body),
        sections=tuple(sections), words=tuple(_words(prose)), questions=questions,
        definitions=tuple(dict.fromkeys(walked)),
        exercises=tuple(id for id in dict.fromkeys(mentioned) if id in exercises),
    )  # fmt: skip


def _convert(notebook: Any) -> str:
    exporter = importlib.import_module("nbconvert").HTMLExporter(
        template_name="basic",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,  # they are links without words, to a screen reader
    )
    body, _resources = exporter.from_notebook_node(notebook)
    return str(body)


def _link_mentions(source: str, pages: Mapping[str, str], exercises: Collection[str]) -> str:
    """Make links of "notebook 06" and "ex13" in the prose, where there is one; not in code."""

    def link(match: re.Match[str]) -> str:
        if match["notebook"] and match["number"] in pages:
            return f"[{match['notebook']}]({pages[match['number']]})"
        if match["exercise"] in exercises:
            return f"[{match['exercise']}](exercises.html#{match['exercise']})"
        return match[0]

    pieces = _CODE.split(source)  # prose and code by turns
    pieces[::2] = [_MENTION.sub(link, piece) for piece in pieces[::2]]
    return "".join(pieces)


def _add_anchors(body: str) -> tuple[str, list[Section]]:
    """Give headings and questions an id; return that, and the sections."""
    taken: list[str] = []

    def anchored(match: re.Match[str]) -> str:
        taken.append(slug(text_of(match["title"]), taken))
        return f'<h{match["level"]} id="{taken[-1]}">{match["title"]}</h{match["level"]}>'

    body = _HEADING.sub(anchored, body)
    body = _QUESTION.sub(
        lambda match: f'<p id="{match["id"]}" class="asked"{match[0].removeprefix("<p")}', body)
    heading = re.compile(r'<h([12]) id="([^"]+)">(.*?)</h\1>', re.DOTALL)
    # What is before the first heading, then four pieces a section.
    pieces = heading.split(body)[1:]
    return body, [Section(anchor, title.strip(), text_of(text))
                  for _, anchor, title, text in zip(*[iter(pieces)] * 4, strict=True)]


def _questions(body: str) -> list[Question]:
    return [
        Question(match["id"], match["text"],
                 tuple(id for id, _ in _BETRAYED.findall(match["options"])))
        for match in _QUESTION.finditer(body)
    ]  # fmt: skip


def _words(prose: list[str]) -> list[Word]:
    """The table under "## Words", its head and the line below that apart."""
    for source in prose:
        _, found, rest = f"\n{source}".partition("\n## Words\n")
        if found:
            rows = list(_ROW.finditer(rest.partition("\n## ")[0]))[2:]
            return [Word(_inline(row["word"]), _inline(row["meaning"])) for row in rows]
    return []


def _inline(markdown: str) -> str:
    """Markdown without paragraphs, as HTML."""
    convert = importlib.import_module("nbconvert.filters.markdown").markdown2html
    made = str(convert(markdown.replace(r"\|", "|"))).strip()
    return made.removeprefix("<p>").removesuffix("</p>")
