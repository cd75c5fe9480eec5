"""What several pages need of HTML: anchors, plain text, links to the source. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from html.parser import HTMLParser

_HREF = re.compile(r'href="(?P<path>[^"#:]*)(?P<rest>#[^"]*)?"')
_SOURCE = re.compile(r"<code>(?P<text>minitornado/(?P<module>\w+)\.py(?::(?P<line>\d+))?)</code>")
_NO_TEXT = ("script", "style", "svg", "template")


def slug(title: str, taken: Collection[str] = ()) -> str:
    """An anchor for a title, other than those taken.

    >>> slug("Why did `that` run?", {"why-did-that-run"})
    'why-did-that-run-2'
    """
    base = "-".join(re.findall(r"\w+", html.unescape(title).lower())) or "section"
    number, name = 1, base
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def text_of(markup: str) -> str:
    """What a reader would read aloud: no tags, no scripts, spaces as single spaces.

    >>> text_of("<p>one&nbsp;<b>two</b></p><script>three</script>")
    'one two'
    """
    reader = _Text()
    reader.feed(markup)
    reader.close()
    return " ".join("".join(reader.pieces).split())


def code_html(text: str) -> str:
    """Plain text as HTML, `backticks` as code.

    >>> code_html("`a` < b")
    '<code>a</code> &lt; b'
    """
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def link_sources(markup: str, modules: Collection[str]) -> str:
    """Make each ``<code>minitornado/ioloop.py</code>`` a link to that module's page."""

    def link(match: re.Match[str]) -> str:
        if match["module"] not in modules:
            return match[0]
        anchor = f"#L{match['line']}" if match["line"] else ""
        return f'<a href="source_{match["module"]}.html{anchor}">{match[0]}</a>'

    return _SOURCE.sub(link, markup)


def relink(markup: str, modules: Collection[str]) -> str:
    """Point links at notebooks and at the stack's source to their pages in the book."""

    def point(match: re.Match[str]) -> str:
        name = match["path"].rpartition("/")[2]
        rest = match["rest"] or ""
        stem, _, suffix = name.rpartition(".")
        if suffix == "ipynb":
            return f'href="{stem}.html{rest}"'
        if suffix == "py" and stem in modules:
            return f'href="source_{stem}.html{rest}"'
        return match[0]

    return _HREF.sub(point, markup)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _NO_TEXT
        if tag not in ("a", "b", "code", "em", "i", "span", "strong"):
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _NO_TEXT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(data)
