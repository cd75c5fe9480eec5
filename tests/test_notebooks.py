"""Every notebook in the repository is what its source gives, byte for byte."""

import json
import os

import pytest

from minitornado.classroom.build import (
    JOBS,
    Notebook,
    build_all,
    complain,
    find_notebooks,
    find_orphans,
)
from minitornado.classroom.execute import kernel_environment

NOTEBOOKS = find_notebooks()


@pytest.fixture(scope="module")
def otherwise(tmp_path_factory):
    """An environment as different from the builder's as a build must bear.

    Another hash seed, and other fds: what was fd 50 in the committed run is not 50 here. An
    output that depends on either is stale, wherever it was built.
    """
    folder = tmp_path_factory.mktemp("site")
    # Python imports this before anything else.
    (folder / "sitecustomize.py").write_text("import os\n[os.dup(0) for _ in range(20)]\n")
    usual = kernel_environment(folder)["PYTHONPATH"]
    return {"PYTHONHASHSEED": "4711", "PYTHONPATH": f"{folder}{os.pathsep}{usual}"}


@pytest.fixture(scope="module")
def rebuilt(otherwise):
    results = build_all(NOTEBOOKS, jobs=JOBS, overrides=otherwise)
    return {built.notebook: built for built in results}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook_is_what_its_source_gives(notebook, rebuilt):
    complaint = complain(rebuilt[notebook])
    assert not complaint, complaint


def test_every_notebook_has_a_source():
    assert find_orphans() == []


def test_the_rebuild_has_other_fds_and_another_hash_seed(otherwise, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "00_x.py").write_text(
        "# %%\nimport os\nos.dup(0)\n\n# %%\nhash('x')\n\n# %%\nimport minitornado\n"
    )
    texts = [
        build_all([Notebook("00_x", tmp_path)], overrides=overrides)[0].text
        for overrides in ({}, otherwise)
    ]
    usual, other = (json.loads(text)["cells"] for text in texts)
    assert usual[0] != other[0], "the fds are the same"
    assert usual[1] != other[1], "the hash seed is the same"
    assert usual[2] == other[2]
