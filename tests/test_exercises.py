"""The exercise machinery: stubs from the source, the learner's code in place, stories of failures.

What it promises is tried on a package of two functions in a temporary folder; then every
exercise of the project is held to it: no stub passes, the reference passes, each wrong answer
gets its own message and no other's, each other right answer passes.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import io
import json
import os
import re
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

import minitornado
from minitornado.classroom.exercises import (
    commands,
    engine,
    graft,
    score,
    source,
    story,
    workspace,
)
from minitornado.classroom.exercises.catalog import Course, Exercise, ExerciseError, load

MAX_NEW_LINES = 25

EXERCISES = Course().exercises()
WRONG = [(exercise, path) for exercise in EXERCISES
         for path in sorted((exercise.folder / "wrong").glob("*.py"))]
ALT = [(exercise, path) for exercise in EXERCISES
       for path in sorted((exercise.folder / "alt").glob("*.py"))]


def named(pairs: list[tuple[Exercise, Path]]) -> list[object]:
    return [pytest.param(exercise, path, id=f"{exercise.id}-{path.stem}")
            for exercise, path in pairs]


# ---- source: stubs ----

SOURCE = '''\
"""Module."""
import functools

class Box:
    """A box."""  # kept

    def get(self, key: str = ":", *,
            default: dict[str, int] | None = None) -> object:  # kept as well
        """Return it.

        Two paragraphs.
        """
        # A reason that gives the answer away.
        value = self.__dict__.get(key)
        return value or default  # another
        # and a last one

    # A comment of the class.
    @functools.cache
    async def load(self): return 17

    @property
    def size(self) -> int:
        return 1

def size() -> int:
    if True:
        return 2\
'''


def test_only_the_named_bodies_change():
    stub = source.blank_out(SOURCE, {"Box.get": "ex01: what?", "size": 'ex01: "how" big?'})
    assert stub == SOURCE.replace('''\
        # A reason that gives the answer away.
        value = self.__dict__.get(key)
        return value or default  # another
        # and a last one
''', '''\
        raise NotYours("ex01: what?")
''').replace('''\
    if True:
        return 2''', '''\
    raise NotYours("ex01: \\"how\\" big?")''')
    assert source.is_stub(source.find(ast.parse(stub), "Box.get"))
    assert not source.is_stub(source.find(ast.parse(stub), "Box.load"))


def test_a_body_on_the_line_of_its_signature_is_a_body():
    stub = source.blank_out(SOURCE, {"Box.load": "ex01: ?"})
    assert stub == SOURCE.replace(
        "async def load(self): return 17",
        'async def load(self):\n        raise NotYours("ex01: ?")')


def test_the_first_statements_of_a_body_can_be_given():
    text = "def f(x):\n    'Doc.'\n    x += 1\n    y = (x,\n         2)\n    # why\n    return y\n"
    stub = source.blank_out(text, {"f": "ex01: ?"}, {"f": 2})
    assert stub == ("def f(x):\n    'Doc.'\n    x += 1\n    y = (x,\n         2)\n"
                    '    raise NotYours("ex01: ?")\n')
    node = source.find(ast.parse(stub), "f")
    assert source.is_stub(node, 2)
    assert not source.is_stub(node)
    assert not source.is_stub(source.find(ast.parse(text), "f"), 2)
    assert source.body(text, "f", 2) == "    # why\n    return y\n"
    with pytest.raises(source.SourceError, match="f has no more than 3 statements"):
        source.blank_out(text, {"f": "ex01: ?"}, {"f": 3})


def test_windows_line_ends_and_form_feeds_survive():
    text = 'def f():\r\n    x = "\f"\r\n    return x\r\n\f\r\ndef g():\r\n    pass\r\n'
    assert source.blank_out(text, {"f": "ex01: ?"}) == (
        'def f():\r\n    raise NotYours("ex01: ?")\r\n\f\r\ndef g():\r\n    pass\r\n')


def test_a_missing_name_is_an_error_that_lists_the_others():
    with pytest.raises(source.SourceError, match=r"Box.put is not defined.*Box\.get, Box\.load"):
        source.blank_out(SOURCE, {"Box.put": "ex01: ?"})


def test_a_doubled_name_is_an_error_with_both_lines():
    text = "def f():\n    pass\n\nif f:\n    def f():\n        pass\n"
    with pytest.raises(source.SourceError, match="f is defined more than once: lines 1 and 5"):
        source.blank_out(text, {"f": "ex01: ?"})


def test_code_on_the_line_of_a_docstring_is_refused():
    with pytest.raises(source.SourceError, match="line 2: f has code on its docstring's line"):
        source.blank_out("def f():\n    'Doc.'; return 1\n", {"f": "ex01: ?"})


def test_pieces_replace_whole_definitions_and_new_ones_join_their_class():
    text = "class A:\n    def f(self):\n        pass\n\nclass B:\n    def f(self):\n        pass\n"
    pieces = "class A:\n    def f(self, x): return x\n    def g(self): pass\n"
    assert source.put_in(text, pieces) == (
        "class A:\n    def f(self, x): return x\n\n    def g(self): pass\n\n"
        "class B:\n    def f(self):\n        pass\n")
    with pytest.raises(source.SourceError, match=r"C\.f: there is no class C"):
        source.put_in(text, "class C:\n    def f(self): pass\n")


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_its_texts_name_only_methods_that_there_are(exercise: Exercise):
    defined = {
        node.name: {part for inner in ast.walk(node) for part in named_by(inner)}
        for path in Path(minitornado.__file__).parent.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    text = (exercise.folder / "exercise.toml").read_text()
    for cls, name in re.findall(r"\b([A-Z_]\w+)\.(\w+)", text):
        assert name in defined.get(cls, {name}), f"{exercise.id}: there is no {cls}.{name}"


def named_by(node: ast.AST) -> list[str]:
    """The name that a part of a class gives to a method or an attribute, if it does."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [node.name]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return [node.id] if isinstance(node, ast.Name) else []


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_a_stub_differs_from_the_reference_in_the_blank_bodies_alone(exercise: Exercise):
    course = Course()
    for module in exercise.modules:
        reference, stub = course.reference(module).read_text(), workspace.fresh(course, module)
        blanks = {blank.qualname: blank.question
                  for other in EXERCISES for blank in other.blanks_in(module)}
        keep = {blank.qualname: blank.keep
                for other in EXERCISES for blank in other.blanks_in(module)}
        compile(stub, module, "exec")
        allowed: set[int] = set()
        for name in blanks:
            found = source.excerpt(reference, name)
            allowed |= set(range(found.line, found.line + found.text.count("\n") + 1))
        matcher = difflib.SequenceMatcher(
            None, reference.splitlines(), stub.splitlines(), autojunk=False)
        for tag, first, last, _, _ in matcher.get_opcodes():
            assert tag == "equal" or set(range(first + 1, last + 1)) <= allowed
        # And what is left of each: the signature, the docstring, one raise.
        for name in blanks:
            was, now = (source.find(ast.parse(text), name) for text in (reference, stub))
            assert ast.get_docstring(was) == ast.get_docstring(now)
            assert ast.dump(was.args) == ast.dump(now.args)
            assert source.is_stub(now, keep[name])


# ---- a course of two exercises in a temporary folder ----

BOX = '''\
class Box:
    """Keeps one thing."""

    def __init__(self):
        self.thing = None

    def put(self, thing):
        """Keep it."""
        self.thing = thing

    def get(self):
        # The answer.
        return self.thing


def use(thing):
    box = Box()
    box.put(thing)
    return box.get()
'''

TOML = '''\
title = "a box"
notebooks = ["07", "00"]
misconceptions = ["M01"]
minutes = 5
uses = ["tiny.user:User"]
hints = ["one", "two", "three"]
success = "Well done."
[blanks]
"tiny.box:Box.{name}" = "how to {name}?"
'''

SCENARIOS = '''\
from tiny.user import User
from minitornado.classroom.exercises.lab import diagnosis


def test_first(lab):
    """The first thing."""
    lab.step("use it")
    lab.event(f"got {User().use(1)}")
    lab.check(lab.events == ["got 1"], f"expected 1, {lab.events[0]}")


def test_second(lab):
    """The second thing.

    What goes in comes out.
    """
    lab.facts["got"] = User().use("two")
    lab.check(lab.facts["got"] == "two", "expected 'two'")


@diagnosis("M01", "Box.get")
def unforeseen(lab):
    return lab.facts["no"]["such"]["fact"]


@diagnosis("M01", "Box.get")
def of_checks(lab):
    return "Not true of an exception." if lab.error is not None and lab.error.args == () else None


@diagnosis("M01", "Box.get", KeyError)
def of_keys(lab):
    return "There is no such key." if isinstance(lab.error, KeyError) else None


@diagnosis("M01", "Box.get")
def doubled(lab):
    if lab.facts.get("got") == "twotwo":
        return "You gave it twice."
    return None
'''

USER = '''\
from .box import use


class User:
    def use(self, thing):
        return use(thing)
'''


@pytest.fixture
def tiny(tmp_path: Path) -> Course:
    """A package with a Box, a user of it, and ex01 (Box.put) and ex02 (Box.get)."""
    files = {"tiny/__init__.py": "from . import box\n", "tiny/box.py": BOX, "tiny/user.py": USER}
    for number, name in ((1, "put"), (2, "get")):
        files[f"tests/exercises/ex0{number}_{name}/exercise.toml"] = TOML.format(name=name)
        files[f"tests/exercises/ex0{number}_{name}/test_{name}.py"] = SCENARIOS
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Course(tmp_path, "tiny", tmp_path / "mine")


def answer(course: Course, body: str, name: str = "ex02") -> engine.Report:
    """Check the exercise with `body` as the learner's answer to it."""
    exercise = course.exercise(name)
    workspace.start(course, exercise)
    copy = course.copy("tiny.box")
    text = copy.read_text()
    for blank in exercise.blanks:
        stub = f'raise NotYours("{exercise.id}: {blank.question}")'
        assert stub in text
        text = text.replace(stub, textwrap.indent(textwrap.dedent(body), " " * 8).strip())
    copy.write_text(text)
    return engine.check(course, exercise)


def test_the_learners_code_runs_in_the_place_of_the_packages(tiny: Course):
    report = answer(tiny, "return self.thing")
    assert report.passed
    digest = workspace.fingerprint(tiny.copy("tiny.box"))
    assert report.origins == f"Box: YOURS (mine/box.py {digest}) · User: reference"
    assert not answer(tiny_again(tiny), "return self.thing * 2").passed


def tiny_again(course: Course) -> Course:
    """The same course with an empty learner's folder."""
    return dataclasses.replace(course, learner_dir=course.root / "other")


def test_the_first_line_is_read_off_the_running_code_not_off_the_plan(
        tiny: Course, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graft, "compile_copy", lambda course, module, hers: compile(
        tiny.reference(module).read_text(), str(tiny.reference(module)), "exec"))
    report = answer(tiny, "return self.thing")
    assert report.origins == "Box: reference · User: reference"
    assert report.todo == ["the Box.get that ran is not yours"]
    assert not report.passed


def test_an_exercise_that_is_not_begun_is_todo_and_nothing_runs(tiny: Course):
    report = engine.check(tiny, tiny.exercise("ex01"))
    assert report.status == "todo"
    assert {result.status for result in report.results} == {"todo"}
    assert report.todo == ["Box.put is not begun"]
    assert report.origins == "Box: not begun"


def test_a_stub_that_is_reached_is_todo_even_where_its_error_is_caught(tiny: Course):
    report = answer(tiny, """
        try:
            raise NotYours("ex02: not so fast")
        except NotYours:
            return self.thing
    """)
    assert [result.status for result in report.results] == ["todo", "todo"]
    assert report.status == "todo"


def test_what_is_written_is_judged_although_something_else_is_a_stub(tiny: Course):
    toml = tiny.exercises_dir / "ex02_get" / "exercise.toml"
    toml.write_text(toml.read_text() + '"tiny.box:Box.other" = "what else?"\n')
    tiny.reference("tiny.box").write_text(
        BOX.replace("    def get(", "    def other(self):\n        return 1\n\n    def get("))
    tests = tiny.exercise("ex02").test_file
    tests.write_text(tests.read_text().replace(
        "def doubled(lab):\n", "def doubled(lab):\n    from tiny.box import Box\n"
                               "    try:\n        Box().other()\n"
                               "    except NotImplementedError:\n        pass\n"))
    workspace.start(tiny, tiny.exercise("ex02"))
    copy = tiny.copy("tiny.box")
    copy.write_text(copy.read_text().replace(
        'raise NotYours("ex02: how to get?")', "return self.thing * 2"))
    report = engine.check(tiny, tiny.exercise("ex02"))
    # And a diagnosis that comes to the stub is not believed.
    assert [(result.status, result.diagnosis) for result in report.results] == [
        ("failed", ""), ("failed", "")]


def test_a_copy_that_another_exercise_asked_for_is_no_beginning(tiny: Course):
    ex01, ex02 = tiny.exercises()
    workspace.start(tiny, ex01)
    assert [commands.state(tiny, exercise) for exercise in (ex01, ex02)] == ["begun", "todo"]
    copy = tiny.copy("tiny.box")
    copy.write_text(copy.read_text().replace('raise NotYours("ex02: how to get?")', "return 1"))
    assert commands.state(tiny, ex02) == "begun"


def test_a_stub_of_another_exercise_is_filled_in_from_the_reference(tiny: Course):
    report = answer(tiny, "return self.thing", "ex02")
    assert source.is_stub(source.find(ast.parse(tiny.copy("tiny.box").read_text()), "Box.put"))
    assert report.passed


def test_a_mistake_in_another_exercise_does_not_spoil_this_one(tiny: Course):
    assert not answer(tiny, "self.thing = 'lost'", "ex01").passed
    assert answer(tiny, "return self.thing", "ex02").passed


def test_what_is_filled_in_keeps_the_references_file_and_lines(tiny: Course):
    workspace.start(tiny, tiny.exercise("ex02"))
    copy = tiny.copy("tiny.box")
    copy.write_text("# a line more\n" * 40 + copy.read_text())
    code = graft.compile_copy(tiny, "tiny.box", tiny.exercise("ex02").blanks)
    names = {"NotYours": NotImplementedError}
    exec(code, names)
    box = names["Box"]
    assert box.put.__code__.co_filename == str(tiny.reference("tiny.box"))
    assert box.put.__code__.co_firstlineno == 7
    assert box.get.__code__.co_filename == str(copy)
    assert box.get.__code__.co_firstlineno == 51


def test_a_known_mistake_gets_its_own_message_and_an_unknown_one_the_scenarios_idea(tiny: Course):
    report = answer(tiny, "return self.thing * 2")
    first, second = report.results
    assert (first.diagnosis, first.status, first.idea) == ("", "failed", "")
    assert (second.diagnosis, second.misconception) == ("doubled", "M01")
    assert second.idea == "You gave it twice."
    assert first.parting == (1, "got 1", "got 2")
    assert first.where == "mine/box.py:11 (Box.get)"


def test_an_exception_is_told_with_the_learners_line_and_its_traceback_last(tiny: Course):
    report = answer(tiny, "print('looking')\nreturn self.thong")
    lines = story.told(tiny, report)
    assert "  expected" not in lines
    assert "AttributeError: 'Box' object has no attribute 'thong'" in "\n".join(lines)
    assert "look at mine/box.py:13 (get)" in "\n".join(lines)
    where = {text: next(i for i, line in enumerate(lines) if text in line)
             for text in ("next:", "printed meanwhile:", "  looking", "Traceback")}
    assert list(where) == sorted(where, key=where.__getitem__)


def test_of_an_exception_only_those_speak_that_know_it(tiny: Course):
    unknown = answer(tiny, "raise ValueError").results[0]
    assert (unknown.diagnosis, unknown.error) == ("", "ValueError, by `raise ValueError`")
    known = answer(tiny_again(tiny), "raise KeyError('thing')").results[0]
    assert (known.diagnosis, known.idea) == ("of_keys", "There is no such key.")


def test_of_two_mistakes_each_is_told_where_it_shows(tiny: Course):
    explains = tiny.exercise("ex02").folder / "explains.toml"
    explains.write_text('doubled = ["test_second"]\n')
    report = answer(tiny, "return self.thing * 2")
    assert [result.diagnosis for result in report.results] == ["", "doubled"]
    explains.write_text('doubled = ["test_first"]\n')
    report = engine.check(tiny, tiny.exercise("ex02"))
    assert [result.diagnosis for result in report.results] == ["", ""]


def test_a_line_that_was_given_is_called_so_and_a_helper_of_hers_is_not(tiny: Course):
    user = tiny.copy("tiny.box")
    report = answer(tiny, "return self.thing")
    user.write_text(user.read_text().replace("return box.get()", "return box.get() + None"))
    assert engine.check(tiny, tiny.exercise("ex02")).results[0].where == (
        "mine/box.py:18 (use, which was given)")
    user.write_text(user.read_text() + "\n\ndef helper(thing):\n    return thing + None\n")
    user.write_text(user.read_text().replace("return self.thing", "return helper(self.thing)"))
    assert engine.check(tiny, tiny.exercise("ex02")).results[0].where == (
        "mine/box.py:22 (helper)")
    assert report.passed


def test_all_that_she_wrote_is_named_where_no_line_is_known(tiny: Course):
    toml = tiny.exercises_dir / "ex02_get" / "exercise.toml"
    toml.write_text(toml.read_text() + '"tiny.box:Box.__init__" = "what is in it?"\n')
    course = dataclasses.replace(tiny)
    workspace.start(course, course.exercise("ex02"))
    copy = course.copy("tiny.box")
    copy.write_text(BOX.replace("return self.thing", "return self.thing * 2"))
    assert engine.check(course, course.exercise("ex02")).results[0].where == (
        "mine/box.py:11 and 4")


def test_what_is_given_in_her_copy_counts_as_the_references_until_she_changes_it(tiny: Course):
    toml = tiny.exercises_dir / "ex02_get" / "exercise.toml"
    toml.write_text(toml.read_text().replace("tiny.user:User", "tiny.box:Lid"))
    reference = tiny.reference("tiny.box")
    reference.write_text(BOX + "\n\nclass Lid:\n    def lift(self):\n        return 1\n")
    assert answer(tiny, "return self.thing").origins.endswith(" · Lid: reference")
    copy = tiny.copy("tiny.box")
    copy.write_text(copy.read_text().replace("return 1", "return 2"))
    report = engine.check(tiny, tiny.exercise("ex02"))
    assert re.search(r" · Lid: YOURS \(mine/box.py \w{6}\)$", report.origins)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SCENARIO_SECONDS", 0.7)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("loop", ["while True:\n    pass", "import time\ntime.sleep(3600)",
                                  "import threading\nthreading.Event().wait()"])
def test_an_endless_loop_is_ended_and_named_with_its_line(tiny: Course, loop: str):
    report = answer(tiny, loop)
    first, second = report.results
    assert (first.status, second.status) == ("hang", "not run")
    assert re.match(r"mine/box\.py:1[234] \(get\)", first.where)
    assert first.title == "The first thing"
    assert "still running after 0.7 seconds" in first.error
    assert report.status == "hang"


def test_an_import_that_does_not_end_is_ended_and_named_with_its_line(
        tiny: Course, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "IMPORT_SECONDS", 3.0)  # busy machines import slowly
    answer(tiny, "return self.thing")
    copy = tiny.copy("tiny.box")
    copy.write_text(copy.read_text() + "\nwhile True: pass\n")  # one line, so that it is this one
    began = time.monotonic()
    result = engine.check(tiny, tiny.exercise("ex02")).results[0]
    assert (result.status, result.where[:14]) == ("hang", "mine/box.py:20")
    assert time.monotonic() - began < engine.STARTING_SECONDS / 2


@pytest.mark.parametrize(("body", "how"), [
    ("import os\nos._exit(0)", "exit code 0"),
    ("import os\nos.kill(os.getpid(), 11)", "signal SIGSEGV"),
])
def test_a_dead_interpreter_costs_one_exercise_and_is_named(tiny: Course, body: str, how: str):
    report = answer(tiny, body)
    assert report.results[0].status == "crash"
    assert report.results[0].error == f"the interpreter died: the process ended with {how}"


@pytest.mark.parametrize("body", ["import sys\nsys.exit()", "raise SystemExit(0)"])
def test_sys_exit_is_a_failure_and_not_the_end(tiny: Course, body: str):
    report = answer(tiny, body)
    assert [result.status for result in report.results] == ["failed", "failed"]
    assert "SystemExit" in report.results[0].error


def test_one_thread_parses_at_a_time(monkeypatch: pytest.MonkeyPatch):
    inside, most = 0, 0

    def parse(text: str, filename: str) -> ast.Module:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.005)
        inside -= 1
        return ast.Module([], [])

    monkeypatch.setattr(source, "ast", SimpleNamespace(parse=parse))
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(source.parse, ["1"] * 8))) == 8
    assert most == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is the kernel's")
def test_a_list_that_grows_for_ever_does_not_take_the_machine(
        tiny: Course, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine, "SCENARIO_SECONDS", 30.0)  # memory comes slowly from a busy machine
    report = answer(tiny, "data = [0]\nwhile True:\n    data *= 2")
    assert "MemoryError" in report.results[0].error


def test_what_is_printed_stays_out_of_the_events(tiny: Course):
    report = answer(tiny, """
        import os
        print('{"kind": "end"}')
        os.write(1, b'{"kind": "end"}')
        return self.thing
    """)
    assert report.passed
    assert report.results[0].printed == ['{"kind": "end"}']


def test_a_copy_that_does_not_parse_is_told_with_its_line(tiny: Course):
    report = answer(tiny, "return self.thing +")
    assert report.status == "failed"
    assert report.results[0].where == "mine/box.py:12"
    assert "invalid syntax" in report.results[0].error
    assert report.origins.endswith("can't be read")


def test_a_definition_that_is_gone_is_told(tiny: Course):
    answer(tiny, "return self.thing")
    copy = tiny.copy("tiny.box")
    copy.write_text(copy.read_text().replace("def get(", "def got("))
    report = engine.check(tiny, tiny.exercise("ex02"))
    assert "mine/box.py: Box.get is not defined here" in report.results[0].error


def test_a_copy_that_fails_at_import_is_told_with_its_line(tiny: Course):
    answer(tiny, "return self.thing")
    copy = tiny.copy("tiny.box")
    copy.write_text(copy.read_text() + "\n1 / 0\n")
    result = engine.check(tiny, tiny.exercise("ex02")).results[0]
    assert (result.status, result.error) == ("failed", "ZeroDivisionError: division by zero")
    assert result.where == "mine/box.py:20 (<module>)"


# ---- the learner's folder ----


def test_start_writes_once_and_never_again(tiny: Course):
    exercise = tiny.exercise("ex02")
    assert workspace.start(tiny, exercise) == ["written: mine/box.py"]
    copy = tiny.copy("tiny.box")
    mine = copy.read_text().replace("raise NotYours(\"ex02: how to get?\")", "return 17")
    copy.write_text(mine)
    assert workspace.start(tiny, exercise) == [
        "kept: mine/box.py is yours already; nothing was changed"]
    assert copy.read_text() == mine


def test_an_answer_equal_to_the_reference_is_kept_too(tiny: Course):
    answer(tiny, "return self.thing")
    mine = tiny.copy("tiny.box").read_text()
    workspace.start(tiny, tiny.exercise("ex02"))
    assert tiny.copy("tiny.box").read_text() == mine


def test_an_exercise_younger_than_the_copy_is_blanked_in_it_after_a_backup(tiny: Course):
    answer(tiny, "self.thing = thing or None", "ex01")
    copy = tiny.copy("tiny.box")
    old = copy.read_text().replace('raise NotYours("ex02: how to get?")',
                                   "# The answer.\n        return self.thing")
    copy.write_text(old)
    assert workspace.start(tiny, tiny.exercise("ex02")) == [
        "backup: mine/backups/box.1.py", "blanked: Box.get"]
    assert (tiny.learner_dir / "backups" / "box.1.py").read_text() == old
    assert "self.thing = thing or None" in copy.read_text()
    assert 'raise NotYours("ex02: how to get?")' in copy.read_text()


def test_reset_blanks_one_exercise_and_keeps_the_others_and_a_backup_each_time(tiny: Course):
    answer(tiny, "self.thing = thing or None", "ex01")
    answer(tiny, "return self.thing", "ex02")
    copy = tiny.copy("tiny.box")
    for number in (1, 2):
        before = copy.read_text()
        said = workspace.reset(tiny, tiny.exercise("ex02"))
        assert said == [f"backup: mine/backups/box.{number}.py", "blank again: Box.get"]
        assert (tiny.learner_dir / "backups" / f"box.{number}.py").read_text() == before
        assert "self.thing = thing or None" in copy.read_text()
        assert source.is_stub(source.find(ast.parse(copy.read_text()), "Box.get"))


def test_reset_mends_a_copy_that_does_not_parse(tiny: Course):
    answer(tiny, "return (")
    said = workspace.reset(tiny, tiny.exercise("ex02"))
    assert said[0] == "backup: mine/backups/box.1.py"
    assert said[-1] == "so it is written afresh: mine/box.py"
    assert tiny.copy("tiny.box").read_text() == workspace.fresh(tiny, "tiny.box")


def test_solved_is_forgotten_when_the_definition_changes_and_not_when_a_comment_does(tiny: Course):
    exercise = tiny.exercise("ex02")
    answer(tiny, "return self.thing")
    assert commands.state(tiny, exercise) == "begun"
    assert commands.check("ex02", tiny).passed
    copy = tiny.copy("tiny.box")
    copy.write_text("# mine\n" + copy.read_text())
    assert commands.state(tiny, exercise) == "solved"
    copy.write_text(copy.read_text().replace("return self.thing", "return 17"))
    assert commands.state(tiny, exercise) == "begun"


def test_hints_come_one_after_the_other_and_the_solution_after_them(tiny: Course):
    for number, text in enumerate(("one", "two", "three"), 1):
        with pytest.raises(ExerciseError, match=f"you have seen {number - 1}"):
            commands.solution("ex02", course=tiny)
        assert str(commands.hint("ex02", course=tiny)).splitlines()[:3] == [
            f"hint {number} of 3 for ex02", "", text]
    assert "return self.thing" in str(commands.solution("ex02", course=tiny))
    assert "one" in str(commands.hint("ex02", 1, course=tiny))
    with pytest.raises(ExerciseError, match="1 to 3, not 4"):
        commands.hint("ex02", 4, course=tiny)


def test_success_shows_the_note_and_the_difference_to_the_reference(tiny: Course):
    answer(tiny, "thing = self.thing\nreturn thing")
    told = str(commands.check("ex02", tiny))
    assert told.splitlines()[1] == "passed ex02: all 2 scenarios, on your code"
    assert "Well done." in told
    assert "-        return thing\n" in told
    assert "+        # The answer.\n+        return self.thing" in told


def test_a_class_that_is_swapped_in_runs_as_hers_in_every_check(tiny: Course):
    answer(tiny, "self.thing = 'lost'", "ex01")
    assert answer(tiny, "return self.thing", "ex02").passed
    assert str(commands.swap(["Box"], course=tiny)).startswith("Box: YOURS (mine/box.py ")
    report = engine.check(tiny, tiny.exercise("ex02"))
    assert [result.error for result in report.results] == ["expected 1, got lost", "expected 'two'"]
    assert str(commands.swap(["Box"], course=tiny)) == "Box: reference"
    assert engine.check(tiny, tiny.exercise("ex02")).passed


def test_a_stub_that_is_swapped_in_is_called_a_stub_and_passes_nothing(tiny: Course):
    answer(tiny, "return self.thing", "ex02")  # Box.put stays a stub
    assert str(commands.swap(every=True, course=tiny)) == "Box: reference"
    assert str(commands.swap(["Box"], course=tiny)).startswith("Box: STUB (mine/box.py ")
    report = engine.check(tiny, tiny.exercise("ex02"))
    assert report.origins.startswith("Box: STUB")
    assert report.status == "todo"
    assert str(commands.swap(none=True, course=tiny)) == "Box: reference"
    with pytest.raises(ExerciseError, match="no class Bag in the exercises; there are: Box"):
        commands.swap(["Bag"], course=tiny)


def test_a_copy_of_an_older_version_is_told_and_brought_up_to_date(tiny: Course):
    answer(tiny, "return self._found()", "ex02")
    copy, reference = tiny.copy("tiny.box"), tiny.reference("tiny.box")
    helper = "    def _found(self):\n        return self.thing\n\n\ndef use"
    copy.write_text(copy.read_text().replace("\ndef use", helper))
    old = copy.read_text()
    reference.write_text(BOX.replace("# The answer.", "# Another comment."))
    assert "update" not in str(commands.check("ex02", tiny))
    assert str(commands.update(tiny)) == "Your copies are up to date."
    reference.write_text(BOX.replace("self.thing = None", "self.thing = None\n        self.n = 0"))
    told = str(commands.check("ex02", tiny))
    assert "mine/box.py was made of another version of tiny/box.py;" in told
    assert told.endswith("next: python -m minitornado learn update")
    assert str(commands.update(tiny)).splitlines() == [
        "backup: mine/backups/box.1.py", "written anew: mine/box.py", "kept: your Box.get",
        "kept: your Box._found"]
    assert (tiny.learner_dir / "backups" / "box.1.py").read_text() == old
    assert "self.n = 0" in copy.read_text()
    assert 'raise NotYours("ex01: how to put?")' in copy.read_text()
    assert "made of another version" not in str(commands.check("ex02", tiny))
    assert commands.check("ex02", tiny).passed


def test_a_trace_puts_both_runs_side_by_side_and_marks_where_they_part(tiny: Course):
    answer(tiny, "return self.thing * 2")
    lines = str(commands.trace("ex02", course=tiny)).splitlines()
    assert lines[0] == "test_first: failed"
    assert lines[1].startswith("Box: YOURS (mine/box.py ")
    assert "  1 use it" in lines
    assert [line.split() for line in lines[-2:]] == [
        ["reference", "yours"], [">", "1", "got", "1", "got", "2"]]
    assert str(commands.trace("ex02", "test_second", tiny)).startswith("test_second: failed")
    with pytest.raises(ExerciseError, match="no scenario 'test_third'; it has: test_first, "):
        commands.trace("ex02", "test_third", tiny)


def test_a_diff_shows_what_is_written_and_once_it_passes_the_reference(tiny: Course):
    workspace.start(tiny, tiny.exercise("ex02"))
    assert str(commands.diff("ex02", tiny)) == "Nothing is written yet."
    answer(tiny, "thing = self.thing\nreturn thing")
    diff = str(commands.diff("ex02", tiny))
    assert '-        raise NotYours("ex02: how to get?")\n' in diff
    assert "The answer" not in diff
    commands.check("ex02", tiny)
    assert "+        # The answer." in str(commands.diff("ex02", tiny))


def test_progress_is_a_bar_of_exercises_and_points(tiny: Course):
    assert commands.progress(tiny) == "[....................] 0 of 2 exercises, 0 of 10 points"
    answer(tiny, "return self.thing")
    commands.check("ex02", tiny)
    assert commands.progress(tiny) == "[##########..........] 1 of 2 exercises, 5 of 10 points"
    assert commands.current(tiny).id == "ex01"


def test_what_shares_a_definition_is_checked_again_when_it_has_changed(tmp_path: Path):
    ex25, ex26 = (Course().exercise(name) for name in ("ex25", "ex26"))
    course = learner(ex25, ex25.folder / "alt" / "callable_only.py", tmp_path)
    assert commands.check("ex25", course).passed
    copy = course.copy("minitornado.httpserver")
    first = copy.read_text()

    both = ast.parse((ex26.folder / "alt" / "shortest.py").read_text())
    text = source.put_in(first, ast.unparse(both))
    copy.write_text(text)
    assert commands.state(course, ex25) == "begun"
    checked = commands.check("ex26", course)
    assert checked.passed
    assert checked.lines[-1] == ("ex25 asks about _ServerRequestAdapter.headers_received, too, and "
                                 "was checked again: passed")
    assert commands.state(course, ex25) == "solved"

    kept = "self.server.request_callback(self.request)"
    copy.write_text(text.replace(f"return {kept}", kept))
    checked = commands.check("ex26", course)
    assert checked.passed
    assert checked.lines[-2].endswith("was checked again: not passed")
    assert checked.lines[-1] == "next: python -m minitornado learn check ex25"

    # And a reset of the later one leaves alone what the earlier one asks about.
    workspace.reset(course, ex26)
    tree = ast.parse(copy.read_text())
    assert not source.is_stub(source.find(tree, "_ServerRequestAdapter.finish"))
    assert source.is_stub(source.find(tree, "_ServerRequestAdapter.__init__"), 5)


def test_unknown_names_and_broken_metadata_are_told(tiny: Course):
    with pytest.raises(ExerciseError, match="no exercise 'ex99'; there are: ex01, ex02"):
        tiny.exercise("ex99")
    toml = tiny.exercises_dir / "ex01_put" / "exercise.toml"
    for old, new, message in (
            ("minutes = 5", "", "the field 'minutes' is missing"),
            ('"two", ', "", "3 hints are needed, not 2"),
            ("tiny.box:Box", "Box", "a blank is named 'module:Class.method', not 'Box.put'"),
            ("title =", "title", "exercise.toml")):
        toml.write_text(TOML.format(name="put").replace(old, new))
        with pytest.raises(ExerciseError, match=re.escape(message)):
            load(toml)
    with pytest.raises(ExerciseError, match="no exercises in"):
        dataclasses.replace(tiny, root=tiny.root / "nowhere").exercises()


# ---- every exercise of the project ----


def learner(exercise: Exercise, pieces: Path, folder: Path) -> Course:
    """A course whose learner answered with `pieces`, and plainly where it is silent.

    That is with the reference, or with the other right answer that survivors.toml names: one
    that does no more than is asked.
    """
    course = Course(learner_dir=folder / "my_minitornado")
    course.learner_dir.mkdir()
    parts, plain = parts_of(pieces), {}
    survivors = exercise.folder / "survivors.toml"
    if survivors.exists() and (name := tomllib.loads(survivors.read_text()).get("answer")):
        plain = parts_of(exercise.folder / "alt" / f"{name}.py")
    for module in exercise.modules:
        text = course.reference(module).read_text()
        own = {name.split(".")[0] for name, _ in source.definitions(ast.parse(text))}
        for given in (plain, parts):
            here = [given.pop(name) for name in list(given) if name in own]
            text = source.put_in(text, "\n\n".join(here))
        course.copy(module).write_text(text)
    assert not parts, f"{pieces.name} answers what {exercise.id} does not ask: {list(parts)}"
    return course


def parts_of(pieces: Path) -> dict[str, str]:
    """The classes and functions of an answer, each with its text."""
    text = pieces.read_text()
    return {node.name: ast.get_source_segment(text, node) or "" for node in ast.parse(text).body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_no_stub_passes_a_single_scenario(exercise: Exercise, tmp_path: Path):
    course = Course(learner_dir=tmp_path / "my_minitornado")
    assert {result.status for result in engine.check(course, exercise).results} == {"todo"}
    workspace.start(course, exercise)
    report = engine.check(course, exercise)
    assert {result.status for result in report.results} == {"todo"}
    assert "YOURS" not in report.origins
    # And if they are run all the same, each of them reaches a stub.
    run = engine._Run(course, exercise, engine.compiled(course, exercise.blanks))
    run.play(None)
    assert {result.status for result in run.results.values()} == {"todo"}


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_the_reference_passes_and_so_does_a_copy_of_it(exercise: Exercise, tmp_path: Path):
    course = Course(learner_dir=tmp_path / "my_minitornado")
    report = engine.check_reference(course, exercise)
    assert report.passed, report
    assert "YOURS" not in report.origins
    course.learner_dir.mkdir()
    for module in exercise.modules:
        course.copy(module).write_text(course.reference(module).read_text())
    report = engine.check(course, exercise)
    assert report.passed, report
    for blank in exercise.blanks:
        assert f"{blank.slot}: YOURS (my_minitornado/" in report.origins


@pytest.mark.parametrize(("exercise", "pieces"), named(WRONG))
def test_a_wrong_answer_fails_with_its_own_message_and_no_others(
        exercise: Exercise, pieces: Path, tmp_path: Path):
    course = learner(exercise, pieces, tmp_path)
    report = engine.check(course, exercise)
    failed = [result for result in report.results if result.status != "passed"]
    assert failed, f"{pieces.name} passes"
    assert {result.diagnosis for result in failed} == {pieces.stem}, (
        "if it fails in scenarios that explains.toml does not list: tests/exercises/explains.py")
    for result in failed:
        lines = story.story(report, result)
        assert len(lines) <= story.MAX_LINES
        assert max(len(line) for line in lines) <= story.WIDTH
        assert lines[0].split(":")[0] in {blank.slot for blank in exercise.blanks}
        assert re.search(rf"\[{result.misconception}\]", "\n".join(lines))
        assert " ".join(result.idea.split()) in " ".join(" ".join(lines).split()), "the idea is cut"
        assert result.misconception in exercise.misconceptions
        assert lines[-1] == (f"  next: notebook {exercise.notebook}, or "
                             f"{story.COMMAND} hint {exercise.id}")
        path, _, rest = result.where.partition(":")
        line = (tmp_path / path).read_text().splitlines()[int(rest.split()[0]) - 1]
        assert "def " in line


@pytest.mark.parametrize(("exercise", "pieces"), named(ALT))
def test_another_right_answer_passes(exercise: Exercise, pieces: Path, tmp_path: Path):
    course = learner(exercise, pieces, tmp_path)
    report = engine.check(course, exercise)
    assert report.passed, "\n".join(story.told(course, report))


def new_lines(exercise: Exercise) -> list[int]:
    """How many lines the reference, and each other right answer, takes for all of the blanks.

    Lines of code: not comments, nor signatures, nor what is given.  Of a definition that an
    earlier exercise asks about, those that are more than there.
    """
    earlier = [other for other in EXERCISES
               if other.id < exercise.id and exercise.shares_with(other)]
    known = sum(min(new_lines(other)) for other in earlier)
    answers = [""] + [path.read_text() for owner, path in ALT if owner is exercise]
    return [sum(_code_lines(text) for text in _written(exercise, answer)) - known
            for answer in answers]


def _written(exercise: Exercise, answer: str) -> Iterator[str]:
    """The text of all blanks, from `answer` or else the reference, and what `answer` adds."""
    written = {name for name, _ in source.definitions(ast.parse(answer))}
    for blank in exercise.blanks:
        if blank.qualname in written:
            yield source.body(answer, blank.qualname, blank.keep)
        else:
            reference = Course().reference(blank.module).read_text()
            yield source.body(reference, blank.qualname, blank.keep)
    for name in written - {blank.qualname for blank in exercise.blanks}:
        yield source.excerpt(answer, name).text


def _code_lines(text: str) -> int:
    return sum(1 for line in text.splitlines()
               if line.strip() and not line.strip().startswith("#"))


def test_a_learner_is_sent_to_the_first_notebook_that_exists(tiny: Course):
    assert tiny.exercise("ex01").notebook == ""
    assert "read" not in str(commands.start("ex01", tiny))
    for name in ("00_one", "07_writing"):
        (tiny.root / "notebooks").mkdir(exist_ok=True)
        (tiny.root / "notebooks" / f"{name}.ipynb").touch()
        assert tiny.exercise("ex01").notebook == name[:2]
        assert f"to read before: notebooks/{name}.ipynb" in str(commands.start("ex01", tiny))


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_an_exercise_is_complete(exercise: Exercise):
    wrong = {path.stem for owner, path in WRONG if owner is exercise}
    alt = {path.stem for owner, path in ALT if owner is exercise}
    known = set(re.findall(r"@diagnosis\(.*\)\ndef (\w+)", exercise.test_file.read_text()))
    assert wrong == known, "each diagnosis has its wrong answer, and the other way round"
    assert len(wrong) >= 4
    assert len(alt) >= 2
    assert (Course().root / Course().notebook(exercise)).is_file()
    names = [name for name, _ in engine.scenario_names(exercise)]
    assert any(name.endswith("_real") for name in names)
    # The second line of a story is not cut.
    assert max(len(f"FAILED {engine.title(exercise, name)}") for name in names) <= story.WIDTH
    solution = [source.body(Course().reference(blank.module).read_text(), blank.qualname,
                            blank.keep) for blank in exercise.blanks]
    assert min(new_lines(exercise)) <= MAX_NEW_LINES
    assert max(len(line) for hint in exercise.hints for line in hint.splitlines()) <= 80
    # The first hint asks; a name from the solution would be an answer.
    identifiers = {word for text in solution for word in re.findall(r"\w*[a-z]_\w+|_\w+", text)}
    assert not identifiers & set(re.findall(r"\w+", exercise.hints[0]))


# ---- for teachers ----


def hand_in(tiny: Course, folder: str, body: str) -> None:
    """A submission: the copy of a learner who answered ex02 with `body`."""
    answer(dataclasses.replace(tiny, learner_dir=tiny.root / "handed in" / folder), body)


def test_a_class_is_scored_from_what_was_handed_in_wherever_it_lies(tiny: Course):
    hand_in(tiny, "ada/mine", "return self.thing")
    hand_in(tiny, "ben/ex02/deeper", "return self.thing * 2")
    (tiny.root / "handed in" / "cleo").mkdir()
    told = score.of_class(tiny.root / "handed in", tiny)
    assert (told["format"], told["version"]) == ("minitornado-class", 1)
    assert [(one["learner"], one["points"], one["of"]) for one in told["learners"]] == [
        ("ada", 5, 10), ("ben", 0, 10), ("cleo", 0, 10)]
    states = [[exercise["status"] for exercise in one["exercises"]] for one in told["learners"]]
    assert states == [["todo", "passed"], ["todo", "failed"], ["todo", "todo"]]
    assert told["misconceptions"] == {"M01": 1}
    wrong = told["learners"][1]["exercises"][1]
    assert wrong["scenarios"][1] == {
        "name": "test_second", "status": "failed", "error": "expected 'two'",
        "diagnosis": "doubled", "misconception": "M01"}
    assert wrong["whose"].startswith("Box: YOURS (")
    assert json.loads(json.dumps(told)) == told
    assert score.as_csv(told).splitlines() == [
        "learner,ex01,ex02,points,of", "ada,0,5,5,10", "ben,0,0,0,10", "cleo,0,0,0,10"]
    console = Console(file=io.StringIO(), width=80)
    console.print(score.table(told))
    lines = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[:4] == [["learner", "01", "02", "points", "shows"], ["ada", ".", "+", "5/10"],
                         ["ben", ".", "x", "0/10", "M01"], ["cleo", ".", ".", "0/10"]]
    assert "3 learners; passed by: ex02 1" in console.file.getvalue()  # type: ignore[attr-defined]


def test_what_one_learner_has_done_to_her_folder_is_no_harm_to_the_others(tiny: Course):
    hand_in(tiny, "ada", "return self.thing")
    (tiny.root / "handed in" / "ada" / "exercises.json").write_text(
        '{"ex02": {"hints": "many", "solved": "yes"}, "ex01": {"solved": "yes"}}')
    for name, data in (("ben", b"\xff\xfe"), ("cleo", b"def (")):
        (tiny.root / "handed in" / name).mkdir()
        (tiny.root / "handed in" / name / "box.py").write_bytes(data)
    hand_in(tiny, "dan/1", "return self.thing")
    hand_in(tiny, "dan/2", "return 2")
    told = score.of_class(tiny.root / "handed in", tiny)
    found = [(one["points"], one["answers"], one["exercises"][1]["status"],
              one["exercises"][1]["hints"]) for one in told["learners"]]
    assert found == [(5, 1, "passed", None), (0, 1, "unreadable", 0), (0, 1, "failed", 0),
                     (5, 2, "passed", 0)]
    for folder, message in (("nowhere", "is no folder"), ("tiny", "one a learner is expected")):
        with pytest.raises(ExerciseError, match=message):
            score.of_class(tiny.root / folder, tiny)


def test_a_score_does_not_depend_on_what_was_swapped_in_nor_writes_anything(tiny: Course):
    answer(tiny, "self.thing = 'lost'", "ex01")
    answer(tiny, "return self.thing", "ex02")
    commands.swap(["Box"], course=tiny)
    before = {path: path.read_bytes() for path in tiny.learner_dir.rglob("*") if path.is_file()}
    told = score.of_learner(tiny)
    assert [one["status"] for one in told["exercises"]] == ["failed", "passed"]
    assert (told["learner"], told["points"], told["of"]) == ("", 5, 10)
    assert before == {path: path.read_bytes()
                      for path in tiny.learner_dir.rglob("*") if path.is_file()}


# ---- plain pytest ----


def run_pytest(course: Course, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=Course().root, env=os.environ | {"MY_MINITORNADO": str(course.learner_dir)},
        capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


EX13 = "tests/exercises/ex13_read_until"


def test_plain_pytest_is_green_and_says_todo_before_anything_is_begun(tmp_path: Path):
    code, out = run_pytest(Course(learner_dir=tmp_path / "my_minitornado"), "tests/exercises")
    assert code == 0
    assert "todo ex13" in out
    assert "passed" not in out.splitlines()[-1]
    assert not (tmp_path / "my_minitornado").exists()


def test_plain_pytest_tells_the_story_that_learn_tells(tmp_path: Path):
    exercise = Course().exercise("ex13")
    course = learner(exercise, exercise.folder / "wrong" / "straddle.py", tmp_path)
    code, out = run_pytest(course, EX13)
    assert code == 1
    told = "\n".join(commands.check("ex13", course).lines[:11])
    assert told in out
    assert told.startswith("ReadUntil: YOURS (my_minitornado/pending_read.py ")


def test_plain_pytest_runs_one_scenario_and_says_whose_code_ran_when_it_passes(tmp_path: Path):
    exercise = Course().exercise("ex13")
    course = learner(exercise, exercise.folder / "alt" / "slice_of_the_rest.py", tmp_path)
    code, out = run_pytest(course, f"{EX13}/test_read_until.py::test_delimiter_byte_by_byte")
    assert code == 0
    assert "1 passed" in out
    assert "ex13 · ReadUntil: YOURS (my_minitornado/pending_read.py " in out
