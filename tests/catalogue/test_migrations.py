import sqlite3

import pytest
from sqlalchemy import inspect

from retrieval.catalogue.database import Database
from retrieval.catalogue.matches import Matches
from retrieval.catalogue.migrations import STEPS, migrate, pending
from retrieval.catalogue.tables import Base, ListedTable
from retrieval.errors import IndexFormatError


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "catalogue.sqlite")
    made.migrate()
    yield made
    made.close()


def test_tables_declare_what_migrations_create(database):
    with database.transaction() as connection:
        inspector = inspect(connection)
        for table in Base.metadata.sorted_tables:
            if table.name == ListedTable.__tablename__:
                continue
            found = {column["name"]: column for column in inspector.get_columns(table.name)}
            assert set(found) == set(table.columns.keys())
            for column in table.columns:
                ours, theirs = column.type.compile(connection.dialect), str(found[column.name]["type"])
                assert ours == theirs, f"{table.name}.{column.name}"
                assert found[column.name]["nullable"] == column.nullable or column.primary_key
        assert set(inspector.get_table_names()) == set(Base.metadata.tables) - {"listed"} | {"migration"}


def test_migrating_twice_does_nothing(database):
    assert database.migrate() == 0
    assert database.pending_migrations() == 0


def test_a_step_added_later_runs_once_and_keeps_the_data(database):
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO root (name) VALUES ('birds')")
    steps = (*STEPS, ("notes", ("ALTER TABLE root ADD COLUMN note TEXT",)))
    with database.transaction() as connection:
        assert pending(connection, steps) == 1
        assert migrate(connection, steps) == 1
        assert connection.exec_driver_sql("SELECT name, note FROM root").all() == [("birds", None)]
    with pytest.raises(IndexFormatError, match="upgrade retrieval"):
        database.pending_migrations()


def test_old_matches_stay_readable(tmp_path):
    database = Database(tmp_path / "catalogue.sqlite")
    before = [name for name, _ in STEPS].index("what would be lost between matches")
    with database.transaction() as connection:
        migrate(connection, STEPS[:before])
        for content in (1, 2):
            values = (content, bytes([content]), content - 1)
            connection.exec_driver_sql(
                "INSERT INTO content (id, hash, vector_row, norm, live) VALUES (?, ?, ?, 1, 1)", values
            )
        connection.exec_driver_sql("INSERT INTO picture_match VALUES (1, 2, 'near', 0.5, 0.75, 'cropped')")
    assert database.migrate() == len(STEPS) - before
    matches = Matches(database)
    assert matches.all() == [(1, 2, "near", 0.5, 0.75, "cropped", "", "", ())]
    assert matches.among([1, 2]) == {(1, 2), (2, 1)}
    database.close()


def test_a_step_that_fails_leaves_the_old_schema(database):
    steps = (*STEPS, ("broken", ("ALTER TABLE root ADD COLUMN note TEXT", "THIS IS NO SQL")))
    with pytest.raises(IndexFormatError), database.transaction() as connection:
        migrate(connection, steps)
    assert database.pending_migrations() == 0
    with sqlite3.connect(database.path) as connection:
        assert [row[1] for row in connection.execute("PRAGMA table_info(root)")] == ["id", "name"]


def test_readers_see_one_snapshot_while_a_writer_commits(database):
    with database.transaction() as reader:
        before = reader.exec_driver_sql("SELECT count(*) FROM root").scalar_one()
        with database.transaction() as writer:
            writer.exec_driver_sql("INSERT INTO root (name) VALUES ('birds')")
        assert reader.exec_driver_sql("SELECT count(*) FROM root").scalar_one() == before
    with database.transaction() as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM root").scalar_one() == before + 1


def test_a_read_only_folder_can_be_read(database, tmp_path):
    database.close()
    copy = Database(database.path, writable=False)  # a test may run as root, whom no permission stops
    with copy.transaction() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM photo").scalar_one() == 0
    copy.close()
