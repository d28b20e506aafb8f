"""How good an approximate search is, measured against the exact one; knows nothing of how it searches.

Recall at k: the share of the k exact neighbours that were found. It is measured leave-one-out: a sample of
the indexed vectors are the queries, and each is taken out of its own answer on both sides.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.protocol import ScoredRows
from retrieval.search.vectors import HalfVectors

Search = Callable[[Vectors, int], ScoredRows]  # (m, d) queries and k
Recalls: TypeAlias = NDArray[np.float64]  # (m,), one for each query, 0 to 1

SAMPLE = 1000  # queries: exact search of so many costs a small part of what training does

# Quantile of the normal distribution at 0.99. A mean that lies so many standard errors above the target is
# also what makes a second sample of the same size reach it 95 times in 100: 2.33 is 1.645 x sqrt(2).
QUANTILE = 2.33


def recall_at_k(found: Rows, truth: ScoredRows, vectors: HalfVectors | Vectors, queries: Vectors) -> Recalls:
    """Return the share of the exact neighbours that another search found, for each query: (m,), 0 to 1.

    `found` is (m, k) row numbers, -1 for none; `truth` the answer of exact search to the (m, d) queries. Only the row
    numbers of the other search are believed, and each of them once. Its scores are computed again from `vectors`, and a
    row counts if it is as good as the last exact neighbour: of equal scores any will do. (The rule of ann-benchmarks.)
    A query that has no exact neighbour at all has recall 1.
    """
    wanted = np.count_nonzero(truth[1] >= 0, axis=1)
    last = np.take_along_axis(truth[0], np.maximum(wanted - 1, 0)[:, None], axis=1)
    rows = np.sort(found, axis=1)
    counts = rows >= 0
    counts[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    counts &= _scores(vectors, queries, np.maximum(rows, 0)) >= last - exact.SAME_SCORE
    hits = np.minimum(np.count_nonzero(counts, axis=1), wanted)
    return np.where(wanted > 0, hits / np.maximum(wanted, 1), 1.0)


def _scores(vectors: HalfVectors | Vectors, queries: Vectors, rows: Rows) -> NDArray[np.float64]:
    """Inner product of each query with its own rows, (m, k), in double precision."""
    scores = np.full(rows.shape, -np.inf)
    if not len(vectors):
        return scores
    at_once = max(1, exact.BLOCK_FLOATS // (2 * rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), at_once):
        some = slice(start, start + at_once)
        near = vectors[rows[some]].astype(np.float64)
        with np.errstate(invalid="ignore"):
            scores[some] = (near @ queries[some, :, None].astype(np.float64))[:, :, 0]
    return scores


class LeaveOneOut:
    """A sample of vectors as queries, with their exact neighbours among all the others."""

    def __init__(self, vectors: HalfVectors, k: int, sample: int, seed: int | None, alive: Rows | None = None) -> None:
        """`vectors` is (n, d); `alive` restricts queries and neighbours alike. Without a seed: at random."""
        candidates = len(vectors) if alive is None else alive
        count = len(vectors) if alive is None else len(alive)
        draw = np.random.default_rng(seed).choice(candidates, min(sample, count), replace=False)
        self.k = k
        self.vectors = vectors
        self.rows = np.sort(draw).astype(np.int64)
        self.queries = vectors[self.rows].astype(np.float32)
        self.truth = self.without_self(exact.search(vectors, self.queries, k + 1, rows=alive))

    def recall(self, search: Search) -> Recalls:
        """Return the recall at k of another search over the same vectors, for each query."""
        found = self.without_self(search(self.queries, self.k + 1))
        return recall_at_k(found[1], self.truth, self.vectors, self.queries)

    def without_self(self, found: ScoredRows) -> ScoredRows:
        """Return an answer to the queries, each without its own row, cut to k."""
        return exact.without_own(found, self.rows, self.k)


def error_margin(recalls: Recalls) -> float:
    """Return how far the mean of one sample may lie from what holds for all vectors, and from another sample."""
    return QUANTILE * float(recalls.std(ddof=1)) / float(np.sqrt(len(recalls)))


def proven_recall(recalls: Recalls) -> float:
    """Return the recall that a sample proves: its mean less the error margin.

    One query that finds nothing is added to the sample. It matters only where nearly every query finds
    everything: without it a spread of zero would claim certainty. (So 1,000 perfect queries prove 0.997,
    what the rule of three says as well.)
    """
    honest = np.append(recalls, 0.0)
    return float(honest.mean()) - error_margin(honest)


def smallest_reaching(recalls_at: Callable[[int], Recalls], most: int, target_recall: float) -> int:
    """Return the smallest number, from 1 to `most`, whose proven recall reaches the target; `most` if none does.

    Recall must not fall when the number rises: double until it suffices, then halve the interval.
    """
    too_few, enough = 0, 1
    while enough < most and proven_recall(recalls_at(enough)) < target_recall:
        too_few, enough = enough, min(2 * enough, most)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if proven_recall(recalls_at(middle)) < target_recall:
            too_few = middle
        else:
            enough = middle
    return enough
