"""The IVF engine: an IVF index for the rows it covers, exact search for those that came later, as one VectorSearch.

It loads FAISS only where there is an index to read or write. When the index is extended or rebuilt, is for `growth`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from retrieval.errors import IndexFormatError, Remedy
from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.ivf import growth
from retrieval.search.ivf.settings import DEFAULTS, IvfSettings
from retrieval.search.ivf.status import describe
from retrieval.search.ivf.storage import IvfStorage
from retrieval.search.protocol import CHECK_SAMPLE, NO_ROWS, ScoredRows, SearchProblem, SearchStatus
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorSource

if TYPE_CHECKING:
    from retrieval.search.ivf.gpu import GpuFlat
    from retrieval.search.ivf.index import IvfIndex

ROWS_AT_ONCE = 1024  # where the neighbours of many rows are wanted


class IvfSearch:
    """A VectorSearch over some vectors and the IVF index of them in `storage`."""

    def __init__(self, vectors: VectorSource, storage: IvfStorage, settings: IvfSettings = DEFAULTS) -> None:
        self._vectors = vectors
        self._storage = storage
        self._settings = settings
        self._mapped: HalfVectors | None = None

    def search(self, queries: Vectors, k: int, selection: Selection) -> ScoredRows:
        """Find the k nearest selected rows to each of (m, d) queries; see VectorSearch."""
        vectors = self._read(selection.rows)
        ivf = self._current(selection.rows)
        if ivf is None:
            return exact.search(vectors, queries, k, rows=selection.within(0, selection.rows))
        from retrieval.search.ivf import flat, selected

        with flat.threads_for(len(queries)):
            if selection.mask is not None and selection.alive <= self._settings.few_rows:
                return flat.search_rows(vectors, queries, k, np.flatnonzero(selection.mask))
            inside = selected.search(ivf, vectors, queries, k, selection)
            tail = selection.within(ivf.rows, selection.rows)
            found = flat.search(vectors[ivf.rows :], queries, k, ivf.rows, tail)
            returned = flat.search_rows(vectors, queries, k, selected.left_out(ivf, selection))
            return exact.merge(inside, exact.merge(found, returned, k), k)

    def neighbours(self, rows: Rows, k: int, selection: Selection) -> Iterator[tuple[Rows, ScoredRows]]:
        """Find the k nearest selected rows to each of many rows, list by list, so that the same lists are read again.

        With a GPU and many rows it compares all with all there: that is faster. See VectorSearch.
        """
        vectors = self._read(selection.rows)
        ordered = self.cluster_order(rows, selection)
        on_gpu = _on_gpu(vectors, selection) if len(rows) >= self._settings.gpu_rows else None
        for start in range(0, len(ordered), ROWS_AT_ONCE):
            some = ordered[start : start + ROWS_AT_ONCE]
            queries = vectors[some].astype(np.float32)
            answer = on_gpu.search(queries, k + 1) if on_gpu else None
            yield some, exact.without_own(answer or self.search(queries, k + 1, selection), some, k)

    def cluster_order(self, rows: Rows, selection: Selection) -> Rows:
        """Return the rows list by list, those outside the index at the end."""
        ivf = self._current(selection.rows)
        if ivf is None:
            return rows
        place = np.full(selection.rows, ivf.lists, dtype=np.int64)
        place[: ivf.rows] = ivf.list_of()
        return rows[np.argsort(place[rows], kind="stable")]

    def refresh(self, rows: int, dead: Rows = NO_ROWS) -> SearchStatus:
        """Build, extend or rebuild the index if that is due; see VectorSearch.

        Small additions to a large index stay in the tail, so that they rewrite no large file.
        """
        self._storage.clean()
        try:
            ivf = self._current(rows)
            action = growth.due(ivf, rows, dead, self._settings) if ivf is not None else "rebuild"
        except IndexFormatError:  # derived, so it can be rebuilt
            return self.rebuild(rows, dead)
        if ivf is None or action == "rebuild":
            return self.rebuild(rows, dead)
        if action == "nothing":
            return describe(ivf, rows, self._storage.size_bytes())
        return self._extend(rows, dead, stop=rows if action == "add" else ivf.rows)

    def rebuild(self, rows: int, dead: Rows = NO_ROWS, targets: Targets | None = None) -> SearchStatus:
        """Train and fill an index of the first `rows` rows that are not dead, whatever there was; see VectorSearch."""
        targets = targets or self.targets()
        selection = Selection.of(rows, dead)
        if not selection.alive:
            self._storage.remove()
            return self.status(rows)
        from retrieval.search.ivf import tuning
        from retrieval.search.ivf.index import IvfIndex

        vectors = self._vectors.read(rows)
        ivf = IvfIndex.build(vectors, targets, alive=selection.within(0, rows), settings=self._settings)
        tuning.tune(ivf, vectors, targets)
        self._storage.save(ivf)
        return describe(ivf, rows, self._storage.size_bytes())

    def targets(self) -> Targets:
        """Return what the index was last built for; the defaults where there is none."""
        return self._storage.targets()

    def status(self, rows: int) -> SearchStatus:
        """Return what a search over the first `rows` rows stands on; see VectorSearch."""
        ivf = self._current(rows)
        return SearchStatus(tail=rows) if ivf is None else describe(ivf, rows, self._storage.size_bytes())

    def check(
        self, rows: int, dead: Rows = NO_ROWS, *, sample: int = CHECK_SAMPLE, seed: int | None = None
    ) -> list[SearchProblem]:
        """Check every byte and every id of the index, `sample` vectors where they are stored, and its recall.

        See VectorSearch.
        """
        try:
            ivf = self._storage.load()
            if ivf is None:
                return []
            from retrieval.search.ivf import check

            ivf.check_file()
            file_problem = self._storage.file_problem(ivf)
            if file_problem:
                return [SearchProblem("file", file_problem)]
            return check.problems(ivf, self._vectors, rows, dead, sample=sample, seed=seed)
        except IndexFormatError as error:
            return [SearchProblem("file", error.what)]

    def _current(self, rows: int) -> "IvfIndex | None":
        """Return the index to search with; raise IndexFormatError for one that is of other vectors.

        That is looked at only where the measurement beside it is of another index. After a kill between the two files
        it is, too; but then the index finds its own rows.
        """
        ivf = self._storage.current(rows)
        if ivf is None or ivf.measurement is not None or ivf.is_of_these_vectors:
            return ivf
        from retrieval.search.ivf import check

        ivf.is_of_these_vectors = check.finds_itself(ivf, self._read(rows))
        if not ivf.is_of_these_vectors:
            raise IndexFormatError(f"{ivf.name} is an index of other vectors", Remedy.REPAIR)
        return ivf

    def _extend(self, rows: int, dead: Rows, *, stop: int) -> SearchStatus:
        """Add what is missing up to row `stop`, measure if that is due, and save; rebuild what turns out damaged."""
        from retrieval.search.ivf import tuning

        ivf = self._loaded_to_add()
        if ivf is None:
            return self.rebuild(rows, dead)
        vectors, measured, targets = self._vectors.read(rows), ivf.measurement, self.targets()
        if ivf.rows < stop:
            ivf.add(vectors[ivf.rows : stop], ivf.rows)
        if growth.is_unbalanced(ivf.inverted.imbalance, measured):
            return self.rebuild(rows, dead)
        if measured is None or growth.is_stale(measured.measured_rows, stop):
            tuning.tune(ivf, vectors, targets)
        else:
            tuning.carry_over(ivf, measured)
        self._storage.save(ivf)
        return describe(ivf, rows, self._storage.size_bytes())

    def _loaded_to_add(self) -> "IvfIndex | None":
        """Load the index into memory; None where it is not the one that was written."""
        try:
            ivf = self._storage.load(to_add=True)
            if ivf is not None:
                ivf.list_of()  # raises where rows are missing
        except IndexFormatError:
            return None
        if ivf is None or ivf.measurement is None or ivf.measurement.checksums:
            return ivf
        return None if self._storage.file_problem(ivf) else ivf  # 0.1.0 wrote it, and it is about to get checksums

    def _read(self, rows: int) -> HalfVectors:
        """Return the first rows. Their map is kept: a new one has to fetch every page of a shortlist again."""
        mapped = self._mapped
        if mapped is None or len(mapped) < rows or self._vectors.count() < rows:
            mapped = self._mapped = self._vectors.read(rows)
        return mapped[:rows]


def _on_gpu(vectors: HalfVectors, selection: Selection) -> "GpuFlat | None":
    """Copy the selected rows to a GPU, where there is one."""
    from retrieval.search.ivf.gpu import GpuFlat

    alive = selection.within(0, selection.rows)
    return GpuFlat.of(vectors, np.arange(selection.rows) if alive is None else alive)
