"""A FAISS IVF index over the rows of a vector file: built, extended and searched.

Ids are row numbers. Whatever a search brings to the top is scored exactly, from the file's own half-precision
numbers: recall is lost only by the lists that are not searched and, where codes are lossy, by the rows that do not come
onto the shortlist. How many lists and rows these should be is for `tuning` and `selected`; rows that came later are for
`search`.
"""

import math
import threading
from pathlib import Path
from weakref import WeakKeyDictionary

import faiss
import numpy as np

from retrieval.errors import IndexFormatError, Remedy
from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.ivf import flat, training
from retrieval.search.ivf.checksums import CheckedFile
from retrieval.search.ivf.gpu import GpuSearch, on_gpu_or_cpu
from retrieval.search.ivf.inverted_lists import InvertedLists
from retrieval.search.ivf.list_checks import ListChecks
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.settings import DEFAULTS, IvfSettings
from retrieval.search.ivf.subset import Subset
from retrieval.search.protocol import ScoredRows
from retrieval.search.selection import Selection, row_mask
from retrieval.search.targets import K, Targets
from retrieval.search.vectors import HalfVectors

DEFAULT_SHORTLIST = 500  # rows, for K neighbours, until it is measured


class IvfIndex:
    """An inverted file over rows 0, 1, ...: searched by any number of threads, changed by one alone."""

    def __init__(
        self,
        index: faiss.Index,
        rows: int,
        trained_rows: int,
        measurement: Measurement | None = None,
        *,
        settings: IvfSettings = DEFAULTS,
        path: Path | None = None,
        unchecked: CheckedFile | None = None,
    ) -> None:
        self.faiss_index = index
        self.rows = rows  # rows 0 to rows - 1 are covered: those that are not in it were dead when it was made
        self.trained_rows = trained_rows  # how many there were when the lists were made
        self.measurement = measurement  # None: not measured since it was made or changed
        self.settings = settings
        self.path = path  # of the file that it was read from, for messages
        self.is_of_these_vectors = False  # whether that was looked at, and is so
        self.inverted = InvertedLists(index)
        # Of that file, while lists on disk have not all been checked.
        self._unchecked = None if unchecked is None else ListChecks(unchecked, self.inverted)
        self._gpu = GpuSearch(self.inverted.faiss_lists)
        self._list_of: Rows | None = None
        self._subsets: WeakKeyDictionary[Selection, Subset] = WeakKeyDictionary()
        self._lock = threading.Lock()

    @classmethod
    def build(
        cls,
        vectors: HalfVectors,
        targets: Targets | None = None,
        *,
        alive: Rows | None = None,
        settings: IvfSettings = DEFAULTS,
        seed: int = 0,
    ) -> "IvfIndex":
        """Train lists on a sample of the (n, d) vectors, and add all that are alive; not yet tuned.

        At least one must be alive; `alive` has their rows, ascending, None for all.
        """
        rows = np.arange(len(vectors)) if alive is None else alive
        n = len(rows)
        sample = np.random.default_rng(seed).choice(rows, training.training_rows(n), replace=False)
        index = training.train(vectors[np.sort(sample)], n, targets or Targets(), settings, seed)
        built = cls(index, 0, len(vectors), settings=settings)
        built.add(vectors, 0, alive)
        return built

    @property
    def size(self) -> int:
        """Vectors in the index."""
        return int(self.faiss_index.ntotal)

    @property
    def lists(self) -> int:
        """Lists that the vectors are divided into."""
        return self.inverted.count

    @property
    def nprobe(self) -> int:
        """Lists that a search reads unless told otherwise."""
        return int(self.inverted.faiss_lists.nprobe)

    @nprobe.setter
    def nprobe(self, count: int) -> None:
        self.inverted.faiss_lists.nprobe = count

    @property
    def coded(self) -> bool:
        """Whether vectors are stored as lossy codes; if not, as the vector file's own numbers."""
        return self.inverted.coded

    @property
    def memory_bytes(self) -> int:
        """Held while searching, without what is mapped."""
        return training.memory_bytes(self.faiss_index)

    def describe_storage(self) -> str:
        """Say how vectors are stored."""
        return training.describe(self.faiss_index)

    @property
    def name(self) -> str:
        """What messages call it: the path of its file, if it has one."""
        return str(self.path) if self.path else "the search index"

    def check_file(self) -> None:
        """Raise IndexFormatError unless all of the file that it was read from is as it was written."""
        if self._unchecked is not None:
            self._unchecked.check_all()
            self._unchecked = None

    def list_of(self) -> Rows:
        """Return the list of each covered row, (rows,); -1 for those that are not in the index.

        Raises IndexFormatError unless the index has as many rows as vectors.
        """
        with self._lock:
            if self._list_of is None:
                list_of = self.inverted.list_of(self.rows)
                if np.count_nonzero(list_of >= 0) != self.size:
                    raise self._broken("names rows that do not exist, or some of them twice")
                self._list_of = list_of
            return self._list_of

    def search_codes(self, queries: Vectors, length: int, nprobe: int) -> Rows:
        """Return the rows that codes alone bring to the top, (m, length), best first; for a coded index."""
        params = faiss.SearchParametersPreTransform(index_params=faiss.SearchParametersIVF(nprobe=nprobe))
        rows: Rows = self.faiss_index.search(queries, min(length, self.size), params=params)[1]
        return rows

    def subset(self, selection: Selection) -> Subset | None:
        """Return what a selection means in this index, None if it leaves nothing out; kept while the selection lives.

        The selection may be of any number of rows from `rows` on.
        """
        if selection.mask is None:
            return None
        found = self._subsets.get(selection)
        if found is None:
            found = self._subsets[selection] = Subset(selection.mask[: self.rows], self.list_of(), self.lists)
        return found

    def add(self, vectors: HalfVectors, first_row: int, alive: Rows | None = None) -> None:
        """Add the (m, d) vectors of the rows from `first_row` on, which must be the first one missing.

        `alive` has the rows that are to be found, ascending; None for all of them.
        """
        if first_row != self.rows:
            raise ValueError(f"the next row to add is {self.rows}, not {first_row}")
        self.measurement, self._list_of, self._subsets = None, None, WeakKeyDictionary()
        self._gpu = GpuSearch(self.inverted.faiss_lists)
        chosen = np.ones(len(vectors), dtype=bool) if alive is None else row_mask(alive - first_row, len(vectors))
        numbers = None
        if not self.coded:
            numbers = on_gpu_or_cpu(
                self.inverted.quantizer, lambda nearest: training.nearest_lists(vectors, nearest, self.settings)
            )
        for start, block in training.blocks(vectors, self.settings):
            some = slice(start, start + len(block))
            added = chosen[some]
            ids = np.flatnonzero(added) + (first_row + start)
            self.inverted.add(
                np.ascontiguousarray(block[added]), ids, None if numbers is None else numbers[some][added]
            )
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
    ) -> ScoredRows:
        """Find the k nearest rows to each of (m, d) queries, of those in the `nprobe` lists nearest to it.

        `vectors` are those of the file, at least the rows covered. Rows outside of the subset are passed over inside
        the search, so they never displace others. Of equal rows at the end of an answer FAISS returns any. Raises
        IndexFormatError for an index whose file is damaged.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        probes = min(nprobe or self.nprobe, subset.usable if subset else self.lists)
        if not probes or not len(queries):
            return exact.none_found(len(queries), k)
        self._check_lists(queries, probes, subset)
        params = subset.params(probes) if subset else faiss.SearchParametersIVF(nprobe=probes)
        try:
            if self.coded:
                found = self._search_again(vectors, queries, k, params, max(k, shortlist or self.shortlist(k)))
            else:
                on_gpu = subset is None and len(queries) >= self.settings.gpu_queries
                answer = self._gpu.search(queries, k, probes) if on_gpu else None
                found = flat.clean(answer or self.faiss_index.search(queries, k, params=params), k)
        except RuntimeError as error:  # FAISS': an id that is no row's
            raise self._broken("cannot be searched") from error
        if (found[1] >= self.rows).any():
            raise self._broken("names rows that do not exist")
        return found

    def shortlist(self, k: int) -> int:
        """Return how many rows are scored again to find k; 0 where every score is exact."""
        if not self.coded:
            return 0
        measured = (self.measurement.shortlist, self.measurement.k) if self.measurement else (DEFAULT_SHORTLIST, K)
        rows, at = measured
        return math.ceil(rows * max(1.0, k / at))

    def _search_again(
        self, vectors: HalfVectors, queries: Vectors, k: int, params: faiss.SearchParametersIVF, shortlist: int
    ) -> ScoredRows:
        """Search by the codes, then score what comes onto the shortlist exactly."""
        exactly = flat.view(vectors[: self.rows])
        exactly.ntotal = self.size  # FAISS wants to see as many, though rows that were dead have no code
        refine = faiss.IndexRefine(self.faiss_index, exactly)
        exactly.ntotal = refine.ntotal = self.rows
        outer = faiss.SearchParametersPreTransform(index_params=params)
        again = faiss.IndexRefineSearchParameters(k_factor=(shortlist + 0.5) / k, base_index_params=outer)
        return flat.clean(refine.search(queries, k, params=again), k)

    def _check_lists(self, queries: Vectors, nprobe: int, subset: Subset | None) -> None:
        """Raise IndexFormatError unless the lists that a search reads from the disk are as they were written."""
        unchecked = self._unchecked
        if unchecked is None:
            return
        if len(queries) >= self.settings.gpu_queries:  # a copy on the GPU needs them all, and many queries nearly all
            unchecked.check_all()
        else:
            unchecked.check_searched(queries, nprobe, subset, ahead=self.settings.checked_ahead)
        if unchecked.done:
            self._unchecked = None

    def _broken(self, reason: str) -> IndexFormatError:
        return IndexFormatError(f"{self.name} {reason}", Remedy.REPAIR)
