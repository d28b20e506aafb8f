"""What a check of an index finds: every wrong id, other vectors, too little recall; and when it finds nothing."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from ivf_indexes import D, build, load, overwrite

from retrieval.records import Rows
from retrieval.search.ivf import check, tuning
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.protocol import SearchProblem
from retrieval.search.recall import LeaveOneOut
from retrieval.search.vectors import HalfVectors, VectorFile

NONE = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module")
def source(vectors: HalfVectors, tmp_path_factory: pytest.TempPathFactory) -> VectorFile:
    file = VectorFile(tmp_path_factory.mktemp("source") / "vectors.f16", D)
    file.append(vectors.astype(np.float32), 0)
    return file


@pytest.fixture(scope="module")
def coded(clustered: Callable[..., HalfVectors]) -> tuple[IvfIndex, HalfVectors]:
    """An index that knows its vectors by codes alone."""
    vectors = clustered(2000, 64)
    made = IvfIndex.build(vectors, settings=IvfSettings(coded_from=1000))
    assert made.coded
    return made, vectors


def problems(
    index: IvfIndex, source: VectorFile, rows: int, dead: Rows = NONE, sample: int = 300
) -> list[SearchProblem]:
    return check.problems(index, source, rows, dead, sample=sample, seed=0)


def contents(index: IvfIndex, vectors: HalfVectors, rows: Rows) -> list[str]:
    return [problem.what for problem in check.contents(index, vectors, rows)]


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


def rewritten(saved: Path, vectors: HalfVectors, ids: list[int]) -> IvfIndex:
    """The index with its vectors under other ids."""
    raw = faiss.read_index(str(saved))
    raw.reset()
    raw.add_with_ids(vectors.astype(np.float32), np.array(ids, dtype=np.int64))
    overwrite(saved, raw)
    return load(saved)


def test_sees_every_wrong_id(saved: Path, vectors: HalfVectors) -> None:
    few = vectors[:10]
    none = np.empty(0, dtype=np.int64)
    assert contents(rewritten(saved, few, [*range(10)]), few, none) == []
    assert contents(rewritten(saved, few, [*range(9), 1]), few, none) == [
        f"{saved}: 1 rows are missing",
        f"{saved}: 1 rows are there more than once",
    ]
    assert contents(rewritten(saved, few, [*range(8), -5, 10]), few, none) == [
        f"{saved}: 1 ids name no row",
    ]


def test_sees_vectors_under_other_ids(saved: Path, vectors: HalfVectors) -> None:
    swapped = rewritten(saved, vectors[:10], [1, 0, *range(2, 10)])
    assert contents(swapped, vectors, np.arange(2, 10)) == []
    assert contents(swapped, vectors, np.array([0, 5])) == [f"{saved}: 1 of 2 vectors differ from the vector file"]


def test_of_codes_the_ids_alone_are_compared(coded: tuple[IvfIndex, HalfVectors]) -> None:
    index, vectors = coded
    assert contents(index, np.zeros_like(vectors), np.arange(2000)) == []


def test_damaged_vectors_are_no_fault_of_the_index(vectors: HalfVectors) -> None:
    damaged = vectors[:500].copy()
    damaged[7] = np.nan
    assert contents(build(damaged), damaged, np.arange(500)) == []


def test_a_sound_index_has_no_problems(index: IvfIndex, source: VectorFile) -> None:
    for dead in (NONE, np.arange(0, 4000, 7), np.arange(1, 4000), np.arange(4000), np.array([-3, 9000])):
        assert problems(index, source, 4000, dead) == []


def test_rows_that_the_catalogue_does_not_know_are_a_problem(index: IvfIndex, source: VectorFile) -> None:
    what = f"{index.name} knows 4000 rows, but the catalogue 3999"
    assert problems(index, source, 3999) == [SearchProblem("rows", what)]


def test_wrong_vectors_are_named_before_the_recall_that_they_cost(index: IvfIndex, source: VectorFile) -> None:
    other = VectorFile(source.path.with_name("other.f16"), D)
    other.append(source.read(4000)[::-1].astype(np.float32), 0)
    what = f"{index.name}: 300 of 300 vectors differ from the vector file"
    assert problems(index, other, 4000) == [SearchProblem("vectors", what)]


def test_too_little_recall_is_a_problem(saved: Path, source: VectorFile) -> None:
    raw = faiss.read_index(str(saved))
    raw.nprobe = 1
    overwrite(saved, raw)
    [problem] = problems(load(saved), source, 4000)
    assert problem.kind == "recall"
    assert problem.what.startswith(f"{saved}: finds 0.")
    assert problem.what.endswith("of the 20 nearest neighbours instead of 0.99")


def test_an_unlucky_sample_is_no_problem(index: IvfIndex, vectors: HalfVectors) -> None:
    means = [tuning.recall(index, vectors, LeaveOneOut(vectors, 20, 30, seed)).mean() for seed in range(20)]
    assert min(means) < 0.99
    for seed in range(20):
        assert list(check.recall(index, vectors, NONE, sample=30, seed=seed)) == []


def test_an_index_finds_its_own_vectors_and_no_others(
    index: IvfIndex, vectors: HalfVectors, coded: tuple[IvfIndex, HalfVectors], clustered: Callable[..., HalfVectors]
) -> None:
    assert check.finds_itself(index, vectors)
    assert not check.finds_itself(index, clustered(4000, D, seed=1))
    assert not check.finds_itself(index, np.roll(vectors, 1, axis=0))  # the same vectors in other rows
    assert check.finds_itself(*coded)
    assert not check.finds_itself(coded[0], clustered(2000, 64, seed=1))


def test_an_index_finds_itself_among_damaged_and_equal_vectors(vectors: HalfVectors) -> None:
    """Of equal rows it may find another; of damaged ones it finds none."""
    damaged = vectors[:1600].copy()
    damaged[::640] = np.nan
    assert check.finds_itself(build(damaged), damaged)
    same = np.repeat(np.eye(1, D, dtype="<f2"), 60, axis=0)
    assert check.finds_itself(build(same), same)
    assert check.finds_itself(build(same[:1]), same[:1])


def test_an_index_without_its_dead_rows_finds_itself(vectors: HalfVectors) -> None:
    alive = np.arange(1, 4000, 2)  # row 0, which is looked at, is not in it
    assert check.finds_itself(IvfIndex.build(vectors, alive=alive), vectors)
