"""The nearest vectors of an index folder: IVF for the rows it knows, exact search for those that came later.

The one thing that the rest of the library asks. It loads FAISS only where there is an `ivf.faiss` to read or write.
Which rows are committed and which of them are dead is for the catalogue to say; when the IVF is made, grown or made
anew, for `growth`.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.durable import remove_leftovers
from retrieval.errors import IndexFormatError
from retrieval.records import Rows, Vectors
from retrieval.search import exact, growth
from retrieval.search.measurement import SAMPLE, Measurement
from retrieval.search.opened import OpenedIvf
from retrieval.search.selection import Selection
from retrieval.search.status import IvfStatus
from retrieval.search.vectors import DERIVED, HalfVectors, VectorFile
from retrieval.search.wishes import K, Wishes

if TYPE_CHECKING:
    from retrieval.search.gpu import GpuFlat
    from retrieval.search.ivf import IvfIndex
    from retrieval.search.subset import Subset

IVF_NAME = "ivf.faiss"
FEW = 5_000  # rows that a filter leaves: scoring each of them is fastest
WORTH_A_GPU = 20_000  # rows whose neighbours are wanted: less is done before the vectors are there
ASKED_AT_ONCE = 1024  # rows, where the neighbours of many are wanted
NO_ROWS: Rows = np.empty(0, dtype=np.int64)


class Neighbours:
    """The vectors of `folder`, searchable. Any number of threads may search; one process refreshes."""

    def __init__(self, folder: Path, vectors: VectorFile) -> None:
        self._path = folder / IVF_NAME
        self._measurement = self._path.with_suffix(".json")  # replaced a moment after it
        self._vectors = vectors
        self._ivf = OpenedIvf(self._path, vectors.dimension)
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
        ivf = self._ivf.current(selection.rows)
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
        on_gpu = _on_gpu(vectors, selection) if len(rows) >= WORTH_A_GPU else None
        for start in range(0, len(ordered), ASKED_AT_ONCE):
            some = ordered[start : start + ASKED_AT_ONCE]
            queries = vectors[some].astype(np.float32)
            answer = on_gpu.search(queries, k + 1) if on_gpu else None
            scores, found = answer or self.search(queries, k + 1, selection)
            own = found == some[:, None]
            others = np.where(own, -np.inf, scores).astype(np.float32), np.where(own, -1, found)
            yield some, exact.ordered(others, k)

    def together(self, rows: Rows, selection: Selection) -> Rows:
        """Rows in an order in which neighbours stand together: list by list, the tail behind."""
        ivf = self._ivf.current(selection.rows)
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
            remove_leftovers(path)
        ivf = self._ivf.usable(rows)
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
        ivf = self._ivf.current(rows)
        if ivf is None:
            return IvfStatus(tail=rows)
        return IvfStatus.of(ivf, rows, self._path.stat().st_size)

    def check(self, rows: int, dead: Rows, sample: int = SAMPLE, seed: int | None = None) -> list[str]:
        """What is wrong with `ivf.faiss`, in words, for `rebuild` to mend; there being none is not wrong.

        Looks at the file's digest, at every id, at `sample` vectors where they are kept as they are and, with
        `sample` other rows as queries, at the recall: found wanting only if that cannot be an unlucky sample.
        Without a seed it draws new ones.
        """
        try:
            ivf = self._ivf.load()
            return [] if ivf is None else self._check(ivf, rows, dead, sample, seed)
        except IndexFormatError as error:
            return [str(error).rpartition("; ")[0]]

    def _check(self, ivf: "IvfIndex", rows: int, dead: Rows, sample: int, seed: int | None) -> list[str]:
        from retrieval.search import ivf_check

        if ivf.rows > rows:
            return [f"{self._path} knows {ivf.rows} rows, but the catalogue {rows}"]
        vectors = self._vectors.read(rows)[: ivf.rows]
        chosen = np.random.default_rng(seed).choice(ivf.rows, min(sample, ivf.rows), replace=False)

        def search(queries: Vectors, k: int, selection: Selection) -> exact.Found:
            return self._search_ivf(ivf, vectors, queries, k, selection)

        problems = ivf_check.contents(ivf, vectors, chosen) or ivf_check.file(ivf, self._path)
        if not problems:
            inside = exact.distinct(dead, ivf.rows)
            problems = ivf_check.recall(ivf, vectors, inside, search, sample=sample, seed=seed)
        return [f"{self._path}: {problem}" for problem in problems]

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
        try:
            scores, rows = ivf.search(vectors, queries, k, subset, nprobe=nprobe)
        except RuntimeError as error:  # FAISS': an id that is no row's
            raise IndexFormatError(f"{self._path} cannot be searched; {DERIVED}") from error
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
        ivf = self._ivf.load(to_add=True)
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


def _on_gpu(vectors: HalfVectors, selection: Selection) -> "GpuFlat | None":
    """The selected rows on a GPU, which compares all with all faster than lists can be looked into."""
    from retrieval.search.gpu import GpuFlat

    alive = selection.within(0, selection.rows)
    return GpuFlat.of(vectors, np.arange(selection.rows) if alive is None else alive)


def _nprobe(ivf: "IvfIndex", k: int) -> int:
    """Lists to look into so that recall stays near what was measured with fewer neighbours asked for.

    On clustered vectors 5 times k took about 2 times the lists for the same recall, and 25 times k about 4 times.
    """
    measured_k = ivf.measurement.k if ivf.measurement else K
    return math.ceil(ivf.nprobe * math.sqrt(max(1.0, k / measured_k)))
