"""Exact nearest neighbours by inner product in NumPy: the judge of every other search, and an engine for small sets.

Everything here holds about 100 MB at a time, whatever the number of vectors and queries.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from retrieval.records import Rows, Vectors
from retrieval.search.protocol import CHECK_SAMPLE, NO_ROWS, ScoredRows, Scores, SearchProblem, SearchStatus
from retrieval.search.selection import Selection, row_mask
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorSource

BLOCK_FLOATS = 16 * 2**20  # 64 MB in single precision: what one block and its scores may take
QUERIES_AT_ONCE = 1024
SAME_SCORE = 1e-6  # a dot product of unit vectors in single precision is off by a few 1e-7


class ExactSearch:
    """A VectorSearch that compares every query with every selected row; it stores nothing and misses nothing."""

    def __init__(self, vectors: VectorSource, targets: Targets | None = None) -> None:
        self._vectors = vectors
        self._targets = targets or Targets()

    def search(self, queries: Vectors, k: int, selection: Selection) -> ScoredRows:
        """Find the k nearest selected rows to each of (m, d) queries; see VectorSearch."""
        rows = selection.within(0, selection.rows)
        return search(self._vectors.read(selection.rows), queries, k, rows=rows)

    def neighbours(self, rows: Rows, k: int, selection: Selection) -> Iterator[tuple[Rows, ScoredRows]]:
        """Find the k nearest selected rows to each of many rows, the row itself left out; see VectorSearch."""
        vectors = self._vectors.read(selection.rows)
        for start in range(0, len(rows), QUERIES_AT_ONCE):
            some = rows[start : start + QUERIES_AT_ONCE]
            yield some, without_own(self.search(vectors[some].astype(np.float32), k + 1, selection), some, k)

    def cluster_order(self, rows: Rows, selection: Selection) -> Rows:
        """Return the rows as they come: every search reads all vectors."""
        return rows

    def refresh(self, rows: int, dead: Rows = NO_ROWS) -> SearchStatus:
        """Do nothing: there is no index."""
        return self.status(rows)

    def rebuild(self, rows: int, dead: Rows = NO_ROWS, targets: Targets | None = None) -> SearchStatus:
        """Remember the targets; exact search reaches any recall and holds no memory."""
        self._targets = targets or self._targets
        return self.status(rows)

    def targets(self) -> Targets:
        """Return the targets that were last given."""
        return self._targets

    def status(self, rows: int) -> SearchStatus:
        """Return the status of an index that has no rows in it."""
        return SearchStatus(tail=rows)

    def check(
        self, rows: int, dead: Rows = NO_ROWS, *, sample: int = CHECK_SAMPLE, seed: int | None = None
    ) -> list[SearchProblem]:
        """Find nothing wrong: there is no index."""
        return []


def search(
    vectors: HalfVectors | Vectors,
    queries: Vectors,
    k: int,
    *,
    rows: Rows | None = None,
    block_floats: int = BLOCK_FLOATS,
    queries_at_once: int = QUERIES_AT_ONCE,
) -> ScoredRows:
    """Find the k vectors of highest inner product with each query, best first, equal scores by the lower row.

    `vectors` is (n, d) in half or single precision, `queries` (m, d); `rows` restricts the search to some of the n.
    Products are formed in single precision, for `queries_at_once` queries and about `block_floats` numbers at a time.
    Scores that are not finite, as damaged vectors give, count as not found. Returns scores (m, k), with -inf, and rows
    (m, k), with -1 where fewer are found.
    """
    found = none_found(len(queries), k)
    chosen = None if rows is None else np.flatnonzero(row_mask(rows, len(vectors)))
    for start in range(0, len(queries), queries_at_once):
        some = slice(start, start + queries_at_once)
        best_scores, best_rows = _search_some(vectors, queries[some], k, chosen, block_floats)
        found[0][some] = best_scores
        found[1][some] = best_rows
    return found


def merge(a: ScoredRows, b: ScoredRows, k: int) -> ScoredRows:
    """Return the k best of two answers to the same queries over different rows, equal scores by the lower row."""
    scores = np.concatenate([a[0], b[0]], axis=1)
    rows = np.concatenate([a[1], b[1]], axis=1)
    return top_k((scores, rows), k)


def top_k(found: ScoredRows, k: int) -> ScoredRows:
    """Sort an answer, best first and equal scores by the lower row, and cut or pad it to k."""
    scores, rows = found
    order = np.lexsort((rows, -scores))[:, :k]
    result = none_found(len(scores), k)
    result[0][:, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
    result[1][:, : order.shape[1]] = np.take_along_axis(rows, order, axis=1)
    return result


def none_found(m: int, k: int) -> ScoredRows:
    """Return the answer to m queries that find nothing."""
    return np.full((m, k), -np.inf, dtype=np.float32), np.full((m, k), -1, dtype=np.int64)


def without_own(found: ScoredRows, own: Rows, k: int) -> ScoredRows:
    """Take each of the (m,) rows `own` out of its own answer, (m, k + 1), and cut the answers to k."""
    scores, rows = found
    same = rows == own[:, None]
    return top_k((np.where(same, np.float32(-np.inf), scores), np.where(same, -1, rows)), k)


def _search_some(
    vectors: HalfVectors | Vectors, queries: Vectors, k: int, chosen: Rows | None, block_floats: int
) -> ScoredRows:
    best = none_found(len(queries), k)
    block_rows = max(1, block_floats // (vectors.shape[1] + 2 * len(queries)))  # scores, and a copy to select
    for numbers, block in _blocks(vectors, chosen, block_rows):
        with np.errstate(invalid="ignore"):
            scores = queries @ block.T
        scores[~np.isfinite(scores)] = -np.inf
        # Later rows lose ties, so only queries with a strictly better row in this block need another look.
        better = np.flatnonzero((scores > best[0][:, -1:]).any(axis=1))
        if not len(better):
            continue
        columns = _top_columns(scores[better], k)
        top = np.take_along_axis(scores[better], columns, axis=1)
        rows = np.where(top == -np.inf, -1, numbers[columns])
        best[0][better], best[1][better] = merge((best[0][better], best[1][better]), (top, rows), k)
    return best


def _blocks(vectors: HalfVectors | Vectors, chosen: Rows | None, block_rows: int) -> Iterator[tuple[Rows, Vectors]]:
    count = len(vectors) if chosen is None else len(chosen)
    for start in range(0, count, block_rows):
        stop = min(start + block_rows, count)
        if chosen is None:
            yield np.arange(start, stop), vectors[start:stop].astype(np.float32, copy=False)
        else:
            yield chosen[start:stop], vectors[chosen[start:stop]].astype(np.float32, copy=False)


def _top_columns(scores: Scores, k: int) -> NDArray[np.intp]:
    """Columns of the k highest scores of each line, unordered; of equal ones those furthest left."""
    m, n = scores.shape
    if n <= k:
        return np.broadcast_to(np.arange(n), (m, n))
    kth = np.partition(scores, n - k, axis=1)[:, n - k, None]
    take = scores >= kth
    for line in np.flatnonzero(np.count_nonzero(take, axis=1) > k):  # ties at the border: rare
        columns = np.flatnonzero(take[line])
        best_first = columns[np.argsort(-scores[line, columns], kind="stable")]
        take[line, best_first[k:]] = False
    return np.nonzero(take)[1].reshape(m, k)
