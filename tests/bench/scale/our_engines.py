"""This project's search, and what exact search costs, each in a process of its own.

python -m scale.our_engines ours|exact|product
"""

import sys

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.targets import RECALL
from scale.ours import Ours
from scale.rival_engines import warm_faiss
from scale.serving import BLOCK_ROWS, Engine, Job, serve


class OurIndex:
    """Searched as the product chose to, for a recall it is asked for. Its files lie in an index folder."""

    def __init__(self) -> None:
        warm_faiss()

    def build(self, job: Job) -> None:
        Ours(job.folder, job.dimension, job.rows).build(RECALL)

    def open(self, job: Job) -> None:
        self._ours = Ours(job.folder, job.dimension, job.rows)
        self._everything = self._ours.select()
        self._ours.search(np.zeros((1, job.dimension), np.float32), 1, self._everything)  # files are read when needed

    def set(self, knob: float) -> None:
        self._ours.aim(knob)

    def search(self, queries: Vectors, k: int) -> Rows:
        return self._ours.search(queries, k, self._everything)[1]


class Exact:
    """What judges all others."""

    def build(self, job: Job) -> None:
        """There is nothing to make."""

    def open(self, job: Job) -> None:
        self._vectors = job.read()

    def set(self, knob: float) -> None:
        """There is nothing to choose."""

    def search(self, queries: Vectors, k: int) -> Rows:
        return exact.search(self._vectors, queries, k)[1]


class Product(Exact):
    """The products that exact search needs, in single precision, and nothing else: no reading, nothing selected.

    One block of the vectors stands for all, so that the rest need not be held in single precision.
    """

    def open(self, job: Job) -> None:
        self._block = np.asarray(job.read()[:BLOCK_ROWS], dtype=np.float32)
        self._rows = job.rows

    def search(self, queries: Vectors, k: int) -> Rows:
        for start in range(0, self._rows, len(self._block)):
            _ = queries @ self._block[: self._rows - start].T
        return np.full((len(queries), k), -1, dtype=np.int64)


def engine(name: str) -> Engine:
    return {"ours": OurIndex, "exact": Exact, "product": Product}[name]()


if __name__ == "__main__":
    serve(lambda: engine(sys.argv[1]))
