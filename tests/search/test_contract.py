"""What every VectorSearch promises, held against each engine; exact search over the same rows is the judge."""

import functools
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import IndexFormatError
from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.exact import ExactSearch
from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.ivf.storage import IvfFile, IvfInMemory
from retrieval.search.protocol import SearchStatus, VectorSearch
from retrieval.search.recall import LeaveOneOut, recall_at_k
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorArray, VectorFile, VectorSource

D = 64
N = 2500
NONE = np.empty(0, dtype=np.int64)
# All that large sets have comes into play at these sizes: codes, a tail, lists that are passed over.
LARGE = IvfSettings(coded_from=800, small_rows=500, least_tail=100, tail_per_root=1, few_rows=50, filtered_rows=1000)
HALF = IvfSettings(small_rows=500, least_tail=100, tail_per_root=1, few_rows=50, filtered_rows=1000)

Clustered = Callable[..., HalfVectors]
Make = Callable[[Path, VectorFile], VectorSearch]


def ivf_file(settings: IvfSettings) -> Make:
    return lambda folder, vectors: IvfSearch(vectors, IvfFile(folder, vectors.dimension, settings), settings)


# Another engine is another line here.
ENGINES: dict[str, Make] = {
    "exact": lambda _folder, vectors: ExactSearch(vectors),
    "ivf, half precision": ivf_file(HALF),
    "ivf, coded": ivf_file(LARGE),
}


class Bench:
    """Vectors in a folder, one engine, and the judge over the same rows."""

    def __init__(self, folder: Path, make: Make) -> None:
        self.folder, self.make = folder, make
        self.file = VectorFile(folder / "vectors.f16", D)
        self.search = make(folder, self.file)
        self.judge = ExactSearch(self.file)

    def append(self, vectors: HalfVectors) -> None:
        self.file.append(vectors.astype(np.float32), self.file.count())

    def queries(self, every: int = 25) -> Vectors:
        return self.file.read(self.file.count())[::every].astype(np.float32)

    def recall(self, selection: Selection, k: int = 10, queries: Vectors | None = None) -> float:
        """The mean recall, once everything else about the answer has been looked at."""
        queries = self.queries() if queries is None else queries
        truth = self.judge.search(queries, k, selection)
        scores, rows = self.search.search(queries, k, selection)
        vectors = self.file.read(selection.rows)
        assert scores.shape == rows.shape == (len(queries), k)
        assert (scores.dtype, rows.dtype) == (np.float32, np.int64)
        assert (np.diff(scores[np.isfinite(scores).all(axis=1)], axis=1) <= 0).all()
        assert np.array_equal(rows < 0, scores == -np.inf)
        assert np.count_nonzero(rows >= 0, axis=1).tolist() == [min(k, selection.alive)] * len(queries)
        for line, line_scores, query in zip(rows, scores, queries, strict=True):
            found = line[line >= 0]
            assert len(set(found.tolist())) == len(found)
            assert selection.mask is None or selection.mask[found].all()
            expected = vectors[found].astype(np.float32) @ query
            np.testing.assert_allclose(line_scores[line >= 0], expected, atol=exact.SAME_SCORE)
        return float(recall_at_k(rows, truth, vectors, queries).mean())


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, ENGINES[request.param])


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, clustered: Clustered) -> Callable[[Make], Path]:
    """A folder that an engine built, once: 2,400 rows, and 100 more that came after it."""

    @functools.cache
    def of(make: Make) -> Path:
        made = Bench(tmp_path_factory.mktemp("template"), make)
        made.append(clustered(N, D))
        made.search.rebuild(N - 100)
        return made.folder

    return of


@pytest.fixture
def built(bench: Bench, template: Callable[[Make], Path]) -> Bench:
    """A copy of it."""
    shutil.copytree(template(bench.make), bench.folder, dirs_exist_ok=True)
    return bench


def test_an_empty_set_finds_nothing(bench: Bench) -> None:
    assert bench.search.refresh(0) == bench.search.status(0) == SearchStatus(tail=0)
    scores, rows = bench.search.search(np.ones((2, D), np.float32), 3, Selection.everything(0))
    assert rows.tolist() == [[-1] * 3] * 2
    assert (scores == -np.inf).all()
    assert list(bench.search.neighbours(NONE, 3, Selection.everything(0))) == []
    assert len(bench.search.cluster_order(NONE, Selection.everything(0))) == 0
    assert bench.search.check(0) == []


def test_no_queries_have_no_answers(built: Bench) -> None:
    scores, rows = built.search.search(np.empty((0, D), np.float32), 5, Selection.everything(N))
    assert scores.shape == rows.shape == (0, 5)


@pytest.mark.parametrize("k", [1, 10, 100])
def test_everything_is_found_as_often_as_promised(built: Bench, k: int) -> None:
    assert built.recall(Selection.everything(N), k) >= 0.985


def test_more_neighbours_than_rows(built: Bench) -> None:
    few = Selection.of(N, NONE, np.array([3, 500, 2450]))
    assert built.recall(few, 10) == 1
    assert built.recall(Selection.everything(N), N + 20, built.queries(500)) == 1


def test_rows_that_are_not_committed_are_not_found(built: Bench) -> None:
    assert built.recall(Selection.everything(N - 50)) >= 0.985


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_dead_are_not_found(built: Bench, share: float) -> None:
    dead = np.flatnonzero(np.random.default_rng(0).random(N) < share)
    assert built.recall(Selection.of(N, dead)) >= 0.985


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_only_what_a_filter_chose_is_found(built: Bench, share: float) -> None:
    chosen = np.flatnonzero(np.random.default_rng(1).random(N) < share)
    assert built.recall(Selection.of(N, chosen[::7], chosen)) >= 0.985


def test_a_filter_of_rows_that_are_far_away(built: Bench) -> None:
    first = built.file.read(N)[:, 0]
    far, near = np.flatnonzero(first > np.quantile(first, 0.8)), np.flatnonzero(first < np.quantile(first, 0.2))
    queries = built.file.read(N)[near[::10]].astype(np.float32)
    assert built.recall(Selection.of(N, NONE, far), queries=queries) >= 0.985


def test_a_filter_without_rows_finds_nothing(built: Bench) -> None:
    assert (built.search.search(built.queries(), 5, Selection.of(N, NONE, NONE))[1] == -1).all()


def test_equal_scores_come_by_the_lower_row(bench: Bench, clustered: Clustered) -> None:
    vectors = clustered(1200, D)
    vectors[[5, 700, 1100, 1190]] = vectors[3]
    bench.append(vectors)
    bench.search.rebuild(1150)
    rows = bench.search.search(vectors[3:4].astype(np.float32), 5, Selection.everything(1200))[1]
    assert rows.tolist() == [[3, 5, 700, 1100, 1190]]


def test_damaged_vectors_are_not_found(built: Bench) -> None:
    raw = np.memmap(built.file.path, "<f2", mode="r+").reshape(-1, D)
    raw[[2, 1000, 2450]] = np.nan
    raw.flush()
    built.search.rebuild(N - 100)
    scores, rows = built.search.search(built.queries(), 20, Selection.everything(N))
    assert np.isfinite(scores[~np.isnan(built.queries()).any(axis=1)]).all()
    assert not np.isin(rows, [2, 1000, 2450]).any()


def test_a_vector_file_that_is_too_short_is_an_error(built: Bench) -> None:
    with pytest.raises(IndexFormatError, match="holds 2500 of the 2501 vectors"):
        built.search.search(built.queries(), 5, Selection.everything(N + 1))


def test_neighbours_of_many_rows(built: Bench) -> None:
    selection = Selection.of(N, np.arange(0, N, 9))
    rows = np.random.default_rng(0).permutation(N)
    asked: list[Rows] = []
    recalls = []
    for some, (scores, found) in built.search.neighbours(rows, 5, selection):
        asked.append(some)
        assert scores.shape == found.shape == (len(some), 5)
        assert not (found == some[:, None]).any()
        vectors = built.file.read(N)
        queries = vectors[some].astype(np.float32)
        truth = exact.without_own(built.judge.search(queries, 6, selection), some, 5)
        recalls.append(recall_at_k(found, truth, vectors, queries))
    assert np.sort(np.concatenate(asked)).tolist() == list(range(N))
    assert np.concatenate(recalls).mean() >= 0.985


def test_the_cluster_order_has_every_row_once(built: Bench) -> None:
    rows = np.arange(N - 1, -1, -3)
    ordered = built.search.cluster_order(rows, Selection.everything(N))
    assert np.sort(ordered).tolist() == np.sort(rows).tolist()


def test_growth_is_followed(bench: Bench, clustered: Clustered) -> None:
    vectors, rows = clustered(N, D), 0
    for more in (40, 5, 700, 60, 300, 1300):
        bench.append(vectors[rows : rows + more])
        rows += more
        status = bench.search.refresh(rows)
        assert status == bench.search.status(rows)
        assert status.rows + status.tail == rows
        assert bench.recall(Selection.everything(rows)) >= 0.98
        assert bench.search.check(rows, seed=0) == []


def test_what_comes_back_is_found(built: Bench) -> None:
    dead = np.arange(0, N, 2)
    built.search.refresh(N, dead)
    assert built.recall(Selection.of(N, dead)) >= 0.98
    assert built.recall(Selection.of(N, dead[100:])) >= 0.98
    queries = built.file.read(N)[dead[:50]].astype(np.float32)
    found = built.search.search(queries, 1, Selection.of(N, dead[100:]))[1]
    assert found[:, 0].tolist() == dead[:50].tolist()


def test_targets_are_kept(built: Bench) -> None:
    assert built.search.targets() == Targets()
    wanted = Targets(0.9, 5, 10**6)
    status = built.search.rebuild(N, targets=wanted)
    assert built.search.targets() == wanted
    built.search.rebuild(N, np.arange(10))
    assert built.search.targets() == wanted
    if status.rows:  # what has no index, has nothing to say of one
        assert (status.target_recall, status.k, status.target_memory_bytes) == (0.9, 5, 10**6)
        assert status.recall is not None
        assert status.recall >= 0.9
        assert status.memory_bytes is not None
        assert status.memory_bytes <= 10**6


def test_rows_that_were_cut_off_are_forgotten(built: Bench, clustered: Clustered) -> None:
    built.file.truncate(1500)
    built.search.rebuild(1500)
    assert built.recall(Selection.everything(1500)) >= 0.985
    built.append(clustered(200, D, seed=7))
    assert built.recall(Selection.everything(1700)) >= 0.985


def test_nothing_is_wrong_with_what_was_built(built: Bench) -> None:
    for seed in range(3):
        assert built.search.check(N, np.arange(0, N, 7), seed=seed) == []


def test_searching_changes_no_argument(built: Bench) -> None:
    queries, chosen = built.queries(), np.arange(0, N, 3)
    selection = Selection.of(N, NONE, chosen)
    assert selection.mask is not None
    mask, before = selection.mask.copy(), queries.copy()
    for array in (queries, selection.mask, chosen):
        array.flags.writeable = False
    built.search.search(queries, 5, selection)
    list(built.search.neighbours(chosen, 5, selection))
    built.search.cluster_order(chosen, selection)
    np.testing.assert_array_equal(queries, before)
    np.testing.assert_array_equal(selection.mask, mask)


def test_threads_find_what_they_would_find_alone(built: Bench) -> None:
    rng = np.random.default_rng(0)
    selections = [
        Selection.everything(N),
        Selection.of(N, rng.integers(0, N, 500)),
        Selection.of(N, NONE, rng.integers(0, N, 900)),
    ]
    questions = [(built.queries(100)[place % 20 :: 3], 1 + place, selections[place % 3]) for place in range(24)]
    alone = [built.search.search(*question)[1].tolist() for question in questions]
    with ThreadPoolExecutor(6) as threads:
        together = threads.map(lambda question: built.search.search(*question)[1].tolist(), questions)
        assert list(together) == alone


def test_a_source_in_memory_is_as_good_as_a_file(clustered: Clustered) -> None:
    vectors = clustered(1000, D)
    source: VectorSource = VectorArray(vectors)
    assert (source.dimension, source.count()) == (D, 1000)
    for search in (ExactSearch(source), IvfSearch(source, IvfInMemory(), LARGE)):
        search.rebuild(1000)
        judge = LeaveOneOut(vectors, 5, 200, 0)
        found = judge.recall(lambda queries, k, search=search: search.search(queries, k, Selection.everything(1000)))  # type: ignore[misc]
        assert found.mean() >= 0.98
    with pytest.raises(IndexFormatError, match="there are 1000 vectors, not 1001"):
        source.read(1001)
