"""Nothing hidden: every line of an owned definition is shown with what is said of it."""

import html
import re

import pytest

from minitornado.classroom import explain as explaining
from minitornado.classroom.explain import (
    Margin,
    complain,
    explain,
    load_all,
    own,
    report,
)
from minitornado.classroom.stack import (
    MarginError,
    find_place,
    parse_module,
    read_module,
    stack,
)

SOURCE = '''"""A module."""

import os


class Door:
    """A door."""

    wood = "oak"  # heavy

    def open(self, hard, far=1):
        """Open it."""
        # It sticks.
        while hard:
            return "open"

        text = """
        # no comment
        """
        return self.wood  # a door is its wood
'''
OPEN = (
    ("def open(self, hard, far=1):", "It can stick."),
    ("while hard:", "Once more."),
    ('return "open"', "Done, `at last`."),
    ('text = """\n# no comment\n"""', "Three lines, **one** note."),
    ("return self.wood", "The rest."),
)


@pytest.fixture(autouse=True)
def owned(monkeypatch):
    """Nobody owns anything; a module `house` is in the stack."""
    load_all()  # now: later it would go to the dict that this test throws away
    owned = {}
    monkeypatch.setattr(explaining, "_owned", owned)
    house = parse_module("house", SOURCE)
    monkeypatch.setattr(explaining, "read_module",
                        lambda name: house if name == "house" else read_module(name))
    return owned


def lines(name="house.Door.open"):
    return parse_module("house", SOURCE).of(name)


def test_comments_and_docstrings_are_no_code_and_strings_are():
    assert [line.code for line in lines() if line.code] == [
        "def open(self, hard, far=1):", "while hard:", 'return "open"', 'text = """',
        "# no comment", '"""', "return self.wood",
    ]  # fmt: skip


def test_a_class_and_a_module_are_what_is_outside_of_their_definitions():
    assert [line.code for line in lines("house.Door") if line.code] == ["class Door:",
                                                                        'wood = "oak"']
    assert [line.code for line in lines("house") if line.code] == ["import os"]


def test_every_line_of_the_stack_belongs_to_exactly_one_definition():
    for module in stack():
        numbers = sorted(n for found in module.definitions.values() for n in found)
        assert numbers == list(range(1, len(module.lines) + 1)), module.name


def test_a_margin_that_fits_has_every_line_once_and_in_order():
    assert complain(OPEN, lines()) == []
    rows = list(Margin("99", "house.Door.open", OPEN).rows(lines()))
    assert [line for group, _ in rows for line in group] == lines()
    said = {line.code: said for group, said in rows for line in group if line.code}
    assert said == {
        **{text: said for text, said in OPEN if "\n" not in text},
        'text = """': OPEN[3][1], "# no comment": OPEN[3][1], '"""': OPEN[3][1],
    }  # fmt: skip
    for group, said in rows:
        assert bool(said) == any(line.code for line in group)


@pytest.mark.parametrize(
    ("notes", "complaint"),
    [
        (OPEN[:1] + OPEN[2:], "missing, no note: while hard:"),
        ((*OPEN, ("return 7", "Gone.")), "stale, no such line: return 7"),
        ((*OPEN, ("while hard:", "Again.")), "doubled, 2 notes for 1: while hard:"),
        ((OPEN[1], OPEN[0], *OPEN[2:]), "out of order: the source goes on with def open(self, "
         "hard, far=1):, the notes while hard:"),
        ((("def open(self, hard, far=1):", " "), *OPEN[1:]),
         "the note is empty: def open(self, hard, far=1):"),
    ],
)  # fmt: skip
def test_a_margin_that_does_not_fit_says_which_line_and_is_not_shown(notes, complaint):
    assert complain(notes, lines()) == [complaint]
    own("99", "house.Door.open", notes)
    with pytest.raises(MarginError) as error:
        explain("house.Door.open")
    assert str(error.value) == f"house.Door.open, notebook 99:\n{complaint}"


def test_a_line_that_the_source_has_twice_needs_two_notes():
    twice = parse_module("m", "def f():\n    g()\n    g()\n").of("m.f")
    assert complain((("def f():", "x"), ("g()", "One."), ("g()", "Two.")), twice) == []
    assert complain((("def f():", "x"), ("g()", "One.")), twice) == ["missing, no note: g()"]


def test_a_definition_has_one_notebook():
    own("03", "house.Door.open", OPEN)
    own("03", "house.Door.open", OPEN)  # a cell run twice
    with pytest.raises(MarginError, match=r"house\.Door\.open is explained twice: 03 and 06"):
        own("06", "house.Door.open", OPEN)


@pytest.mark.parametrize("name", ["house.Door.close", "cellar", "house.open"])
def test_what_the_source_does_not_have_cannot_be_explained(name):
    own("99", name, OPEN)
    with pytest.raises(MarginError):
        explain(name)


def test_what_nobody_owns_cannot_be_shown():
    with pytest.raises(MarginError, match="nobody explains"):
        explain("ioloop.IOLoop.start")


def test_the_text_has_the_source_and_under_each_line_what_is_said_of_it(capsys):
    own("99", "house.Door.open", OPEN)
    explain("house.Door.open")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Door.open  (minitornado/house.py)"
    assert said[2:6] == [
        "    def open(self, hard, far=1):",
        "        | It can stick.",
        '        """Open it."""',
        "        # It sticks.",
    ]
    assert "            | Three lines, one note." in said
    assert said[-2:] == ["        return self.wood  # a door is its wood",
                         "            | The rest."]


def test_the_page_has_the_same_and_no_script_sheet_or_address():
    rows = list(Margin("99", "house.Door.open", OPEN).rows(lines()))
    page = explaining._html("house.Door.open", rows)
    for _text, said in OPEN:
        plain = said.replace("`", "").replace("**", "")
        assert plain in page.replace("<code>", "").replace("</code>", "").replace(
            "<strong>", "").replace("</strong>", "")
    assert "<code>at last</code>" in page and "<strong>one</strong>" in page
    assert page.count("It sticks.") == 1
    for word in ("<script", "<style", "href", "src="):
        assert word not in page


def page_of(text, notes):
    module = parse_module("m", text)
    return explaining._html("m.f", list(Margin("99", "m.f", notes).rows(module.of("m.f"))))


def text_of(page):
    """The code of a page as a reader sees it, without any style."""
    code = "\n".join(re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL))
    return html.unescape(re.sub(r"<[^>]+>", "", code))


def test_indentation_needs_no_style():
    rows = list(Margin("99", "house.Door.open", OPEN).rows(lines()))
    shown = text_of(explaining._html("house.Door.open", rows)).splitlines()
    wanted = [line.text[4:] for line in lines()]
    assert [line for line in shown if line.strip()] == [line for line in wanted if line.strip()]


def test_what_is_no_tag_stays_text():
    source = 'def f():\n    """<i> & so on"""\n    return "<b>" < """<u>"""\n'
    page = page_of(source, (("def f():", "x"), ('return "<b>" < """<u>"""', "y")))
    assert not re.search("<[biu]>", page)
    assert text_of(page) + "\n" == source


def test_words_of_a_docstring_are_no_keywords():
    page = page_of('def f():\n    """From here if not there."""\n    return 1\n',
                   (("def f():", "x"), ("return 1", "y")))
    assert re.findall(r"<strong[^>]*>([^<]*)</strong>", page) == ["def", "return"]


def test_a_long_line_goes_on_below_and_further_in_and_its_comment_stays_one():
    long = "    value = first_of_them(with_a_name) or second_of_them(with_another_name)  # " + (
        "a reason that is as long as all of the line and then some more of it")
    notes = (("def f():", "x"), (long.partition("#")[0].strip(), "y"))
    page = page_of(f"def f():\n{long}\n", notes)
    shown = text_of(page).splitlines()[1:]
    assert len(shown) > 3 and all(len(line) <= explaining._COLUMNS for line in shown)
    assert shown[1].startswith(" " * 8) and not shown[1].startswith(" " * 9)
    assert all(line.startswith(" " * 8 + "# ") for line in shown[2:])
    assert " ".join(" ".join(shown).replace("# ", "").split()) == " ".join(
        long.replace("# ", "").split())
    assert page.count("font-style:italic") == len(shown[2:])


def test_a_long_comment_between_two_lines_of_a_note_stays_where_it_is():
    comment = "    # a reason that is longer than the column that the code has beside its margin"
    notes = (("def f():", "x"), ("a()\nb()", "y"))
    shown = text_of(page_of(f"def f():\n    a()\n{comment}\n    b()\n", notes)).splitlines()
    assert shown[1] == "    a()" and shown[-1] == "    b()" and len(shown) == 5
    assert all(line.startswith("    # ") for line in shown[2:4])
    assert " ".join(shown[2:4]).replace("     # ", " ") == comment


def test_the_course_is_counted_and_what_is_missing_named():
    before = report().splitlines()
    own("99", "waker.Waker.fileno", ())
    after = report().splitlines()
    size = sum(bool(line.code) for line in read_module("waker").of("waker.Waker.fileno"))
    line = next(line for line in before if line.startswith("waker.py"))
    count = int(line.split()[1])
    assert any(new.startswith("waker.py") and int(new.split()[1]) == count + size for new in after)
    assert any("Waker.fileno" in old for old in before)
    assert not any("Waker.fileno" in new for new in after)


def test_a_place_is_found_by_its_line():
    waker = read_module("waker")
    [number] = [line.number for line in waker.lines if line.code.startswith("def consume")]
    assert find_place(f"waker.py:{number}") == "waker.Waker.consume"
    assert find_place(f"minitornado/waker.py:{number}") == "waker.Waker.consume"
    for wrong in ("waker.py", "waker.py:99999", "cellar.py:1"):
        with pytest.raises(MarginError):
            find_place(wrong)


def test_the_command_says_what_is_at_a_place_and_refuses_what_is_none(capsys):
    assert explaining.main(["waker.py:1"]) == 0
    assert "waker: " in capsys.readouterr().out
    assert explaining.main(["waker.py"]) == 2
    assert "a place is written like iostream.py:214" in capsys.readouterr().err


def test_everything_that_the_course_owns_fits_the_source(monkeypatch):
    monkeypatch.undo()
    for margin in load_all():
        assert list(margin.rows()), margin.name


def test_the_command_fails_for_a_stale_margin(capsys):
    own("99", "waker.Waker.fileno", (("gone()", "Not there."),))
    assert explaining.main([]) == 1
    assert "stale, no such line: gone()" in capsys.readouterr().out
