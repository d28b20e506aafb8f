"""The IVF index: lossless codes, masks inside the search, measured recall, files that are refused."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import IndexFormatError, Remedy
from retrieval.records import Rows
from retrieval.search import exact
from retrieval.search.ivf import check, tuning
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.settings import DEFAULTS, IvfSettings
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.ivf.subset import Subset
from retrieval.search.ivf.training import lists_for
from retrieval.search.protocol import ScoredRows
from retrieval.search.recall import LeaveOneOut, proven_recall
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors

Clustered = Callable[..., HalfVectors]
D = 16


@pytest.fixture(scope="module")
def vectors(clustered: Clustered) -> HalfVectors:
    return clustered(4000, D)


@pytest.fixture(scope="module")
def index(vectors: HalfVectors) -> IvfIndex:
    return build(vectors)


@pytest.fixture
def saved(tmp_path: Path, index: IvfIndex) -> Path:
    save(index, tmp_path / "ivf.faiss")
    return tmp_path / "ivf.faiss"


def build(vectors: HalfVectors, targets: Targets | None = None, *, seed: int = 0) -> IvfIndex:
    """An index of all of the vectors, tuned."""
    built = IvfIndex.build(vectors, targets, seed=seed)
    tuning.tune(built, vectors, targets or Targets(), seed=seed)
    return built


def save(index: IvfIndex, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    IvfFile(path.parent, index.faiss_index.d, DEFAULTS).save(index)


def load(path: Path, dimension: int = D, *, to_add: bool = False) -> IvfIndex:
    loaded = IvfFile(path.parent, dimension, DEFAULTS).load(to_add=to_add)
    assert loaded is not None
    return loaded


def overwrite(path: Path, index: faiss.Index) -> None:
    """Put another index there, as though it were one of 0.1.0: without checksums, and with no measurement."""
    faiss.write_index(index, str(path))
    path.with_suffix(".json").unlink(missing_ok=True)


def contents(index: IvfIndex, vectors: HalfVectors, rows: Rows) -> list[str]:
    return [problem.what for problem in check.contents(index, vectors, rows)]


def assert_alike(found: ScoredRows, expected: ScoredRows) -> None:
    """The same rows at the same scores, but for the last digits and the order of what differs only there."""
    np.testing.assert_allclose(found[0], expected[0], atol=exact.SAME_SCORE)
    assert np.sort(found[1]).tolist() == np.sort(expected[1]).tolist()


def subset_without(index: IvfIndex, dead: np.ndarray) -> Subset:
    mask = np.ones(index.rows, dtype=bool)
    mask[dead[dead < index.rows]] = False
    found = index.subset(Selection.of(index.rows, np.flatnonzero(~mask)))
    return found or Subset(mask, index.list_of(), index.lists)


def test_codes_are_the_numbers_of_the_file() -> None:
    """All of the finite half-precision numbers there are, the subnormal ones too."""
    every = np.arange(2**16, dtype=np.uint16).view("<f2")
    finite = every[np.isfinite(every)].reshape(-1, 32)
    built = build(finite)
    assert contents(built, finite, np.arange(len(finite))) == []
    other = finite.copy()
    other[5, 0] = np.nextafter(other[5, 0], np.float16(0))
    assert contents(built, other, np.arange(len(finite))) == [
        f"{built.name}: 1 of 1984 vectors differ from the vector file"
    ]


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


@pytest.mark.parametrize(
    ("n", "lists"), [(1, 1), (77, 1), (78, 2), (1000, 25), (10_000, 256), (40_000, 800), (10_000_000, 12_648)]
)
def test_lists_grow_with_the_root_of_the_vectors(n: int, lists: int) -> None:
    assert lists_for(n) == lists


def test_building_twice_gives_the_same_index(tmp_path: Path, vectors: HalfVectors, index: IvfIndex) -> None:
    for name, built in (("a", index), ("b", build(vectors))):
        save(built, tmp_path / name / "ivf.faiss")
    assert (tmp_path / "a/ivf.faiss").read_bytes() == (tmp_path / "b/ivf.faiss").read_bytes()


def test_rows_added_later_are_found(vectors: HalfVectors) -> None:
    built = IvfIndex.build(vectors[:1500], settings=IvfSettings(block_floats=100 * D))  # many blocks
    built.add(vectors[1500:2250], 1500)
    assert built.measurement is None
    assert (built.rows, built.trained_rows) == (2250, 1500)
    assert contents(built, vectors, np.arange(2250)) == []
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
    assert contents(loaded, damaged, np.arange(1200)) == []  # what is wrong is not the index
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


class TestMeasurement:
    def test_says_what_was_measured(self, index: IvfIndex) -> None:
        found = index.measurement
        assert found is not None
        assert (found.rows, found.trained_rows, found.sample) == (4000, 4000, 1000)
        assert (found.lists, found.nprobe) == (index.lists, index.nprobe)
        assert (found.k, found.target_recall) == (20, 0.99)
        assert 1 < found.nprobe < found.lists / 2
        assert found.target_recall < found.recall < 1

    def test_nprobe_is_the_smallest_that_suffices(self, vectors: HalfVectors, index: IvfIndex) -> None:
        judge = LeaveOneOut(vectors, 20, 1000, seed=0)
        assert (
            proven_recall(tuning.recall(index, vectors, judge))
            >= 0.99
            > proven_recall(tuning.recall(index, vectors, judge, nprobe=index.nprobe - 1))
        )

    def test_other_samples_reach_the_target_too(self, clustered: Clustered) -> None:
        """Of many indexes over hard vectors, each held against a sample that it was not measured with."""
        reached = []
        for seed in range(10):
            vectors = clustered(2500, 24, seed=seed)
            built = build(vectors, Targets(0.95), seed=seed)
            assert built.nprobe < built.lists
            reached.append(
                tuning.recall(built, vectors, LeaveOneOut(vectors, 20, 1000, seed=seed + 100)).mean() >= 0.95
            )
        assert sum(reached) >= 9

    def test_a_higher_target_probes_more(self, vectors: HalfVectors) -> None:
        built = build(vectors[:2000], Targets(0.5))
        nprobes = [built.nprobe]
        for target in (0.9, 0.99, 1.0):
            tuning.tune(built, vectors[:2000], Targets(target))
            nprobes.append(built.nprobe)
        assert nprobes == sorted(set(nprobes))
        assert nprobes[-1] == built.lists  # no sample proves that nothing is ever missed


class TestFile:
    @pytest.mark.parametrize("to_add", [True, False])
    def test_comes_back_as_it_was(self, saved: Path, vectors: HalfVectors, index: IvfIndex, to_add: bool) -> None:
        loaded = load(saved, to_add=to_add)
        assert loaded.measurement == index.measurement
        assert (loaded.rows, loaded.lists, loaded.nprobe) == (index.rows, index.lists, index.nprobe)
        assert loaded.trained_rows == index.trained_rows
        assert contents(loaded, vectors, np.arange(4000)) == []
        queries = vectors[::200].astype(np.float32)
        np.testing.assert_array_equal(loaded.search(vectors, queries, 9)[1], index.search(vectors, queries, 9)[1])

    def test_can_be_grown_after_loading(self, saved: Path, vectors: HalfVectors, clustered: Clustered) -> None:
        loaded = load(saved, to_add=True)
        more = clustered(50, D, seed=9)
        loaded.add(more, 4000)
        save(loaded, saved)
        assert contents(load(saved), np.concatenate([vectors, more]), np.arange(4050)) == []

    def test_nprobe_survives_without_the_measurement(self, saved: Path, index: IvfIndex) -> None:
        saved.with_suffix(".json").unlink()
        loaded = load(saved)
        assert loaded.measurement is None
        assert (loaded.nprobe, loaded.trained_rows) == (index.nprobe, 4000)

    @pytest.mark.parametrize("field", ["size", "lists", "nprobe"])
    def test_a_measurement_of_other_contents_is_ignored(self, saved: Path, field: str) -> None:
        sidecar = saved.with_suffix(".json")
        values = json.loads(sidecar.read_text())
        values[field] += 1
        sidecar.write_text(json.dumps(values))
        assert load(saved).measurement is None

    def test_the_leftover_of_a_killed_run_is_replaced(self, saved: Path, index: IvfIndex) -> None:
        leftover = saved.with_name(".ivf.faiss.0123456789abcdef.partial")
        leftover.write_bytes(b"half an index")
        save(index, saved)
        assert sorted(path.name for path in saved.parent.iterdir()) == ["ivf.faiss", "ivf.json"]

    @pytest.mark.parametrize("name", ["with space", "two\nlines", "🐦", "not-utf8-\udcff", "Ürümqi"])
    def test_may_lie_in_any_folder(self, tmp_path: Path, index: IvfIndex, vectors: HalfVectors, name: str) -> None:
        folder = tmp_path / name
        try:
            folder.mkdir()
        except (OSError, UnicodeEncodeError):
            pytest.skip("this file system has no such names")
        save(index, folder / "ivf.faiss")
        loaded = load(folder / "ivf.faiss")
        assert loaded.search(vectors, vectors[:1].astype(np.float32), 1)[1].tolist() == [[0]]

    def test_is_refused_when_cut_short(self, saved: Path) -> None:
        whole = saved.read_bytes()
        for size in [0, 1, 4, 30, 200, len(whole) // 2, len(whole) - 1]:
            saved.write_bytes(whole[:size])
            for to_add in (True, False):
                with pytest.raises(IndexFormatError, match=r"ivf\.faiss are not those that were written") as caught:
                    load(saved, to_add=to_add)
                assert caught.value.remedy is Remedy.REPAIR

    @pytest.mark.parametrize("damage", [b"not an index at all" * 99, bytes(5000), b"IwSq" + b"\xff" * 5000])
    def test_is_refused_when_it_is_something_else(self, saved: Path, damage: bytes) -> None:
        saved.with_suffix(".json").unlink()  # with it, the file is refused unseen
        saved.write_bytes(damage)
        with pytest.raises(IndexFormatError, match=r"ivf\.faiss is broken, or no FAISS index"):
            load(saved)

    @pytest.mark.parametrize(
        ("description", "metric", "reason"),
        [
            ("Flat", faiss.METRIC_INNER_PRODUCT, "another kind"),
            ("IVF4,Flat", faiss.METRIC_INNER_PRODUCT, "another kind"),
            ("IVF4,SQ8", faiss.METRIC_INNER_PRODUCT, "compares vectors in another way"),
            ("IVF4,SQfp16", faiss.METRIC_INNER_PRODUCT, "compares vectors in another way"),  # by residual
            ("IVF4,SQfp16", faiss.METRIC_L2, "compares vectors in another way"),
        ],
    )
    def test_is_refused_when_it_is_another_index(
        self, saved: Path, vectors: HalfVectors, description: str, metric: int, reason: str
    ) -> None:
        other = faiss.index_factory(D, description, metric)
        other.train(vectors[:200].astype(np.float32))
        overwrite(saved, other)
        with pytest.raises(IndexFormatError, match=reason):
            load(saved)

    def test_is_refused_for_other_dimensions_and_when_empty_inside(self, saved: Path) -> None:
        with pytest.raises(IndexFormatError, match="holds vectors of 16 numbers instead of 17"):
            load(saved, 17)
        raw = faiss.read_index(str(saved))
        raw.ntotal += 1
        overwrite(saved, raw)
        with pytest.raises(IndexFormatError, match="has lost some of its vectors"):
            load(saved)

    def test_absent_is_not_broken(self, tmp_path: Path) -> None:
        assert IvfFile(tmp_path, D, DEFAULTS).load() is None

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
    def test_a_full_disk_leaves_the_old_index(self, saved: Path, index: IvfIndex) -> None:
        program = textwrap.dedent("""
            import resource, sys
            from pathlib import Path
            from retrieval.search.ivf.settings import DEFAULTS
            from retrieval.search.ivf.storage import IvfFile
            path = Path(sys.argv[1])
            file = IvfFile(path.parent, 16, DEFAULTS)
            loaded = file.load(to_add=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
            try:
                file.save(loaded)
            except OSError as error:
                print(type(error).__name__, error.filename)
        """)
        output = subprocess.run([sys.executable, "-c", program, str(saved)], capture_output=True, text=True, check=True)
        assert output.stdout == f"StorageError {saved}\n"
        assert sorted(path.name for path in saved.parent.iterdir()) == ["ivf.faiss", "ivf.json"]
        assert load(saved).measurement == index.measurement


class TestCheck:
    def rewritten(self, saved: Path, vectors: HalfVectors, ids: list[int]) -> IvfIndex:
        """The index with its vectors under other ids."""
        raw = faiss.read_index(str(saved))
        raw.reset()
        raw.add_with_ids(vectors.astype(np.float32), np.array(ids, dtype=np.int64))
        overwrite(saved, raw)
        return load(saved)

    def test_sees_every_wrong_id(self, saved: Path, vectors: HalfVectors) -> None:
        few = vectors[:10]
        none = np.empty(0, dtype=np.int64)
        assert contents(self.rewritten(saved, few, [*range(10)]), few, none) == []
        assert contents(self.rewritten(saved, few, [*range(9), 1]), few, none) == [
            f"{saved}: 1 rows are missing",
            f"{saved}: 1 rows are there more than once",
        ]
        assert contents(self.rewritten(saved, few, [*range(8), -5, 10]), few, none) == [
            f"{saved}: 1 ids name no row",
        ]

    def test_sees_vectors_under_other_ids(self, saved: Path, vectors: HalfVectors) -> None:
        swapped = self.rewritten(saved, vectors[:10], [1, 0, *range(2, 10)])
        assert contents(swapped, vectors, np.arange(2, 10)) == []
        assert contents(swapped, vectors, np.array([0, 5])) == [f"{saved}: 1 of 2 vectors differ from the vector file"]


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
