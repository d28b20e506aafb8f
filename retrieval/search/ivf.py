"""The FAISS IVF index over the rows of a vector file: made, grown, searched, measured and checked.

Ids are row numbers and codes are the file's own half-precision numbers, so whatever a search looks at it
scores exactly: recall is lost only by the lists it does not look into. Which rows are dead, and what to do
about rows that came after the index was saved, is left to `neighbours`.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.records import Rows, Vectors
from retrieval.search import exact, ivf_file
from retrieval.search.gpu import GpuSearch, attempt
from retrieval.search.measurement import SAMPLE, LeaveOneOut, Measurement, Recalls, smallest_nprobe
from retrieval.vectors import HALF, HalfVectors

LISTS_PER_ROOT = 4  # lists = 4 sqrt(n), the lower end of what FAISS' guidelines advise
ROWS_PER_LIST = 39  # fewer training vectors a list make poor lists: FAISS' own limit
TRAINING_ROWS_PER_LIST = 64  # 39, 64 and 128 led to the same nprobe within a quarter
ITERATIONS = 10  # of k-means: FAISS' own number for coarse quantizers
EXACT_BELOW = 1000  # rows: looking into every list costs nothing there
BLOCK_FLOATS = 16 * 2**20  # 64 MB in single precision
QUERIES_AT_ONCE = 100  # where every list is ranked for each of them
GPU_BATCH = 256  # queries from which on a search is worth a GPU


class IvfIndex:
    """An inverted file over rows 0, 1, ...: searched by any number of threads, changed by one alone."""

    def __init__(
        self, index: faiss.IndexIVFScalarQuantizer, trained_rows: int, measurement: Measurement | None = None
    ) -> None:
        self._index = index
        self._gpu = GpuSearch(index)
        self.trained_rows = trained_rows  # how many there were when the lists were made
        self.measurement = measurement  # None: not measured since it was made or changed

    @classmethod
    def build(cls, vectors: HalfVectors, *, target_recall: float = 0.99, k: int = 20, seed: int = 0) -> "IvfIndex":
        """Make lists from a sample of the (n, d) vectors, n >= 1, add all vectors, and choose nprobe."""
        n, d = vectors.shape
        lists = lists_for(n)
        rows = np.random.default_rng(seed).choice(n, min(n, TRAINING_ROWS_PER_LIST * lists), replace=False)
        # FAISS ends the process if it has to train on what is no number.
        training = np.nan_to_num(vectors[np.sort(rows)], copy=False, posinf=0, neginf=0)
        centroids = attempt(faiss.IndexFlatIP(d), lambda flat: _centroids(training, lists, seed, flat))
        built = cls(_empty(centroids), trained_rows=n)
        built.add(vectors, 0)
        built.measure(vectors, target_recall=target_recall, k=k, seed=seed)
        return built

    @classmethod
    def load(cls, path: Path, dimension: int, *, mapped: bool = True) -> "IvfIndex":
        """Read what `save` wrote; mapped, it can be searched but not added to.

        Raises IndexFormatError for a broken or foreign file, FileNotFoundError for none. A measurement of
        other contents, as a crash between the two files leaves, counts as none.
        """
        index = ivf_file.read(path, dimension, mapped=mapped)
        contents = (index.ntotal, index.nlist, index.nprobe)
        found = Measurement.load(_sidecar(path))
        if found is None or (found.rows, found.lists, found.nprobe) != contents:
            return cls(index, trained_rows=index.ntotal)
        return cls(index, found.trained_rows, found)

    def save(self, path: Path) -> None:
        """Replace the file at `path`, then its measurement in the `.json` beside it."""
        ivf_file.write(self._index, path)
        if self.measurement is not None:
            self.measurement.save(_sidecar(path))

    @property
    def rows(self) -> int:
        """Vectors in the index: rows 0 to rows - 1."""
        return int(self._index.ntotal)

    @property
    def lists(self) -> int:
        """Lists that the vectors are divided into."""
        return int(self._index.nlist)

    @property
    def nprobe(self) -> int:
        """Lists that a search looks into unless told otherwise."""
        return int(self._index.nprobe)

    def add(self, vectors: HalfVectors, first_row: int) -> None:
        """Add the (m, d) vectors of the rows from `first_row` on, which must be the first one missing."""
        if first_row != self.rows:
            raise ValueError(f"the next row to add is {self.rows}, not {first_row}")
        self.measurement = None
        self._gpu = GpuSearch(self._index)
        numbers = attempt(self._index.quantizer, lambda quantizer: _nearest_lists(vectors, quantizer))
        for start, block in _blocks(vectors):
            ids = np.arange(first_row + start, first_row + start + len(block), dtype=np.int64)
            assigned = numbers[start : start + len(block)]
            self._index.add_core(len(block), *map(faiss.swig_ptr, (block, ids, assigned)))

    def search(self, queries: Vectors, k: int, dead: Rows | None = None, *, nprobe: int | None = None) -> exact.Found:
        """The k nearest rows to each of (m, d) queries, of those in the `nprobe` lists nearest to it.

        Dead rows are passed over inside the search, so they never displace others. Of equal rows at the
        end of an answer FAISS keeps any.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        probes = min(nprobe or self.nprobe, self.lists)
        found = None
        if dead is not None and len(dead):
            found = self._search_without(dead, queries, k, probes)
        elif len(queries) >= GPU_BATCH:
            found = self._gpu.search(queries, k, probes)
        if found is None:
            found = self._index.search(queries, k, params=faiss.SearchParametersIVF(nprobe=probes))
        scores, rows = found
        return exact.ordered((np.where(rows < 0, np.float32(-np.inf), scores), rows), k)

    def measure(
        self, vectors: HalfVectors, *, target_recall: float, k: int, sample: int = SAMPLE, seed: int = 0
    ) -> Measurement:
        """Choose the smallest nprobe that assuredly reaches the target, search with it, and keep what was found.

        `vectors` are the rows of the index, (n, d). Below 1,000 rows every list is looked into. For what
        assures a recall see `measurement`.
        """
        judge = LeaveOneOut(vectors, k, sample, seed)
        nprobe = self.lists
        if self.rows >= EXACT_BELOW:
            needed = self._lists_needed(judge)
            nprobe = smallest_nprobe(lambda probes: (needed <= probes).mean(axis=1), self.lists, target_recall)
        self._index.nprobe = nprobe
        self.measurement = Measurement(
            rows=self.rows,
            trained_rows=self.trained_rows,
            lists=self.lists,
            nprobe=nprobe,
            recall=float(self.recall(judge).mean()),
            target_recall=target_recall,
            k=k,
            sample=len(judge.rows),
        )
        return self.measurement

    def recall(self, judge: LeaveOneOut, dead: Rows | None = None, nprobe: int | None = None) -> Recalls:
        """The recall of each query of the judge."""
        return judge.recall(lambda queries, k: self.search(queries, k, dead, nprobe=nprobe))

    def check(self, vectors: HalfVectors, rows: Rows) -> list[str]:
        """What is wrong inside: with any id, or with the codes of `rows`, which must be those of the file."""
        times_seen = np.zeros(self.rows, dtype=np.int64)
        looked_at = np.zeros(self.rows, dtype=bool)
        looked_at[rows] = True
        foreign, differing = 0, 0
        for _, ids, codes in self._contents():
            known = np.flatnonzero((ids >= 0) & (ids < self.rows))
            foreign += len(ids) - len(known)
            np.add.at(times_seen, ids[known], 1)
            picked = known[looked_at[ids[known]]]
            mine, original = codes[picked], vectors[ids[picked]]
            same = (mine == original) | (np.isnan(mine) & np.isnan(original))  # damage to the file is not ours
            differing += int((~same).any(axis=1).sum())
        problems = {
            "ids are no row's": foreign,
            "rows are missing": np.count_nonzero(times_seen == 0),
            "rows are there more than once": np.count_nonzero(times_seen > 1),
            f"of {len(rows)} vectors differ from the vector file": differing,
        }
        return [f"{count} {what}" for what, count in problems.items() if count]

    def _lists_needed(self, judge: LeaveOneOut) -> NDArray[np.int64]:
        """How many lists must be looked into until each exact neighbour is found: (sample, k), 0 for none.

        A neighbour is found once its list is looked into, as nothing outscores it there. So this tells the
        recall at every nprobe without searching once for each.
        """
        list_of = np.zeros(self.rows, dtype=np.int64)
        for number, ids, _ in self._contents():
            list_of[ids] = number
        needed = np.zeros(judge.exact[1].shape, dtype=np.int64)
        for start in range(0, len(judge.queries), QUERIES_AT_ONCE):
            some = slice(start, start + QUERIES_AT_ONCE)
            order = self._index.quantizer.search(judge.queries[some], self.lists)[1]
            place = np.argsort(order, axis=1)  # of each list in the order of the query
            needed[some] = np.take_along_axis(place, list_of[judge.exact[1][some]], axis=1) + 1
        return np.where(judge.exact[1] < 0, 0, needed)

    def _contents(self) -> Iterator[tuple[int, Rows, HalfVectors]]:
        """Number, ids and codes of each list that is not empty; views into the index."""
        lists = self._index.invlists
        for number in range(self.lists):
            size = lists.list_size(number)
            if size:
                ids = faiss.rev_swig_ptr(lists.get_ids(number), size)
                codes = faiss.rev_swig_ptr(lists.get_codes(number), size * lists.code_size)
                yield number, ids, codes.view(HALF).reshape(size, self._index.d)

    def _search_without(self, dead: Rows, queries: Vectors, k: int, nprobe: int) -> exact.Found:
        alive = np.ones(self.rows, dtype=bool)
        alive[dead[dead < self.rows]] = False
        selector = faiss.IDSelectorBitmap(np.packbits(alive, bitorder="little"))
        # Settings travel with the call: no thread may change those of the index under another.
        params = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
        scores, rows = self._index.search(queries, k, params=params)
        return scores, rows


def lists_for(n: int) -> int:
    """How many lists n vectors are divided into: 4 sqrt(n), or fewer for 39 vectors a list."""
    return max(1, min(LISTS_PER_ROOT * math.isqrt(n), n // ROWS_PER_LIST))


def _centroids(training: HalfVectors, lists: int, seed: int, flat: faiss.IndexFlat) -> Vectors:
    """Spherical k-means, as inner products need: (lists, d), unit length. `flat` finds the nearest."""
    d = training.shape[1]
    clustering = faiss.Clustering(d, lists)
    clustering.spherical = True
    clustering.niter = ITERATIONS
    clustering.seed = seed
    clustering.min_points_per_centroid = 1  # few vectors are no reason to write a warning to stderr
    clustering.max_points_per_centroid = len(training)  # sampled already
    # Trained from half precision, decoded block by block: half the memory of single precision.
    codec = faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    clustering.train_encoded(training.view(np.uint8), codec, flat)
    centroids: Vectors = faiss.vector_to_array(clustering.centroids).reshape(lists, d)
    return centroids


def _empty(centroids: Vectors) -> faiss.IndexIVFScalarQuantizer:
    lists, d = centroids.shape
    quantizer = faiss.IndexFlatIP(d)
    quantizer.add(centroids)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, d, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
    )
    index.train(centroids)  # the lists are there: this only sets up the half-precision codes
    return index


def _nearest_lists(vectors: HalfVectors, quantizer: faiss.Index) -> Rows:
    """The list of each vector, (n,); the first for damaged ones, which have none and are never found."""
    numbers = np.zeros(len(vectors), dtype=np.int64)
    for start, block in _blocks(vectors):
        numbers[start : start + len(block)] = quantizer.search(block, 1)[1][:, 0]
    return np.maximum(numbers, 0, out=numbers)


def _blocks(vectors: HalfVectors) -> Iterator[tuple[int, Vectors]]:
    """The vectors in single precision, 64 MB at a time, each with its place among them."""
    rows = max(1, BLOCK_FLOATS // vectors.shape[1])
    for start in range(0, len(vectors), rows):
        yield start, vectors[start : start + rows].astype(np.float32)


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".json")
