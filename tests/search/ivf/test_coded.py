"""Large sets: product codes, scored again exactly; what filters, returning rows and growth do to them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from retrieval.errors import IndexFormatError
from retrieval.records import Rows
from retrieval.search import exact
from retrieval.search.ivf import flat, tuning
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.protocol import SearchProblem, SearchStatus
from retrieval.search.recall import recall_at_k
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorFile

Clustered = Callable[..., HalfVectors]
D = 96
N = 8000
NONE = np.empty(0, dtype=np.int64)
# What is for large sets begins at a thousand rows here.
SETTINGS = IvfSettings(
    coded_from=1000, small_rows=500, least_tail=200, tail_per_root=1, few_rows=50, filtered_rows=1500
)


@pytest.fixture(scope="module")
def vectors(clustered: Clustered) -> HalfVectors:
    """Their length lies on 40 axes of 96, and in a little noise."""
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.standard_normal((D, 40)))[0]
    inner = clustered(N + 2000, 40).astype(np.float32) @ axes.T + 0.005 * rng.standard_normal((N + 2000, D))
    return (inner / np.linalg.norm(inner, axis=1, keepdims=True)).astype("<f2")


@pytest.fixture(scope="module")
def built(vectors: HalfVectors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coded")
    file = VectorFile(folder / "vectors.f16", D)
    file.append(vectors[:N].astype(np.float32), 0)
    opened(folder).rebuild(N)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "index")


def opened(folder: Path) -> IvfSearch:
    return IvfSearch(VectorFile(folder / "vectors.f16", D), stored(folder), SETTINGS)


def stored(folder: Path) -> IvfFile:
    return IvfFile(folder, D, SETTINGS)


def refreshed(folder: Path, rows: int, dead: Rows = NONE) -> Measurement:
    opened(folder).refresh(rows, dead)
    measured = Measurement.load(folder / "ivf.json")
    assert measured is not None
    return measured


def effort(status: SearchStatus) -> tuple[int, int]:
    return status.parameters["nprobe"], status.parameters["shortlist"]


def recall(folder: Path, rows: int, selection: Selection, k: int = 20, queries: slice = slice(0, None, 40)) -> float:
    vectors = VectorFile(folder / "vectors.f16", D).read(rows)
    asked = vectors[queries].astype(np.float32)
    allowed = selection.within(0, rows)
    truth = exact.search(vectors, asked, k, rows=allowed)
    found = opened(folder).search(asked, k, selection)
    if allowed is not None:
        assert np.isin(found[1][found[1] >= 0], allowed).all()
    assert np.allclose(found[0][:, 0], truth[0][:, 0], atol=exact.SAME_SCORE)  # scores are exact
    return float(recall_at_k(found[1], truth, vectors, asked).mean())


def test_only_the_axes_that_carry_something_are_coded(built: Path) -> None:
    status = opened(built).status(N)
    assert status.storage == "64 of 96 axes in 128 bits, scored again in half precision"
    assert status.memory_bytes is not None
    assert status.memory_bytes < N * D * 2 / 3
    assert (built / "ivf.faiss").stat().st_size < N * D * 2 / 3


def test_reaches_the_recall_that_was_asked_for(built: Path) -> None:
    status = opened(built).status(N)
    assert status.parameters["nprobe"] < status.parameters["lists"]
    assert 20 < status.parameters["shortlist"] < N
    assert status.recall is not None
    assert status.recall >= 0.99
    assert recall(built, N, Selection.of(N, NONE)) >= 0.99


@pytest.mark.parametrize("k", [1, 60, 300])
def test_recall_does_not_fall_with_k(built: Path, k: int) -> None:
    assert recall(built, N, Selection.of(N, NONE), k) >= 0.985


def test_the_curve_rises_in_recall_and_cost(built: Path) -> None:
    curve = opened(built).status(N).curve
    assert len(curve) >= 3
    assert [point.recall for point in curve] == sorted(point.recall for point in curve)
    assert all(point.ms > 0 for point in curve)
    work = [point.parameters["nprobe"] * 3 + point.parameters["shortlist"] for point in curve]
    assert work[0] < work[-1]


def test_recall_is_measured_with_the_search_that_was_chosen(built: Path) -> None:
    status = opened(built).status(N)
    (chosen,) = [point for point in status.curve if point.parameters.items() <= status.parameters.items()]
    assert status.recall == pytest.approx(chosen.recall, abs=0.004)
    file = VectorFile(built / "vectors.f16", D).read(N)
    other = stored(built).load(to_add=True)
    assert other is not None
    measured = tuning.tune(other, file, Targets(0.97))
    (chosen,) = [p for p in measured.curve if (p.nprobe, p.shortlist) == (measured.nprobe, measured.shortlist)]
    assert measured.recall == pytest.approx(chosen.recall, abs=0.004)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02, 0.002])
def test_filters_at_random_lose_nothing(built: Path, share: float) -> None:
    chosen = np.flatnonzero(np.random.default_rng(0).random(N) < share)
    assert recall(built, N, Selection.of(N, NONE, chosen)) >= 0.99


def test_filters_that_lie_far_from_the_query_lose_nothing(built: Path, vectors: HalfVectors) -> None:
    """As when a photo of one species is compared with those of another."""
    axis = vectors[:N, :8].astype(np.float32)
    far = np.flatnonzero(axis[:, 0] > np.quantile(axis[:, 0], 0.8))
    selection = Selection.of(N, NONE, far)
    near = np.flatnonzero(axis[:, 0] < np.quantile(axis[:, 0], 0.2))
    asked = vectors[near[::20]].astype(np.float32)
    truth = exact.search(vectors[:N], asked, 20, rows=far)
    found = opened(built).search(asked, 20, selection)
    assert recall_at_k(found[1], truth, vectors[:N], asked).mean() >= 0.99


def test_a_filter_without_rows_finds_nothing(built: Path, vectors: HalfVectors) -> None:
    found = opened(built).search(vectors[:3].astype(np.float32), 5, Selection.of(N, NONE, NONE))
    assert (found[1] == -1).all()


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_the_dead_are_passed_over(built: Path, share: float) -> None:
    dead = np.flatnonzero(np.random.default_rng(0).random(N) < share)
    assert recall(built, N, Selection.of(N, dead)) >= 0.985


class TestGrowth:
    def append(self, folder: Path, vectors: HalfVectors, rows: int, more: int) -> None:
        VectorFile(folder / "vectors.f16", D).append(vectors[rows : rows + more].astype(np.float32), rows)

    def test_a_small_addition_rewrites_nothing(self, folder: Path, vectors: HalfVectors) -> None:
        before = {path.name: path.stat().st_mtime_ns for path in folder.glob("ivf*")}
        self.append(folder, vectors, N, 200)
        opened(folder).refresh(N + 200)
        assert {path.name: path.stat().st_mtime_ns for path in folder.glob("ivf*")} == before
        assert opened(folder).status(N + 200).tail == 200
        assert recall(folder, N + 200, Selection.of(N + 200, NONE)) >= 0.99

    def test_a_long_tail_is_added_without_training_or_measuring(self, folder: Path, vectors: HalfVectors) -> None:
        self.append(folder, vectors, N, 300)
        measured = refreshed(folder, N + 300)
        assert (measured.rows, measured.size, measured.trained_rows, measured.measured_rows) == (8300, 8300, N, N)
        assert measured.curve
        assert opened(folder).check(N + 300, NONE) == []
        assert recall(folder, N + 300, Selection.of(N + 300, NONE)) >= 0.99

    def test_much_more_is_measured_again(self, folder: Path, vectors: HalfVectors) -> None:
        self.append(folder, vectors, N, 1000)
        measured = refreshed(folder, N + 1000)
        assert (measured.trained_rows, measured.measured_rows) == (N, 9000)

    def test_when_much_is_dead_it_is_left_out(self, folder: Path) -> None:
        dead = np.arange(0, N, 3)
        measured = refreshed(folder, N, dead)
        assert (measured.rows, measured.size) == (N, N - len(dead))
        status = opened(folder).status(N)
        assert (status.rows, status.tail) == (N - len(dead), 0)
        assert opened(folder).check(N, dead) == []
        assert recall(folder, N, Selection.of(N, dead)) >= 0.99

    def test_what_was_left_out_and_comes_back_is_found(self, folder: Path, vectors: HalfVectors) -> None:
        dead = np.arange(0, N, 3)
        opened(folder).refresh(N, dead)
        found = opened(folder).search(vectors[dead[:50]].astype(np.float32), 1, Selection.of(N, dead[100:]))
        assert found[1][:, 0].tolist() == dead[:50].tolist()

    def test_what_was_left_out_stays_out_after_a_merge(self, folder: Path, vectors: HalfVectors) -> None:
        dead = np.arange(0, N, 3)
        opened(folder).refresh(N, dead)
        self.append(folder, vectors, N, 300)
        measured = refreshed(folder, N + 300, dead)
        assert (measured.rows, measured.size) == (N + 300, N + 300 - len(dead))
        assert recall(folder, N + 300, Selection.of(N + 300, dead)) >= 0.985

    def test_lists_that_became_unequal_are_rebuilt(self, folder: Path, vectors: HalfVectors) -> None:
        """A thousand frames of one bird."""
        rng = np.random.default_rng(0)
        alike = vectors[5].astype(np.float32) + 0.02 * rng.standard_normal((2000, D)).astype(np.float32)
        VectorFile(folder / "vectors.f16", D).append(alike / np.linalg.norm(alike, axis=1, keepdims=True), N)
        measured = refreshed(folder, N + 2000)
        assert measured.trained_rows == N + 2000


class TestAllPairs:
    def test_each_row_is_asked_once_and_never_finds_itself(self, built: Path, vectors: HalfVectors) -> None:
        selection = Selection.of(N, NONE)
        asked: list[Rows] = []
        recalls = []
        for rows, found in opened(built).neighbours(np.arange(N), 5, selection):
            asked.append(rows)
            assert not (found[1] == rows[:, None]).any()
            queries = vectors[rows].astype(np.float32)
            exactly = exact.without_own(exact.search(vectors[:N], queries, 6), rows, 5)
            recalls.append(recall_at_k(found[1], exactly, vectors[:N], queries).mean())
        assert np.sort(np.concatenate(asked)).tolist() == list(range(N))
        assert np.mean(recalls) >= 0.99

    def test_only_selected_rows_are_found(self, built: Path) -> None:
        selection = Selection.of(N, NONE, np.arange(0, N, 2))
        for _, found in opened(built).neighbours(np.arange(100), 5, selection):
            assert (found[1] % 2 == 0).all()


class TestTargets:
    def test_little_memory_leaves_axes_out(self, folder: Path) -> None:
        usual = opened(folder).status(N).memory_bytes
        assert usual is not None
        measured = opened(folder).rebuild(N, targets=Targets(memory_bytes=int(0.75 * usual)))
        assert measured.memory_bytes is not None
        assert measured.memory_bytes < 0.75 * usual
        assert measured.storage is not None
        assert measured.storage.startswith("32 of 96 axes")
        assert recall(folder, N, Selection.of(N, NONE)) >= 0.99  # a longer shortlist makes up for it
        assert opened(folder).targets() == Targets(memory_bytes=int(0.75 * usual))

    def test_hardly_any_memory_maps_everything(self, folder: Path) -> None:
        measured = opened(folder).rebuild(N, targets=Targets(memory_bytes=1000))
        assert measured.storage == "half precision, mapped"
        assert recall(folder, N, Selection.of(N, NONE)) >= 0.99

    def test_more_recall_costs_more(self, folder: Path) -> None:
        before = opened(folder).status(N)
        measured = opened(folder).rebuild(N, targets=Targets(0.997))
        assert measured.recall is not None
        assert measured.recall >= 0.997
        assert effort(measured) > effort(before)


class TestFile:
    @pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
    def test_a_changed_byte_is_noticed(self, folder: Path, place: float) -> None:
        path = folder / "ivf.faiss"
        data = bytearray(path.read_bytes())
        data[int(place * len(data))] ^= 1
        path.write_bytes(data)
        (problem,) = opened(folder).check(N, NONE)
        assert problem == SearchProblem("file", f"the bytes of {path} are not those that were written")

    def test_survives_the_loss_of_its_measurement(self, folder: Path) -> None:
        (folder / "ivf.json").unlink()
        assert opened(folder).status(N).rows == N
        assert recall(folder, N, Selection.of(N, NONE)) >= 0.98
        measured = refreshed(folder, N)
        assert measured.recall >= 0.99

    def test_is_refused_when_it_codes_in_another_way(self, folder: Path, vectors: HalfVectors) -> None:
        other = faiss.index_factory(D, "PCA64,IVF4,PQ32x4fs", faiss.METRIC_INNER_PRODUCT)
        other.train(vectors[:500].astype(np.float32))
        faiss.write_index(other, str(folder / "ivf.faiss"))
        (folder / "ivf.json").unlink()
        with pytest.raises(IndexFormatError, match="compares vectors in another way"):
            stored(folder).load()

    def test_is_refused_when_cut_short(self, folder: Path) -> None:
        whole = (folder / "ivf.faiss").read_bytes()
        for size in (0, 5, 300, len(whole) // 2, len(whole) - 1):
            (folder / "ivf.faiss").write_bytes(whole[:size])
            with pytest.raises(IndexFormatError, match="are not those that were written"):
                stored(folder).load()


def test_building_twice_gives_the_same_index(built: Path, folder: Path) -> None:
    opened(folder).rebuild(N)
    assert (folder / "ivf.faiss").read_bytes() == (built / "ivf.faiss").read_bytes()


def test_damaged_vectors_are_never_found(folder: Path, vectors: HalfVectors) -> None:
    raw = np.memmap(folder / "vectors.f16", "<f2", mode="r+").reshape(-1, D)
    raw[[3, 700]] = np.nan
    raw[5, 5] = np.inf
    raw.flush()
    opened(folder).rebuild(N)
    asked = vectors[[3, 4, 700, 900]].astype(np.float32)
    scores, rows = opened(folder).search(asked, 20, Selection.of(N, NONE))
    assert np.isfinite(scores).all()
    assert not np.isin(rows, [3, 700]).any()
    assert rows[1, 0] == 4


def test_few_queries_take_one_thread_and_give_the_others_back(built: Path, vectors: HalfVectors) -> None:
    before = faiss.omp_get_max_threads()
    for count in (1, 100):
        opened(built).search(vectors[:count].astype(np.float32), 5, Selection.of(N, NONE))
        assert faiss.omp_get_max_threads() == before
    with flat.threads_for(1):
        assert faiss.omp_get_max_threads() == 1
    with flat.threads_for(100):
        assert faiss.omp_get_max_threads() == before
