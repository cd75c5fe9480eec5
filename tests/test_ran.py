"""Which lines ran: what a watch sees, and that a page must run every line that it explains."""

import threading

import pytest

from minitornado.classroom import ran
from minitornado.classroom.build import FOLDER, Notebook, _watched
from minitornado.classroom.explain import load_all
from minitornado.classroom.percent import Cell
from minitornado.classroom.ran import Watch, begin, code_of, end, owned_by, runnable, show_cases
from minitornado.classroom.stack import MarginError, parse_module

SOURCE = '''
def door(hard):
    if hard:
        text = ("sticks"
                " a little")
        return text
    letters = "open"
    return list(map(lambda letter: letter
                    .upper(), letters))
'''
NAME = "house.door"


@pytest.fixture(autouse=True)
def house(monkeypatch):
    """A definition that notebook 99 explains; it is in no module of the stack."""
    space = {}
    exec(compile(SOURCE, "house.py", "exec"), space)
    code = space["door"].__code__
    monkeypatch.setattr(ran, "code_of", lambda name: [code, *ran._inside(code)])
    monkeypatch.setattr(ran, "owned_by", lambda notebook: [NAME])
    monkeypatch.setattr(ran, "read_module", lambda name: parse_module(name, SOURCE))
    monkeypatch.setattr(ran, "_watching", None)
    return space["door"]


def test_a_watch_sees_the_lines_that_run_inner_functions_and_all(house):
    with Watch([NAME]) as watch:
        house(False)
    assert watch.ran == {NAME: {3, 7, 8, 9}}
    with Watch([NAME]) as watch:
        house(True)
    assert watch.ran == {NAME: {3, 4, 6}}
    assert runnable(NAME) == {3, 4, 6, 7, 8, 9}


def test_after_it_nothing_is_watched(house):
    with Watch([NAME]) as watch:
        pass
    house(True)
    assert watch.ran == {NAME: set()} and threading.gettrace() is None


def test_who_watches_around_another_one_sees_as_much(house):
    with Watch([NAME]) as outer:
        house(False)
        with Watch([NAME], first_call=True) as inner:
            house(True)
            house(False)
        after = set(outer.ran[NAME])
    assert 6 in inner.ran[NAME] and 7 not in inner.ran[NAME]
    assert after >= {6, 7}


def test_a_thread_that_begins_meanwhile_is_seen(house):
    with Watch([NAME]) as watch:
        thread = threading.Thread(target=house, args=[True])
        thread.start()
        thread.join()
    assert 6 in watch.ran[NAME]


def test_a_line_that_never_runs_is_an_error_that_names_it(house):
    begin("99")
    house(True)
    with pytest.raises(MarginError) as error:
        end()
    assert str(error.value).split("\n")[0] == (
        'house.door: never runs on this page: letters = "open"')
    begin("99")
    house(True)
    house(False)
    end()


def test_a_case_shows_the_first_of_the_lines_that_are_new_in_it(house, capsys):
    show_cases("99", lambda: house(False), {
        "it is hard": lambda: house(True), "it is hard again": lambda: house(True)})
    text = capsys.readouterr().out
    assert text.count('text = ("sticks"') == 1 and "if hard" not in text
    assert text.count("return text") == 1 and text.count("sticks a little") == 2


def test_every_line_that_a_notebook_of_the_course_explains_is_watched_in_its_build(monkeypatch):
    monkeypatch.undo()
    margins = load_all()
    assert {margin.notebook for margin in margins} == {"03", "06", "11"}
    for margin in margins:
        assert margin.name in owned_by(margin.notebook)
        classes = {"httpserver._ServerRequestAdapter"}
        assert bool(code_of(margin.name)) != (margin.name in classes)
        # What Python reports are lines that have code on them.
        assert runnable(margin.name) <= {line.number for line in margin.lines if line.code}


def test_the_two_cells_that_watch_are_around_what_a_reader_sees():
    book = Notebook("06_reading", FOLDER)
    cells = [Cell("code", "1", 7), Cell("code", "2", 9, {"tags": ["check"]})]
    first, *between, last = _watched(cells, book.name[:2])
    assert between == cells and "ran.begin('06')" in first.text and "ran.end()" in last.text
    assert first.tags == last.tags == ["watch"]  # no "check": they run before those
