import pytest
from catalogues import sql

from retrieval.archive.walk import Seen
from retrieval.catalogue.listing import ListedFolder, Listing

GONE_AT = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def known(store):
    """The files of an archive as its catalogue has them."""
    rows = sql(store.folder, "SELECT path, size, mtime_ns FROM photo")
    return {path.decode(): Seen(path.decode(), size, mtime_ns) for path, size, mtime_ns in rows}


@pytest.fixture
def listing(store):
    """An empty listing, in a transaction that is undone in the end."""
    database = store.catalogue._database
    with database.connect() as connection:
        made = Listing(connection, database.dialect)
        made.create()
        yield made
        connection.rollback()
        connection.invalidate()


def states(listing):
    return {
        path.decode(): state
        for path, state in listing._connection.exec_driver_sql("SELECT path, state FROM photo").all()
    }


def test_what_is_unchanged_is_not_read(listing, known):
    listing.add(1, [*known.values(), Seen("new.jpg", 1, 1)])
    settled = listing.settle([ListedFolder("archive")], (), GONE_AT)
    assert (settled.unchanged, settled.returned, settled.failed, settled.pending) == (7, 0, 0, 1)
    assert [(row.path, row.photo_id) for row in listing.pending(0, 9)] == [("new.jpg", None)]
    assert set(states(listing).values()) == {"indexed"}


@pytest.mark.parametrize("change", [{"size": 1}, {"mtime_ns": 1}])
def test_another_size_or_time_is_read_again(listing, known, change):
    old = known["002.jpg"]
    known["002.jpg"] = Seen(old.relative, change.get("size", old.size), change.get("mtime_ns", old.mtime_ns))
    listing.add(1, known.values())
    assert listing.settle([ListedFolder("archive")], (), GONE_AT).pending == 1
    (row,) = listing.pending(0, 9)
    assert (row.path, row.photo_id is None) == ("002.jpg", False)


def test_what_was_not_listed_is_gone_but_not_in_a_folder_that_was_not_readable(listing, known):
    listing.add(1, [known["000.jpg"]])
    assert listing.count_missing(1, "") == 6
    assert listing.count_missing(1, "deep") == 1
    listing.settle([ListedFolder("archive", unreadable=("deep",))], (), GONE_AT)
    found = states(listing)
    assert (found.pop("000.jpg"), found.pop("deep/last.png")) == ("indexed", "indexed")
    assert set(found.values()) == {"gone"}
    # 000.jpg still has the content that it shares with copy.jpg; the other four are hidden.
    dead = listing._connection.exec_driver_sql("SELECT count(*) FROM content WHERE live = 0").scalar_one()
    assert dead == 4


def test_only_the_listed_folder_is_judged(listing, known):
    listing.add(1, [])
    listing.settle([ListedFolder("archive", "deep")], (), GONE_AT)
    found = states(listing)
    assert found.pop("deep/last.png") == "gone"
    assert set(found.values()) == {"indexed"}


def test_what_returns_unchanged_is_not_read(listing, known):
    execute = listing._connection.exec_driver_sql
    execute("UPDATE photo SET state = 'gone', gone_at = 'then'")
    execute("UPDATE content SET live = 0")
    listing.add(1, known.values())
    settled = listing.settle([ListedFolder("archive")], (), GONE_AT)
    assert (settled.returned, settled.unchanged, settled.pending) == (7, 0, 0)
    assert execute("SELECT count(*) FROM content WHERE live = 0").scalar_one() == 0
    assert execute("SELECT count(*) FROM photo WHERE gone_at IS NOT NULL").scalar_one() == 0


@pytest.mark.parametrize(("retry", "pending"), [((), 0), (("truncated",), 0), (("empty", "truncated"), 1)])
def test_what_failed_is_read_again_when_its_kind_is_retried(listing, known, retry, pending):
    execute = listing._connection.exec_driver_sql
    failed = "failure_kind = 'empty', failure = '', vector_row = NULL, norm = NULL, live = 0"
    execute(f"UPDATE content SET {failed} WHERE vector_row = 5")
    execute("UPDATE photo SET state = 'failed' WHERE path = ?", (b"deep/last.png",))
    listing.add(1, known.values())
    settled = listing.settle([ListedFolder("archive")], retry, GONE_AT)
    assert (settled.failed, settled.pending) == (1 - pending, pending)


def test_a_folder_knows_whether_anything_was_listed_in_it(listing, known):
    listing.add(1, [known["deep/last.png"]])
    assert listing.has_any_in(1, "deep")
    assert listing.has_any_in(1, "")
    assert not listing.has_any_in(1, "dee")
    assert not listing.has_any_in(2, "")
