"""Vectors of the file as a FAISS index over the very same memory: exact scores, computed from half precision by FAISS.

Nothing is copied: what is not looked at is not even read from the disk.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.protocol import ScoredRows
from retrieval.search.selection import Mask
from retrieval.search.vectors import HalfVectors

WORTH_THREADS = 4  # queries
Bytes = faiss.MaybeOwnedVectorUInt8
_UNOWNED = Bytes()  # FAISS copies its owner, which is nobody, into each view: it must not be freed before that


def view(vectors: HalfVectors) -> faiss.IndexScalarQuantizer:
    """Return an index of (n, d) contiguous vectors, n >= 1, over the same memory. It must not outlive them."""
    n, d = vectors.shape
    index = faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    numbers = np.asarray(vectors).reshape(-1).view(np.uint8)
    index.codes = Bytes.create_view(faiss.swig_ptr(numbers), numbers.nbytes, _UNOWNED.owner)
    index.ntotal = n
    return index


@contextmanager
def threads_for(queries: int) -> Iterator[None]:
    """Search few queries with one thread: to start others takes longer than they save, the more so on busy cores.

    On two cores a single query among a million took 1.6 ms with one thread, and 1.8 to 8 with two. OpenMP keeps the
    number for each thread that calls it, so no other search is touched.
    """
    if queries >= WORTH_THREADS:
        yield
        return
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _search_alone() -> None:
    """In a forked process the thread that forked has lost the others, and OpenMP would wait for them for ever."""
    faiss.omp_set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_search_alone)


def search(vectors: HalfVectors, queries: Vectors, k: int, first_row: int, alive: Rows | None) -> ScoredRows:
    """Search consecutive rows exactly, as exact.search does; many times faster for a few queries.

    `vectors` are those of the rows from `first_row` on; `alive` the only rows to find, None for all of them.
    """
    if not len(vectors) or (alive is not None and not len(alive)):
        return exact.none_found(len(queries), k)
    params = None
    if alive is not None:
        mask = np.zeros(len(vectors), dtype=bool)
        mask[alive - first_row] = True
        params = faiss.SearchParameters(sel=selector(mask))
    scores, rows = view(vectors).search(queries, min(k, len(vectors)), params=params)
    return clean((scores, np.where(rows < 0, -1, rows + first_row)), k)


def search_rows(vectors: HalfVectors, queries: Vectors, k: int, rows: Rows) -> ScoredRows:
    """Search a few rows exactly, which may lie anywhere but ascend: they are copied out first."""
    if not len(rows):
        return exact.none_found(len(queries), k)
    few = np.ascontiguousarray(vectors[rows])  # must live as long as its view
    scores, places = view(few).search(queries, min(k, len(rows)))
    return clean((scores, np.where(places < 0, -1, rows[places])), k)


def selector(mask: Mask) -> faiss.IDSelectorBitmap:
    """Return a FAISS selector of the positions where the mask is set."""
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))


def clean(found: ScoredRows, k: int) -> ScoredRows:
    """Sort an answer of FAISS, equal scores by the lower row, and leave out damaged vectors."""
    scores, rows = found
    missing = (rows < 0) | ~np.isfinite(scores)
    return exact.top_k((np.where(missing, np.float32(-np.inf), scores), np.where(missing, -1, rows)), k)
