import os

import pytest
from sqlalchemy import select

from retrieval.catalogue.conditions import DEAD, HAS_VECTOR, LIVE, below, has, in_use
from retrieval.catalogue.tables import ContentTable, PhotoTable, PreviewTable

NAMES = ["a.jpg", "a/b.jpg", "a/b/c.jpg", "a0/x.jpg", "a.b/x.jpg", "a-/x.jpg", "aa/x.jpg", "a/\udcff.jpg", "A/x.jpg"]


@pytest.fixture
def named(database):
    """The same catalogue, with files of these names only."""
    with database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM photo")
        for name in NAMES:
            connection.exec_driver_sql(
                "INSERT INTO photo (root_id, path, size, mtime_ns, content_id, state)"
                " VALUES (1, ?, 1, 1, 100, 'indexed')",
                (os.fsencode(name),),
            )
    return database


@pytest.mark.parametrize("folder", ["", "a", "a/b", "a0", "none", "a/"])
def test_below_is_what_begins_with_the_folder_and_a_slash(named, folder):
    with named.transaction() as connection:
        found = set(connection.execute(select(PhotoTable.path).where(*below(folder))).scalars())
    assert found == {name for name in NAMES if not folder or name.startswith(f"{folder}/")}


def test_live_and_dead_part_the_contents_with_a_vector(database):
    def rows(connection, *conditions):
        return set(connection.execute(select(ContentTable.vector_row).where(*conditions)).scalars())

    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO content (hash, live, failure_kind) VALUES (x'00', 0, 'empty')")
        every, live, dead = (rows(connection, one) for one in (HAS_VECTOR, LIVE, DEAD))
        assert every == set(range(300))
        assert live and dead and not live & dead
        assert live | dead == every
        assert rows(connection, in_use()) == live


def test_has_finds_contents_with_a_row_elsewhere(database):
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO preview VALUES (101, x'00', x'00'), (105, x'01', x'00')")
        found = connection.execute(select(ContentTable.id).where(has(PreviewTable))).scalars().all()
        assert found == [101, 105]
        chosen = has(PreviewTable, PreviewTable.hash == b"\1")
        assert connection.execute(select(ContentTable.id).where(chosen)).scalars().all() == [105]
