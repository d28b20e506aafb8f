"""The truth held against itself: counts, vectors, masks, the search index, and on request every file's bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrieval.archive.content import hash_file
from retrieval.catalogue.integrity import Contradiction
from retrieval.engines.protocol import INT8
from retrieval.errors import IndexFormatError, Remedy
from retrieval.lock import writing
from retrieval.manifest import MANIFEST_NAME
from retrieval.models.head import HEAD_NAME
from retrieval.records import Progress, Rows
from retrieval.store import Store
from retrieval.text import format_count

ROWS_AT_ONCE = 65_536
# A unit vector rounded to half precision keeps its length within 2^-11 of 1; twice that is damage.
LENGTH_TOLERANCE = 2.0**-10

Place = Literal["catalogue", "vectors", "masks", "search", "network", "head", "files"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold, and what to do about it."""

    place: Place
    what: str
    remedy: Remedy


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, what is wrong, and what was repaired."""

    vectors: int
    files: int  # whose bytes were read; 0 unless asked
    problems: tuple[Problem, ...]
    repaired: tuple[Problem, ...] = ()

    @property
    def sound(self) -> bool:
        """Nothing is wrong, or everything was repaired."""
        return not self.problems


def verify(
    store: Store,
    *,
    hashes: bool = False,
    repair: bool = False,
    progress: Callable[[Progress], None] = lambda _progress: None,
) -> Verification:
    """Check an index, and with `repair` derive again what can be; `hashes` reads every indexed file as well.

    Holds the writer's lock: a run in progress would look like damage.
    """
    with writing(store.folder):
        problems = list(_problems(store))
        repaired: list[Problem] = []
        if repair and problems:
            _repair(store)
            left = list(_problems(store))
            repaired = [problem for problem in problems if problem not in left]
            problems = left
        read = list(_changed_files(store, progress)) if hashes else []
        problems += [problem for problem in read if problem]
        return Verification(store.catalogue.contents.vectors(), len(read), tuple(problems), tuple(repaired))


def _problems(store: Store) -> Iterator[Problem]:
    for one in store.catalogue.integrity.findings():
        what = f"{one.count:,} {one.kind.value.replace('-', ' ')}"
        place: Place = "masks" if one.kind is Contradiction.WRONG_MASKS else "catalogue"
        yield Problem(place, what, Remedy.REPAIR if place == "masks" else Remedy.RESTORE)
    rows, present = store.catalogue.contents.vectors(), store.vectors.count()
    if present > rows or store.vectors.has_partial_row():
        yield Problem(
            "vectors", f"vectors.f16 has {present - rows:,} rows that no photo was recorded for", Remedy.REPAIR
        )
    if present < rows:
        yield Problem("vectors", f"vectors.f16 has {present:,} of {rows:,} rows", Remedy.REPAIR_AND_UPDATE)
        return
    damaged = damaged_rows(store, rows)
    if len(damaged):
        what = f"{format_count(len(damaged), 'damaged vector')}, the first in row {damaged[0]}"
        yield Problem("vectors", what, Remedy.REPAIR_AND_UPDATE)
    for wrong in store.search.check(rows, store.catalogue.contents.dead_rows()):
        yield Problem("search", wrong.what, Remedy.REPAIR)
    if store.calibrated_network:
        try:
            store.calibrated_network.facts()
        except IndexFormatError as error:
            yield Problem("network", error.what, Remedy.RESTORE_NETWORK)
    elif rows and store.manifest.model.precision == INT8:
        yield Problem("network", f"{MANIFEST_NAME} does not name the calibrated network", Remedy.RESTORE)
    if store.head is None and store.manifest.model.classes:
        what = f"{HEAD_NAME} is missing: species of stored photos cannot be listed in full"
        yield Problem("head", what, Remedy.UPDATE_INDEX)


def damaged_rows(store: Store, rows: int) -> Rows:
    """Return the live rows that are not unit vectors: (n,) int64."""
    vectors = store.vectors.read(rows)
    bad = []
    for start in range(0, rows, ROWS_AT_ONCE):
        lengths = np.linalg.norm(vectors[start : start + ROWS_AT_ONCE].astype(np.float32), axis=1)
        bad.append(start + np.flatnonzero(~(np.abs(lengths - 1) <= LENGTH_TOLERANCE)))
    damaged = np.concatenate([*bad, np.empty(0, np.int64)]).astype(np.int64)
    return np.setdiff1d(damaged, store.catalogue.contents.dead_rows())


def _repair(store: Store) -> None:
    """Derive again what can be: cut leftovers, disown lost vectors, derive masks and the search index again."""
    store.vectors.truncate(min(store.vectors.count(), store.catalogue.contents.vectors()))
    store.catalogue.integrity.remove_from(store.vectors.count())
    rows = store.catalogue.contents.vectors()
    store.catalogue.integrity.give_up(damaged_rows(store, rows).tolist())
    store.catalogue.integrity.refresh_masks()
    store.search.rebuild(rows, store.catalogue.contents.dead_rows())


def _changed_files(store: Store, progress: Callable[[Progress], None]) -> Iterator[Problem | None]:
    """Read every indexed file that is present; a changed one with its old size and time is silent damage."""
    total = store.catalogue.photos.counts().indexed
    for number, file in enumerate(store.catalogue.files.hashed(), start=1):
        path = store.manifest.path_of(file.root, file.relative)
        problem = None
        try:
            facts = path.stat()
            if (facts.st_size, facts.st_mtime_ns) != (file.size, file.mtime_ns):
                problem = Problem("files", f"{path} has changed since it was indexed", Remedy.UPDATE_INDEX)
            elif hash_file(path) != file.hash:
                what = f"{path} has other bytes than when it was indexed, at the same size and time"
                problem = Problem("files", what, Remedy.COMPARE_WITH_BACKUP)
        except OSError as error:
            problem = Problem("files", f"{path} cannot be read: {error.strerror}", Remedy.UPDATE_INDEX)
        progress(Progress("hashing", number, total, path=path))
        yield problem
