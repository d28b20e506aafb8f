"""The part `growth`: what a card of photos costs a large index, in time and in bytes, until its tail is merged."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from retrieval import Index
from retrieval.records import Progress, Report
from retrieval.store import VECTORS_NAME
from scale.bench import Bench, megabytes, one_by_one, say, table
from scale.given import opened

CARD = 500  # photos
LARGER = 20  # the cards after it: so many of them would double ...
CARDS = 6  # ... the index; no more of them than this

Files = dict[str, os.stat_result]


@dataclass(frozen=True, slots=True)
class Added:
    """One card that was added."""

    rows: int
    seconds: float
    building_s: float  # of them, after the last row was recorded: what search needed
    tail: int  # rows outside the IVF afterwards
    query_ms: float
    written_bytes: int | None  # by this process
    changes: str


def run(bench: Bench) -> None:
    """Print the table: one card of 500, then large ones until the tail is merged."""
    bench.our_build(bench.folder, bench.made.rows)
    folder = bench.work / f"{bench.stem}.grown"
    try:
        _copy(bench.folder, folder)
        cards = list(_cards(bench, folder))
        head = ("rows added", "s", "of it search s", "rows in the tail", "query ms", "written MB")
        table("growth, through Index.add without the network", head, map(_line, cards))
        for added in cards[1:]:
            own = 2 * bench.made.dimension * added.rows
            print(f"{added.rows:,} rows, whose vectors are {own / 1e6:.1f} MB: {added.changes}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(_photos(folder), ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """The index with files of its own, for vectors are linked."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    assert not (target / VECTORS_NAME).samefile(source / VECTORS_NAME)


def _cards(bench: Bench, folder: Path) -> Iterator[Added]:
    larger = max(CARD, bench.made.rows // LARGER)
    sizes = [CARD] + [larger] * CARDS
    with opened(folder, bench.made.later()) as index:
        queries = bench.queries[: bench.singles]
        yield Added(0, 0.0, 0.0, index.status().search.tail, _query_ms(index, queries, bench.k), 0, "")
        before = index.status().search.tail
        for number, size in enumerate(sizes):
            yield (added := _add(bench, index, number, size))
            if added.tail < before + size and number:
                return
            before = added.tail


def _add(bench: Bench, index: Index, number: int, size: int) -> Added:
    card = _photos(index.folder) / f"card{number}"
    card.mkdir(parents=True)
    for photo in range(size):
        (card / f"{number}-{photo:06}.jpg").write_bytes(b"a photo")
    say(f"adding {size:,} rows")
    files, written = _files(index.folder), _written()
    building = 0.0

    def progress(state: Progress) -> None:
        nonlocal building
        building = time.perf_counter() if state.phase == "building" and not building else building

    begun = time.perf_counter()
    report: Report = index.add(card, progress=progress)
    ended = time.perf_counter()
    after = _written()
    if report.added != size:
        raise SystemExit(f"{report.added} of {size} photos were added")
    return Added(
        size,
        ended - begun,
        ended - building,
        index.status().search.tail,
        _query_ms(index, bench.queries[: bench.singles], bench.k),
        None if after is None or written is None else after - written,
        changes(files, _files(index.folder)),
    )


def changes(before: Files, after: Files) -> str:
    """Which files grew or shrank, by how much, and which were written anew, in words, the largest first."""
    words = []
    for name, now in sorted(after.items(), key=lambda item: -item[1].st_size):
        was = before.get(name)
        if was is None or was.st_ino != now.st_ino:
            words.append(f"{name} written anew, {megabytes(now.st_size)} MB")
        elif now.st_size != was.st_size:
            words.append(f"{name} {(now.st_size - was.st_size) / 1e6:+,.2f} MB")
        elif now.st_mtime_ns != was.st_mtime_ns:
            words.append(f"{name} changed in place")
    return ", ".join(words)


def _line(added: Added) -> list[str]:
    figures = [f"{added.seconds:.2f}", f"{added.building_s:.2f}"] if added.rows else ["-", "-"]
    written = "-" if added.written_bytes is None else f"{added.written_bytes / 1e6:.1f}"
    name = f"{added.rows:,}" if added.rows else "before"
    return [name, *figures, f"{added.tail:,}", f"{added.query_ms:.2f}", written]


def _query_ms(index: Index, queries: object, k: int) -> float:
    return one_by_one(lambda query: index.query(query[0], k), queries)


def _files(folder: Path) -> Files:
    return {path.name: path.stat() for path in sorted(folder.iterdir()) if path.is_file()}


def _written() -> int | None:
    """Bytes that this process had the system write, where it counts them."""
    try:
        return int(psutil.Process().io_counters().write_bytes)
    except (AttributeError, NotImplementedError, psutil.AccessDenied, OSError):
        return None


def _photos(folder: Path) -> Path:
    return folder.with_name(folder.name + "-photos")
