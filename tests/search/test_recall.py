"""What a sample proves, and that nobody is their own neighbour."""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.search import exact
from retrieval.search.protocol import ScoredRows
from retrieval.search.recall import LeaveOneOut, Recalls, error_margin, proven_recall, smallest_reaching
from retrieval.search.vectors import HalfVectors


def test_a_perfect_sample_proves_what_the_rule_of_three_says() -> None:
    for queries in (300, 1000, 3000):
        assert 1 - 4 / queries < proven_recall(np.ones(queries)) < 1 - 3 / queries


def test_a_small_sample_proves_little() -> None:
    assert proven_recall(np.ones(50)) < 0.95


def test_the_margin_covers_a_second_sample() -> None:
    """Of two samples of the same size, the second lies below the first by more than the margin 5 times in 100."""
    rng = np.random.default_rng(0)
    draws = rng.beta(20, 0.5, (4000, 2, 500))
    below = [second.mean() < first.mean() - error_margin(first) for first, second in draws]
    assert 0.03 < np.mean(below) < 0.07


@settings(max_examples=200, deadline=None)
@given(
    needed=st.lists(st.integers(1, 60), min_size=300, max_size=400),
    lists=st.integers(1, 70),
    target=st.sampled_from([0.5, 0.9, 0.97, 1.0]),
)
def test_the_smallest_is_found_without_trying_all(needed: list[int], lists: int, target: float) -> None:
    asked = []

    def recalls_at(nprobe: int) -> Recalls:
        asked.append(nprobe)
        return np.minimum(nprobe / np.array(needed), 1.0)

    found = smallest_reaching(recalls_at, lists, target)
    enough = [nprobe for nprobe in range(1, lists + 1) if proven_recall(recalls_at(nprobe)) >= target]
    assert found == (enough[0] if enough else lists)
    assert len(asked) - lists <= 2 * np.log2(lists) + 2


def test_each_query_is_taken_out_of_its_own_answer(clustered: Callable[..., HalfVectors]) -> None:
    vectors = clustered(300)
    vectors[7] = vectors[8]  # a duplicate is a neighbour like any other
    judge = LeaveOneOut(vectors, 5, 300, seed=1)
    assert judge.rows.tolist() == list(range(300))
    assert not (judge.truth[1] == judge.rows[:, None]).any()
    assert judge.truth[1][7, 0] == 8
    assert judge.truth[1][8, 0] == 7
    assert judge.recall(lambda queries, k: exact.search(vectors, queries, k)).min() == 1


def test_a_search_that_finds_only_the_query_has_no_recall(clustered: Callable[..., HalfVectors]) -> None:
    judge = LeaveOneOut(clustered(200), 5, 50, seed=1)

    def only_itself(queries: object, k: int) -> ScoredRows:
        scores, rows = exact.none_found(50, k)
        scores[:, 0], rows[:, 0] = 1, judge.rows
        return scores, rows

    assert judge.recall(only_itself).max() == 0


def test_the_dead_are_neither_queries_nor_neighbours(clustered: Callable[..., HalfVectors]) -> None:
    alive = np.arange(0, 200, 3)
    judge = LeaveOneOut(clustered(200), 5, 500, seed=1, alive=alive)
    assert judge.rows.tolist() == alive.tolist()
    assert np.isin(judge.truth[1], alive).all()


def test_samples_follow_their_seed(clustered: Callable[..., HalfVectors]) -> None:
    vectors = clustered(300)
    drawn = [LeaveOneOut(vectors, 5, 20, seed).rows.tolist() for seed in (1, 1, 2, None, None)]
    assert drawn[0] == drawn[1]
    assert len({tuple(rows) for rows in drawn}) == 4
