import sqlite3
from contextlib import closing

import numpy as np
import pytest
from sqlalchemy import select

from retrieval.catalogue.sqlite import SQLITE
from retrieval.catalogue.tables import ContentTable, IgnoredPairTable, PhotoTable, SketchTable


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
