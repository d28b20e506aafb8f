import pytest
from catalogues import contents, sql

from retrieval.catalogue.integrity import Contradiction

FAILED = "vector_row = NULL, norm = NULL, live = 0, failure_kind = 'empty', failure = ''"


def kinds(store):
    return {one.kind: one.count for one in store.catalogue.integrity.findings()}


@pytest.mark.parametrize(
    ("statement", "kind", "count"),
    [
        ("UPDATE photo SET content_id = 999 WHERE path = x'3030322e6a7067'", Contradiction.BROKEN_REFERENCES, 1),
        ("UPDATE content SET vector_row = 9 WHERE vector_row = 5", Contradiction.ROWS_WITHOUT_CONTENT, 4),
        ("UPDATE content SET live = 0 WHERE vector_row < 2", Contradiction.WRONG_MASKS, 2),
        ("UPDATE photo SET state = 'failed'", Contradiction.FAILED_WITHOUT_REASON, 7),
        (f"UPDATE content SET {FAILED} WHERE vector_row = 5", Contradiction.INDEXED_WITHOUT_VECTOR, 1),
    ],
)
def test_each_contradiction_is_found(store, statement, kind, count):
    assert kinds(store) == {}
    sql(store.folder, statement)
    assert kinds(store)[kind] == count


def test_masks_are_derived_again(store):
    sql(store.folder, "UPDATE content SET live = 1 - live")
    assert kinds(store) == {Contradiction.WRONG_MASKS: 6}
    store.catalogue.integrity.refresh_masks()
    assert kinds(store) == {}
    assert store.catalogue.contents.live().rows.tolist() == list(range(6))


def test_contents_beyond_the_vectors_are_removed_and_their_photos_unread(store):
    assert store.catalogue.integrity.remove_from(4) == 2
    assert kinds(store) == {}
    assert store.catalogue.contents.vectors() == 4
    failed = {one.relative: one.kind for one in store.catalogue.failures.all()}
    assert failed == {"004.jpg": "unreadable", "deep/last.png": "unreadable"}


def test_damaged_rows_are_hidden_and_never_taken_for_a_content(store):
    before = contents(store)
    store.catalogue.integrity.give_up([0, 3])
    assert kinds(store) == {}
    assert store.catalogue.contents.dead_rows().tolist() == [0, 3]
    assert store.catalogue.contents.vectors() == 6
    assert {one.relative for one in store.catalogue.failures.all()} == {"000.jpg", "copy.jpg", "003.jpg"}
    assert contents(store).keys() == before.keys() - {"000.jpg", "copy.jpg", "003.jpg"}


def test_a_damaged_file_is_told_in_the_databases_words(store):
    catalogue = store.folder / "catalogue.sqlite"
    sql(store.folder, "PRAGMA wal_checkpoint(TRUNCATE)")
    (page,) = sql(store.folder, "SELECT rootpage FROM sqlite_master WHERE name = 'content_camera'")[0]
    data = bytearray(catalogue.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    data[(page - 1) * size + 3 : (page - 1) * size + 5] = b"\0\1"  # the index has fewer cells than the table has rows
    catalogue.write_bytes(data)
    damaged = [one for one in store.catalogue.integrity.findings() if one.kind is Contradiction.DAMAGED_FILE]
    assert damaged and all(one.detail for one in damaged)
