"""FAISS work on the first GPU where there is one, and on the CPU where there is none or the GPU refuses.

Which GPU is first is for `CUDA_VISIBLE_DEVICES` to say. Answers are those of the CPU up to rounding.
"""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import faiss

from retrieval.records import Vectors
from retrieval.search.exact import Found

LIMIT = 2048  # the highest k and nprobe of FAISS' GPU kernels
ERRORS = (RuntimeError, MemoryError)  # what FAISS' C++ exceptions become: out of memory, a driver too old

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


def attempt(index: faiss.Index, work: Callable[[faiss.Index], Result]) -> Result:
    """What `work` makes of a copy of `index` on the GPU; of `index` itself without a GPU or if it fails."""
    copy = _copy(index)
    if copy is not None:
        try:
            return work(copy)
        except ERRORS as error:
            logger.info("the GPU gave up, going on without it: %s", error)
    return work(index)


class GpuSearch:
    """A copy of an IVF index on the GPU, made at the first search and given up at the first error."""

    def __init__(self, index: faiss.IndexIVF) -> None:
        self._index = index
        self._copy: faiss.Index | None = None
        self._possible = True
        self._lock = threading.Lock()  # FAISS' GPU indexes may not even be read by two threads at once

    def search(self, queries: Vectors, k: int, nprobe: int) -> Found | None:
        """FAISS' own answer, or None where there is no GPU for it."""
        if not self._possible or max(k, nprobe) > LIMIT:
            return None
        with self._lock:
            return self._search(queries, k, nprobe) if self._possible else None

    def _search(self, queries: Vectors, k: int, nprobe: int) -> Found | None:
        if self._copy is None:
            self._copy = _copy(self._index)
        if self._copy is not None:
            try:
                scores, rows = self._copy.search(queries, k, params=faiss.SearchParametersIVF(nprobe=nprobe))
            except ERRORS as error:
                logger.info("the GPU gave up, going on without it: %s", error)
            else:
                return scores, rows
        self._possible, self._copy = False, None
        return None


def _copy(index: faiss.Index) -> faiss.Index | None:
    if faiss.get_num_gpus() == 0:
        return None
    try:
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
    except ERRORS as error:
        logger.info("not on the GPU: %s", error)
        return None
