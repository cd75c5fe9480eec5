"""The notebooks as a book: static pages that need no server, no network and no Python.

    notebooks/NN_name.ipynb ──chapters.py──> chapters ┐
    minitornado/*.py ────────sources.py────> sources  ├─ pages.py ──> {file name: text}
    tests/exercises ─────────index.py──────> concepts ┘      └─ search.py: what search.js holds

    python -m minitornado book [--output DIR]        command.py; then open DIR/index.html

Nothing is executed here: what the notebooks' outputs are, their own build has seen to.
"""

from .command import main

__all__ = ["main"]
