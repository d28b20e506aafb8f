"""This project's search over the vectors of one index folder: the one place of the benchmark that calls it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.neighbours import Neighbours
from retrieval.store import VECTORS_NAME
from retrieval.vectors import HalfVectors, VectorFile

NONE = np.empty(0, dtype=np.int64)
AT_ONCE = 1024  # rows whose neighbours are asked for together


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Which rows may be found: `chosen` ones, or all."""

    chosen: Rows | None


class Ours:
    """The first `rows` rows of a folder's vectors, none of them dead."""

    def __init__(self, folder: Path, dimension: int, rows: int) -> None:
        self._vectors = VectorFile(folder / VECTORS_NAME, dimension)
        self._neighbours = Neighbours(folder, self._vectors)
        self._rows = rows

    @property
    def vectors(self) -> HalfVectors:
        """All of them, mapped: (n, d)."""
        return self._vectors.read(self._rows)

    def build(self, target_recall: float = 0.99) -> None:
        """Make the index anew."""
        self._neighbours.rebuild(self._rows, target_recall=target_recall)

    def aim(self, target_recall: float) -> None:
        """Have the built index searched with another recall in mind."""
        self._neighbours.refresh(self._rows, target_recall=target_recall)

    def select(self, chosen: Rows | None = None) -> Selection:
        """Restrict searches to some rows; made once, used for many of them."""
        return Selection(chosen)

    def search(self, queries: Vectors, k: int, selection: Selection) -> exact.Found:
        """The k nearest of the selected rows."""
        if selection.chosen is not None:
            return exact.search(self.vectors, queries, k, rows=selection.chosen)
        return self._neighbours.search(queries, k, rows=self._rows, dead=NONE)

    def of_all(self, k: int) -> Iterator[tuple[int, Rows]]:
        """The k nearest of every row, itself among them, some rows at a time: the first of them, and (m, k)."""
        for start in range(0, self._rows, AT_ONCE):
            queries = self.vectors[start : start + AT_ONCE].astype(np.float32)
            yield start, self._neighbours.search(queries, k + 1, rows=self._rows, dead=NONE)[1]

    def tail(self) -> int:
        """Rows that are not in the index yet."""
        return self._neighbours.status(self._rows).tail

    def settings(self) -> str:
        """What the product chose, in words."""
        status = self._neighbours.status(self._rows)
        if not status.lists:
            return "exact"
        return f"{status.lists} lists, nprobe {status.nprobe}, recall {status.recall:.4f} by its own measurement"
