"""hnswlib, usearch and FAISS as their documentation has them, each in a process of its own, under a Python of theirs.

python -m scale.rival_engines hnswlib|usearch|faiss-ivf|faiss-hnsw|faiss-flat; needs NumPy and that library.
"""

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scale.serving import Engine, Job, Rows, serve

Queries = NDArray[np.float32]

M, EF_CONSTRUCTION = 16, 200  # hnswlib's own example
TRAINING_ROWS_PER_LIST = 40  # FAISS warns below 39


class Hnswlib:
    """Single precision, as it only knows that."""

    def build(self, job: Job) -> None:
        index = self._empty(job)
        index.init_index(max_elements=job.rows, M=M, ef_construction=EF_CONSTRUCTION)
        index.set_num_threads(job.threads)
        for start, block in job.blocks():
            index.add_items(block, np.arange(start, start + len(block)))
        index.save_index(str(job.folder / "index"))

    def open(self, job: Job) -> None:
        self._index = self._empty(job)
        self._index.load_index(str(job.folder / "index"), max_elements=job.rows)
        self._index.set_num_threads(job.threads)

    def set(self, knob: float) -> None:
        self._index.set_ef(int(knob))

    def search(self, queries: Queries, k: int) -> Rows:
        return np.asarray(self._index.knn_query(queries, k)[0], dtype=np.int64)

    @staticmethod
    def _empty(job: Job) -> Any:
        import hnswlib

        return hnswlib.Index(space="ip", dim=job.dimension)


class Usearch:
    """Half precision, which the vectors are in; else its own defaults."""

    def build(self, job: Job) -> None:
        index = self._empty(job)
        vectors = job.read()
        for start in range(0, job.rows, 20_000):
            block = np.asarray(vectors[start : start + 20_000])
            index.add(np.arange(start, start + len(block)), block, threads=job.threads)
        index.save(str(job.folder / "index"))

    def open(self, job: Job) -> None:
        self._index, self._threads = self._empty(job), job.threads
        self._index.load(str(job.folder / "index"))

    def set(self, knob: float) -> None:
        self._index.expansion_search = int(knob)

    def search(self, queries: Queries, k: int) -> Rows:
        matches = self._index.search(queries.astype(np.float16), k, threads=self._threads)
        return np.atleast_2d(np.asarray(matches.keys)).astype(np.int64)

    @staticmethod
    def _empty(job: Job) -> Any:
        from usearch.index import Index

        return Index(ndim=job.dimension, metric="ip", dtype="f16")


class Faiss:
    """An index by its factory's words, where `{lists}` stands for 4 sqrt(n)."""

    def __init__(self, words: str, parameter: str | None) -> None:
        self._words = words
        self._parameter = parameter

    def build(self, job: Job) -> None:
        import faiss

        faiss.omp_set_num_threads(job.threads)
        lists = max(1, min(round(4 * math.sqrt(job.rows)), job.rows // 39))
        index = faiss.index_factory(job.dimension, self._words.format(lists=lists), faiss.METRIC_INNER_PRODUCT)
        if not index.is_trained:
            rows = np.random.default_rng(0).choice(
                job.rows, min(job.rows, TRAINING_ROWS_PER_LIST * lists), replace=False
            )
            index.train(job.read()[np.sort(rows)].astype(np.float32))
        for _, block in job.blocks():
            index.add(block)
        faiss.write_index(index, str(job.folder / "index"))

    def open(self, job: Job) -> None:
        import faiss

        faiss.omp_set_num_threads(job.threads)
        self._index = faiss.read_index(str(job.folder / "index"))
        self._space = faiss.ParameterSpace()

    def set(self, knob: float) -> None:
        if self._parameter:
            self._space.set_index_parameter(self._index, self._parameter, int(knob))

    def search(self, queries: Queries, k: int) -> Rows:
        return np.asarray(self._index.search(np.ascontiguousarray(queries), k)[1])


def warm_faiss() -> None:
    """Have FAISS make the buffers that its threads keep: they are no part of an index."""
    import faiss

    flat = faiss.IndexFlatIP(768)
    flat.add(np.ones((8192, 768), np.float32))
    flat.search(np.ones((1024, 768), np.float32), 20)


def engine(name: str) -> Engine:
    """An engine by its name; its library is loaded here: what it weighs by itself is no part of an index."""
    __import__(name.partition("-")[0])
    if name == "hnswlib":
        return Hnswlib()
    if name == "usearch":
        return Usearch()
    warm_faiss()
    return {
        "faiss-ivf": Faiss("IVF{lists},SQfp16", "nprobe"),
        "faiss-hnsw": Faiss("HNSW32,SQfp16", "efSearch"),
        "faiss-flat": Faiss("Flat", None),
    }[name]


if __name__ == "__main__":
    serve(lambda: engine(sys.argv[1]))
