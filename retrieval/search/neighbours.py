"""The nearest vectors of an index folder: IVF for the rows it knows, exact search for those that came later.

The one thing that the rest of the library asks. It loads FAISS only where there is an `ivf.faiss` to read or write.
Which rows are committed and which of them are dead is for the catalogue to say; when the IVF is made, grown or made
anew, for `growth`.
"""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.durable import remove_partial
from retrieval.errors import IndexFormatError
from retrieval.records import Rows, Vectors
from retrieval.search import exact, growth
from retrieval.search.measurement import SAMPLE, LeaveOneOut, Measurement, Point, margin
from retrieval.search.selection import Selection
from retrieval.search.wishes import K, Wishes
from retrieval.vectors import DERIVED, HalfVectors, VectorFile

if TYPE_CHECKING:
    from retrieval.search.ivf import IvfIndex
    from retrieval.search.subset import Subset

IVF_NAME = "ivf.faiss"
FEW = 5_000  # rows that a filter leaves: scoring each of them is fastest
WORTH_A_GPU = 20_000  # rows whose neighbours are wanted: less is done before the vectors are there
ASKED_AT_ONCE = 1024  # rows, where the neighbours of many are wanted
NO_ROWS: Rows = np.empty(0, dtype=np.int64)

Stamp = tuple[int, ...]  # what changes when a file is replaced


@dataclass(frozen=True, slots=True)
class IvfStatus:
    """What there is to say of an index's IVF; all zeros and None where every row is searched exactly."""

    tail: int  # committed rows outside the IVF, searched exactly
    rows: int = 0  # in the IVF
    trained_rows: int = 0  # there were when its lists were made
    lists: int = 0
    nprobe: int = 0
    shortlist: int = 0  # rows scored again exactly; 0 where every score is exact
    recall: float | None = None  # as measured, at k
    target_recall: float | None = None
    k: int | None = None
    code: str | None = None  # how vectors are kept, in words
    memory_bytes: int | None = None  # held while searching, without what is mapped
    wished_memory: int | None = None
    curve: tuple[Point, ...] = ()  # the cheapest ways to rising recalls
    size_bytes: int = 0  # of ivf.faiss


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    stamp: Stamp
    ivf: "IvfIndex"


class Neighbours:
    """The vectors of `folder`, searchable. Any number of threads may search; one process refreshes."""

    def __init__(self, folder: Path, vectors: VectorFile) -> None:
        self._path = folder / IVF_NAME
        self._measurement = self._path.with_suffix(".json")  # replaced a moment after it
        self._vectors = vectors
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._mapped: HalfVectors | None = None
        self._subset: tuple[IvfIndex, Selection, Subset] | None = None  # the last one made

    def select(self, *, rows: int, dead: Rows, chosen: Rows | None = None) -> Selection:
        """Which of the first `rows` rows may be found: those not dead and, where a filter chose some, among these.

        Make it once for all searches of the same rows.
        """
        return Selection.of(rows, dead, chosen)

    def search(self, queries: Vectors, k: int, selection: Selection) -> exact.Found:
        """The k nearest of the selected rows to each of (m, d) queries.

        Scores (m, k) descend; where fewer than k rows can be found, score -inf and row -1 follow them. Raises
        IndexFormatError for a broken `ivf.faiss`, or a vector file with fewer rows than the selection knows.
        """
        vectors = self._read(selection.rows)
        ivf = self._current(selection.rows)
        if ivf is None:
            return exact.search(vectors, queries, k, rows=selection.within(0, selection.rows))
        from retrieval.search import mapped

        with mapped.threads_for(len(queries)):
            if selection.mask is not None and selection.alive <= FEW:
                return mapped.search_rows(vectors, queries, k, np.flatnonzero(selection.mask))
            inside = self._search_ivf(ivf, vectors, queries, k, selection)
            tail = selection.within(ivf.rows, selection.rows)
            found = mapped.search(vectors[ivf.rows :], queries, k, ivf.rows, tail)
            returned = mapped.search_rows(vectors, queries, k, self._outside(ivf, selection))
            return exact.merge(inside, exact.merge(found, returned, k), k)

    def of_rows(self, rows: Rows, k: int, selection: Selection) -> Iterator[tuple[Rows, exact.Found]]:
        """The k nearest selected rows of each of many rows, itself left out: some of the rows and what was found.

        Neighbours are asked for together, whatever the order of `rows`: then the same lists are read again.
        """
        vectors = self._read(selection.rows)
        ordered = self.together(rows, selection)
        search = self._on_gpu(vectors, selection) if len(rows) >= WORTH_A_GPU else None
        for start in range(0, len(ordered), ASKED_AT_ONCE):
            some = ordered[start : start + ASKED_AT_ONCE]
            queries = vectors[some].astype(np.float32)
            answer = search(queries, k + 1) if search else None
            scores, found = answer or self.search(queries, k + 1, selection)
            own = found == some[:, None]
            others = np.where(own, -np.inf, scores).astype(np.float32), np.where(own, -1, found)
            yield some, exact.ordered(others, k)

    def together(self, rows: Rows, selection: Selection) -> Rows:
        """Rows in an order in which neighbours stand together: list by list, the tail behind."""
        ivf = self._current(selection.rows)
        if ivf is None:
            return rows
        place = np.full(selection.rows, ivf.lists, dtype=np.int64)
        place[: ivf.rows] = ivf.list_of()
        return rows[np.argsort(place[rows], kind="stable")]

    def refresh(self, rows: int, dead: Rows = NO_ROWS) -> Measurement | None:
        """What the writer calls when `rows` rows are committed: make, grow or renew the IVF if that is due.

        Returns the measurement in force, None where there are no rows. Small additions to a large index
        stay in the tail, so that they rewrite no large file. Raises OSError on a full disk: the index then
        is as it was.
        """
        for path in (self._path, self._measurement):
            remove_partial(path)
        ivf = self._usable(rows)
        if rows == 0 or ivf is None:
            return self.rebuild(rows, dead)
        inside = dead[dead < ivf.rows]
        due = growth.step(ivf, rows, int(np.count_nonzero(ivf.list_of()[inside] >= 0)) if len(inside) else 0)
        if due == "rebuild":
            return self.rebuild(rows, dead)
        if due == "nothing":
            return ivf.measurement
        return self._grow(rows if due == "add" else ivf.rows, dead)

    def rebuild(self, rows: int, dead: Rows = NO_ROWS, wishes: Wishes | None = None) -> Measurement | None:
        """Make the IVF anew from the first `rows` rows of the vector file that are not dead, whatever there was.

        Without wishes, those of the last time. Also for whoever cut committed rows off: an IVF that was made
        before would go on naming them.
        """
        selection = self.select(rows=rows, dead=dead)
        if not selection.alive:
            for path in (self._path, self._measurement):
                path.unlink(missing_ok=True)
            return None
        from retrieval.search.ivf import IvfIndex

        wishes = wishes or self.wishes()
        ivf = IvfIndex.build(self._vectors.read(rows), wishes=wishes, alive=selection.within(0, rows))
        ivf.save(self._path)
        return ivf.measurement

    def wishes(self) -> Wishes:
        """What was last asked of the index."""
        measured = Measurement.load(self._measurement)
        return measured.wishes if measured else Wishes()

    def status(self, rows: int) -> IvfStatus:
        """What a search over the first `rows` rows stands on. Raises IndexFormatError as `search` does."""
        ivf = self._current(rows)
        if ivf is None:
            return IvfStatus(tail=rows)
        status = IvfStatus(
            tail=rows - ivf.rows,
            rows=ivf.size,
            trained_rows=ivf.trained_rows,
            lists=ivf.lists,
            nprobe=ivf.nprobe,
            shortlist=ivf.shortlist(K),
            size_bytes=self._path.stat().st_size,
        )
        measured = ivf.measurement
        if measured is None:
            return status
        return replace(
            status,
            recall=measured.recall,
            target_recall=measured.target_recall,
            k=measured.k,
            code=measured.code,
            memory_bytes=measured.memory_bytes,
            wished_memory=measured.wished_memory,
            curve=measured.curve,
        )

    def check(self, rows: int, dead: Rows, sample: int = SAMPLE, seed: int | None = None) -> list[str]:
        """What is wrong with `ivf.faiss`, in words, for `rebuild` to mend; there being none is not wrong.

        Looks at the file's digest, at every id, at `sample` vectors where they are kept as they are and, with
        `sample` other rows as queries, at the recall: found wanting only if that cannot be an unlucky sample.
        Without a seed it draws new ones.
        """
        try:
            ivf = self._load()
            return [] if ivf is None else self._check(ivf, rows, dead, sample, seed)
        except IndexFormatError as error:
            return [str(error).rpartition("; ")[0]]

    def _check(self, ivf: "IvfIndex", rows: int, dead: Rows, sample: int, seed: int | None) -> list[str]:
        from retrieval.search.ivf_file import hash_file

        if ivf.rows > rows:
            return [f"{self._path} knows {ivf.rows} rows, but the catalogue {rows}"]
        vectors = self._vectors.read(rows)[: ivf.rows]
        chosen = np.random.default_rng(seed).choice(ivf.rows, min(sample, ivf.rows), replace=False)
        problems = ivf.check(vectors, chosen)
        if not problems and ivf.measurement and ivf.measurement.sha256 not in ("", hash_file(self._path)):
            problems = ["its bytes are not those that were written"]
        if not problems:
            problems = self._check_recall(ivf, vectors, exact.distinct(dead, ivf.rows), sample, seed)
        return [f"{self._path}: {problem}" for problem in problems]

    def _check_recall(
        self, ivf: "IvfIndex", vectors: HalfVectors, dead: Rows, sample: int, seed: int | None
    ) -> list[str]:
        mask = ivf.list_of() >= 0
        mask[dead] = False
        alive = np.flatnonzero(mask)
        if len(alive) < 2:
            return []  # nobody has a neighbour
        measured = ivf.measurement
        target, k = (measured.target_recall, measured.k) if measured else (Wishes().target_recall, K)
        judge = LeaveOneOut(vectors, k, sample, seed, live=alive)
        selection = Selection.of(ivf.rows, np.flatnonzero(~mask))
        recalls = judge.recall(lambda queries, wanted: self._search_ivf(ivf, vectors, queries, wanted, selection))
        if recalls.mean() + margin(recalls) >= target:
            return []
        return [f"finds {recalls.mean():.3f} of the {k} nearest neighbours instead of {target}"]

    def _on_gpu(
        self, vectors: HalfVectors, selection: Selection
    ) -> Callable[[Vectors, int], exact.Found | None] | None:
        """Exact search of the selected rows on the GPU, where there is one and they fit."""
        from retrieval.search import gpu, mapped

        alive = selection.within(0, selection.rows)
        rows = np.arange(selection.rows) if alive is None else alive
        flat = gpu.flat(vectors, rows) if len(rows) else None
        if flat is None:
            return None

        def search(queries: Vectors, k: int) -> exact.Found | None:
            try:
                scores, places = flat.search(queries, min(k, len(rows), gpu.LIMIT))
            except gpu.ERRORS:
                return None
            return mapped.clean((scores, np.where(places < 0, -1, rows[places])), k)

        return search

    def _search_ivf(
        self, ivf: "IvfIndex", vectors: HalfVectors, queries: Vectors, k: int, selection: Selection
    ) -> exact.Found:
        """Inside the rows of the IVF."""
        subset = None if selection.mask is None else self._subset_of(ivf, selection)
        if subset and not subset.size:
            return exact.nothing(len(queries), k)
        nprobe = _nprobe(ivf, k)
        if subset:
            nprobe = ivf.probes(queries, subset, nprobe, filtered=selection.filtered)
        scores, rows = ivf.search(vectors, queries, k, subset, nprobe=nprobe)
        if ((rows < -1) | (rows >= ivf.rows)).any():
            raise IndexFormatError(f"{self._path} names rows that do not exist; {DERIVED}")
        there = subset.size if subset else ivf.size
        short = np.flatnonzero(rows[:, min(k, there) - 1] < 0)
        if len(short):  # the lists looked into hold fewer than k rows, though there are more
            scores[short], rows[short] = ivf.search(vectors, queries[short], k, subset, nprobe=ivf.lists)
        return scores, rows

    def _subset_of(self, ivf: "IvfIndex", selection: Selection) -> "Subset":
        """What a selection means in an IVF; kept for the next search of it."""
        kept = self._subset
        if kept is None or kept[0] is not ivf or kept[1] is not selection:
            assert selection.mask is not None
            kept = (ivf, selection, ivf.subset(selection.mask))
            self._subset = kept
        return kept[2]

    def _outside(self, ivf: "IvfIndex", selection: Selection) -> Rows:
        """Rows that were dead when the IVF was made, and have come back."""
        if ivf.size == ivf.rows:
            return NO_ROWS
        mask = ivf.list_of() < 0
        if selection.mask is not None:
            mask &= selection.mask[: ivf.rows]
        return np.flatnonzero(mask)

    def _grow(self, rows: int, dead: Rows) -> Measurement | None:
        """Add what is missing of the first `rows` rows, measure if that is due, and save."""
        ivf = self._load(to_add=True)
        if ivf is None:
            return self.rebuild(rows, dead)
        vectors, measured, wishes = self._vectors.read(rows), ivf.measurement, self.wishes()
        if ivf.rows < rows:
            ivf.add(vectors[ivf.rows :], ivf.rows)
        if growth.is_unbalanced(ivf.imbalance, measured):
            return self.rebuild(rows, dead)
        if measured is None or growth.is_stale(measured.measured_rows, rows):
            ivf.measure(vectors, wishes)
        else:
            ivf.grown(measured)
        ivf.save(self._path)
        return ivf.measurement

    def _read(self, rows: int) -> HalfVectors:
        """The first rows of the file. Its map is kept: a new one has to fetch every page of a shortlist again."""
        kept = self._mapped
        if kept is None or len(kept) < rows or self._vectors.count() < rows:
            kept = self._mapped = self._vectors.read(rows)
        return kept[:rows]

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
            if self._opened is None or self._opened.stamp != stamp:
                ivf = self._load()
                if ivf is None:
                    self._opened = None
                elif self._opened is None or ivf.rows <= rows:
                    self._opened = _Opened(stamp, ivf)
            kept = self._opened
        return kept.ivf if kept is not None and kept.ivf.rows <= rows else None

    def _load(self, *, to_add: bool = False) -> "IvfIndex | None":
        if not self._path.exists():
            return None
        from retrieval.search.ivf import IvfIndex

        try:
            return IvfIndex.load(self._path, self._vectors.dimension, to_add=to_add)
        except FileNotFoundError:
            return None  # removed since


def _stamp(path: Path) -> Stamp:
    """Of a file; empty where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _nprobe(ivf: "IvfIndex", k: int) -> int:
    """Lists to look into so that recall stays near what was measured with fewer neighbours asked for.

    On clustered vectors 5 times k took about 2 times the lists for the same recall, and 25 times k about 4 times.
    """
    measured_k = ivf.measurement.k if ivf.measurement else K
    return math.ceil(ivf.nprobe * math.sqrt(max(1.0, k / measured_k)))
