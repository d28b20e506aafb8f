"""This project's search over the vectors of one index folder: the one place of the benchmark that calls it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.neighbours import IVF_NAME, Neighbours
from retrieval.search.selection import Selection
from retrieval.search.vectors import HalfVectors, VectorFile
from retrieval.search.wishes import Wishes
from retrieval.store import VECTORS_NAME

NONE = np.empty(0, dtype=np.int64)


class Ours:
    """The first `rows` rows of a folder's vectors, none of them dead."""

    def __init__(self, folder: Path, dimension: int, rows: int) -> None:
        self._path = folder / IVF_NAME
        self._file = VectorFile(folder / VECTORS_NAME, dimension)
        self._neighbours = Neighbours(folder, self._file)
        self._rows = rows

    @property
    def vectors(self) -> HalfVectors:
        """All of them, mapped: (n, d)."""
        return self._file.read(self._rows)

    def build(self, target_recall: float) -> None:
        """Make the index anew."""
        self._neighbours.rebuild(self._rows, wishes=Wishes(target_recall))

    def aim(self, target_recall: float) -> None:
        """Have the index searched with another recall in mind: measured anew, not made anew."""
        if self._neighbours.wishes().target_recall == target_recall:
            return
        from retrieval.search.ivf import IvfIndex

        ivf = IvfIndex.load(self._path, self._file.dimension, to_add=True)
        ivf.measure(self.vectors, Wishes(target_recall))
        ivf.save(self._path)

    def select(self, chosen: Rows | None = None) -> Selection:
        """Restrict searches to some rows; made once, used for many of them."""
        return self._neighbours.select(rows=self._rows, dead=NONE, chosen=chosen)

    def search(self, queries: Vectors, k: int, selection: Selection) -> exact.Found:
        """The k nearest of the selected rows."""
        return self._neighbours.search(queries, k, selection)

    def of_all(self, k: int) -> Iterator[tuple[Rows, Rows]]:
        """The k nearest of every row, itself left out: some of the rows, and what was found for them, (m, k)."""
        for some, found in self._neighbours.of_rows(np.arange(self._rows), k, self.select()):
            yield some, found[1]

    def settings(self) -> str:
        """What the product chose, in words."""
        status = self._neighbours.status(self._rows)
        if not status.lists:
            return "exact search"
        return (
            f"{status.code}; nprobe {status.nprobe} of {status.lists} lists, shortlist {status.shortlist}; "
            f"recall {status.recall:.4f} by its own measurement, for {status.target_recall}"
        )
