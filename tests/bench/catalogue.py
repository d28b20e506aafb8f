"""The catalogue at size: what opening, status, look-ups, inserts and an unchanged archive cost, beside bare sqlite3.

python tests/bench/catalogue.py --rows 1000000
"""

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from catalogue_rows import ROOT, Shape, fill

from retrieval.archive.walk import Seen
from retrieval.catalogue.listing import ListedFolder
from retrieval.records import Embedding, Facts, Outcome, Prediction, Preview, Source
from retrieval.store import Store

BATCH = 500  # records of an insert
HITS = 20
TIMES = 30
WIDTH = 34
LISTED_AT_ONCE = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dead", type=float, default=0.0, help="share of rows whose photos are gone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="keep the index here, and use it again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.work or Path(scratch)) / f"catalogue-{arguments.rows}-{arguments.dead}"
        if not (folder / "index.json").exists():
            shape = Shape(dead=arguments.dead)
            seconds = timed(lambda: fill(folder, arguments.rows, arguments.seed, shape=shape))
            print(f"{arguments.rows:,} rows made in {seconds:.0f} s")
        size = (folder / "catalogue.sqlite").stat().st_size
        print(f"catalogue.sqlite: {size / 1e6:,.0f} MB, pictures' looks without thumbnails\n")
        print(f"{'milliseconds, median':{WIDTH}}{'ours':>10}{'sqlite3':>10}")
        measure(folder, arguments.rows)


def measure(folder: Path, rows: int) -> None:
    """Print a line for each thing that is done."""
    draw = np.random.default_rng(7)
    path = folder / "catalogue.sqlite"
    status = [sys.executable, "-m", "retrieval", "status", "--index", str(folder)]
    python = [sys.executable, "-c", f"import sqlite3; sqlite3.connect({str(path)!r}).execute({COUNTS!r}).fetchall()"]
    line("status, whole process", lambda: run(status), lambda: run(python), times=5)
    line("open", lambda: Store.open(folder).close(), lambda: bare(path).close())
    store, plain = Store.open(folder), bare(path)
    catalogue = store.catalogue
    line("counts", catalogue.photos.counts, lambda: plain.execute(COUNTS).fetchall())
    line("selection, first", lambda: forgetful(store), lambda: plain.execute(DEAD).fetchall(), times=5)
    line("selection, again", lambda: select(store), lambda: plain.execute("PRAGMA data_version").fetchall())

    def some(count: int) -> list[int]:
        return draw.integers(0, rows, count).tolist()  # type: ignore[no-any-return]

    for queries in (1, 256):
        count = HITS * queries
        label = f"photos of {HITS} hits" if queries == 1 else f"photos of {queries} x {HITS} hits"
        line(label, lambda n=count: catalogue.photos.of_rows(some(n)), lambda n=count: look_up(plain, some(n)))
    digests = [draw.bytes(32) for _ in range(2 * TIMES)]
    line(
        "knows",
        lambda: catalogue.contents.is_settled(digests.pop()),
        lambda: plain.execute(KNOWN, (digests[0],)).fetchall(),
    )
    files = plain.execute(FILES, (max(1, rows // (2 * TIMES)),)).fetchall()
    line("stored_at", lambda: at_place(store, files.pop()), lambda: plain.execute(PLACED, files[0]).fetchall())
    inserts(store, plain, rows, draw)
    unchanged(store, plain)
    store.close()
    plain.close()


COUNTS = "SELECT state, count(*) FROM photo GROUP BY state"
DEAD = "SELECT vector_row FROM content WHERE live = 0 AND vector_row IS NOT NULL"
KNOWN = "SELECT failure_kind FROM content WHERE hash = ?"
FILES = "SELECT path, size, mtime_ns FROM photo WHERE state = 'indexed' AND id % ? = 0"
PLACED = (
    "SELECT vector_row, norm FROM photo JOIN content ON content.id = content_id "
    "WHERE root_id = 1 AND path = ? AND size = ? AND mtime_ns = ?"
)
LOOKED_UP = (
    "SELECT vector_row, path, species, probability, taken_at FROM content JOIN photo ON content_id = content.id "
    "WHERE state = 'indexed' AND vector_row IN ({})"
)


def inserts(store: Store, plain: sqlite3.Connection, rows: int, draw: np.random.Generator) -> None:
    """Batches of new records, one transaction each; taken out again."""
    first = [rows]
    with store.catalogue.indexing_run() as run:

        def ours() -> None:
            run.record([outcome(first[0] + number, draw) for number in range(BATCH)], first[0])
            first[0] += BATCH

        def theirs() -> None:
            contents = [(draw.bytes(32), first[0] + number, 1.0, "species", 0.5) for number in range(BATCH)]
            photos = [(f"bench/{first[0] + number}".encode(), 1, 1) for number in range(BATCH)]
            with plain:
                plain.execute("BEGIN")
                plain.executemany(
                    "INSERT INTO content (hash, vector_row, norm, species, probability) VALUES (?, ?, ?, ?, ?)",
                    contents,
                )
                plain.executemany(
                    "INSERT INTO photo (root_id, path, size, mtime_ns, content_id, state) "
                    "VALUES (1, ?, ?, ?, last_insert_rowid(), 'indexed')",
                    photos,
                )
            first[0] += BATCH

        line(f"insert of {BATCH} records", ours, theirs, times=8)
    with plain:
        plain.execute("DELETE FROM photo WHERE path >= x'62656e63682f' AND path < x'62656e636830'")
        plain.execute("DELETE FROM preview WHERE content_id IN (SELECT id FROM content WHERE vector_row >= ?)", (rows,))
        plain.execute("DELETE FROM content WHERE vector_row >= ?", (rows,))


def unchanged(store: Store, plain: sqlite3.Connection) -> None:
    """A run over an archive in which nothing has changed, without the walk over its files."""
    listing = plain.execute("SELECT path, size, mtime_ns FROM photo WHERE state <> 'gone'").fetchall()
    seen = [Seen(os.fsdecode(path), size, mtime_ns) for path, size, mtime_ns in listing]

    def ours() -> None:
        with store.catalogue.indexing_run() as run:
            for _ in run.add_listed(ROOT, seen):
                pass
            settled = run.settle([ListedFolder(ROOT)])
        assert settled.unchanged > 0.9 * len(seen)

    def theirs() -> None:
        plain.execute("CREATE TEMPORARY TABLE listed (path BLOB, size INTEGER, mtime_ns INTEGER)")
        plain.execute("BEGIN")
        plain.executemany("INSERT INTO listed VALUES (?, ?, ?)", listing)
        plain.execute("COMMIT")
        same = "SELECT count(*) FROM listed JOIN photo USING (path, size, mtime_ns) WHERE root_id = 1"
        assert plain.execute(same).fetchone()[0] == len(listing)
        plain.execute("DROP TABLE listed")

    line(f"unchanged listing of {len(seen):,}", ours, theirs, times=1)


def outcome(row: int, draw: np.random.Generator) -> Outcome:
    """A photo that was read, with everything but its vector."""
    source = Source(ROOT, f"bench/{row}", 1, 1)
    predictions = (Prediction("species 001", 0.5),)
    embedding = Embedding(np.empty(0, np.float32), 1.0, predictions)
    facts, preview = Facts("JPEG", 6000, 4000), Preview(draw.bytes(8), b"")
    return Outcome(source, Path(source.relative), 1, 1, draw.bytes(32), facts, preview, embedding)


def forgetful(store: Store) -> None:
    """What search may find, on a connection that has not asked for it before."""
    store.catalogue.close()
    select(store)


def select(store: Store) -> None:
    """What search may find."""
    with store.snapshot() as now:
        now.selection()


def at_place(store: Store, file: tuple[bytes, int, int]) -> None:
    assert store.catalogue.contents.of_file(ROOT, os.fsdecode(file[0]), *file[1:])


def look_up(plain: sqlite3.Connection, rows: list[int]) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(rows), 500):
        some = rows[start : start + 500]
        found += plain.execute(LOOKED_UP.format(", ".join("?" * len(some))), some).fetchall()
    return found


def bare(path: Path) -> sqlite3.Connection:
    plain = sqlite3.connect(path, isolation_level=None)
    plain.execute("PRAGMA cache_size = -65536")
    plain.execute("PRAGMA synchronous = NORMAL")
    return plain


def run(words: list[str]) -> None:
    subprocess.run(words, check=True, capture_output=True)


def line(what: str, ours: Callable[[], object], theirs: Callable[[], object], times: int = TIMES) -> None:
    """Both in turn, so that what else the machine does meets both."""
    pairs = [(timed(ours), timed(theirs)) for _ in range(times)]
    medians = [1_000 * statistics.median(column) for column in zip(*pairs, strict=True)]
    print(f"{what:{WIDTH}}{medians[0]:>10,.2f}{medians[1]:>10,.2f}", flush=True)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
