"""Hashes of an index that was made before version 0.2 become those of a new one."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from photos import archive, photo
from textures import saved, scaled, textured

from retrieval import Index
from retrieval.catalogue.database import Database
from retrieval.catalogue.migrations import STEPS, migrate
from retrieval.catalogue.rehash import rehash
from retrieval.errors import Interrupted
from retrieval.store import Store

OLD_STEPS = 4  # of version 0.1


def hashes(folder):
    with sqlite3.connect(folder / "catalogue.sqlite") as connection:
        found = dict(connection.execute("SELECT content_id, hash FROM preview"))
    connection.close()
    return found


def age(folder):
    """Turn an index into one of version 0.1, whose hashes say something else."""
    with sqlite3.connect(folder / "catalogue.sqlite") as connection:
        connection.execute("ALTER TABLE ignored_pair RENAME TO different")
        connection.execute("DROP INDEX picture_match_second")
        connection.execute("ALTER TABLE picture_match RENAME TO likeness")
        connection.execute("CREATE INDEX likeness_second ON likeness (second_id)")
        connection.execute("ALTER TABLE compared DROP COLUMN family_complete")
        connection.execute("DROP TABLE outdated_hash")
        connection.execute("ALTER TABLE preview RENAME TO look")
        connection.execute("UPDATE look SET hash = randomblob(8)")
        connection.execute("DELETE FROM migration WHERE step > ?", (OLD_STEPS,))
    connection.close()


@pytest.fixture
def photos(index, tmp_path):
    folder = archive(tmp_path / "a", 12)
    index.add(folder)
    index.close()
    return folder


@pytest.fixture
def fresh(index, photos):
    """What a new index has; the index is an old one from here on."""
    found = hashes(index.folder)
    assert len(found) == 12
    age(index.folder)
    return found


def waiting(folder):
    with sqlite3.connect(folder / "catalogue.sqlite") as connection:
        found = connection.execute("SELECT first_id, last_id, rules FROM outdated_hash").fetchall()
    connection.close()
    return found


def test_a_new_index_has_nothing_to_rehash(index, photos):
    assert waiting(index.folder) == []


def test_an_empty_old_index_has_nothing_to_rehash(tmp_path):
    database = Database(tmp_path / "catalogue.sqlite")
    for steps in (STEPS[:OLD_STEPS], STEPS):
        with database.transaction() as connection:
            migrate(connection, steps)
    database.close()
    assert waiting(tmp_path) == []


def test_opening_reads_no_thumbnail(index, fresh):
    old = hashes_of_old(index.folder)
    Store.open(index.folder).close()
    assert hashes(index.folder) == old
    assert waiting(index.folder) == [(0, max(fresh), 1)]


def hashes_of_old(folder):
    with sqlite3.connect(folder / "catalogue.sqlite") as connection:
        found = dict(connection.execute("SELECT content_id, hash FROM look"))
    connection.close()
    return found


@pytest.mark.parametrize("work", ["index", "find"])
def test_the_next_run_makes_them_what_a_new_index_has(index, photos, fresh, work):
    photo(photos / "new.jpg", 99)
    with Index.open(index.folder) as again:
        if work == "index":
            again.add()
        else:
            again.duplicates()
    found = hashes(index.folder)
    assert {content: found[content] for content in fresh} == fresh
    assert waiting(index.folder) == []


def test_a_stop_keeps_what_is_done(index, fresh):
    store = Store.open(index.folder)

    def stop(progress):
        assert (progress.done, progress.total) == (6, 13)  # ids from 0 on
        raise Interrupted

    with pytest.raises(Interrupted):
        rehash(store.catalogue.previews, stop, batch=5)
    found = hashes(index.folder)
    done = [content for content in fresh if found[content] == fresh[content]]
    assert done == sorted(fresh)[:5]
    assert rehash(store.catalogue.previews, batch=5) == 7
    assert rehash(store.catalogue.previews) == 0
    assert hashes(index.folder) == fresh
    store.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from retrieval.catalogue.rehash import rehash
from retrieval.store import Store

def kill(now):
    if now.done > 6:
        os.kill(os.getpid(), signal.SIGKILL)

rehash(Store.open(Path(sys.argv[1])).catalogue.previews, kill, batch=3)
"""


@pytest.mark.skipif(os.name == "nt", reason="no such signal there")
def test_a_kill_keeps_what_is_done(index, fresh):
    killed = subprocess.run([sys.executable, "-c", KILLED, index.folder], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert waiting(index.folder) == [(7, 12, 1)]
    store = Store.open(index.folder)
    assert rehash(store.catalogue.previews) == 6
    assert hashes(index.folder) == fresh
    store.close()


def test_a_damaged_thumbnail_is_made_again(index, photos, fresh):
    with sqlite3.connect(index.folder / "catalogue.sqlite") as connection:
        connection.execute("UPDATE look SET thumbnail = x'ffd8ff' WHERE content_id IN (2, 12)")
    connection.close()
    with Index.open(index.folder) as again:
        again.add()
        assert hashes(index.folder).keys() == fresh.keys() - {2, 12}
        assert again.thumbnail(photos / "001.jpg") is None
        again.duplicates()
        assert hashes(index.folder).keys() == fresh.keys()
        assert again.thumbnail(photos / "001.jpg")


def test_hashes_of_different_rules_are_not_compared(index, tmp_path):
    """A reader has no lock to rehash under, and one picture in two sizes may have come before and after."""
    first = saved(textured(1), tmp_path / "a" / "first.jpg", quality=95)
    second = saved(scaled(0.5)(textured(1)), tmp_path / "a" / "second.jpg", quality=90)
    index.add(tmp_path / "a")
    hidden = {"hide_duplicates": True, "k": 2}
    assert len(index.query(first, **hidden).hits) == 1

    def outdated(first_id, last_id):
        with sqlite3.connect(index.folder / "catalogue.sqlite") as connection:
            connection.execute("DELETE FROM outdated_hash")
            connection.execute("INSERT INTO outdated_hash VALUES (?, ?, 1)", (first_id, last_id))
        connection.close()
        return [hit.path for hit in index.query(first, **hidden).hits]

    assert outdated(0, 1) == [first, second]
    assert outdated(0, 2) == [first]
    assert outdated(3, 9) == [first]
