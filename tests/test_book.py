"""The book: complete, without a dead link, without anything that would have to be fetched."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from minitornado import cli
from minitornado.classroom import explain
from minitornado.classroom.book import command
from minitornado.classroom.book.chapters import read_chapters
from minitornado.classroom.book.index import defined_by
from minitornado.classroom.book.markup import code_html, link_sources, relink, slug, text_of
from minitornado.classroom.book.pages import ASSETS, Book
from minitornado.classroom.build import FOLDER
from minitornado.classroom.misconceptions import MISCONCEPTIONS
from minitornado.classroom.palette import contrast
from minitornado.cli.output import Complaint

ROOT = Path(__file__).parents[1]
BUILT = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def book() -> Book:
    return Book()


@pytest.fixture(scope="module")
def files(book: Book) -> dict[str, bytes]:
    return book.files()


class Read(HTMLParser):
    """What a test asks of a page: its ids, what it points at, its tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def pages(files: dict[str, bytes]) -> dict[str, Read]:
    return {name: Read(data.decode()) for name, data in files.items() if name.endswith(".html")}


# ---- all of it is there ----


def test_every_built_notebook_is_a_chapter(book: Book, files: dict[str, bytes]):
    assert [chapter.name for chapter in book.chapters] == [path.stem for path in BUILT]
    for path in BUILT:
        assert f"{path.stem}.html" in files


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_no_word_of_a_notebook_is_lost(path: Path, files: dict[str, bytes]):
    page = text_of(files[f"{path.stem}.html"].decode())
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            source = re.sub(r"```.*?```|`[^`]*`|[*#|:<>&\[\]()_\\-]", " ", source, flags=re.DOTALL)
        for word in re.findall(r"\w+", source):
            assert word in page


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_a_chapter_knows_its_question_its_minutes_and_its_predictions(path: Path, book: Book):
    [chapter] = [chapter for chapter in book.chapters if chapter.name == path.stem]
    text = path.read_text()
    assert chapter.title and chapter.question.endswith("?") and chapter.minutes
    asked = set(re.findall(r'\bpredict\(\\"(P\d\d\.\d+)\\"\)', text))
    assert {it.id for it in chapter.predictions} == asked and len(asked) >= 4
    assert {it.id for it in chapter.questions} - asked == {
        f"Q{chapter.number}.{at}" for at in range(1, 5)}
    for it in chapter.questions:
        assert it.betrays and set(it.betrays) <= set(MISCONCEPTIONS)


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_every_word_that_a_notebook_explains_is_in_the_glossary(path: Path, book: Book):
    text = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    table = text.partition("## Words")[2].partition("\n## ")[0]
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", table, re.MULTILINE)
    assert words
    known = {entry.word.text: entry for entry in book.glossary}
    for word in words:
        chapters = [it.name for _, where in known[word].meanings for it in where]
        assert path.stem in chapters


def test_what_the_notebooks_explain_line_by_line_is_in_the_index(book: Book):
    owned = {margin.name: margin.notebook for margin in explain.load_all()}
    placed = {place.definition.name: place for place in book.places}
    for chapter in book.chapters:
        for name, number in owned.items():
            # A module's own lines, outside of all definitions, are no definition.
            if number == chapter.number and "." in name:
                assert chapter in placed[name].chapters, name


def test_every_exercise_is_in_the_index_with_its_code_and_its_concepts(
    book: Book, files: dict[str, bytes]
):
    assert book.exercises
    concepts = {concept.id: concept for concept in book.concepts}
    placed = {place.definition.name: place for place in book.places}
    for exercise in book.exercises:
        for id in exercise.misconceptions:
            assert exercise in concepts[id].exercises
        for blank in exercise.blanks:
            found = defined_by(blank, book.definitions)
            assert found is not None and exercise in placed[found.name].exercises
            for id in exercise.misconceptions:
                assert found in concepts[id].code
        assert f"learn start {exercise.id}" in files["exercises.html"].decode()


def test_every_question_is_in_the_index_under_what_its_options_betray(book: Book):
    for chapter in book.chapters:
        for question in chapter.questions:
            for concept in book.concepts:
                asked = (chapter, question) in concept.asked
                assert asked == (concept.id in question.betrays)


def test_a_definition_s_link_leads_to_its_first_line(book: Book):
    assert len(book.definitions) > 100
    for it in book.definitions.values():
        line = (ROOT / "minitornado" / f"{it.module}.py").read_text().split("\n")[it.line - 1]
        assert re.search(rf"(def|class) {it.name.rpartition('.')[2]}\b", line)


def test_the_source_is_shown_to_the_last_character(book: Book, files: dict[str, bytes]):
    for source in book.sources:
        page = files[source.page].decode()
        shown = re.search(r"<pre class=\"source.*?<code>(.*?)</code>", page, re.DOTALL)[1]
        reader = HTMLParser()
        pieces: list[str] = []
        reader.handle_data = pieces.append
        reader.feed(shown)
        reader.close()
        text = (ROOT / "minitornado" / f"{source.name}.py").read_text()
        assert "".join(pieces) == text.rstrip("\n") + "\n"


def test_the_same_notebooks_give_the_same_bytes(files: dict[str, bytes]):
    assert Book().files() == files


def test_without_notebooks_there_is_still_a_book(tmp_path: Path):
    empty = Book(tmp_path / "notebooks").files()
    assert "There are no notebooks in it yet." in empty["index.html"].decode()
    assert "source_ioloop.html" in empty and "glossary.html" not in empty
    for name, data in empty.items():
        if name.endswith(".html"):
            for href in Read(data.decode()).all("href"):
                assert href.partition("#")[0] in {"", "data:,", *empty}


# ---- it holds together, and asks for nothing ----


def test_every_link_leads_somewhere(files: dict[str, bytes], pages: dict[str, Read]):
    ids = {name: set(page.all("id")) for name, page in pages.items()}
    for name, page in pages.items():
        for link in page.all("href") + page.all("src"):
            if link.startswith(("data:", "https:")):
                continue
            target, _, anchor = link.partition("#")
            assert not target or target in files, f"{name}: {link}"
            assert not anchor or anchor in ids[target or name], f"{name}: {link}"


def test_every_result_of_a_search_leads_somewhere(files: dict[str, bytes], pages: dict[str, Read]):
    rows = json.loads(files["assets/search.js"].decode().removeprefix("window.BOOK = ")[:-2])
    assert {len(row) for row in rows} == {4}
    for link, title, kind, _ in rows:
        target, _, anchor = link.partition("#")
        assert not anchor or anchor in pages[target].all("id"), link
        assert title and kind


def test_nothing_is_fetched_from_anywhere(files: dict[str, bytes], pages: dict[str, Read]):
    for name, page in pages.items():
        for tag, attributes in page.tags:
            for attribute in ("src", "srcset", "data", "poster", "action", "background"):
                value = attributes.get(attribute) or ""
                assert "//" not in value or value.startswith("data:"), f"{name}: {tag} {value}"
            if tag == "link":
                assert attributes["href"] in ("assets/book.css", "data:,")
            if tag != "a":
                assert "//" not in (attributes.get("href") or ""), name
            assert tag not in ("iframe", "object", "embed", "base")
    for asset in ("assets/book.css", "assets/book.js"):
        assert not re.search(rb"https?:|url\(|@import|fetch\(|XMLHttp|import\(", files[asset])


def test_no_path_of_a_machine_is_in_it(files: dict[str, bytes]):
    for name, data in files.items():
        assert str(ROOT).encode() not in data and str(Path.home()).encode() + b"/" not in data, name


@pytest.mark.parametrize("what", ["html", "structure", "pictures", "ids"])
def test_every_page_can_be_read_by_a_screen_reader(what: str, pages: dict[str, Read]):
    for name, page in pages.items():
        if what == "html":
            assert page.named("html") == [{"lang": "en"}]
            assert len(page.named("title")) == len(page.named("main")) == 1
        elif what == "structure":
            assert len(page.named("h1")) == 1, name
            assert page.named("a")[0] == {"class": "skip", "href": "#main"}
            labels = [attributes.get("aria-label") for attributes in page.named("nav")]
            assert all(labels) and len(set(labels)) == len(labels)
        elif what == "pictures":
            assert all((attributes.get("alt") or "").strip() for attributes in page.named("img"))
        else:
            ids = page.all("id")
            assert len(ids) == len(set(ids)), [id for id in ids if ids.count(id) > 1]


def test_the_two_dark_themes_are_one():
    css = (ASSETS / "book.css").read_text()
    asked, chosen = re.findall(r":root(?::not|\[data-theme=\"dark)[^{]*\{(.*?)\}", css, re.DOTALL)
    assert asked.split() == chosen.split()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_told_from_the_page(theme: str):
    css = (ASSETS / "book.css").read_text()
    block = css[css.index('[data-theme="dark"]') if theme == "dark" else 0:].partition("}")[0]
    colour = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
    for name in ("ink", "quiet", "link", "keyword", "string", "number", "comment", "name"):
        for ground in ("page", "raised", "code"):
            assert contrast(colour[name], colour[ground]) >= 4.5, f"{name} on {ground}"
    assert contrast(colour["ink"], colour["mark"]) >= 4.5


def test_the_commands_that_the_cover_names_exist(files: dict[str, bytes]):
    named = re.findall(r"python -m minitornado (\w+)", files["index.html"].decode())
    assert named and set(named) <= set(cli.COMMANDS)


# ---- the parts ----


def notebook(folder: Path, name: str, *cells: tuple[str, str]) -> Path:
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps({
        "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
            {"cell_type": kind, "id": f"c{at}", "metadata": {}, "source": source,
             **({"outputs": [], "execution_count": None} if kind == "code" else {})}
            for at, (kind, source) in enumerate(cells)]}))
    return path


def test_mentions_become_links_in_prose_and_not_in_code(tmp_path: Path):
    notebook(tmp_path, "00_first", ("markdown", "# 00 · First\n\n**Why?**"))
    notebook(tmp_path, "01_second", (
        "markdown", "# 01 · Second\n\nSee notebook 00, `notebook 00` and notebook 77.\n\n"
        "ex13, `ex13`, ex99, [a](00_first.ipynb#x), [b](../minitornado/ioloop.py)\n\n"
        "```sh\nlearn start ex13\n```\n\n## Twice\n\n## Twice"))
    _, chapter = read_chapters(tmp_path, ["ioloop.IOLoop"], ["ex13"])
    assert chapter.body.count('href="00_first.html"') == 1
    assert '<a href="00_first.html#x">a</a>' in chapter.body
    assert '<a href="source_ioloop.html">b</a>' in chapter.body
    assert chapter.body.count('href="exercises.html#ex13"') == 1
    assert chapter.exercises == ("ex13",)
    assert [section.anchor for section in chapter.sections] == ["01-second", "twice", "twice-2"]


def test_only_the_table_under_words_is_taken_for_words(tmp_path: Path):
    notebook(tmp_path, "00_x", ("markdown", "## Compare\n\n| a | b |\n|---|---|\n| c | d |"), (
        "markdown", "## Words\n\n| word | what |\n|:--|:--|\n| **x** | *y* \\| z |\n\n## Next\n\n"
        "| e | f |\n|---|---|\n| g | h |"))
    [chapter] = read_chapters(tmp_path, [], [])
    assert [(it.word, it.meaning) for it in chapter.words] == [
        ("<strong>x</strong>", "<em>y</em> | z")]


def test_what_is_no_notebook_of_the_course_is_no_chapter(tmp_path: Path):
    notebook(tmp_path, "Untitled", ("markdown", "mine"))
    (tmp_path / "src").mkdir()
    assert read_chapters(tmp_path, [], []) == []


def test_markup():
    assert slug("", ()) == "section" and slug("A &amp; B") == "a-b"
    assert text_of('<p>a<span style="x">b</span></p><style>c</style>d') == "ab d"
    assert code_html('"<`a<b`>"') == '"&lt;<code>a&lt;b</code>&gt;"'
    assert relink('<a href="https://x.org/a.ipynb">', ["ioloop"]) == (
        '<a href="https://x.org/a.ipynb">')
    code = "<code>minitornado/ioloop.py:12</code>"
    assert link_sources(code, ["ioloop"]) == f'<a href="source_ioloop.html#L12">{code}</a>'
    assert link_sources(code, []) == code


# ---- the command ----


def test_the_command_writes_the_book_and_says_where(tmp_path: Path, files: dict[str, bytes]):
    target = tmp_path / "new" / "book"
    done = subprocess.run(
        [sys.executable, "-m", "minitornado", "book", "--output", str(target)],
        capture_output=True, text=True, timeout=120, cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{len(BUILT)} notebooks? in {len(files)} files, [\d.]+ MB\. Open "
                        rf"{re.escape(str(target))}/index\.html\n", done.stdout)
    for name, data in files.items():
        assert (target / name).read_bytes() == data


def test_a_second_run_removes_what_the_first_has_written_and_nothing_else(tmp_path: Path):
    command.write({"index.html": b"1", "old.html": b"2", "assets/old.js": b"3"}, tmp_path / "book")
    (tmp_path / "book" / "mine.txt").write_text("mine")
    command.write({"index.html": b"4"}, tmp_path / "book")
    left = {path.relative_to(tmp_path / "book").as_posix()
            for path in (tmp_path / "book").rglob("*") if path.is_file()}
    assert left == {"index.html", "mine.txt", command.LIST}
    assert (tmp_path / "book" / "index.html").read_bytes() == b"4"


def test_a_folder_with_somebody_s_work_is_not_touched(tmp_path: Path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(Complaint, match="is not empty, and no book"):
        command.write({"index.html": b"ours"}, tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"


@pytest.mark.parametrize("name", ["../mine.txt", "/mine.txt", "assets/../../mine.txt", "..", 1])
def test_a_list_that_somebody_has_changed_removes_nothing_outside(tmp_path: Path, name: object):
    book = tmp_path / "book"
    command.write({"index.html": b"1"}, book)
    (tmp_path / "mine.txt").write_text("mine")
    (book / command.LIST).write_text(json.dumps([name, "index.html"]))
    command.write({"other.html": b"2"}, book)
    assert (tmp_path / "mine.txt").exists() and not (book / "index.html").exists()


def test_a_file_in_the_place_of_the_folder_gets_one_sentence(tmp_path: Path):
    (tmp_path / "book").write_text("a file")
    done = subprocess.run(
        [sys.executable, "-m", "minitornado", "book", "--output", str(tmp_path / "book")],
        capture_output=True, text=True, timeout=120, cwd=ROOT,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"minitornado: can't write the book: .*: not a directory\n|"
                        r"minitornado: can't write the book: .*: file exists\n", done.stderr)
