"""What a database does on errors and in transactions; the errors are real ones of SQLite."""

import sqlite3

import pytest

from retrieval.catalogue.database import Database
from retrieval.errors import IndexFormatError, IndexLockedError, IndexProblem, Remedy


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


def test_a_transaction_that_fails_changes_nothing(database):
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM photo")
        _ = 1 / 0
    with database.transaction() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM photo").scalar_one() > 300


def test_questions_in_a_held_transaction_see_one_state(database):
    def count(questions):
        with questions.transaction() as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM photo").scalar_one()

    before = count(database)
    with database.held() as held:
        assert count(held) == before
        with sqlite3.connect(database.path) as other:
            other.execute("DELETE FROM photo")
        other.close()
        assert count(held) == before
        assert count(database) == 0
    assert count(database) == 0


def test_a_new_database_needs_every_step_once(tmp_path):
    database = Database(tmp_path / "catalogue.sqlite")
    with pytest.raises(IndexFormatError, match="is empty"):
        database.pending_migrations()
    assert database.migrate() == len(database.dialect.steps)
    assert (database.migrate(), database.pending_migrations()) == (0, 0)
    database.close()
