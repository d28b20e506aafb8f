import hashlib

import pytest
from photos import photo
from removals import Library, rows

from retrieval.catalogue import moves
from retrieval.catalogue.moves import Place

A, COPY, BROKEN = Place("archive", "a.jpg"), Place("archive", "copy.jpg"), Place("archive", "broken.jpg")


@pytest.fixture
def store(index, tmp_path):
    """A photo, its copy, another photo, and a file that cannot be read."""
    library = Library(index, tmp_path / "archive")
    library.file("copy.jpg", photo(library.root / "a.jpg", 1).read_bytes())
    photo(library.root / "b.jpg", 2)
    library.file("broken.jpg", "text")
    store = library.store()
    yield store
    assert store.catalogue.problems() == []
    store.close()


def digest(store, place):
    return bytes.fromhex(rows(store)[place.relative.encode()][3])


def test_knows(store):
    assert moves.knows(store.database, A)
    assert not moves.knows(store.database, Place("archive", "A.jpg"))
    assert not moves.knows(store.database, Place("elsewhere", "a.jpg"))
    moves.went(store.database, A)
    assert moves.knows(store.database, A)


def test_a_vector_is_masked_with_the_last_photo_that_has_it(store):
    moves.went(store.database, COPY)
    assert (rows(store)[b"copy.jpg"][0], rows(store)[b"copy.jpg"][-1]) == ("gone", 1)
    moves.went(store.database, A)
    assert rows(store)[b"a.jpg"][-1] == 0
    assert list(store.catalogue.dead_rows()) == [0]


@pytest.mark.parametrize("place", [A, BROKEN])
def test_gone_and_back_leave_no_trace_however_often(store, place):
    before = rows(store)
    state, size, mtime_ns, *_ = before[place.relative.encode()]
    for _ in range(2):
        moves.went(store.database, place)
    assert rows(store)[place.relative.encode()][0] == "gone"
    for _ in range(2):
        moves.came_back(store.database, place, size, mtime_ns, digest(store, place))
    assert rows(store) == before
    assert rows(store)[place.relative.encode()][0] == state


def test_back_with_other_bytes_than_it_went_with(store):
    other = digest(store, Place("archive", "b.jpg"))
    moves.came_back(store.database, A, 5, 6, other)
    found = rows(store)[b"a.jpg"]
    assert (found[0], found[1:3], bytes.fromhex(found[3])) == ("indexed", (5, 6), other)


def test_a_row_that_an_indexing_run_has_taken_for_a_move_is_made_again(store):
    before = rows(store)
    moves.moved(store.database, A, Place("archive", "found elsewhere.jpg"))
    moves.came_back(store.database, A, *before[b"a.jpg"][1:3], digest(store, COPY))
    assert rows(store)[b"a.jpg"] == before[b"a.jpg"]


def test_unknown_bytes_are_left_to_the_next_indexing_run(store):
    before = rows(store)
    moves.came_back(store.database, Place("archive", "new.jpg"), 1, 2, hashlib.sha256(b"new").digest())
    moves.went(store.database, Place("archive", "new.xmp"))
    moves.touched(store.database, Place("archive", "new.xmp"), 1, 2)
    moves.moved(store.database, Place("archive", "new.xmp"), Place("archive", "newer.xmp"))
    assert rows(store) == before


def test_a_move_keeps_the_row_and_replaces_what_was_once_at_the_target(store):
    before = rows(store)
    target = Place("archive", "b.jpg")
    moves.went(store.database, target)
    for _ in range(2):
        moves.moved(store.database, A, target)
    found = rows(store)
    assert found[b"b.jpg"] == before[b"a.jpg"]
    assert b"a.jpg" not in found
    moves.moved(store.database, target, A)
    assert rows(store)[b"a.jpg"] == before[b"a.jpg"]


def test_a_move_to_another_root(store):
    moves.moved(store.database, A, Place("second", "a.jpg"))
    assert moves.knows(store.database, Place("second", "a.jpg"))
    assert not moves.knows(store.database, A)


def test_touched(store):
    moves.touched(store.database, A, 7, 8)
    assert rows(store)[b"a.jpg"][:3] == ("indexed", 7, 8)
    moves.went(store.database, A)
    moves.touched(store.database, A, 9, 9)
    assert rows(store)[b"a.jpg"][:3] == ("gone", 7, 8)
