from pathlib import Path

import numpy as np
import pytest
from catalogues import sql

from retrieval.catalogue.record import BatchWriter
from retrieval.records import Embedding, Facts, Failure, Outcome, Prediction, Preview, Source

FACTS = Facts("JPEG", 4, 3, camera="Canon")


@pytest.fixture
def write(store):
    """A function that records a batch in a catalogue of six contents, and gives how each file fared."""
    database = store.catalogue._database

    def write(*outcomes, first_row=6):
        with database.transaction() as connection:
            return dict(BatchWriter(connection, database.dialect, {"archive": 1}).write(outcomes, first_row))

    return write


def outcome(name, digest, *, embedded=True, failure=None, photo_id=None, size=5):
    path = Path("/archive") / name
    embedding = Embedding(np.zeros(32, np.float32), 2.5, (Prediction("heron", 0.75),)) if embedded else None
    failed = Failure(path, failure, f"it is {failure}") if failure else None
    preview = Preview(b"p" * 8, b"thumbnail") if embedded else None
    source = Source("archive", name, 1, 1, photo_id)
    return Outcome(source, path, size, 7, digest, FACTS if embedded else None, preview, embedding, failed)


def photo(store, name):
    query = """SELECT photo.id, state, photo.failure_kind, vector_row, live, species, content.failure_kind
               FROM photo LEFT JOIN content ON content.id = content_id WHERE path = ?"""
    (found,) = sql(store.folder, query, name.encode())
    return found


def test_new_photos_take_vector_rows_in_order(store, write):
    assert write(outcome("n1.jpg", b"1" * 32), outcome("n2.jpg", b"2" * 32)) == {"added": 2}
    assert photo(store, "n1.jpg")[1:] == ("indexed", None, 6, 1, "heron", None)
    assert photo(store, "n2.jpg")[3] == 7
    stored = store.catalogue.contents.with_hash(b"1" * 32)
    assert (stored.row, stored.norm, stored.species) == (6, 2.5, "heron")
    (copy,) = store.catalogue.copies.with_hash(b"1" * 32)
    assert (copy.size, copy.mtime_ns, copy.camera, copy.width) == (5, 7, "Canon", 4)
    assert store.catalogue.previews.of([copy.content]) == {copy.content: Preview(b"p" * 8, b"thumbnail")}
    assert store.catalogue.integrity.findings() == []


def test_the_same_bytes_twice_in_a_batch_have_one_row(store, write):
    first, second = outcome("n1.jpg", b"1" * 32), outcome("n2.jpg", b"1" * 32, embedded=False)
    assert write(first, second) == {"added": 2}
    assert photo(store, "n1.jpg")[3] == photo(store, "n2.jpg")[3] == 6
    assert store.catalogue.contents.vectors() == 7


def test_known_bytes_at_a_new_place_take_the_row_of_the_photo_that_went(store, write):
    (digest,) = sql(store.folder, "SELECT hash FROM content WHERE vector_row = 2")[0]
    before = photo(store, "002.jpg")
    sql(store.folder, "UPDATE photo SET state = 'gone', gone_at = 'then' WHERE path = ?", b"002.jpg")
    sql(store.folder, "UPDATE content SET live = 0 WHERE vector_row = 2")
    assert write(outcome("elsewhere.jpg", digest, embedded=False)) == {"moved": 1}
    assert photo(store, "elsewhere.jpg") == before
    assert store.catalogue.integrity.findings() == []


def test_new_bytes_at_an_old_place_hide_the_old_vector(store, write):
    number = photo(store, "002.jpg")[0]
    assert write(outcome("002.jpg", b"1" * 32, photo_id=number)) == {"changed": 1}
    assert photo(store, "002.jpg")[3] == 6
    assert store.catalogue.contents.dead_rows().tolist() == [2]


def test_a_file_that_was_only_touched_is_unchanged(store, write):
    (digest,) = sql(store.folder, "SELECT hash FROM content WHERE vector_row = 2")[0]
    number = photo(store, "002.jpg")[0]
    assert write(outcome("002.jpg", digest, embedded=False, photo_id=number)) == {"unchanged": 1}
    assert sql(store.folder, "SELECT size, mtime_ns FROM photo WHERE id = ?", number) == [(5, 7)]


def test_failures_belong_to_the_bytes_or_to_the_file(store, write):
    broken = outcome("n1.jpg", b"1" * 32, embedded=False, failure="truncated")
    unread = outcome("n2.jpg", None, embedded=False, failure="unreadable")
    assert write(broken, unread) == {"failed": 2}
    assert photo(store, "n1.jpg")[1:] == ("failed", None, None, 0, None, "truncated")
    assert photo(store, "n2.jpg")[1:4] == ("failed", "unreadable", None)
    again = outcome("n1.jpg", b"1" * 32, photo_id=photo(store, "n1.jpg")[0])
    assert write(again) == {"added": 1}
    assert photo(store, "n1.jpg")[1:] == ("indexed", None, 6, 1, "heron", None)
    assert store.catalogue.integrity.findings() == []
