import shutil

import pytest
from photos import photo
from removals import Library, rows

from retrieval.dedupe.run.catalogue_updates import is_indexed, record_change, record_return
from retrieval.dedupe.run.fingerprint import fingerprint
from retrieval.dedupe.run.records import Change, Mode


@pytest.fixture
def library(index, tmp_path):
    return Library(index, tmp_path / "archive")


def change(path, target, *, mode=Mode.MOVE, is_photo=True):
    return Change(1, 1, 1, 1, mode, path, target, path.parent / "kept.jpg", is_photo, fingerprint(path))


def states(store):
    return {path: row[0] for path, row in rows(store).items()}


def test_a_photo_in_a_hidden_folder_is_gone_and_its_return_is_recorded(library):
    path = photo(library.root / "a.jpg", 1)
    store = library.store()
    before = rows(store)
    moved = change(path, library.root / ".held" / "a.jpg")
    for _ in range(2):  # a killed run repeats it
        record_change(store, moved)
        assert states(store) == {b"a.jpg": "gone"}
    for _ in range(2):
        record_return(store, moved)
        assert rows(store) == before
    store.close()


def test_a_photo_that_stays_in_the_archive_keeps_its_row(library):
    path = photo(library.root / "a.jpg", 1)
    store = library.store()
    moved = change(path, library.root / "held" / "a.jpg")
    moved.target.parent.mkdir()
    shutil.move(path, moved.target)
    record_change(store, moved)
    assert states(store) == {b"held/a.jpg": "indexed"}
    assert is_indexed(store, moved.target)
    shutil.move(moved.target, path)
    record_return(store, moved)
    assert states(store) == {b"a.jpg": "indexed"}
    store.close()


def test_sidecars_and_files_outside_the_archive_leave_no_trace(library, tmp_path):
    path = photo(library.root / "a.jpg", 1)
    outside = photo(tmp_path / "outside.jpg", 2)
    store = library.store()
    before = rows(store)
    for unknown in (change(path, None, mode=Mode.DELETE, is_photo=False), change(outside, None, mode=Mode.DELETE)):
        record_change(store, unknown)
        record_return(store, unknown)
    assert rows(store) == before
    assert is_indexed(store, path)
    assert not is_indexed(store, outside)
    assert not is_indexed(store, library.root / "never.jpg")
    store.close()
