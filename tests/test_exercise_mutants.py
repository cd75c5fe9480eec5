"""The scenarios of the exercises, held to their purpose: what breaks an answer fails in them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

EXERCISES = Path(__file__).parent / "exercises"
sys.path.insert(0, str(EXERCISES))

from changes import changes  # noqa: E402

LEAST_KILLED = 0.95


def told(text: str, given: int = 0) -> list[str]:
    [function] = ast.parse(textwrap.dedent(text)).body
    assert isinstance(function, ast.FunctionDef)
    return [what for what, _ in changes(function, given)]


def test_a_function_is_changed_in_every_small_way_one_at_a_time():
    assert told('''
        def f(a, b):
            """Docstring."""
            if a < b and not a:
                g(a, key=2)
    ''') == [
        "if a < b and (not a): … -> if not", "if a < b and (not a): … -> if True",
        "if a < b and (not a): … -> pass", "a < b and (not a) -> a < b or not a",
        "a < b and (not a) -> not a", "a < b and (not a) -> not a < b and (not a)",
        "a < b and (not a) -> a < b", "a < b and (not a) -> a < b and (not not a)",
        "a < b -> a <= b", "a < b -> a >= b", "not a -> a", "g(a, key=2) -> pass",
        "g(a, key=2) -> g(a)", "g(a, key=2) -> g(key=2)", "g(a, key=2) -> g(None, key=2)",
        "2 -> 3", "2 -> 1"]


def test_what_is_given_is_not_changed_and_two_changes_that_read_alike_are_numbered():
    text = '''
        def f():
            one = 1
            return
            return
    '''
    assert told(text, 1) == ["return -> pass", "return -> pass (2)"]
    assert told(text)[:2] == ["one = 1 -> one = None", "one = 1 -> pass"]


def test_a_change_leaves_the_original_alone():
    [function] = ast.parse("def f(a):\n    while a > 0:\n        a -= 1\n").body
    assert isinstance(function, ast.FunctionDef)
    before = ast.unparse(function)
    texts = {ast.unparse(changed) for _, changed in changes(function)}
    assert len(texts) == 10
    assert before not in texts
    assert ast.unparse(function) == before


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="mutants are forks")
def test_nearly_every_small_change_of_an_answer_fails_and_each_that_does_not_has_its_reason():
    done = subprocess.run([sys.executable, str(EXERCISES / "mutants.py")],
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = [(int(killed), int(of)) for killed, of in
              re.findall(r"^ex\d+: (\d+) of (\d+) killed$", done.stdout, re.MULTILINE)]
    assert len(counts) == len(list(EXERCISES.glob("ex*/exercise.toml")))
    killed, of = map(sum, zip(*counts, strict=True))
    assert killed >= LEAST_KILLED * of, done.stdout


def test_a_hole_and_a_stale_reason_are_both_told(tmp_path: Path):
    script = f"""
        import sys
        sys.path[:0] = [{str(EXERCISES)!r}]
        import mutants
        from minitornado.classroom.exercises.catalog import Course
        ex05 = Course().exercise("ex05")
        outcome = mutants.Outcome(ex05, 3, [("f", "a -> b"), ("f", "c -> d")],
                                  {{"f": {{"a -> b": "the same"}}, "g": {{"x -> y": "gone"}}}})
        assert outcome.holes == [("f", "c -> d")]
        assert outcome.stale == [("g", "x -> y")]
        print(outcome)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "ex05: 1 of 3 killed", "    f: a -> b: the same", "    f: c -> d: A HOLE",
        "    g: x -> y: listed as a survivor, and is none"], done.stderr
