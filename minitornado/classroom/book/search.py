"""What can be found, as a script: a page opened from a disk may load one, but fetch nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

from minitornado.classroom.exercises.catalog import Exercise

from .chapters import Chapter
from .index import Concept, Entry
from .markup import text_of
from .sources import Source


def search_script(
    chapters: Sequence[Chapter], concepts: Sequence[Concept], glossary: Sequence[Entry],
    exercises: Sequence[Exercise], sources: Sequence[Source],
) -> str:  # fmt: skip
    """Return search.js: rows of [where it is, title, kind, text]."""
    rows: list[tuple[str, str, str, str]] = []
    for chapter in chapters:
        of = f"Notebook {chapter.number} · {text_of(chapter.title)}"
        for section in chapter.sections:
            link = f"{chapter.page}#{section.anchor}"
            rows.append((link, text_of(section.title), of, section.text))
    for entry in glossary:
        meanings = " ".join(text_of(meaning) for meaning, _ in entry.meanings)
        rows.append((f"glossary.html#{entry.anchor}", entry.word.text, "Glossary", meanings))
    for concept in concepts:
        text = f"{concept.id} {concept.idea.truth} {concept.idea.belief}".replace("`", "")
        rows.append((f"concepts.html#{concept.id}", concept.idea.topic, "Concept", text))
    for exercise in exercises:
        asked = " ".join(f"{blank.qualname}: {blank.question}" for blank in exercise.blanks)
        rows.append((f"exercises.html#{exercise.id}", f"{exercise.id} {exercise.title}",
                     "Exercise", asked))
    for source in sources:
        rows.append((source.page, f"{source.name}.py", "Source", source.about))
        rows += [(it.link, it.inner, f"Source · {source.name}.py", it.about)
                 for it in source.definitions]
    return f"window.BOOK = {json.dumps(rows, ensure_ascii=False, separators=(',', ':'))};\n"
