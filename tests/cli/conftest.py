"""Working folders for commands: an empty one, one with an index, one with duplicates."""

import os
from pathlib import Path

import pytest
from calling import call
from photos import archive, photo
from removals import Library, group, plan

from retrieval.dedupe.plan import plan_file


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working folder."""
    for name in os.environ:
        if name.startswith("RETRIEVAL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def indexed(place, model):
    """A working folder with ./archive indexed."""
    archive(place / "archive", 12)
    assert call("index", "archive", "--model", model).exit_code == 0
    return place


@pytest.fixture
def removable(index, tmp_path, monkeypatch):
    """A library with a copy, its sidecar, and a plan in plan.csv; the index is the one that commands use."""
    for name in os.environ:
        if name.startswith("RETRIEVAL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RETRIEVAL_INDEX", str(index.folder))
    removable = Library(index, tmp_path / "archive")
    kept = photo(removable.root / "kept.jpg", 1)
    copy = removable.file("b/new\nline.jpg", kept.read_bytes())
    removable.file("b/new\nline.xmp", "edits")
    removable.store().close()
    plan_file.write(plan(group(1, kept, copy), index=index.folder), Path("plan.csv"))
    return removable
