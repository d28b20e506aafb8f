import os

import pytest
from catalogues import sql
from photos import photo
from removals import Library

from retrieval.catalogue.failures import FailedFile


@pytest.fixture
def store(index, tmp_path):
    """Two photos, and four files that are none."""
    library = Library(index, tmp_path / "archive")
    for name, content in (("b/text.jpg", "text"), ("a.jpg", "text, too"), ("c.jpg", b""), ("d.jpg", b"")):
        library.file(name, content)
    for number in range(2):
        photo(library.root / f"{number}.jpg", number)
    store = library.store()
    yield store
    store.close()


def test_failures_are_counted_by_kind_and_listed_by_path(store):
    found = list(store.catalogue.failures.all())
    assert [one.relative for one in found] == ["a.jpg", "b/text.jpg", "c.jpg", "d.jpg"]
    assert {one.root for one in found} == {"archive"}
    kinds = [one.kind for one in found]
    assert (kinds[0], kinds[2]) == (kinds[1], kinds[3])
    assert store.catalogue.failures.count_by_kind() == {kinds[0]: 2, kinds[2]: 2}
    assert all(one.reason for one in found)


def test_the_most_frequent_kind_comes_first(store):
    sql(store.folder, "UPDATE photo SET state = 'gone', gone_at = 'now' WHERE path = ?", os.fsencode("c.jpg"))
    (first, second), (most, least) = zip(*store.catalogue.failures.count_by_kind().items(), strict=True)
    assert (most, least) == (2, 1)
    assert first == next(store.catalogue.failures.all()).kind != second


def test_what_is_wrong_with_the_file_goes_before_what_was_wrong_with_its_bytes(store):
    """A photo whose vector was lost is failed although its content once was sound."""
    sql(
        store.folder,
        "UPDATE photo SET state = 'failed', failure_kind = 'unreadable', failure = 'why' WHERE path = ?",
        os.fsencode("0.jpg"),
    )
    assert next(store.catalogue.failures.all()) == FailedFile("archive", "0.jpg", "unreadable", "why")
