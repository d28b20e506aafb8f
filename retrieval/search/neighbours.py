"""The nearest vectors of an index folder: IVF for the rows it knows, exact search for those that came later.

The one thing that the rest of the library asks. It decides when `ivf.faiss` is made, grown or made anew, and
loads FAISS only where there is such a file to read or write. Which rows are committed and which of them are
dead is for the catalogue to say.
"""

import math
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.errors import IndexFormatError
from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.measurement import SAMPLE, LeaveOneOut, Measurement, margin
from retrieval.vectors import DERIVED, HalfVectors, VectorFile

if TYPE_CHECKING:
    from retrieval.search.ivf import IvfIndex

IVF_NAME = "ivf.faiss"
TARGET_RECALL = 0.99
K = 20  # where recall is measured

SMALL = 10_000  # rows: up to here making the index anew takes about a second
GROWTH = 0.1  # how much the tail may grow: a share of the trained rows ...
LARGE_TAIL = 2_000  # ... but in a large index this many rows, which exact search passes in milliseconds
RETRAIN = 4  # times the trained rows: a new index would have twice as many lists

Stamp = tuple[int, ...]  # what changes when a file is replaced


@dataclass(frozen=True, slots=True)
class IvfStatus:
    """What there is to say of an index's IVF; all zeros and None where every row is searched exactly."""

    tail: int  # committed rows outside the IVF, searched exactly
    rows: int = 0  # in the IVF
    trained_rows: int = 0  # there were when its lists were made
    lists: int = 0
    nprobe: int = 0
    recall: float | None = None  # as measured, at k
    target_recall: float | None = None
    k: int | None = None
    size_bytes: int = 0  # of ivf.faiss


class Neighbours:
    """The vectors of `folder`, searchable. Any number of threads may search; one process refreshes."""

    def __init__(self, folder: Path, vectors: VectorFile) -> None:
        self._path = folder / IVF_NAME
        self._measurement = self._path.with_suffix(".json")  # replaced a moment after it
        self._vectors = vectors
        self._lock = threading.Lock()
        self._loaded: tuple[Stamp, IvfIndex] | None = None

    def search(self, queries: Vectors, k: int, *, rows: int, dead: Rows) -> exact.Found:
        """The k nearest of the first `rows` rows to each of (m, d) queries, without the dead ones.

        Scores (m, k) descend; where fewer than k rows are alive, score -inf and row -1 follow them. Raises
        IndexFormatError for a broken `ivf.faiss`, or a vector file with fewer than `rows` rows.
        """
        vectors = self._vectors.read(rows)
        dead = exact.distinct(dead, rows)
        ivf = self._current(rows)
        if ivf is None:
            return exact.search(vectors, queries, k, rows=_alive(0, rows, dead))
        inside = self._search_ivf(ivf, vectors, queries, k, dead[dead < ivf.rows])
        alive = _alive(ivf.rows, rows, dead)
        tail = exact.search(vectors[ivf.rows :], queries, k, rows=alive, first_row=ivf.rows)
        return exact.merge(inside, tail, k)

    def refresh(self, rows: int, *, target_recall: float = TARGET_RECALL, k: int = K) -> Measurement | None:
        """What the writer calls when `rows` rows are committed: make, grow or renew the IVF if that is due.

        Returns the measurement in force, None where there are no rows. Small additions to a large index
        stay in the tail, so that they rewrite no large file. Raises OSError on a full disk: the index then
        is as it was.
        """
        ivf = self._usable(rows)
        if rows == 0 or ivf is None:
            return self.rebuild(rows, target_recall=target_recall, k=k)
        tail = rows - ivf.rows
        if tail > _tail_limit(ivf, rows):
            if rows <= SMALL or rows >= RETRAIN * ivf.trained_rows:
                return self.rebuild(rows, target_recall=target_recall, k=k)
            return self._grow(rows, target_recall, k)
        measured = ivf.measurement
        if measured is None or (measured.target_recall, measured.k) != (target_recall, k):
            return self._grow(ivf.rows, target_recall, k)
        return measured

    def rebuild(self, rows: int, *, target_recall: float = TARGET_RECALL, k: int = K) -> Measurement | None:
        """Make the IVF anew from the first `rows` rows of the vector file, whatever there was.

        Also for whoever cut committed rows off: an IVF that was made before would go on naming them.
        """
        if rows == 0:
            for path in (self._path, self._measurement):
                path.unlink(missing_ok=True)
            return None
        from retrieval.search.ivf import IvfIndex

        ivf = IvfIndex.build(self._vectors.read(rows), target_recall=target_recall, k=k)
        ivf.save(self._path)
        return ivf.measurement

    def status(self, rows: int) -> IvfStatus:
        """What a search over the first `rows` rows stands on. Raises IndexFormatError as `search` does."""
        ivf = self._current(rows)
        if ivf is None:
            return IvfStatus(tail=rows)
        status = IvfStatus(
            tail=rows - ivf.rows,
            rows=ivf.rows,
            trained_rows=ivf.trained_rows,
            lists=ivf.lists,
            nprobe=ivf.nprobe,
            size_bytes=self._path.stat().st_size,
        )
        measured = ivf.measurement
        if measured is None:
            return status
        return replace(status, recall=measured.recall, target_recall=measured.target_recall, k=measured.k)

    def check(self, rows: int, dead: Rows, sample: int = SAMPLE, seed: int | None = None) -> list[str]:
        """What is wrong with `ivf.faiss`, in words, for `rebuild` to mend; there being none is not wrong.

        Looks at every id, at the codes of `sample` rows and, with `sample` other rows as queries, at the
        recall: found wanting only if that cannot be an unlucky sample. Without a seed it draws new ones.
        """
        try:
            ivf = self._load(mapped=True)
            return [] if ivf is None else self._check(ivf, rows, dead, sample, seed)
        except IndexFormatError as error:
            return [str(error).rpartition("; ")[0]]

    def _check(self, ivf: "IvfIndex", rows: int, dead: Rows, sample: int, seed: int | None) -> list[str]:
        if ivf.rows > rows:
            return [f"{self._path} knows {ivf.rows} rows, but the catalogue {rows}"]
        vectors = self._vectors.read(rows)[: ivf.rows]
        chosen = np.random.default_rng(seed).choice(ivf.rows, min(sample, ivf.rows), replace=False)
        problems = ivf.check(vectors, chosen)
        if not problems:
            problems = self._check_recall(ivf, vectors, exact.distinct(dead, ivf.rows), sample, seed)
        return [f"{self._path}: {problem}" for problem in problems]

    def _check_recall(
        self, ivf: "IvfIndex", vectors: HalfVectors, dead: Rows, sample: int, seed: int | None
    ) -> list[str]:
        alive = ivf.rows - len(dead)
        if alive < 2:
            return []  # nobody has a neighbour
        measured = ivf.measurement
        target, k = (measured.target_recall, measured.k) if measured else (TARGET_RECALL, K)
        judge = LeaveOneOut(vectors, k, sample, seed, live=_alive(0, ivf.rows, dead))
        recalls = ivf.recall(judge, dead, _probes(ivf, k, alive))
        if recalls.mean() + margin(recalls) >= target:
            return []
        return [f"finds {recalls.mean():.3f} of the {k} nearest neighbours instead of {target}"]

    def _search_ivf(self, ivf: "IvfIndex", vectors: HalfVectors, queries: Vectors, k: int, dead: Rows) -> exact.Found:
        """Inside the rows of the IVF; exactly where it would have to look into everything anyway."""
        alive = ivf.rows - len(dead)
        nprobe = _probes(ivf, k, alive)
        if nprobe > ivf.lists:
            return exact.search(vectors[: ivf.rows], queries, k, rows=_alive(0, ivf.rows, dead))
        scores, rows = ivf.search(queries, k, dead, nprobe=nprobe)
        if ((rows < -1) | (rows >= ivf.rows)).any():
            raise IndexFormatError(f"{self._path} names rows that do not exist; {DERIVED}")
        short = np.flatnonzero(rows[:, min(k, alive) - 1] < 0)
        if len(short):  # the lists looked into hold fewer than k rows, though there are more
            every = _alive(0, ivf.rows, dead)
            scores[short], rows[short] = exact.search(vectors[: ivf.rows], queries[short], k, rows=every)
        return scores, rows

    def _grow(self, rows: int, target_recall: float, k: int) -> Measurement | None:
        """Add what is missing of the first `rows` rows, measure, and save."""
        ivf = self._load(mapped=False)
        if ivf is None:
            return self.rebuild(rows, target_recall=target_recall, k=k)
        vectors = self._vectors.read(rows)
        if ivf.rows < rows:
            ivf.add(vectors[ivf.rows :], ivf.rows)
        ivf.measure(vectors, target_recall=target_recall, k=k)
        ivf.save(self._path)
        return ivf.measurement

    def _usable(self, rows: int) -> "IvfIndex | None":
        try:
            return self._current(rows)
        except IndexFormatError:
            return None  # derived: the writer makes it anew

    def _current(self, rows: int) -> "IvfIndex | None":
        """The IVF on disk, kept open until the file is replaced; None if it is not one of committed rows.

        An IVF that knows more than `rows` rows was made before they were cut off, or after this reader
        asked the catalogue how many there are; in that case the one that it has open still serves.
        """
        with self._lock:
            stamp = _stamp(self._path) + _stamp(self._measurement)
            if self._loaded is None or self._loaded[0] != stamp:
                ivf = self._load(mapped=True)
                if ivf is None:
                    self._loaded = None
                elif self._loaded is None or ivf.rows <= rows:
                    self._loaded = (stamp, ivf)
            kept = self._loaded
        return kept[1] if kept is not None and kept[1].rows <= rows else None

    def _load(self, *, mapped: bool) -> "IvfIndex | None":
        if not self._path.exists():
            return None
        from retrieval.search.ivf import IvfIndex

        try:
            return IvfIndex.load(self._path, self._vectors.dimension, mapped=mapped)
        except FileNotFoundError:
            return None  # removed since


def _stamp(path: Path) -> Stamp:
    """Of a file; empty where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _alive(start: int, stop: int, dead: Rows) -> Rows | None:
    """Rows from `start` to `stop` that are not among the dead; None where that is all of them."""
    inside = dead[(dead >= start) & (dead < stop)]
    if not len(inside):
        return None
    alive = np.ones(stop - start, dtype=bool)
    alive[inside - start] = False
    return np.flatnonzero(alive) + start


def _tail_limit(ivf: "IvfIndex", rows: int) -> float:
    """How many rows may stay outside the IVF."""
    share = GROWTH * ivf.trained_rows
    return share if rows <= SMALL else max(LARGE_TAIL, share)


def _probes(ivf: "IvfIndex", k: int, alive: int) -> int:
    """Lists to look into so that recall stays near what was measured with every row alive and at fewer k.

    As many living rows as in the measurement are to be looked at, and the more the larger k is: on clustered
    vectors 5 times k took about 2 times the lists for the same recall, and 25 times k about 4 times.
    """
    measured_k = ivf.measurement.k if ivf.measurement else K
    wider = math.sqrt(max(1.0, k / measured_k))
    return math.ceil(ivf.nprobe * wider * ivf.rows / max(alive, 1))
