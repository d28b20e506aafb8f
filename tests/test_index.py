"""The door: what every verb of the library is bound to, and what it takes and raises."""

import os
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from photos import archive, photo
from removals import group, plan, tree

from retrieval import Index, RetrievalError
from retrieval import index as door
from retrieval.dedupe.plan import plan_file
from retrieval.errors import IndexProblem, QueryError, Remedy
from retrieval.index import Question, QuestionOptions


class Named(os.PathLike):  # not a Path
    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.fixture
def filled(index, tmp_path):
    archive(tmp_path / "archive", 4)
    kept = tmp_path / "archive" / "000.jpg"
    (tmp_path / "archive" / "copy.jpg").write_bytes(kept.read_bytes())
    index.add(tmp_path / "archive")
    return index


@pytest.mark.parametrize("spell", [str, Path, Named])
def test_paths_are_taken_in_every_spelling(tmp_path, model, spell):
    folder = archive(tmp_path / "archive", 3)
    with Index.create(spell(tmp_path / "index"), model=str(model), device="cpu") as index:
        index.add(spell(folder))
        assert Index.exists(spell(tmp_path / "index"))
        assert index.thumbnail(spell(folder / "000.jpg"))[:2] == b"\xff\xd8"
        assert index.thumbnail(spell(tmp_path / "other.jpg")) is None
        photos = [spell(folder / "000.jpg"), spell(folder / "001.jpg")]
        assert index.ignore(photos) == 1
        assert list(index.ignored()) != []
        assert index.ignore(photos, take_back=True) == 1
        index.relocate("archive", spell(folder))
    Index.open(spell(tmp_path / "index")).close()


def test_the_records_of_all_methods_can_be_imported_from_it():
    for name in door.__all__:
        assert getattr(door, name).__name__ == name or name == "Order"
    with pytest.raises(AttributeError, match="nonsense"):
        _ = door.nonsense


def test_apply_undo_and_runs(filled, tmp_path):
    folder = tmp_path / "archive"
    before = tree(folder)
    removal = plan(group(1, folder / "000.jpg", folder / "copy.jpg"), index=filled.folder)
    plan_file.write(removal, tmp_path / "plan.csv")
    assert list(filled.runs()) == []
    for given in (removal, tmp_path / "plan.csv", str(tmp_path / "plan.csv")):
        done = filled.apply(given)
        assert (done.photos, done.skipped) == (1, [])
        assert not (folder / "copy.jpg").exists()
        assert [run.state for run in filled.runs()][-1] == "finished"
        back = filled.undo()
        assert (back.run, back.photos) == (done.run, 1)
        assert tree(folder) == before
        assert [run.state for run in filled.runs()][-1] == "undone"


def test_the_options_of_query_are_the_fields_of_a_question(filled, tmp_path):
    named = {field.name for field in fields(Question)}
    assert named == {"k", *QuestionOptions.__annotations__}
    image = tmp_path / "archive" / "001.jpg"
    options = {"min_score": 0.9, "top": 2, "hide_duplicates": True}
    (asked,) = filled.ask([image], Question(2, **options))
    assert filled.query(image, 2, **options) == asked
    assert list(filled.query_many([image], 2, **options)) == [asked]


@pytest.mark.parametrize(
    "options",
    [
        *({"k": k} for k in (0, -1, 2.5, "5", float("nan"), None, True)),
        *({"top": top} for top in (-1, 1.5, "2")),
        *({"min_score": score} for score in (float("nan"), 2, "0.5", True)),
        {"filter": "a folder"},
    ],
)
def test_questions_without_an_answer(filled, tmp_path, options):
    with pytest.raises(QueryError, match=next(iter(options))):
        filled.query(tmp_path / "archive" / "001.jpg", **options)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where no folder can be made")
@pytest.mark.parametrize("folder", ["/proc/x/y", "/dev/null/x", "nul\0", "x" * 300])
def test_folders_that_cannot_be_made(model, tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexProblem) as raised:
        Index.create(folder, model=str(model), device="cpu")
    assert raised.value.remedy == Remedy.OTHER_INDEX_FOLDER
    with pytest.raises(RetrievalError):
        Index.open(folder)


def test_what_is_no_index_folder(model, tmp_path):
    photo(tmp_path / "photos" / "a.jpg", 1)
    for folder in (tmp_path / "photos", tmp_path / "photos" / "a.jpg"):
        with pytest.raises(IndexProblem):
            Index.create(folder, model=str(model), device="cpu")
    assert os.listdir(tmp_path / "photos") == ["a.jpg"]
