"""What the rest of the library asks of a vector search, and the records that it answers with.

Row numbers, selections, scores, status and problems cross this border; how an engine stores and searches does not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.records import Rows, Vectors
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets

Scores: TypeAlias = NDArray[np.float32]  # (m, k), descending; -inf where fewer than k rows were found
ScoredRows: TypeAlias = tuple[Scores, Rows]  # with the row of each score, (m, k); -1 where fewer than k were found

NO_ROWS: Rows = np.empty(0, dtype=np.int64)
CHECK_SAMPLE = 1000  # rows whose vectors are compared, and whose neighbours are searched, by a check
ProblemKind = Literal[
    "file",  # unreadable, or not the bytes that were written
    "rows",  # names rows that do not exist, or lacks rows that do
    "vectors",  # holds other vectors than the vector file
    "recall",  # finds fewer of the nearest neighbours than its target
]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One way of searching an index, with the recall it reaches and the time it takes."""

    recall: float  # mean over the sample, 0 to 1
    ms: float  # milliseconds of a single query, median, when it was measured
    parameters: Mapping[str, int]  # the engine's own, to be shown


@dataclass(frozen=True, slots=True)
class SearchStatus:
    """The state of a search index; the defaults hold where every row is searched exactly."""

    tail: int  # committed rows outside the index, searched exactly
    rows: int = 0  # in the index
    recall: float | None = None  # measured, of the k nearest; None where it was not
    target_recall: float | None = None
    k: int | None = None
    sample: int | None = None  # queries that recall was measured with
    method: str | None = None  # how it is searched, in words
    storage: str | None = None  # how vectors are stored, in words
    memory_bytes: int | None = None  # held while searching, without what is mapped
    target_memory_bytes: int | None = None  # None: the default
    size_bytes: int = 0  # on disk
    parameters: Mapping[str, int] = field(default_factory=dict)  # the engine's own, to be shown
    curve: tuple[OperatingPoint, ...] = ()  # the cheapest ways to rising recalls


@dataclass(frozen=True, slots=True)
class SearchProblem:
    """Something wrong with a search index; rebuilding the index fixes it."""

    kind: ProblemKind
    what: str  # in words, with the file it concerns


class VectorSearch(Protocol):
    """Nearest neighbours among the rows of one set of vectors, by inner product.

    Which rows are committed, and which of them are dead, the caller says. Any number of threads may search; only one
    process at a time may refresh or rebuild. Methods that read raise IndexFormatError for vectors or an index that
    cannot be used.
    """

    def search(self, queries: Vectors, k: int, selection: Selection) -> ScoredRows:
        """Find the k nearest selected rows to each of (m, d) queries, best first, equal scores by the lower row.

        Returns scores (m, k) float32 and rows (m, k) int64. Where fewer than k rows can be found, score -inf and row
        -1 fill up. Scores are exact; an approximate engine may miss rows, as rarely as its target recall says.
        """
        ...

    def neighbours(self, rows: Rows, k: int, selection: Selection) -> Iterator[tuple[Rows, ScoredRows]]:
        """Find the k nearest selected rows to each of many rows, (n,), the row itself left out.

        Yields some of the rows, (m,), with what was found for them, in an order that suits the engine; each row once.
        """
        ...

    def cluster_order(self, rows: Rows, selection: Selection) -> Rows:
        """Return the same rows, (n,), in an order in which near neighbours stand close together."""
        ...

    def refresh(self, rows: int, dead: Rows = NO_ROWS) -> SearchStatus:
        """Bring the index up to date with the first `rows` rows, as far as that is due; `dead` are not to be found.

        Small additions may stay outside the index, searched exactly. Raises OSError on a full disk: the index then is
        as it was.
        """
        ...

    def rebuild(self, rows: int, dead: Rows = NO_ROWS, targets: Targets | None = None) -> SearchStatus:
        """Build the index of the first `rows` rows from scratch, for new targets or, if None, for those of last time.

        Also for a caller that cut committed rows off: an older index would go on naming them.
        """
        ...

    def targets(self) -> Targets:
        """Return what the index was last built for."""
        ...

    def status(self, rows: int) -> SearchStatus:
        """Return what a search over the first `rows` rows stands on."""
        ...

    def check(
        self, rows: int, dead: Rows = NO_ROWS, *, sample: int = CHECK_SAMPLE, seed: int | None = None
    ) -> list[SearchProblem]:
        """Compare the whole index with the vectors and with its target recall; a missing index is no problem.

        Recall counts as too low only if that cannot be an unlucky sample. Without a seed the sample is a new one.
        """
        ...
