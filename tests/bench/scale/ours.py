"""This project's search over the vectors of one index folder: the one place of the benchmark that calls it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from retrieval.records import Rows, Vectors
from retrieval.search.ivf import tuning
from retrieval.search.ivf.settings import DEFAULTS
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.protocol import ScoredRows
from retrieval.search.registry import search_in_folder
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorFile
from retrieval.store import VECTORS_NAME

NONE = np.empty(0, dtype=np.int64)


class Ours:
    """The first `rows` rows of a folder's vectors, none of them dead."""

    def __init__(self, folder: Path, dimension: int, rows: int) -> None:
        self._folder = folder
        self._file = VectorFile(folder / VECTORS_NAME, dimension)
        self._search = search_in_folder(folder, self._file)
        self._rows = rows

    @property
    def vectors(self) -> HalfVectors:
        """All of them, mapped: (n, d)."""
        return self._file.read(self._rows)

    def build(self, target_recall: float) -> None:
        """Rebuild the index."""
        self._search.rebuild(self._rows, targets=Targets(target_recall))

    def aim(self, target_recall: float) -> None:
        """Have the index searched with another recall in mind: measured again, not rebuilt."""
        if self._search.targets().recall == target_recall:
            return
        file = IvfFile(self._folder, self._file.dimension, DEFAULTS)
        ivf = file.load(to_add=True)
        assert ivf is not None
        tuning.tune(ivf, self.vectors, Targets(target_recall))
        file.save(ivf)

    def select(self, chosen: Rows | None = None) -> Selection:
        """Restrict searches to some rows; made once, used for many of them."""
        return Selection.of(self._rows, NONE, chosen)

    def search(self, queries: Vectors, k: int, selection: Selection) -> ScoredRows:
        """The k nearest of the selected rows."""
        return self._search.search(queries, k, selection)

    def of_all(self, k: int) -> Iterator[tuple[Rows, Rows]]:
        """The k nearest of every row, itself left out: some of the rows, and what was found for them, (m, k)."""
        for some, found in self._search.neighbours(np.arange(self._rows), k, self.select()):
            yield some, found[1]

    def settings(self) -> str:
        """What the product chose, in words."""
        status = self._search.status(self._rows)
        if not status.rows:
            return "exact search"
        return (
            f"{status.storage}; {status.method}; "
            f"recall {status.recall:.4f} by its own measurement, for {status.target_recall}"
        )
