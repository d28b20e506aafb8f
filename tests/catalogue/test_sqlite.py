import sqlite3
from contextlib import closing

import numpy as np
import pytest
from catalogues import draw, write
from sqlalchemy import select

from retrieval.catalogue.database import Database
from retrieval.catalogue.sqlite import SQLITE
from retrieval.catalogue.tables import ContentTable, IgnoredPairTable, PhotoTable, SketchTable
from retrieval.errors import IndexFormatError, IndexLockedError, IndexProblem, Remedy


@pytest.fixture
def database(tmp_path):
    """A catalogue of 300 contents."""
    made = write(tmp_path / "catalogue.sqlite", draw(300, 1))
    yield made
    made.close()


def test_numbers_are_those_of_the_query(database):
    with database.transaction() as connection:
        gone = select(PhotoTable.id).where(PhotoTable.state == "gone")
        found = SQLITE.numbers(connection, gone)
        assert sorted(found.tolist()) == sorted(connection.execute(gone).scalars())
        assert len(found) > 10
        none = SQLITE.numbers(connection, gone.where(PhotoTable.id < 0))
        assert (none.tolist(), none.dtype) == ([], np.int64)


@pytest.mark.parametrize("count", [0, 1, 300, 100_000])
def test_any_number_of_ids_is_one_parameter(database, count):
    query = select(ContentTable.vector_row).where(SQLITE.any_of(ContentTable.vector_row, "rows"))
    wanted = np.arange(count) * 2
    with database.transaction() as connection:
        found = set(connection.execute(query, {"rows": SQLITE.ids(wanted)}).scalars())
    assert found == set(wanted.tolist()) & set(range(300))


def test_rows_are_added_replaced_or_left_alone(database):
    sketches = [{"content_id": 100 + number, "rules": 1, "vector": b"old"} for number in range(3)]
    with database.transaction() as connection:
        for statement in (SQLITE.add_if_new(SketchTable), SQLITE.add_or_replace(SketchTable)):
            connection.execute(statement, sketches[:2])
        connection.execute(SQLITE.add_if_new(SketchTable), [{**one, "vector": b"new"} for one in sketches])
        query = select(SketchTable.vector).order_by(SketchTable.content_id)
        assert list(connection.execute(query).scalars()) == [b"old", b"old", b"new"]
        connection.execute(SQLITE.add_or_replace(SketchTable), [{**one, "rules": 2} for one in sketches[1:]])
        found = connection.execute(select(SketchTable.rules, SketchTable.vector).order_by(SketchTable.content_id))
        assert found.all() == [(1, b"old"), (2, b"old"), (2, b"old")]
        connection.execute(SQLITE.add_if_new(IgnoredPairTable), [{"first": b"a", "second": b"b"}] * 2)


def test_the_version_changes_with_what_is_committed_and_only_then(database):
    def version():
        with database.transaction() as connection:
            return SQLITE.version(connection)

    first = version()
    assert version() == first
    with database.transaction() as connection:  # the very connection that was asked
        connection.exec_driver_sql("UPDATE content SET live = 1 - live WHERE id = 100")
    second = version()
    assert second != first
    with sqlite3.connect(database.path) as other:
        other.execute("UPDATE content SET live = 1 - live WHERE id = 100")
    other.close()
    third = version()
    assert third not in (first, second)
    assert version() == third


def test_versions_of_two_connections_differ(database):
    with database.transaction() as one, database.transaction() as other:
        assert SQLITE.version(one) != SQLITE.version(other)


def test_a_locked_database(database):
    with sqlite3.connect(database.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(IndexLockedError) as found, database.transaction() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
            connection.exec_driver_sql("UPDATE content SET live = 0")
        other.execute("ROLLBACK")
    other.close()
    assert found.value.remedy is Remedy.WAIT


def test_a_full_disk(database):
    with pytest.raises(IndexProblem) as found, database.transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.exec_driver_sql("UPDATE content SET failure = ?", ("x" * 10_000,))
    assert found.value.remedy is Remedy.FREE_SPACE


def test_a_table_named_locked_or_full_is_no_lock_and_no_full_disk(database):
    """What happened is told by the code, not by words that may stand in the message."""
    for name in ("locked", "full", "readonly"):
        with pytest.raises(IndexFormatError) as found, database.transaction() as connection:
            connection.exec_driver_sql(f"SELECT * FROM {name}")
        assert not isinstance(found.value, IndexLockedError)
        assert found.value.remedy is Remedy.RESTORE_OR_NEW_INDEX


def test_writing_where_nothing_can_be_written(database):
    database.close()
    fixed = Database(database.path, writable=False)
    with pytest.raises(IndexProblem) as found, fixed.transaction() as connection:
        connection.exec_driver_sql("UPDATE content SET live = 0")
    fixed.close()
    assert found.value.remedy is Remedy.COPY_TO_WRITABLE


@pytest.mark.parametrize("junk", [b"this is no database " * 300, b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_not_a_database(tmp_path, junk):
    (tmp_path / "catalogue.sqlite").write_bytes(junk)
    database = Database(tmp_path / "catalogue.sqlite")
    with pytest.raises(IndexFormatError) as found:
        database.pending_migrations()
    database.close()
    assert found.value.remedy is Remedy.RESTORE_OR_NEW_INDEX


@pytest.mark.parametrize("shared", [True, False], ids=["shared memory left", "none"])
def test_a_reader_without_a_log_notices_other_writers(tmp_path, shared):
    """A killed process can leave the log's index beside an empty log, or beside none."""
    path = tmp_path / "catalogue.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE one (n)")
        writer.execute("INSERT INTO one VALUES (1)")
    if shared:
        path.with_name("catalogue.sqlite-shm").write_bytes(bytes(32_768))
    engine = SQLITE.engine(path, writable=False)
    try:
        assert number(engine) == 1
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("UPDATE one SET n = 2")
        assert number(engine) == 2
    finally:
        engine.dispose()


def number(engine):
    with engine.begin() as connection:
        return connection.exec_driver_sql("SELECT n FROM one").scalar_one()
