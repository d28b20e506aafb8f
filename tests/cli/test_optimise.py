import json
import os

import pytest
from click.testing import CliRunner, Result
from photos import archive

from retrieval import Index
from retrieval.cli import main
from retrieval.lock import writing


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in os.environ:
        if name.startswith("RETRIEVAL_") and name != "RETRIEVAL_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def search() -> dict[str, object]:
    found: dict[str, object] = json.loads(call("status", "--format", "json").stdout)["search"]
    return found


def test_targets_are_shown_and_kept(place, model):
    archive(place / "archive", 40)
    assert call("index", "archive", "--model", model).exit_code == 0
    assert (search()["target_recall"], search()["target_memory_bytes"]) == (0.99, None)
    done = call("optimise", "--recall", 0.999, "--memory", "64MB")
    assert done.exit_code == 0, done.stderr
    assert "target 0.999" in done.stdout
    assert "64 MB asked for" in done.stdout
    assert "shortlist  ms a query" in done.stdout
    assert (search()["target_recall"], search()["target_memory_bytes"]) == (0.999, 64_000_000)
    assert search()["curve"]
    assert "target 0.999" in call("status").stdout
    archive(place / "archive", 80, first_seed=100)  # so many more that lists are made anew
    assert call("index").exit_code == 0
    assert (search()["target_recall"], search()["target_memory_bytes"]) == (0.999, 64_000_000)
    measured = json.loads(call("optimise", "--recall", 0.9, "--format", "json").stdout)["search"]
    assert (measured["target_recall"], measured["target_memory_bytes"]) == (0.9, 64_000_000)
    assert call("verify").exit_code == 0


def test_memory_can_be_asked_for_while_indexing(place, model):
    archive(place / "archive", 40)
    assert call("index", "archive", "--model", model, "--memory", "1GiB").exit_code == 0
    assert search()["target_memory_bytes"] == 2**30
    assert call("index").exit_code == 0
    assert search()["target_memory_bytes"] == 2**30
    assert call("index", "--memory", "2GiB").exit_code == 0
    assert search()["target_memory_bytes"] == 2**31


def test_what_cannot_be(place, model):
    assert call("optimise").exit_code == 1
    with Index.create(place / "indexes" / "empty", model=str(model), device="cpu"):
        pass
    assert "no photos" in call("optimise").stdout
    assert json.loads(call("optimise", "--format", "json").stdout) == {"search": None}
    for recall in (0, 1.1, "most"):
        assert call("optimise", "--recall", recall).exit_code == 2
    with writing(place / "indexes" / "empty"):
        locked = call("optimise")
    assert (locked.exit_code, "is being written by process" in locked.stderr) == (1, True)
