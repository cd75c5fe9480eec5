"""What every notebook of the course has to keep, whatever it is about; for its own tests.

    book = Book("03_the_turn", nb03)
    book.check_form(...)
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from functools import cached_property

from minitornado.classroom import predict
from minitornado.classroom.build import FOLDER
from minitornado.classroom.execute import execute
from minitornado.classroom.explain import load_all
from minitornado.classroom.percent import read_source

ROOT = FOLDER.parent
MINUTES = 25

#: The sections of curriculum 3.2, in their order; what stands behind a colon is the notebook's.
SECTIONS = ["Predict", "Run", "Compare", "Read", "Poke it", "The real one", "Exit quiz", "Words",
            "Build", "Next"]


def plain(output):
    return "".join(output["text"] if "text" in output else output["data"]["text/plain"])


def page(output):
    return "".join(output.get("data", {}).get("text/html", ""))


class Book:
    """A notebook's source and its built form."""

    def __init__(self, name):
        self.name, self.number = name, name[:2]
        self.cells = read_source(FOLDER / "src" / f"{name}.py")
        self.shown = [cell for cell in self.cells if "check" not in cell.tags]
        self.prose = "\n".join(cell.text for cell in self.cells if cell.kind == "markdown")
        self.code = "\n".join(cell.text for cell in self.shown if cell.kind == "code")
        self.asked = re.findall(rf'predict\("(P{self.number}\.\d)"\)', self.code)

    @cached_property
    def outputs(self):
        built = json.loads((FOLDER / f"{self.name}.ipynb").read_text())
        return [output for cell in built["cells"] for output in cell.get("outputs", [])]

    def run(self, cells):
        """The outputs of each of `cells`, run in one fresh kernel."""
        return asyncio.run(execute(cells, source=self.name, folder=FOLDER))

    def blocks(self, language):
        return re.findall(rf"```{language}\n(.*?)```", self.prose, re.DOTALL)

    # ---- what is checked ----

    def check_form(self, title, question):
        titles = re.findall(r"^## (\w[\w ]*?)(?::.*)?$", self.prose, re.MULTILINE)
        assert [title for title in titles if title in SECTIONS] == SECTIONS
        assert self.prose.startswith(f"# {self.number} · {title}\n\n**{question}**\n")
        assert re.search(rf"^\*\*You need\*\* .*, and {MINUTES} minutes", self.prose, re.MULTILINE)

    def check_minutes(self):
        # 200 words a minute for all there is to read, the source and the drawings' twins
        # included; then the time to make up one's mind, and to put eight events in order.
        words = len(self.prose.split()) + sum(len(plain(out).split()) for out in self.outputs)
        assert len(self.asked) >= 4
        assert words / 200 + len(self.asked) / 3 + 2 <= MINUTES

    def check_reads_everywhere(self):
        """Without colour, pictures, scripts and network."""
        for output in self.outputs:
            assert plain(output).strip()
            html = page(output)
            assert not re.search(r'<(script|iframe|svg|link)|\b(src|href)="(?!data:)', html)
            for image in re.findall(r"<img [^>]*>", html):
                assert re.search(r'alt="[^"]{40,}"', image)

    def check_answers_are_folded(self):
        asked = [output for output in self.outputs if "<summary>The answer" in page(output)]
        assert len(asked) == len(self.asked)
        for output in asked:
            shown = re.sub(r"<details>.*</details>", "", page(output), flags=re.DOTALL)
            for text in (shown, plain(output)):
                assert "Right is" not in text and not re.search(r"\bM\d\d\b", text)

    def check_betrays(self, *misconceptions):
        """Every question has one right option; together they betray all of these."""
        betrayed = set()
        for id in self.asked:
            question = predict._find(id)
            assert question.right(question.answer) is not None
            betrayed |= {option.betrays for option in question.options.values()}
        assert set(misconceptions) <= betrayed

    def check_explains(self, *names):
        """It owns these definitions, no others, and shows each of them once, whole."""
        margins = {margin.name: margin for margin in load_all() if margin.notebook == self.number}
        assert set(margins) == set(names)
        assert sorted(re.findall(r'\bexplain\("([^"]+)"\)', self.code)) == sorted(names)
        text = "\n".join(map(plain, self.outputs))
        for margin in margins.values():
            for lines, said in margin.rows():
                assert all(line.text.strip() in text for line in lines)
                assert " ".join(re.sub(r"\*\*", "", said).split()) in " ".join(
                    re.sub(r"^ +\| ", "", text, flags=re.MULTILINE).split())

    def check_runs_twice(self):
        said = self.run([*self.shown, *self.shown])
        texts = [[plain(output) for output in cell] for cell in said]
        assert texts[: len(self.shown)] == texts[len(self.shown) :]

    def check_choices(self, choices):
        """Who chose reads their choice, and what is to be said of it; `choices` are letters."""
        chosen = dict(zip(self.asked, choices, strict=True))
        cells = []
        for cell in self.shown:
            text = re.sub(rf'predict\("(P{self.number}\.\d)"\)',
                          lambda match: f'predict("{match[1]}", "{chosen[match[1]]}")', cell.text)
            cells.append(type(cell)(cell.kind, text, cell.line))
        text = "\n".join(plain(output) for cell in self.run(cells) for output in cell)
        compared = text.split("You predicted")[1:]
        assert len(compared) == len(chosen)
        ids = re.findall(r'compare\("(P\d\d\.\d)"', self.code)
        for id, said in zip(ids, compared, strict=True):
            option = predict._find(id).options[chosen[id]]
            words = " ".join(said.split())
            assert words.startswith(f"{chosen[id]}) {option.text}")
            assert option.comment in words
            assert ("Well predicted." in words) == (not option.betrays)

    def check_commands(self, tmp_path):
        commands = [line for block in self.blocks("sh") for line in block.splitlines()]
        assert commands
        env = {**os.environ, "MY_MINITORNADO": str(tmp_path / "mine"), "PYTHONPATH": str(ROOT)}
        for command in commands:
            words = [sys.executable, *command.split()[1:]]
            done = subprocess.run(words, cwd=tmp_path, env=env, input="q\n", capture_output=True,
                                  text=True, timeout=60)
            assert done.returncode == 0, f"{command}: {done.stderr}"
        return commands
