"""FAISS work on the first GPU where there is one, and on the CPU where there is none or the GPU refuses.

Which GPU is first is for `CUDA_VISIBLE_DEVICES` to say. Answers are those of the CPU up to rounding.
"""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import faiss
import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search.ivf.flat import clean
from retrieval.search.protocol import ScoredRows
from retrieval.search.vectors import HalfVectors

ADDED_AT_ONCE = 65_536  # rows: 200 MB in single precision
LIMIT = 2048  # the highest k and nprobe of FAISS' GPU kernels
ERRORS = (RuntimeError, MemoryError)  # what FAISS' C++ exceptions become: out of memory, a driver too old

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


def on_gpu_or_cpu(index: faiss.Index, work: Callable[[faiss.Index], Result]) -> Result:
    """Run `work` on a copy of `index` on the GPU; without a GPU, or if it fails, on `index` itself."""
    copy = _copy(index)
    if copy is not None:
        try:
            return work(copy)
        except ERRORS as error:
            logger.info("the GPU failed, continuing without it: %s", error)
    return work(index)


class GpuSearch:
    """A copy of an IVF index on the GPU, made at the first search and dropped at the first error."""

    def __init__(self, index: faiss.IndexIVF) -> None:
        self._index = index
        self._copy: faiss.Index | None = None
        self._possible = True
        self._lock = threading.Lock()  # FAISS' GPU indexes may not even be read by two threads at once

    def search(self, queries: Vectors, k: int, nprobe: int) -> ScoredRows | None:
        """Return FAISS' own answer, or None where there is no GPU for it."""
        if not self._possible or max(k, nprobe) > LIMIT:
            return None
        with self._lock:
            return self._search(queries, k, nprobe) if self._possible else None

    def _search(self, queries: Vectors, k: int, nprobe: int) -> ScoredRows | None:
        if self._copy is None:
            self._copy = _copy(self._index)
        if self._copy is not None:
            try:
                scores, rows = self._copy.search(queries, k, params=faiss.SearchParametersIVF(nprobe=nprobe))
            except ERRORS as error:
                logger.info("the GPU failed, continuing without it: %s", error)
            else:
                return scores, rows
        self._possible, self._copy = False, None
        return None


class GpuFlat:
    """Some vectors in half precision on the GPU, to be searched exactly."""

    def __init__(self, index: faiss.Index, rows: Rows) -> None:
        self._index = index
        self._rows = rows  # of the file, by the index' own ids

    @classmethod
    def of(cls, vectors: HalfVectors, rows: Rows) -> "GpuFlat | None":
        """Copy the vectors of these rows, ascending; None where there is no GPU, or where they do not fit."""
        if not len(rows) or faiss.get_num_gpus() == 0:
            return None
        try:
            config = faiss.GpuIndexFlatConfig()
            config.useFloat16 = True
            index = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), vectors.shape[1], config)
            for start in range(0, len(rows), ADDED_AT_ONCE):
                index.add(vectors[rows[start : start + ADDED_AT_ONCE]].astype("float32"))
        except ERRORS as error:
            logger.info("not on the GPU: %s", error)
            return None
        return cls(index, rows)

    def search(self, queries: Vectors, k: int) -> ScoredRows | None:
        """Find the k nearest to each of (m, d) queries; None where the GPU fails."""
        if k > LIMIT:
            return None
        try:
            scores, places = self._index.search(queries, min(k, len(self._rows)))
        except ERRORS as error:
            logger.info("the GPU failed, continuing without it: %s", error)
            return None
        return clean((scores, np.where(places < 0, -1, self._rows[places])), k)


def _copy(index: faiss.Index) -> faiss.Index | None:
    if faiss.get_num_gpus() == 0:
        return None
    try:
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
    except ERRORS as error:
        logger.info("not on the GPU: %s", error)
        return None
