"""Puts the book together: {file name: text or bytes} of everything that is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from minitornado.classroom.build import FOLDER
from minitornado.classroom.palette import PALETTE

from . import index
from .chapters import Chapter, read_chapters
from .markup import code_html, text_of
from .search import search_script
from .sources import Source, definitions_of, read_sources

ASSETS = Path(__file__).parent / "assets"
TEMPLATES = Path(__file__).parent / "templates"
PICTURE = "one-request.svg"


@dataclass(frozen=True)
class Link:
    """A page, as other pages point to it."""

    page: str
    title: str


@dataclass(frozen=True)
class Page:
    """What the shell needs to know of a page; its title is HTML.

    parts: its own headings, as (anchor, HTML)
    values: what its template takes besides
    """

    page: str
    title: str
    template: str
    parts: Sequence[tuple[str, str]] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


class Book:
    """All that the pages are made of, read once.

    Raises OSError, and whatever is wrong with a notebook.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.sources = read_sources()
        self.definitions = definitions_of(self.sources)
        self.exercises = index.read_exercises(folder.parent)
        self.chapters = read_chapters(folder, self.definitions, [it.id for it in self.exercises])
        self.concepts = index.find_concepts(self.chapters, self.exercises, self.definitions)
        self.places = index.find_places(self.chapters, self.exercises, self.definitions)
        self.glossary = index.make_glossary(self.chapters)
        picture = folder / PICTURE
        self.picture = picture.read_bytes() if picture.exists() else None

    def files(self) -> dict[str, bytes]:
        """Every file of the book by its name; a name has no folder but ``assets/``."""
        found = {f"assets/{path.name}": path.read_bytes() for path in sorted(ASSETS.iterdir())}
        found["assets/search.js"] = search_script(
            self.chapters, self.concepts, self.glossary, self.exercises, self.sources
        ).encode()
        if self.picture is not None:
            found[f"assets/{PICTURE}"] = self.picture
        pages = self._pages()
        shell = self._environment()
        # Only these are read from one to the next.
        order = [page.page for page in pages[: len(self.chapters) + 1]]
        for page in pages:
            text = shell.get_template(page.template).render(
                page=page, order=order, titles={it.page: it.title for it in pages}, **page.values
            )
            found[page.page] = (text.rstrip() + "\n").encode()
        return found

    def _environment(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        environment.filters |= {"code": code_html, "text": text_of}
        environment.globals |= {
            "book": self, "links": self._links(), "layers": PALETTE,
            "defined_by": lambda blank: index.defined_by(blank, self.definitions),
            "chapter": {it.number: it for it in self.chapters}.get,
        }
        return environment

    def _links(self) -> list[Link]:
        """The pages to look things up in; those that would be empty are not there."""
        links = [Link("concepts.html", "Concepts")] if self.concepts else []
        links += [Link("glossary.html", "Glossary")] if self.glossary else []
        links += [Link("exercises.html", "Exercises")] if self.exercises else []
        return [*links, Link("source.html", "Source")]

    def _pages(self) -> list[Page]:
        """The contents, the chapters, then what one looks things up in."""
        there = {link.page for link in self._links()}
        looked_up = [
            Page("concepts.html", "Concepts", "concepts.html",
                 [("ideas", "By idea"), ("definitions", "By definition")]),
            Page("glossary.html", "Glossary", "glossary.html"),
            Page("exercises.html", "Exercises", "exercises.html"),
            Page("source.html", "Source", "source.html"),
        ]  # fmt: skip
        return [
            Page("index.html", "One HTTP request, every callback, explained", "contents.html"),
            *map(self._chapter, self.chapters),
            *(page for page in looked_up if page.page in there),
            *map(self._source, self.sources),
        ]

    def _chapter(self, chapter: Chapter) -> Page:
        parts = [(it.anchor, it.title) for it in chapter.sections[1:]]  # without its title
        title = f"{chapter.number} · {chapter.title}"
        return Page(chapter.page, title, "chapter.html", parts, {"chapter_here": chapter})

    def _source(self, source: Source) -> Page:
        parts = [(f"L{it.line}", f"<code>{it.inner}</code>") for it in source.definitions]
        return Page(source.page, f"<code>{source.name}.py</code>", "module.html", parts,
                    {"source": source})
