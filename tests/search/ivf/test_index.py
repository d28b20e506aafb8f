"""The IVF index: exact scores, masks inside the search, rows added later, many threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ivf_indexes import D, build, load, save

from retrieval.search import exact
from retrieval.search.ivf import check
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.ivf.subset import Subset
from retrieval.search.protocol import ScoredRows
from retrieval.search.selection import Selection
from retrieval.search.vectors import HalfVectors

Clustered = Callable[..., HalfVectors]


def assert_alike(found: ScoredRows, expected: ScoredRows) -> None:
    """The same rows at the same scores, but for the last digits and the order of what differs only there."""
    np.testing.assert_allclose(found[0], expected[0], atol=exact.SAME_SCORE)
    assert np.sort(found[1]).tolist() == np.sort(expected[1]).tolist()


def subset_without(index: IvfIndex, dead: np.ndarray) -> Subset:
    mask = np.ones(index.rows, dtype=bool)
    mask[dead[dead < index.rows]] = False
    found = index.subset(Selection.of(index.rows, np.flatnonzero(~mask)))
    return found or Subset(mask, index.list_of(), index.lists)


def test_scores_are_those_of_exact_search(vectors: HalfVectors, index: IvfIndex) -> None:
    queries = vectors[::37].astype(np.float32)
    assert_alike(index.search(vectors, queries, 10, nprobe=index.lists), exact.search(vectors, queries, 10))


@pytest.mark.parametrize("n", [1, 5, 38, 39, 40, 78, 500, 999])
def test_few_vectors_make_an_index_that_answers_exactly_and_quietly(
    n: int, clustered: Clustered, capfd: pytest.CaptureFixture[str]
) -> None:
    vectors = clustered(n, D)
    built = build(vectors)
    assert built.nprobe == built.lists
    assert built.measurement is not None
    assert built.measurement.recall == 1
    queries = vectors.astype(np.float32)
    assert_alike(built.search(vectors, queries, 7), exact.search(vectors, queries, 7))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n", [1, 60, 3000])
def test_vectors_that_are_all_the_same_make_an_index(n: int, capfd: pytest.CaptureFixture[str]) -> None:
    vectors = np.repeat(np.eye(1, D, dtype="<f2"), n, axis=0)
    built = build(vectors)
    scores, rows = built.search(vectors, vectors[:1].astype(np.float32), 20)
    assert np.count_nonzero(rows >= 0) == min(n, 20)
    assert (scores[rows >= 0] == 1).all()
    assert built.measurement is not None
    assert built.measurement.recall == 1
    assert capfd.readouterr() == ("", "")


def test_building_twice_gives_the_same_index(tmp_path: Path, vectors: HalfVectors, index: IvfIndex) -> None:
    for name, built in (("a", index), ("b", build(vectors))):
        save(built, tmp_path / name / "ivf.faiss")
    assert (tmp_path / "a/ivf.faiss").read_bytes() == (tmp_path / "b/ivf.faiss").read_bytes()


def test_rows_added_later_are_found(vectors: HalfVectors) -> None:
    built = IvfIndex.build(vectors[:1500], settings=IvfSettings(block_floats=100 * D))  # many blocks
    built.add(vectors[1500:2250], 1500)
    assert built.measurement is None
    assert (built.rows, built.trained_rows) == (2250, 1500)
    assert list(check.contents(built, vectors, np.arange(2250))) == []
    queries = vectors[1500:1600].astype(np.float32)
    assert built.search(vectors, queries, 1)[1][:, 0].tolist() == list(range(1500, 1600))
    with pytest.raises(ValueError, match="next row to add is 2250, not 2251"):
        built.add(vectors[2251:], 2251)


def test_damaged_vectors_spoil_nothing_but_themselves(tmp_path: Path, vectors: HalfVectors) -> None:
    damaged = vectors[:1200].copy()
    damaged[[3, 700]] = np.nan
    damaged[5, 5] = np.inf
    built = build(damaged)
    save(built, tmp_path / "ivf.faiss")
    loaded = load(tmp_path / "ivf.faiss")
    assert list(check.contents(loaded, damaged, np.arange(1200))) == []  # what is wrong is not the index
    queries, dead = damaged[:3].astype(np.float32), np.array([5])  # infinite scores win until the row is dead
    _, rows = loaded.search(damaged, queries, 1200, subset_without(loaded, dead), nprobe=loaded.lists)
    assert np.sort(rows).tolist() == [[-1] * 3 + np.delete(np.arange(1200), [3, 5, 700]).tolist()] * 3


class TestDead:
    @settings(max_examples=40, deadline=None)
    @given(
        dead=st.lists(st.integers(0, 4100), max_size=300),
        span=st.tuples(st.integers(0, 4000), st.integers(0, 4000)),
        k=st.integers(1, 30),
    )
    def test_are_never_found_and_displace_nobody(
        self, vectors: HalfVectors, index: IvfIndex, dead: list[int], span: tuple[int, int], k: int
    ) -> None:
        gone = np.array([*dead, *range(*span)], dtype=np.int64)
        alive = np.setdiff1d(np.arange(4000), gone)
        queries = vectors[:4000:900].astype(np.float32)
        found = index.search(vectors, queries, k, subset_without(index, gone), nprobe=index.lists)
        assert_alike(found, exact.search(vectors, queries, k, rows=alive))

    def test_may_be_all_there_are(self, vectors: HalfVectors, index: IvfIndex) -> None:
        scores, rows = index.search(vectors, vectors[:2].astype(np.float32), 3, subset_without(index, np.arange(4000)))
        assert (rows == -1).all()
        assert (scores == -np.inf).all()


def test_threads_share_an_index(saved: Path, vectors: HalfVectors) -> None:
    """Each asks with its own k, nprobe and mask, and gets what it would have got alone."""
    loaded = load(saved)
    rng = np.random.default_rng(0)
    questions = [
        (vectors[rng.integers(0, 4000, 5)].astype(np.float32), int(k), rng.integers(0, 4000, dead), int(nprobe))
        for k, dead, nprobe in zip(
            rng.integers(1, 30, 60), rng.choice([0, 10, 2000], 60), rng.integers(1, loaded.lists + 1, 60), strict=True
        )
    ]

    def ask(question: tuple[np.ndarray, int, np.ndarray, int]) -> list[list[int]]:
        queries, k, dead, nprobe = question
        return loaded.search(vectors, queries, k, subset_without(loaded, dead), nprobe=nprobe)[1].tolist()

    alone = [ask(question) for question in questions]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            assert list(threads.map(ask, questions)) == alone
    assert loaded.nprobe == Measurement.load(saved.with_suffix(".json")).nprobe  # type: ignore[union-attr]
