import hashlib

import pytest
from photos import photo
from removals import Library, rows

from retrieval.catalogue.files import Location

A, COPY, BROKEN = Location("archive", "a.jpg"), Location("archive", "copy.jpg"), Location("archive", "broken.jpg")


@pytest.fixture
def store(index, tmp_path):
    """A photo, its copy, another photo, and a file that cannot be read."""
    library = Library(index, tmp_path / "archive")
    library.file("copy.jpg", photo(library.root / "a.jpg", 1).read_bytes())
    photo(library.root / "b.jpg", 2)
    library.file("broken.jpg", "text")
    store = library.store()
    yield store
    assert store.catalogue.integrity.findings() == []
    store.close()


def digest(store, location):
    return bytes.fromhex(rows(store)[location.relative.encode()][3])


def test_knows(store):
    assert store.catalogue.files.knows(A)
    assert not store.catalogue.files.knows(Location("archive", "A.jpg"))
    assert not store.catalogue.files.knows(Location("elsewhere", "a.jpg"))
    store.catalogue.files.mark_gone(A)
    assert store.catalogue.files.knows(A)


def test_a_vector_is_masked_with_the_last_photo_that_has_it(store):
    store.catalogue.files.mark_gone(COPY)
    assert (rows(store)[b"copy.jpg"][0], rows(store)[b"copy.jpg"][-1]) == ("gone", 1)
    store.catalogue.files.mark_gone(A)
    assert rows(store)[b"a.jpg"][-1] == 0
    assert list(store.catalogue.contents.dead_rows()) == [0]


@pytest.mark.parametrize("location", [A, BROKEN])
def test_gone_and_back_leave_no_trace_however_often(store, location):
    before = rows(store)
    state, size, mtime_ns, *_ = before[location.relative.encode()]
    for _ in range(2):
        store.catalogue.files.mark_gone(location)
    assert rows(store)[location.relative.encode()][0] == "gone"
    for _ in range(2):
        store.catalogue.files.restore(location, size, mtime_ns, digest(store, location))
    assert rows(store) == before
    assert rows(store)[location.relative.encode()][0] == state


def test_back_with_other_bytes_than_it_went_with(store):
    other = digest(store, Location("archive", "b.jpg"))
    store.catalogue.files.restore(A, 5, 6, other)
    found = rows(store)[b"a.jpg"]
    assert (found[0], found[1:3], bytes.fromhex(found[3])) == ("indexed", (5, 6), other)


def test_a_row_that_an_indexing_run_has_taken_for_a_move_is_made_again(store):
    before = rows(store)
    store.catalogue.files.move(A, Location("archive", "found elsewhere.jpg"))
    store.catalogue.files.restore(A, *before[b"a.jpg"][1:3], digest(store, COPY))
    assert rows(store)[b"a.jpg"] == before[b"a.jpg"]


def test_unknown_bytes_are_left_to_the_next_indexing_run(store):
    before = rows(store)
    store.catalogue.files.restore(Location("archive", "new.jpg"), 1, 2, hashlib.sha256(b"new").digest())
    store.catalogue.files.mark_gone(Location("archive", "new.xmp"))
    store.catalogue.files.touch(Location("archive", "new.xmp"), 1, 2)
    store.catalogue.files.move(Location("archive", "new.xmp"), Location("archive", "newer.xmp"))
    assert rows(store) == before


def test_a_move_keeps_the_row_and_relocations_what_was_once_at_the_target(store):
    before = rows(store)
    target = Location("archive", "b.jpg")
    store.catalogue.files.mark_gone(target)
    for _ in range(2):
        store.catalogue.files.move(A, target)
    found = rows(store)
    assert found[b"b.jpg"] == before[b"a.jpg"]
    assert b"a.jpg" not in found
    store.catalogue.files.move(target, A)
    assert rows(store)[b"a.jpg"] == before[b"a.jpg"]


def test_a_move_to_another_root(store):
    store.catalogue.files.move(A, Location("second", "a.jpg"))
    assert store.catalogue.files.knows(Location("second", "a.jpg"))
    assert not store.catalogue.files.knows(A)


def test_a_touched_file_keeps_everything_else(store):
    store.catalogue.files.touch(A, 7, 8)
    assert rows(store)[b"a.jpg"][:3] == ("indexed", 7, 8)
    store.catalogue.files.mark_gone(A)
    store.catalogue.files.touch(A, 9, 9)
    assert rows(store)[b"a.jpg"][:3] == ("gone", 7, 8)
