"""From concept to code to exercise: what the notebooks ask, the stack does, the exercises blank.

The concepts are the course's misconceptions, turned round. A question says which of them its
options betray, an exercise which its diagnoses do; so each concept knows where it is met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from minitornado.classroom.exercises.catalog import Blank, Course, Exercise
from minitornado.classroom.misconceptions import MISCONCEPTIONS, Misconception

from .chapters import Chapter, Question, Word
from .markup import slug
from .sources import Definition


@dataclass(frozen=True)
class Concept:
    """An idea of the course, and where it is met; `code` is what its exercises ask about."""

    id: str  # "M05"
    idea: Misconception
    asked: tuple[tuple[Chapter, Question], ...]
    code: tuple[Definition, ...]
    exercises: tuple[Exercise, ...]


@dataclass(frozen=True)
class Place:
    """A definition that is walked through in a chapter, or asked about in an exercise."""

    definition: Definition
    chapters: tuple[Chapter, ...]
    exercises: tuple[Exercise, ...]


@dataclass(frozen=True)
class Entry:
    """A word of the glossary, with its meaning in each of the chapters that explain it."""

    word: Word
    anchor: str
    meanings: tuple[tuple[str, tuple[Chapter, ...]], ...]


def read_exercises(root: Path) -> list[Exercise]:
    """The exercises below `root`; none where there are no tests, as in an installed package."""
    course = Course(root=root)
    return course.exercises() if list(course.exercises_dir.glob("ex*/exercise.toml")) else []


def defined_by(blank: Blank, definitions: Mapping[str, Definition]) -> Definition | None:
    """The definition that a blank is in; None if that is no module of the stack."""
    module = blank.module.removeprefix("minitornado.")
    return definitions.get(f"{module}.{blank.qualname}")


def find_concepts(
    chapters: Sequence[Chapter], exercises: Sequence[Exercise],
    definitions: Mapping[str, Definition],
) -> list[Concept]:  # fmt: skip
    """The concepts that are met anywhere, in the order of the course."""
    concepts = []
    for id, idea in MISCONCEPTIONS.items():
        asked = tuple((chapter, it) for chapter in chapters for it in chapter.questions
                      if id in it.betrays)
        practised = tuple(exercise for exercise in exercises if id in exercise.misconceptions)
        blanks = [defined_by(blank, definitions) for it in practised for blank in it.blanks]
        code = tuple(dict.fromkeys(it for it in blanks if it is not None))
        if asked or practised:
            concepts.append(Concept(id, idea, asked, code, practised))
    return concepts


def find_places(
    chapters: Sequence[Chapter], exercises: Sequence[Exercise],
    definitions: Mapping[str, Definition],
) -> list[Place]:  # fmt: skip
    """The definitions that the course is about, in the order of the source."""
    places = []
    for name, definition in definitions.items():
        walked = tuple(chapter for chapter in chapters if name in chapter.definitions)
        blanked = tuple(exercise for exercise in exercises
                        if definition in [defined_by(it, definitions) for it in exercise.blanks])
        if walked or blanked:
            places.append(Place(definition, walked, blanked))
    return places


def make_glossary(chapters: Sequence[Chapter]) -> list[Entry]:
    """All words of all chapters, by alphabet; the same word with the same meaning once."""
    meanings: dict[str, dict[str, list[Chapter]]] = {}
    words: dict[str, Word] = {}
    for chapter in chapters:
        for word in chapter.words:
            key = word.text.casefold()
            words.setdefault(key, word)
            meanings.setdefault(key, {}).setdefault(word.meaning, []).append(chapter)
    taken: list[str] = []
    entries = []
    # "to block" is looked for under b, "the list" under l.
    for key in sorted(meanings, key=_letters):
        taken.append(slug(key, taken))
        told = tuple((meaning, tuple(where)) for meaning, where in meanings[key].items())
        entries.append(Entry(words[key], taken[-1], told))
    return entries


def _letters(word: str) -> str:
    for article in ("to ", "the ", "a ", "an "):
        word = word.removeprefix(article)
    return word.lstrip("_")
