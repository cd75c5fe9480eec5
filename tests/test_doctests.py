"""The examples in the docstrings of the package are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import minitornado

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(minitornado.__path__, "minitornado.")
    if not info.name.endswith("__main__")  # importing it runs it
)


@pytest.mark.deadline(120)
@pytest.mark.parametrize("name", ["minitornado", *MODULES])
def test_the_examples_run(name: str):
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert results.failed == 0


def test_there_are_examples():
    # Guards against a search that finds nothing.
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in ("minitornado.pending_read", "minitornado.util", "minitornado.httputil"):
        assert name in MODULES
        assert any(test.examples for test in finder.find(importlib.import_module(name))), name
