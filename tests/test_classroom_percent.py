"""A notebook's source is read exactly, and a wrong one is refused with its file and line."""

import doctest

import pytest

from minitornado.classroom import percent
from minitornado.classroom.percent import Cell, PercentError, parse_percent, read_source


def test_doctests():
    results = doctest.testmod(percent)
    assert results.attempted and not results.failed


def test_cells_know_their_kind_text_line_and_tags():
    source = (
        "\n"
        "# %% [markdown]\n"
        "# # Title\n"
        "#\n"
        "# - item\n"
        "#     indented\n"
        "\n"
        '# %% tags=["check", "b c"] slow=true\n'
        "\n"
        "x = 1\n"
        "\n"
        "# an ordinary comment\n"
        "y = 2\n"
        "\n"
    )
    assert parse_percent(source) == [
        Cell("markdown", "# Title\n\n- item\n    indented", 3),
        Cell("code", "x = 1\n\n# an ordinary comment\ny = 2", 10,
             {"tags": ["check", "b c"], "slow": True}),
    ]
    assert parse_percent(source)[1].tags == ["check", "b c"]
    assert parse_percent(source)[0].tags == []


def test_a_blank_line_inside_prose_is_a_blank_line():
    assert parse_percent("# %% [markdown]\n# a\n\n# b")[0].text == "a\n\nb"


def test_a_cell_may_await_at_its_top_level():
    assert parse_percent("# %%\nawait thing()\n")[0].text == "await thing()"


def test_characters_that_only_some_call_line_ends_do_not_shift_the_lines():
    with pytest.raises(PercentError, match=r"^nb:4: "):
        parse_percent("# %%\nx = 'form\x0cfeed \x85 \u2028'\n# %% [markdown]\nno hash\n", "nb")


@pytest.mark.filterwarnings("default")  # as for the reader, who does not make them errors
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "nb:1: no cell"),
        ("x = 1\n", "nb:1: no cell"),
        ("\nx = 1\n# %%\ny\n", "nb:2: text before the first"),
        ("# %%\nx\n# %% [markdow]\n# a\n", "nb:3: not a cell marker: '# %% [markdow]'"),
        ("#%%\nx\n", "nb:1: not a cell marker: '#%%'"),
        ("# %%[markdown]\n# x\n", "nb:1: not a cell marker"),
        ("# %% A title\nx\n", "nb:1: not a cell marker"),
        ("# %%\nx\n\n# %%\n\n# %%\ny\n", "nb:4: an empty cell"),
        ("# %% [markdown]\n# fine\nnot a comment\n", "nb:3: a line of a markdown cell starts"),
        ("# %% [markdown]\n#no space\n", "nb:2: a line of a markdown cell starts"),
        ("# %%\n\nx = 1\ny = = 2\n", "nb:4: invalid syntax"),
        ("# %%\n%matplotlib inline\n", "nb:2: invalid syntax"),
        ("# %%\nx = 1\ny = '\\d'\n", "nb:3: invalid escape sequence"),
        ("# %% tags=[check]\nx\n", "nb:1: the value of tags= is not JSON"),
        ('# %% tags="check"\nx\n', "nb:1: tags= takes a list of strings"),
        ("# %% tags=[1]\nx\n", "nb:1: tags= takes a list of strings"),
        ('# %% tags=["a"] oops\nx\n', "nb:1: key=value expected, got 'oops'"),
    ],
)
def test_bad_input_is_refused_with_file_and_line(source, message):
    with pytest.raises(PercentError) as caught:
        parse_percent(source, "nb")
    assert str(caught.value).replace('"\\d"', "").startswith(message)


def test_a_source_that_is_not_utf8_is_refused_with_its_line(tmp_path):
    path = tmp_path / "00_x.py"
    path.write_bytes(b"# %%\nx = 1\ny = '\xe9'\n")
    with pytest.raises(PercentError, match=r"^short:3: not UTF-8"):
        read_source(path, "short")


def test_windows_line_ends_are_line_ends(tmp_path):
    path = tmp_path / "00_x.py"
    path.write_bytes(b"# %% [markdown]\r\n# a\r\n# b\r\n")
    assert read_source(path)[0].text == "a\nb"
