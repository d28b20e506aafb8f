import sqlite3
import threading

import numpy as np
import pytest
from bench.catalogue_rows import Shape, fill
from photos import archive, photo, scene

from retrieval import Index
from retrieval.store import Store


@pytest.fixture
def store(tmp_path):
    """An index of 2,000 made-up contents, a tenth of them dead."""
    folder = tmp_path / "made"
    folder.mkdir()
    vectors = np.random.default_rng(0).standard_normal((2_000, 8)).astype(np.float32)
    (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f2").tofile(folder / "vectors.f16")
    opened = Store.open(fill(folder, 2_000, dimension=8, shape=Shape(dead=0.1)).folder)
    yield opened
    opened.close()


def test_a_made_up_index_is_sound(store):
    with Index.open(store.folder) as index:
        assert index.verify().problems == ()
        status = index.status()
    assert status.counts.vectors == 2_000
    assert 100 < status.counts.dead < 300
    assert status.counts.indexed + status.counts.gone >= 2_000
    assert status.counts.failed == sum(status.failures.values())


def test_counts_are_those_of_the_rows(store):
    with sqlite3.connect(store.folder / "catalogue.sqlite") as connection:
        states = dict(connection.execute("SELECT state, count(*) FROM photo GROUP BY state"))
        dead = connection.execute("SELECT vector_row FROM content WHERE live = 0 ORDER BY vector_row").fetchall()
    counts = store.catalogue.photos.counts()
    assert {"indexed": counts.indexed, "failed": counts.failed, "gone": counts.gone} == states
    assert store.catalogue.contents.dead_rows().tolist() == [row for (row,) in dead]
    assert counts.dead == len(dead)


def test_no_question_of_a_query_begins_with_the_whole_table(store):
    """What SQLite answers by looking a row up stays as fast at a million rows."""
    asked = []
    with store.catalogue._database.transaction() as connection:
        connection.connection.dbapi_connection.set_trace_callback(asked.append)
    catalogue = store.catalogue
    catalogue.photos.of_rows([1, 2, 3])
    catalogue.contents.with_hash(b"x" * 32)
    catalogue.contents.of_file("archive", "a.jpg", 1, 2)
    catalogue.contents.is_settled(b"x" * 32)
    catalogue.contents.vectors()
    plain = sqlite3.connect(store.folder / "catalogue.sqlite")
    questions = [statement for statement in asked if statement.lstrip().startswith("SELECT")]
    assert len(questions) == 5
    for question in questions:
        plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {question}")]
        assert not [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE" not in step], (question, plan)
        assert "photo_absent" not in str(plan)
    for state in ("gone", "failed"):
        plan = str(plain.execute(f"EXPLAIN QUERY PLAN SELECT count(*) FROM photo WHERE state = '{state}'").fetchall())
        assert "COVERING INDEX photo_absent" in plan
    dead = "SELECT vector_row FROM content WHERE live = 0 AND vector_row IS NOT NULL"
    assert "COVERING INDEX content_dead" in str(plain.execute(f"EXPLAIN QUERY PLAN {dead}").fetchall())
    plain.close()


def test_dead_rows_cannot_be_changed(store):
    with pytest.raises(ValueError, match="read-only"):
        store.catalogue.contents.dead_rows()[0] = 1


def test_a_snapshot_stays_as_it_is_while_a_run_changes_everything(index, tmp_path):
    folder = archive(tmp_path / "a", 6)
    index.add(folder)
    store = Store.open(index.folder)
    with store.snapshot() as now:
        rows = now.catalogue.contents.vectors()
        (folder / "000.jpg").unlink()  # a row dies
        (folder / "001.jpg").rename(folder / "moved.jpg")
        photo(folder / "new.jpg", 77)  # a row is appended
        report = index.add(folder)
        assert (report.added, report.moved, report.gone) == (1, 1, 1)
        assert (now.catalogue.contents.vectors(), now.catalogue.contents.dead_rows().tolist()) == (rows, [])
        assert now.catalogue.photos.counts().indexed == 6
        names = {one.relative for photos in now.catalogue.photos.of_rows(range(rows + 1)).values() for one in photos}
        assert names == {f"{number:03}.jpg" for number in range(6)}
    assert (store.catalogue.contents.vectors(), store.catalogue.contents.dead_rows().tolist()) == (rows + 1, [0])
    names = {one.relative for photos in store.catalogue.photos.of_rows(range(rows + 1)).values() for one in photos}
    assert names == {"002.jpg", "003.jpg", "004.jpg", "005.jpg", "moved.jpg", "new.jpg"}
    store.close()


def test_each_answer_is_of_one_state_while_a_writer_goes_on(index, tmp_path):
    """Photos come and go together: whoever asks sees all of one state, never some of each."""
    folder, aside = archive(tmp_path / "a", 12), tmp_path / "aside"
    index.add(folder)
    names = sorted(folder.iterdir())
    states = [{path.name for path in names}, {path.name for path in names[6:]}]
    stop = threading.Event()

    def write() -> None:
        with Index.open(index.folder) as writer:
            while not stop.is_set():
                for source, target in ((folder, aside), (aside, folder)):
                    target.mkdir(exist_ok=True)
                    for path in names[:6]:
                        (source / path.name).rename(target / path.name)
                    writer.add(folder)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        asked = [scene(seed) for seed in range(4)]
        seen = [{hit.path.name for hit in one.hits} for _ in range(40) for one in index.query_many(asked, k=20)]
    finally:
        stop.set()
        thread.join()
    assert all(names in states for names in seen)


def test_nothing_is_held_between_batches(index, tmp_path):
    """A stream of a hundred thousand questions must not keep the log from being taken up into the database."""
    folder = archive(tmp_path / "a", 3)
    index.add(folder)
    answers = index.query_many([scene(seed) for seed in range(40)], k=1)
    next(answers)
    with sqlite3.connect(index.folder / "catalogue.sqlite") as other:
        other.execute("INSERT INTO root (name) VALUES ('another')")
        other.commit()
        busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0
    assert len(list(answers)) == 39
