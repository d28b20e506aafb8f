"""The FAISS IVF index over the rows of a vector file: made, grown, searched and measured.

Ids are row numbers. Whatever a search brings to the top is scored exactly, from the file's own half-precision
numbers: recall is lost only by the lists that are not looked into and, where codes are lossy, by the rows that
do not come onto the shortlist. What to do about rows that came after the index was saved is left to `neighbours`.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import codes, exact, ivf_file, mapped
from retrieval.search.gpu import GpuSearch, attempt
from retrieval.search.measurement import SAMPLE, LeaveOneOut, Measurement, Point, Recalls
from retrieval.search.selection import Mask
from retrieval.search.subset import Subset
from retrieval.search.tuning import describe, timed, tune
from retrieval.search.vectors import HALF, HalfVectors
from retrieval.search.wishes import Wishes

GPU_BATCH = 256  # queries from which on a search is worth a GPU
DEFAULT_SHORTLIST = 500  # rows, for 20 neighbours, until it is measured
LEAST_WANTED = 50_000  # rows that count, seen in a filtered search: distant lists are hard to tell apart


class IvfIndex:
    """An inverted file over rows 0, 1, ...: searched by any number of threads, changed by one alone."""

    def __init__(self, index: faiss.Index, rows: int, trained_rows: int, measurement: Measurement | None) -> None:
        self._index = index
        self._lists = codes.lists_of(index)
        self._gpu = GpuSearch(self._lists)
        self._list_of: Rows | None = None
        self._lock = threading.Lock()
        self.rows = rows  # rows 0 to rows - 1 are covered: those that are not in it were dead when it was made
        self.trained_rows = trained_rows  # how many there were when the lists were made
        self.measurement = measurement  # None: not measured since it was made or changed

    @classmethod
    def build(
        cls, vectors: HalfVectors, *, wishes: Wishes | None = None, alive: Rows | None = None, seed: int = 0
    ) -> "IvfIndex":
        """Make lists from a sample of the (n, d) vectors, add all that are alive, and choose how to search.

        At least one must be alive; `alive` has their rows, ascending, None for all.
        """
        wishes = wishes or Wishes()
        rows = np.arange(len(vectors)) if alive is None else alive
        n = len(rows)
        sample = np.random.default_rng(seed).choice(rows, codes.training_rows(n), replace=False)
        index = codes.train(vectors[np.sort(sample)], n, wishes, seed)
        built = cls(index, 0, trained_rows=len(vectors), measurement=None)
        built.add(vectors, 0, alive)
        built.measure(vectors, wishes, seed=seed)
        return built

    @classmethod
    def load(cls, path: Path, dimension: int, *, to_add: bool = False) -> "IvfIndex":
        """Read what `save` wrote; `to_add` reads all of it, for an index that is mapped cannot be added to.

        Raises IndexFormatError for a broken or foreign file, FileNotFoundError for none. A measurement of
        other contents, as a crash between the two files leaves, counts as none.
        """
        index = ivf_file.read(path, dimension, mapped=not to_add)
        found = Measurement.load(_sidecar(path))
        lists = codes.lists_of(index)
        contents = (index.ntotal, lists.nlist, lists.nprobe)
        if found is not None and (found.size, found.lists, found.nprobe) == contents:
            return cls(index, found.rows, found.trained_rows, found)
        unknown = cls(index, index.ntotal, index.ntotal, None)
        unknown.rows = 1 + max((int(ids.max()) for _, ids in unknown.ids()), default=-1)
        return unknown

    def save(self, path: Path) -> None:
        """Replace the file at `path`, then its measurement in the `.json` beside it."""
        digest = ivf_file.write(self._index, path)
        if self.measurement is not None:
            self.measurement = replace(self.measurement, sha256=digest)
            self.measurement.save(_sidecar(path))

    @property
    def size(self) -> int:
        """Vectors in the index."""
        return int(self._index.ntotal)

    @property
    def lists(self) -> int:
        """Lists that the vectors are divided into."""
        return int(self._lists.nlist)

    @property
    def nprobe(self) -> int:
        """Lists that a search looks into unless told otherwise."""
        return int(self._lists.nprobe)

    @property
    def mapped(self) -> bool:
        """Whether codes are the file's own numbers, which need not be held in memory."""
        return self._lists is self._index

    @property
    def imbalance(self) -> float:
        """How unequal the lists are: 1 if all are alike, 2 if a query looks at twice as many rows as that."""
        return float(self._lists.invlists.imbalance_factor())

    def list_of(self) -> Rows:
        """The list of each covered row, (rows,); -1 for those that are not in the index."""
        with self._lock:
            if self._list_of is None:
                self._list_of = np.full(self.rows, -1, dtype=np.int64)
                for number, ids in self.ids():
                    self._list_of[ids[(ids >= 0) & (ids < self.rows)]] = number
            return self._list_of

    def ids(self) -> Iterator[tuple[int, Rows]]:
        """Number and ids of each list that is not empty; views into the index."""
        lists = self._lists.invlists
        for number in range(self.lists):
            size = lists.list_size(number)
            if size:
                yield number, faiss.rev_swig_ptr(lists.get_ids(number), size)

    def held(self, number: int) -> HalfVectors:
        """The vectors of a list where they are kept as they are, (size, d); a view into the index."""
        lists = self._lists.invlists
        numbers = faiss.rev_swig_ptr(lists.get_codes(number), lists.list_size(number) * lists.code_size)
        vectors: HalfVectors = numbers.view(HALF).reshape(-1, self._index.d)
        return vectors

    def nearest_lists(self, queries: Vectors) -> Rows:
        """All lists in the order in which each of (m, d) queries looks into them, (m, lists)."""
        order: Rows = self._lists.quantizer.search(self._turned(queries), self.lists)[1]
        return order

    def by_codes(self, queries: Vectors, length: int, nprobe: int) -> Rows:
        """The rows that codes alone bring to the top, (m, length), best first; not for an index that is mapped."""
        params = faiss.SearchParametersPreTransform(index_params=faiss.SearchParametersIVF(nprobe=nprobe))
        rows: Rows = self._index.search(queries, min(length, self.size), params=params)[1]
        return rows

    @property
    def memory_bytes(self) -> int:
        """Held while searching, without what is mapped."""
        return codes.memory_bytes(self._index)

    @property
    def code(self) -> str:
        """How vectors are kept, in words."""
        return codes.describe(self._index)

    @property
    def code_bytes(self) -> int:
        """Of each vector in the lists."""
        return int(self._lists.code_size)

    def subset(self, mask: Mask) -> Subset:
        """What rows of a mask (any length from `rows` on) mean here: for `search`."""
        return Subset(mask[: self.rows], self.list_of(), self.lists)

    def add(self, vectors: HalfVectors, first_row: int, alive: Rows | None = None) -> None:
        """Add the (m, d) vectors of the rows from `first_row` on, which must be the first one missing.

        `alive` has the rows that are to be found, ascending; None for all of them.
        """
        if first_row != self.rows:
            raise ValueError(f"the next row to add is {self.rows}, not {first_row}")
        self.measurement, self._list_of = None, None
        self._gpu = GpuSearch(self._lists)
        chosen = np.ones(len(vectors), dtype=bool)
        if alive is not None:
            chosen[:] = False
            chosen[alive[(alive >= first_row) & (alive < first_row + len(vectors))] - first_row] = True
        numbers = (
            attempt(self._lists.quantizer, lambda nearest: codes.nearest_lists(vectors, nearest))
            if self.mapped
            else None
        )
        for start, block in codes.blocks(vectors):
            some = slice(start, start + len(block))
            kept = chosen[some]
            ids = np.flatnonzero(kept) + (first_row + start)
            self._add(np.ascontiguousarray(block[kept]), ids, None if numbers is None else numbers[some][kept])
        self.rows += len(vectors)

    def search(
        self,
        vectors: HalfVectors,
        queries: Vectors,
        k: int,
        subset: Subset | None = None,
        *,
        nprobe: int | None = None,
        shortlist: int | None = None,
    ) -> exact.Found:
        """The k nearest rows to each of (m, d) queries, of those in the `nprobe` lists nearest to it.

        `vectors` are those of the file, at least the rows covered. Rows outside of the subset are passed over
        inside the search, so they never displace others. Of equal rows at the end of an answer FAISS keeps any.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        probes = min(nprobe or self.nprobe, subset.usable if subset else self.lists)
        if not probes or not len(queries):
            return exact.nothing(len(queries), k)
        params = subset.params(probes) if subset else faiss.SearchParametersIVF(nprobe=probes)
        if not self.mapped:
            return self._search_again(vectors, queries, k, params, max(k, shortlist or self.shortlist(k)))
        found = None
        if subset is None and len(queries) >= GPU_BATCH:
            found = self._gpu.search(queries, k, probes)
        return mapped.clean(found or self._index.search(queries, k, params=params), k)

    def shortlist(self, k: int) -> int:
        """How many rows are scored again to find k; 0 where every score is exact."""
        if self.mapped:
            return 0
        measured = (self.measurement.shortlist, self.measurement.k) if self.measurement else (DEFAULT_SHORTLIST, 20)
        rows, at = measured
        return math.ceil(rows * max(1.0, k / at))

    def probes(self, queries: Vectors, subset: Subset, nprobe: int, *, filtered: bool) -> int:
        """Lists to look into among a subset, so that recall stays what it is at `nprobe` with every row there.

        Of a share s of all rows, the k nearest are among the k / s nearest of all: as far away as those are, more
        lists hold them. On clustered vectors the rows to be seen grew with about the root of the share. Where a
        filter chose the rows, all may be far away, and then it is hard to tell lists apart by their centres.
        """
        usual = nprobe / self.lists * self.size * self.imbalance
        wanted = round(usual * math.sqrt(subset.size / max(self.size, 1)))
        wanted = max(wanted, LEAST_WANTED) if filtered else wanted
        return subset.nprobe(self._lists.quantizer, self._turned(queries), min(wanted, subset.size))

    def measure(self, vectors: HalfVectors, wishes: Wishes, *, sample: int = SAMPLE, seed: int = 0) -> Measurement:
        """Choose the cheapest search that assuredly reaches the target, search so, and keep what was found.

        `vectors` are at least the rows covered. Below 1,000 rows every list is looked into. For what assures a
        recall see `measurement`.
        """
        covered = vectors[: self.rows]
        present = None if self.size == self.rows else np.flatnonzero(self.list_of() >= 0)
        judge = LeaveOneOut(covered, wishes.k, sample, seed, live=present)
        chosen, curve = tune(self, judge, wishes.target_recall)
        self._lists.nprobe = chosen.nprobe
        self.measurement = describe(self, chosen, wishes, len(judge.rows))  # from here on it is searched so
        self.measurement = replace(self.measurement, recall=float(self.recall(covered, judge).mean()))

        def search(query: Vectors, point: Point) -> exact.Found:
            return self.search(covered, query, wishes.k, nprobe=point.nprobe, shortlist=point.shortlist)

        self.measurement = replace(self.measurement, curve=timed(curve, search, judge.queries))
        return self.measurement

    def grown(self, previous: Measurement) -> Measurement:
        """Take over what was measured when there were fewer rows."""
        self.measurement = replace(previous, rows=self.rows, size=self.size, memory_bytes=self.memory_bytes, sha256="")
        return self.measurement

    def recall(
        self, vectors: HalfVectors, judge: LeaveOneOut, subset: Subset | None = None, nprobe: int | None = None
    ) -> Recalls:
        """The recall of each query of the judge."""
        return judge.recall(lambda queries, k: self.search(vectors, queries, k, subset, nprobe=nprobe))

    def _add(self, block: Vectors, ids: Rows, numbers: Rows | None) -> None:
        if numbers is None:  # FAISS finds the lists by itself
            self._lists.add_with_ids(codes.finite(self._turned(block)), ids)
        else:
            self._lists.add_core(len(block), *map(faiss.swig_ptr, (block, ids, numbers)))
        self._index.ntotal = self._lists.ntotal

    def _turned(self, vectors: Vectors) -> Vectors:
        """As the lists have them."""
        if self.mapped:
            return np.ascontiguousarray(vectors, dtype=np.float32)
        turned: Vectors = self._index.chain.at(0).apply(np.ascontiguousarray(vectors, dtype=np.float32))
        return turned

    def _search_again(
        self, vectors: HalfVectors, queries: Vectors, k: int, params: faiss.SearchParametersIVF, shortlist: int
    ) -> exact.Found:
        """By the codes, then what comes onto the shortlist exactly."""
        exactly = mapped.view(vectors[: self.rows])
        exactly.ntotal = self._index.ntotal  # FAISS wants to see as many, though rows that were dead have no code
        refine = faiss.IndexRefine(self._index, exactly)
        exactly.ntotal = refine.ntotal = self.rows
        outer = faiss.SearchParametersPreTransform(index_params=params)
        again = faiss.IndexRefineSearchParameters(k_factor=(shortlist + 0.5) / k, base_index_params=outer)
        return mapped.clean(refine.search(queries, k, params=again), k)


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".json")
