"""Exact nearest neighbours by inner product: the judge of the IVF index, and the search of small sets.

Everything here is NumPy and holds about 100 MB at a time, whatever the number of vectors and queries.
"""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.records import Rows, Vectors
from retrieval.search.vectors import HalfVectors

Scores: TypeAlias = NDArray[np.float32]  # (m, k), descending; -inf where there are fewer than k
Found: TypeAlias = tuple[Scores, Rows]  # the rows beside them, (m, k); -1 where there are fewer than k

BLOCK_FLOATS = 16 * 2**20  # 64 MB in single precision: what one block and its scores may take
QUERIES_AT_ONCE = 1024
SAME_SCORE = 1e-6  # a dot product of unit vectors in single precision is off by a few 1e-7


def search(
    vectors: HalfVectors | Vectors, queries: Vectors, k: int, *, rows: Rows | None = None, first_row: int = 0
) -> Found:
    """The k vectors of highest inner product with each query, best first, ties by the lower row.

    `vectors` is (n, d) in half or single precision, `queries` (m, d). The vectors are numbered from
    `first_row`; `rows` restricts the search to some of these numbers. Products are formed in single
    precision. Scores that are not finite, as damaged vectors give, count as not found.
    """
    found = nothing(len(queries), k)
    chosen = None if rows is None else distinct(rows - first_row, len(vectors))
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        some = slice(start, start + QUERIES_AT_ONCE)
        best_scores, best_rows = _search_some(vectors, queries[some], k, chosen)
        found[0][some] = best_scores
        found[1][some] = np.where(best_rows < 0, -1, best_rows + first_row)
    return found


def merge(a: Found, b: Found, k: int) -> Found:
    """The k best of two answers to the same queries over different rows, ties by the lower row."""
    scores = np.concatenate([a[0], b[0]], axis=1)
    rows = np.concatenate([a[1], b[1]], axis=1)
    return ordered((scores, rows), k)


def ordered(found: Found, k: int) -> Found:
    """An answer in order, best first and ties by the lower row, cut or padded to k."""
    scores, rows = found
    order = np.lexsort((rows, -scores))[:, :k]
    result = nothing(len(scores), k)
    result[0][:, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
    result[1][:, : order.shape[1]] = np.take_along_axis(rows, order, axis=1)
    return result


def nothing(m: int, k: int) -> Found:
    """The answer to m queries where there is nothing to find."""
    return np.full((m, k), -np.inf, dtype=np.float32), np.full((m, k), -1, dtype=np.int64)


def distinct(rows: Rows, n: int) -> Rows:
    """Row numbers from 0 to n - 1 in order, each once: like np.unique, but in milliseconds for millions."""
    mask = np.zeros(n, dtype=bool)
    mask[rows[(rows >= 0) & (rows < n)]] = True
    return np.flatnonzero(mask)


def recall(found: Rows, exact: Found, vectors: HalfVectors | Vectors, queries: Vectors) -> NDArray[np.float64]:
    """Share of the exact neighbours that another search found, for each query: (m,), 0 to 1.

    Only the row numbers of the other search are believed, and each of them once. Its scores are computed
    again from `vectors`, and a row counts if it is as good as the last exact neighbour: among ties any
    will do. (The rule of ann-benchmarks.) A query that has no exact neighbour at all has recall 1.
    """
    wanted = np.count_nonzero(exact[1] >= 0, axis=1)
    last = np.take_along_axis(exact[0], np.maximum(wanted - 1, 0)[:, None], axis=1)
    rows = np.sort(found, axis=1)
    counts = rows >= 0
    counts[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    counts &= _scores(vectors, queries, np.maximum(rows, 0)) >= last - SAME_SCORE
    hits = np.minimum(np.count_nonzero(counts, axis=1), wanted)
    return np.where(wanted > 0, hits / np.maximum(wanted, 1), 1.0)


def _scores(vectors: HalfVectors | Vectors, queries: Vectors, rows: Rows) -> NDArray[np.float64]:
    """Inner product of each query with its own rows, (m, k), in double precision."""
    scores = np.full(rows.shape, -np.inf)
    if not len(vectors):
        return scores
    at_once = max(1, BLOCK_FLOATS // (2 * rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), at_once):
        some = slice(start, start + at_once)
        near = vectors[rows[some]].astype(np.float64)
        with np.errstate(invalid="ignore"):
            scores[some] = (near @ queries[some, :, None].astype(np.float64))[:, :, 0]
    return scores


def _search_some(vectors: HalfVectors | Vectors, queries: Vectors, k: int, chosen: Rows | None) -> Found:
    best = nothing(len(queries), k)
    block_rows = max(1, BLOCK_FLOATS // (vectors.shape[1] + 2 * len(queries)))  # scores, and a copy to select
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
