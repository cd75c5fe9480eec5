"""What `show` and `picture` give reads as HTML and as text, light and dark, and without network."""

import base64
import re
import subprocess
import sys

import pytest
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from minitornado.classroom import palette, show
from minitornado.classroom.palette import DARK, PALETTE, WHITE, contrast

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><g id="a"/>%s</svg>'


@pytest.fixture
def displayed(monkeypatch):
    """What a notebook is given to display, as a list of MIME bundles."""
    import IPython
    import IPython.display

    bundles = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(
        IPython.display, "display", lambda bundle, raw: bundles.append(bundle) if raw else None
    )
    return bundles


def a_table():
    table = Table(title="Turns", caption="two of them")
    table.add_column("layer")
    table.add_column("bytes", justify="right")
    table.add_row(f"[bold {PALETTE['IOLoop']}]IOLoop[/]", "<28> & 3")
    return table


def test_a_table_is_a_pre_with_inline_styles_and_a_text_without_ansi(displayed):
    show.show(a_table())
    [bundle] = displayed
    html, text = bundle["text/html"], bundle["text/plain"]
    assert html.startswith("<pre style=") and html.endswith("</pre>")
    assert "font-weight: bold" in html and "color: #1376e7" in html
    assert "&lt;28&gt; &amp; 3" in html
    assert "<style" not in html and "class=" not in html and "<script" not in html
    assert "<28> & 3" in text and "\x1b" not in text
    assert set(bundle) == {"text/html", "text/plain"}


def test_html_and_text_say_the_same():
    from html import unescape

    for renderable in (a_table(), Panel("x"), Rule("rule"), Tree("root"), "[b]bold[/b] :smile:"):
        html, text = show.render(renderable)
        bare = unescape(re.sub(r"<[^>]+>", "", html))
        assert [line.rstrip() for line in bare.split("\n")] == text.split("\n")


def test_outside_of_a_notebook_the_text_is_printed(capsys):
    show.show("hello")
    assert capsys.readouterr().out == "hello\n"


def test_what_is_shown_is_what_was_written():
    # Rich would colour the numbers, and draw a face.
    html, text = show.render("12 'x' True https://example.org/ :smile:")
    assert "<span" not in html and text == "12 'x' True https://example.org/ :smile:"


def test_no_line_is_wider_than_asked():
    wide = Table()
    wide.add_column("words")
    wide.add_row("word " * 100)
    for width in (40, 88):
        lines = show.render(wide, width)[1].split("\n")
        assert max(map(len, lines)) == width


def test_the_output_is_the_same_in_every_environment(tmp_path):
    script = (
        "from minitornado.classroom.show import render\n"
        "from rich.panel import Panel\n"
        "from rich.layout import Layout\n"
        "for it in (Panel('[bold #1376e7]x[/] ' * 30), Layout('x'), 'word ' * 30):\n"
        "    print(ascii(render(it)))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONPATH": ":".join(sys.path), **env},
            check=True, capture_output=True, timeout=60,
        ).stdout
        for env in (
            {},
            {"NO_COLOR": "1", "COLUMNS": "40", "TERM": "dumb"},
            {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "COLUMNS": "200", "LINES": "3"},
            {"JUPYTER_COLUMNS": "30", "TERM": "xterm-256color", "PYTHONIOENCODING": "ascii"},
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONHASHSEED": "7"},
        )
    }
    assert len(outputs) == 1
    assert b"#1376e7" in outputs.pop()


@pytest.mark.parametrize(
    "markup",
    ["[dim]x[/]", "[red]x[/]", "[bright_black]x[/]", "[#123456]x[/]", "[on #1376e7]x[/]",
     "[reverse]x[/]", "[blink]x[/]", "[link=https://example.org]x[/]"],
)
def test_what_reads_badly_or_changes_from_build_to_build_is_refused(markup):
    with pytest.raises(ValueError, match="'x'"):
        show.render(markup)


@pytest.mark.parametrize("colour", PALETTE.values())
def test_every_colour_of_the_palette_is_allowed_and_reads_on_both_pages(colour):
    html, _ = show.render(Text("x", style=colour))
    assert f"color: {colour}" in html
    assert contrast(colour, WHITE) >= 4.25 and contrast(colour, DARK) >= 4.25


def test_no_colour_could_do_much_better_on_both_pages():
    # The palette's docstring says 18.9 and 4.35.
    assert round(contrast(WHITE, DARK), 1) == 18.9
    assert round(contrast(WHITE, DARK) ** 0.5, 2) == 4.35 < 4.5
    assert "18.9" in palette.__doc__ and "4.35" in palette.__doc__ and "4.25" in palette.__doc__


def test_a_picture_is_an_image_with_alt_and_a_text_twin(displayed):
    svg = SVG % '<use href="#a"/><text>é</text>'
    show.picture(svg, 'A "box" & more', "[box]")
    [bundle] = displayed
    match = re.fullmatch(
        r'<img alt="A &quot;box&quot; &amp; more" style="max-width:100%" '
        r'src="data:image/svg\+xml;base64,([^"]+)">',
        bundle["text/html"],
    )
    assert base64.b64decode(match[1]).decode() == svg
    assert bundle["text/plain"] == "[box]"


@pytest.mark.parametrize(("alt", "text", "word"), [("", "t", "alt"), (" ", "t", "alt"),
                                                   ("a", "", "text"), ("a", "\n", "text")])
def test_a_picture_without_alt_or_text_is_refused(alt, text, word):
    with pytest.raises(ValueError, match=f"a picture needs {word}"):
        show.picture(SVG % "", alt, text)


@pytest.mark.parametrize(
    ("svg", "message"),
    [
        ("<svg", "not well-formed"),
        ('<svg viewBox="0 0 1 1"/>', "xmlns"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "viewBox"),
        (SVG % "<script/>", "script"),
        (SVG % '<image href="http://example.org/a.png"/>', "example.org"),
        (SVG % '<image xmlns:x="http://www.w3.org/1999/xlink" x:href="a.png"/>', "a.png"),
        (SVG % "<style>@import 'a.css'</style>", "fetch"),
        (SVG % '<rect fill="url(http://example.org/#a)"/>', "fetch"),
        (SVG % "<style>p { src: url('f.woff') }</style>", "fetch"),
    ],
)
def test_an_svg_that_would_not_show_or_fetches_something_is_refused(svg, message):
    with pytest.raises(ValueError, match=message):
        show.picture(svg, "alt", "text")


def test_an_svg_may_refer_to_its_own_parts():
    svg = SVG % """<rect fill="url(#a)"/><rect fill="url('#a')"/><use href="#a"/>"""
    show.picture(svg, "alt", "text")


def test_importing_brings_in_neither_rich_nor_ipython():
    script = (
        "import sys, minitornado.classroom.show, minitornado.classroom.predict\n"
        "print(sorted({'rich', 'IPython'} & {name.partition('.')[0] for name in sys.modules}))\n"
        "minitornado.classroom.show.show('shown')\n"
        "print('IPython' in sys.modules)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert out == "[]\nshown\nFalse\n"
