"""Exact search against the plainest way to write it, and the judge against answers known beforehand."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from retrieval.search import exact
from retrieval.search.protocol import ScoredRows
from retrieval.search.recall import recall_at_k
from retrieval.search.vectors import HalfVectors

# Small whole numbers: every product is exact in single precision, so that ties are ties in any order of summing.
WHOLE = st.integers(-2, 2).map(float)


def matrices(rows: st.SearchStrategy[int], d: int) -> st.SearchStrategy[NDArray[np.float16]]:
    return rows.flatmap(lambda n: arrays.arrays(np.dtype("<f2"), (n, d), elements=WHOLE))


def plainly(vectors: HalfVectors, queries: NDArray[np.float32], k: int, rows: list[int]) -> ScoredRows:
    found = exact.none_found(len(queries), k)
    for line, query in enumerate(queries):
        ranked = sorted((-float(vectors[row].astype(np.float32) @ query), row) for row in rows)[:k]
        for rank, (score, row) in enumerate(ranked):
            found[0][line, rank], found[1][line, rank] = -score, row
    return found


def assert_same(found: ScoredRows, expected: ScoredRows) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert (found[0].dtype, found[1].dtype) == (np.float32, np.int64)


@settings(max_examples=150, deadline=None)
@given(
    vectors=matrices(st.integers(0, 40), 3),
    queries=matrices(st.integers(0, 5), 3),
    k=st.integers(1, 50),
    block=st.integers(1, 200),
    data=st.data(),
)
def test_equals_sorting_everything(
    vectors: HalfVectors,
    queries: HalfVectors,
    k: int,
    block: int,
    data: st.DataObject,
) -> None:
    """Whatever the blocks: ties by the lower row, padding with nothing, any choice of rows."""
    chosen = data.draw(
        st.none() | st.lists(st.sampled_from(range(len(vectors))), max_size=40) if len(vectors) else st.none()
    )
    rows = None if chosen is None else np.array(chosen, dtype=np.int64)
    numbers = sorted(set(range(len(vectors)) if chosen is None else chosen))
    asked = queries.astype(np.float32)
    found = exact.search(vectors, asked, k, rows=rows, block_floats=block, queries_at_once=2)
    assert_same(found, plainly(vectors, asked, k, numbers))


@settings(max_examples=100, deadline=None)
@given(
    vectors=matrices(st.integers(0, 30), 3),
    queries=matrices(st.integers(1, 3), 3),
    cut=st.integers(0, 30),
    ks=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_merging_the_parts_equals_searching_the_whole(
    vectors: HalfVectors, queries: HalfVectors, cut: int, ks: tuple[int, int]
) -> None:
    asked = queries.astype(np.float32)
    left = exact.search(vectors[:cut], asked, ks[0])
    right = exact.search(vectors, asked, ks[1], rows=np.arange(min(cut, len(vectors)), len(vectors)))
    k = min(ks)
    assert_same(exact.merge(left, right, k), exact.search(vectors, asked, k))
    assert_same(exact.merge(right, left, k), exact.search(vectors, asked, k))


def test_merging_pads_what_both_lack() -> None:
    merged = exact.merge(exact.none_found(2, 1), exact.none_found(2, 0), 3)
    assert_same(merged, exact.none_found(2, 3))


def test_damaged_vectors_are_never_found() -> None:
    vectors = np.eye(5, dtype="<f2")
    vectors[1] = np.nan
    vectors[3, 2] = np.inf
    scores, rows = exact.search(vectors, np.array([[1, 1, 0, 0, 1]], np.float32), 5)
    assert rows.tolist() == [[0, 4, 2, -1, -1]]
    assert scores.tolist() == [[1.0, 1.0, 0.0, -np.inf, -np.inf]]


def test_equal_vectors_come_in_the_order_of_their_rows() -> None:
    vectors = np.tile(np.eye(1, 8, dtype="<f2"), (20_000, 1))
    _, rows = exact.search(vectors, vectors[:2].astype(np.float32), 50)
    assert rows.tolist() == [list(range(50))] * 2


def test_memory_is_bounded_whatever_the_size() -> None:
    vectors = np.random.default_rng(0).integers(-2, 3, (400_000, 64)).astype("<f2")
    queries = vectors[:100].astype(np.float32)
    tracemalloc.start()
    try:
        exact.search(vectors, queries, 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    everything = 4 * (vectors.size + len(vectors) * len(queries))
    assert peak < 110 * 2**20 < everything / 2


class TestRecall:
    vectors = np.array([[1, 0], [0.75, 0], [0.5, 0], [0.5, 0], [0.25, 0]], dtype="<f2")
    query = np.array([[1, 0]], dtype=np.float32)

    def recall(self, *found: int, k: int = 3) -> float:
        truth = exact.search(self.vectors, self.query, k)
        return float(recall_at_k(np.array([found]), truth, self.vectors, self.query)[0])

    def test_counts_what_was_found(self) -> None:
        assert self.recall(0, 1, 2) == 1
        assert self.recall(0, 1, 4) == pytest.approx(2 / 3)
        assert self.recall(4, -1, -1) == 0

    def test_any_of_several_ties_will_do(self) -> None:
        assert self.recall(3, 1, 0) == 1

    def test_a_row_counts_once(self) -> None:
        assert self.recall(0, 0, 0) == pytest.approx(1 / 3)
        assert self.recall(0, 1, 2, 3) == 1

    def test_where_there_are_fewer_than_k_only_those_count(self) -> None:
        assert self.recall(0, 1, 2, 3, 4, -1, k=6) == 1
        assert self.recall(0, 1, 2, 3, -1, -1, k=6) == pytest.approx(4 / 5)

    def test_where_there_is_nothing_nothing_is_missed(self) -> None:
        empty = np.empty((0, 2), dtype="<f2")
        truth = exact.search(empty, self.query, 2)
        assert recall_at_k(truth[1], truth, empty, self.query).tolist() == [1.0]
