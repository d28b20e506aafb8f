import shutil
from pathlib import Path

import pytest
from textures import EDITS, saved, textured

from retrieval.errors import DedupeError, IndexLockedError
from retrieval.lock import writing

SIZE = (200, 150)


@pytest.fixture
def trio(index, tmp_path) -> list[Path]:
    """One picture in three versions, each containing the next, indexed."""
    picture = textured(1, SIZE)
    folder = tmp_path / "archive"
    files = [
        saved(picture, folder / "a.jpg", quality=95),
        saved(EDITS["grey"](picture), folder / "b.jpg", quality=92),
        saved(EDITS["grey"](EDITS["crop 10 %"](picture)), folder / "c.jpg", quality=90),
    ]
    index.add(folder)
    return files


def found(index) -> list[set[str]]:
    groups = index.duplicates().plan.groups
    return [{group.keeper.path.name, *(member.file.path.name for member in group.members)} for group in groups]


def test_what_was_said_to_differ_is_not_found_again(index, trio):
    a, b, c = trio
    assert found(index) == [{"a.jpg", "b.jpg", "c.jpg"}]
    assert index.ignore([a, b]) == 1
    assert found(index) == [{"a.jpg", "c.jpg"}]
    assert index.ignore([c, a]) == 1
    assert found(index) == [{"b.jpg", "c.jpg"}]
    assert index.ignore([a, b, c]) == 1  # two of the three pairs were known
    assert found(index) == []
    assert index.ignore([b, a]) == 0


def test_it_can_be_taken_back(index, trio):
    a, b, c = trio
    assert index.ignore([a, b, c]) == 3
    assert index.ignore([c, b], take_back=True) == 1
    assert found(index) == [{"b.jpg", "c.jpg"}]
    assert index.ignore([a, b, c], take_back=True) == 2
    assert found(index) == [{"a.jpg", "b.jpg", "c.jpg"}]
    assert index.ignore([a, b], take_back=True) == 0


def test_it_is_known_by_content(index, trio, tmp_path):
    a, b, c = trio
    index.ignore([a, b, c])
    moved = a.rename(a.with_name("renamed.jpg"))
    index.add()
    assert found(index) == []
    kept = tmp_path / "kept.jpg"
    shutil.move(b, kept)
    index.add()
    assert found(index) == []
    assert [tuple(len(files) for files in pair) for pair in index.ignored()].count((1, 1)) == 1
    shutil.copy(kept, b.with_name("again.jpg"))
    index.add()
    assert found(index) == []
    (c.parent / "deep").mkdir()
    shutil.copy(moved, c.parent / "deep" / "copy.jpg")
    index.add()
    assert [len(group) for group in found(index)] == [2]  # exact copies are the same photo, whatever else was said


def test_it_can_be_said_before_photos_are_indexed(index, tmp_path):
    picture = textured(2, SIZE)
    a = saved(picture, tmp_path / "archive" / "a.jpg", quality=90)
    b = saved(EDITS["grey"](picture), tmp_path / "archive" / "b.jpg", quality=90)
    assert index.ignore([a, b]) == 1
    index.add(tmp_path / "archive")
    assert found(index) == []
    index.ignore([a, b], take_back=True)
    assert found(index) == [{"a.jpg", "b.jpg"}]


def test_an_edited_file_is_another_photo(index, trio):
    a, b, c = trio
    index.ignore([a, b, c])
    saved(EDITS["contrast"](textured(1, SIZE)), b, quality=91)
    index.add()
    assert found(index) == [{"a.jpg", "b.jpg"}] or found(index) == [{"b.jpg", "c.jpg"}] or len(found(index)[0]) == 3


def test_the_list_names_all_files_of_both(index, trio):
    a, b, _ = trio
    assert list(index.ignored()) == []
    copy = Path(shutil.copy(a, a.with_name("copy of a.jpg")))
    index.add()
    index.ignore([a, b])
    [pair] = index.ignored()
    assert {frozenset(files) for files in pair} == {frozenset({a, copy}), frozenset({b})}
    b.unlink()
    index.add()
    [pair] = index.ignored()
    assert sorted(len(files) for files in pair) == [0, 2]


def test_one_photo_twice_is_refused(index, trio):
    a, b, _ = trio
    copy = shutil.copy(a, a.with_name("copy.jpg"))
    with pytest.raises(DedupeError, match="same bytes"):
        index.ignore([a, b, Path(copy)])
    with pytest.raises(DedupeError, match="same bytes"):
        index.ignore([a, a])
    assert list(index.ignored()) == []  # all or nothing


def test_unreadable_files_are_refused(index, trio, tmp_path):
    a, *_ = trio
    for name in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(DedupeError, match=str(name)):
            index.ignore([a, name])
    assert list(index.ignored()) == []


def test_another_writer_is_waited_for(index, trio):
    with writing(index.folder), pytest.raises(IndexLockedError):
        index.ignore(trio)
