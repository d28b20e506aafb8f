"""The ways through the GPU's code: with none, with one that refuses, with one that fails midway, with a real one."""

from pathlib import Path
from types import SimpleNamespace

import faiss
import numpy as np
import pytest

from retrieval.search import exact
from retrieval.search.ivf import gpu, tuning
from retrieval.search.ivf.check import contents
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import DEFAULTS, IvfSettings
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorFile

D = 16
GPU_BATCH = DEFAULTS.gpu_queries
SETTINGS = IvfSettings(gpu_rows=100)


@pytest.fixture(scope="module")
def vectors() -> HalfVectors:
    vectors = np.random.default_rng(0).standard_normal((3000, D))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f2")


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[faiss.Index]:
    """In the GPU's place a copy on the CPU, which answers alike. Whatever is copied is listed."""
    made: list[faiss.Index] = []

    def copy(_resources: faiss.StandardGpuResources, _device: int, index: faiss.Index) -> faiss.Index:
        made.append(faiss.clone_index(index))
        return made[-1]

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", copy, raising=False)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    return made


def build(vectors: HalfVectors) -> IvfIndex:
    built = IvfIndex.build(vectors)
    tuning.tune(built, vectors, Targets())
    return built


def assert_finds_itself(built: IvfIndex, vectors: HalfVectors) -> None:
    queries = vectors[:GPU_BATCH].astype(np.float32)
    assert built.search(vectors, queries, 3)[1][:, 0].tolist() == list(range(GPU_BATCH))


def test_without_a_gpu_nothing_is_copied(
    vectors: HalfVectors, copies: list[faiss.Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    assert_finds_itself(build(vectors), vectors)
    assert copies == []


@pytest.mark.skipif(faiss.get_num_gpus() > 0, reason="needs a machine without a GPU")
@pytest.mark.skipif(not hasattr(faiss, "StandardGpuResources"), reason="needs FAISS' GPU build")
def test_a_gpu_that_refuses_is_done_without(vectors: HalfVectors, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAISS itself refuses here: it is told of a GPU that is not there."""
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    built = build(vectors)
    assert list(contents(built, vectors, np.arange(3000))) == []
    assert_finds_itself(built, vectors)


def test_training_assigning_and_large_searches_use_the_copy(vectors: HalfVectors, copies: list[faiss.Index]) -> None:
    built = build(vectors)
    kinds = [type(copy) for copy in copies]
    assert kinds == [faiss.IndexFlatIP, faiss.IndexFlatIP, faiss.IndexIVFScalarQuantizer]
    assert copies[0].ntotal == copies[1].ntotal == built.lists
    assert list(contents(built, vectors, np.arange(3000))) == []
    assert_finds_itself(built, vectors)
    assert len(copies) == 3  # the one that measuring made
    built.add(vectors[:500], 3000)
    assert_finds_itself(built, vectors)
    assert [copy.ntotal for copy in copies[3:]] == [built.lists, 3500]  # the old copy no longer serves


def test_small_masked_and_wide_searches_stay_on_the_cpu(vectors: HalfVectors, copies: list[faiss.Index]) -> None:
    built = build(vectors[:900])
    copies.clear()
    built.add(vectors[900:], 900)
    copies.clear()
    queries = vectors[:GPU_BATCH].astype(np.float32)
    built.search(vectors, queries[1:], 3)
    built.search(vectors, queries, 3, built.subset(Selection.of(3000, np.array([5]))))
    built.search(vectors, queries, gpu.LIMIT + 1)
    assert copies == []


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), MemoryError()])
def test_an_error_midway_falls_back_for_good(
    vectors: HalfVectors, copies: list[faiss.Index], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Failing:
        ntotal = 0

        def search(self, *_arguments: object, **_parameters: object) -> None:
            raise error

    made = []

    def copy(*_arguments: object) -> Failing:
        made.append(Failing())
        return made[-1]

    built = build(vectors)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", copy)
    built.add(vectors[:10], 3000)
    assert list(contents(built, np.concatenate([vectors, vectors[:10]]), np.arange(3010))) == []
    assert len(made) == 1
    for _ in range(2):
        assert_finds_itself(built, vectors)
    assert len(made) == 2


@pytest.mark.gpu
@pytest.mark.skipif(faiss.get_num_gpus() == 0, reason="needs a CUDA device")
def test_the_gpu_answers_as_the_cpu(vectors: HalfVectors, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build(vectors)
    assert list(contents(built, vectors, np.arange(3000))) == []
    queries = vectors[: 2 * GPU_BATCH].astype(np.float32)
    on_gpu = built.search(vectors, queries, 20)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    built.add(vectors[:0], 3000)  # drops the copy
    on_cpu = built.search(vectors, queries, 20)
    np.testing.assert_allclose(on_gpu[0], on_cpu[0], atol=1e-3)
    assert np.mean(on_gpu[1] == on_cpu[1]) > 0.99


class TestAllPairs:
    @pytest.fixture
    def archive(self, vectors: HalfVectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IvfSearch:
        file = VectorFile(tmp_path / "vectors.f16", D)
        file.append(vectors.astype(np.float32), 0)
        opened = IvfSearch(file, IvfFile(tmp_path, D, SETTINGS), SETTINGS)
        opened.rebuild(3000)
        monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
        monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
        monkeypatch.setattr(faiss, "GpuIndexFlatConfig", SimpleNamespace, raising=False)
        return opened

    def all_pairs(self, archive: IvfSearch, selection: Selection) -> dict[int, list[int]]:
        found = archive.neighbours(np.arange(3000), 5, selection)
        return {int(row): line.tolist() for rows, (_, lines) in found for row, line in zip(rows, lines, strict=True)}

    def exactly(self, vectors: HalfVectors, selection: Selection) -> dict[int, list[int]]:
        found = exact.search(vectors, vectors.astype(np.float32), 6, rows=selection.within(0, 3000))[1]
        return {row: [other for other in line if other != row][:5] for row, line in enumerate(found.tolist())}

    def test_are_exact_on_a_gpu(
        self, archive: IvfSearch, vectors: HalfVectors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[faiss.Index] = []

        def on_the_cpu(_resources: object, d: int, config: SimpleNamespace) -> faiss.Index:
            assert config.useFloat16
            made.append(faiss.IndexFlatIP(d))
            return made[-1]

        monkeypatch.setattr(faiss, "GpuIndexFlatIP", on_the_cpu, raising=False)
        selection = Selection.of(3000, np.arange(0, 3000, 3))
        assert self.all_pairs(archive, selection) == self.exactly(vectors, selection)
        assert [index.ntotal for index in made] == [2000]

    def test_go_on_without_a_gpu_that_refuses(
        self, archive: IvfSearch, vectors: HalfVectors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_arguments: object) -> None:
            raise RuntimeError("out of memory")

        monkeypatch.setattr(faiss, "GpuIndexFlatIP", refuse, raising=False)
        monkeypatch.setattr(faiss, "index_cpu_to_gpu", refuse, raising=False)
        selection = Selection.of(3000, np.empty(0, np.int64))
        found, truth = self.all_pairs(archive, selection), self.exactly(vectors, selection)
        assert np.mean([len(set(found[row]) & set(truth[row])) / 5 for row in truth]) > 0.98
