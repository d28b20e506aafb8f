from pathlib import Path

import pytest
from catalogues import sql

from retrieval.archive.walk import Seen
from retrieval.catalogue import run
from retrieval.catalogue.criteria import Folder
from retrieval.catalogue.listing import ListedFolder
from retrieval.records import Failure, Outcome


def names(count):
    return [f"{number:05}.jpg" for number in range(count)]


def test_files_are_listed_and_fetched_in_batches_and_in_order(store):
    expected = names(run.LISTED_AT_ONCE + run.PENDING_AT_ONCE + 1)
    with store.catalogue.indexing_run() as indexing:
        seen = (Seen(name, 1, 1) for name in expected)
        assert list(indexing.add_listed("new", seen)) == [run.LISTED_AT_ONCE, len(expected)]
        assert indexing.settle([ListedFolder("new")]).pending == len(expected)
        assert [source.relative for source in indexing.pending()] == expected
        assert {source.root for source in indexing.pending()} == {"new"}
        assert indexing.has_listed(Folder("new"))
        assert not indexing.has_listed(Folder("archive"))


def test_runs_leave_no_listing_behind(store):
    for name in ("one.jpg", "other.jpg"):
        with store.catalogue.indexing_run() as indexing:
            assert list(indexing.add_listed("new", [Seen(name, 1, 1)])) == [1]
            indexing.settle([])
            assert [source.relative for source in indexing.pending()] == [name]


def test_only_what_this_run_lost_counts_as_gone(store):
    with store.catalogue.indexing_run() as indexing:
        assert indexing.count_missing(Folder("archive", "deep")) == 1
        indexing.settle([ListedFolder("archive", "deep")])
        assert indexing.count_gone() == 1
    sql(store.folder, "UPDATE photo SET gone_at = 'before' WHERE state = 'gone'")
    with store.catalogue.indexing_run() as indexing:
        indexing.settle([ListedFolder("archive", "deep")])
        assert indexing.count_gone() == 0


def test_a_batch_is_recorded_whole_or_not_at_all(store):
    with store.catalogue.indexing_run() as indexing:
        list(indexing.add_listed("new", [Seen(name, 1, 1) for name in names(2)]))
        indexing.settle([])
        sources = list(indexing.pending())
        path = Path("/x")
        outcomes = [Outcome(one, path, 1, 1, None, failure=Failure(path, "unreadable", "why")) for one in sources]
        sql(store.folder, "CREATE TRIGGER refuse BEFORE INSERT ON photo WHEN NEW.path = x'30303030312e6a7067'"
            " BEGIN SELECT raise(ABORT, 'refused'); END")  # fmt: skip
        with pytest.raises(Exception, match="refused"):
            indexing.record(outcomes, 6)
        assert store.catalogue.photos.counts().failed == 0
        sql(store.folder, "DROP TRIGGER refuse")
        assert indexing.record(outcomes, 6) == {"failed": 2}
        assert indexing.vectors() == 6
    assert [one.relative for one in store.catalogue.failures.all()] == names(2)
