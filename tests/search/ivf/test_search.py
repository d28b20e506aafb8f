"""Searching an index folder: IVF and tail as one, what the dead change, and when it is built, extended or rebuilt."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import IndexFormatError, Remedy
from retrieval.records import Rows, Vectors
from retrieval.search import exact
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import DEFAULTS, IvfSettings
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.protocol import ScoredRows, SearchProblem, SearchStatus
from retrieval.search.recall import recall_at_k
from retrieval.search.selection import Selection
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors, VectorFile

Clustered = Callable[..., HalfVectors]
D = 16
NONE = np.empty(0, dtype=np.int64)
LARGE = IvfSettings(small_rows=1000, least_tail=300, tail_per_root=1, few_rows=50)


class Archive:
    """A folder with a vector file, and what a writer does to it."""

    def __init__(self, folder: Path, settings: IvfSettings = DEFAULTS) -> None:
        self.settings = settings
        self.file = VectorFile(folder / "vectors.f16", D)
        self.ivf = folder / "ivf.faiss"
        self.search = self.reader()
        self.rows = 0

    def reader(self) -> IvfSearch:
        return IvfSearch(self.file, self.storage(), self.settings)

    def storage(self) -> IvfFile:
        return IvfFile(self.file.path.parent, D, self.settings)

    def load(self) -> IvfIndex:
        ivf = self.storage().load()
        assert ivf is not None
        return ivf

    def measured(self) -> Measurement:
        found = Measurement.load(self.ivf.with_suffix(".json"))
        assert found is not None
        return found

    def append(self, vectors: HalfVectors) -> None:
        self.file.append(vectors.astype(np.float32), self.rows)
        self.rows += len(vectors)

    def queries(self, count: int = 20) -> Vectors:
        return self.file.read(self.rows)[:: max(1, self.rows // count)].astype(np.float32)

    def truth(self, queries: Vectors, k: int, dead: Rows = NONE) -> ScoredRows:
        alive = np.setdiff1d(np.arange(self.rows), dead)
        return exact.search(self.file.read(self.rows), queries, k, rows=alive)

    def recall(self, k: int, dead: Rows = NONE) -> float:
        queries = self.queries(200)
        found = ask(self.search, queries, k, self.rows, dead)[1]
        recalls = recall_at_k(found, self.truth(queries, k, dead), self.file.read(self.rows), queries)
        return float(recalls.mean())


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, clustered: Clustered) -> Path:
    archive = Archive(tmp_path_factory.mktemp("built"))
    archive.append(clustered(3000, D))
    archive.search.refresh(3000)
    return archive.ivf.parent


@pytest.fixture
def large(tmp_path: Path, built: Path) -> Archive:
    """An archive of 3,000 to which the rules for large ones apply: a tail of up to 300."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    archive = Archive(tmp_path, LARGE)
    archive.rows = 3000
    return archive


def assert_alike(found: ScoredRows, expected: ScoredRows) -> None:
    np.testing.assert_allclose(found[0], expected[0], atol=exact.SAME_SCORE)
    assert np.sort(found[1]).tolist() == np.sort(expected[1]).tolist()


def ask(reader: IvfSearch, queries: Vectors, k: int, rows: int, dead: Rows) -> ScoredRows:
    return reader.search(queries, k, Selection.of(rows, dead))


class TestSearch:
    @settings(max_examples=60, deadline=None)
    @given(
        indexed=st.integers(0, 120),
        tail=st.integers(0, 60),
        dead=st.lists(st.integers(0, 200), max_size=150),
        k=st.integers(1, 60),
        uncommitted=st.integers(0, 5),
    )
    def test_where_the_tail_begins_never_changes_the_answer(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        clustered: Clustered,
        indexed: int,
        tail: int,
        dead: list[int],
        k: int,
        uncommitted: int,
    ) -> None:
        archive = Archive(tmp_path_factory.mktemp("split"))
        archive.append(clustered(indexed + tail, D))
        archive.search.rebuild(indexed)
        archive.file.append(clustered(uncommitted, D, seed=5).astype(np.float32), archive.rows)
        gone = np.array(dead, dtype=np.int64)
        queries = clustered(4, D, seed=7).astype(np.float32)
        found = ask(archive.search, queries, k, archive.rows, gone)
        assert_alike(found, archive.truth(queries, k, gone))
        assert not np.isin(found[1], gone).any()

    def test_without_an_ivf_everything_is_searched_exactly(self, archive: Archive, clustered: Clustered) -> None:
        archive.append(clustered(50, D))
        found = ask(archive.search, archive.queries(), 5, 50, NONE)
        assert_alike(found, archive.truth(archive.queries(), 5))

    def test_an_index_without_rows_finds_nothing(self, archive: Archive) -> None:
        assert archive.search.refresh(0) == SearchStatus(tail=0)
        scores, rows = ask(archive.search, np.ones((2, D), np.float32), 3, 0, NONE)
        assert (rows == -1).all()
        assert (scores == -np.inf).all()

    def test_reaches_the_recall_that_was_asked_for(self, large: Archive, clustered: Clustered) -> None:
        large.append(clustered(150, D, seed=3))
        ivf = large.load()
        assert ivf.nprobe < ivf.lists
        assert large.recall(20) >= 0.99

    @pytest.mark.parametrize("k", [1, 60, 200])
    def test_recall_does_not_fall_with_k(self, large: Archive, k: int) -> None:
        assert large.recall(k) >= 0.99

    @pytest.mark.parametrize("share", [0.3, 0.7, 0.9, 0.995])
    def test_recall_does_not_fall_with_the_dead(self, large: Archive, share: float) -> None:
        dead = np.flatnonzero(np.random.default_rng(0).random(3000) < share)
        assert large.recall(20, dead) >= 0.985

    def test_a_few_rows_of_one_folder_are_all_found(self, large: Archive) -> None:
        alive = np.array([5, 700, 701, 2999])
        dead = np.setdiff1d(np.arange(3000), alive)
        _, rows = ask(large.search, large.queries(3)[:3], 10, 3000, dead)
        assert np.sort(rows).tolist() == [[-1] * 6 + alive.tolist()] * 3

    def test_an_answer_is_as_long_as_there_are_rows(self, large: Archive) -> None:
        """Also where the lists that are looked into hold fewer than k."""
        ivf = large.load()
        _, probed = ivf.search(large.file.read(3000), large.queries(), 1500, nprobe=ivf.nprobe)
        assert (probed == -1).any()
        _, rows = ask(large.search, large.queries(), 1500, 3000, NONE)
        assert (rows >= 0).all()
        _, rows = ask(large.search, large.queries(), 3100, 3000, np.array([4]))
        assert np.count_nonzero(rows == -1, axis=1).tolist() == [101] * len(rows)

    def test_a_short_vector_file_is_an_error(self, large: Archive) -> None:
        with pytest.raises(IndexFormatError, match=r"vectors\.f16 holds 3000 of the 3001 vectors"):
            ask(large.search, large.queries(), 5, 3001, NONE)

    def test_ids_that_are_no_row_are_an_error(self, large: Archive) -> None:
        raw = faiss.read_index(str(large.ivf))
        raw.reset()
        raw.add_with_ids(large.file.read(3000).astype(np.float32), np.arange(1, 3001))
        faiss.write_index(raw, str(large.ivf))
        replace(large.measured(), checksums="", sha256="").save(large.ivf.with_suffix(".json"))  # as 0.1.0 wrote it
        with pytest.raises(IndexFormatError, match="names rows that do not exist") as caught:
            ask(large.search, large.file.read(3000)[2999:].astype(np.float32), 5, 3000, NONE)
        assert caught.value.remedy is Remedy.REPAIR
        assert large.search.refresh(3000).rows == 3000  # it gets checksums, and is not believed without
        assert large.search.check(3000, NONE) == []


class TestReaders:
    def test_keep_the_ivf_they_have_open(self, large: Archive, clustered: Clustered) -> None:
        """A reader asked for the committed rows before the writer added more, and searches afterwards."""
        reader, queries = large.reader(), large.queries()
        before = ask(reader, queries, 10, 3000, NONE)
        large.append(clustered(1000, D, seed=3))
        large.search.refresh(4000)
        np.testing.assert_array_equal(ask(reader, queries, 10, 3000, NONE)[1], before[1])
        assert reader.status(3000).rows == 3000
        assert reader.status(4000).rows == 4000

    def test_ignore_an_ivf_of_rows_that_were_cut_off(self, archive: Archive, clustered: Clustered) -> None:
        archive.append(clustered(100, D))
        archive.search.refresh(100)
        archive.file.truncate(60)
        archive.rows = 60
        reader = archive.reader()
        assert reader.status(60) == SearchStatus(tail=60)
        found = ask(reader, archive.queries(), 5, 60, NONE)
        assert_alike(found, archive.truth(archive.queries(), 5))
        archive.search.refresh(60)
        assert reader.status(60).rows == 60

    def test_are_told_of_a_broken_ivf(self, large: Archive) -> None:
        large.ivf.write_bytes(b"broken")
        for use in (
            lambda: ask(large.search, large.queries(), 5, 3000, NONE),
            lambda: large.search.status(3000),
        ):
            with pytest.raises(
                IndexFormatError, match=r"ivf\.faiss are not those that were written: repair the index$"
            ):
                use()


class TestRefresh:
    def test_makes_the_first_index(self, archive: Archive, clustered: Clustered) -> None:
        archive.append(clustered(30, D))
        archive.search.refresh(30)
        measured = archive.measured()
        assert (measured.rows, measured.recall, measured.target_recall, measured.k) == (30, 1.0, 0.99, 20)
        status = archive.search.status(30)
        assert (status.tail, status.rows, status.recall, status.size_bytes) == (0, 30, 1.0, archive.ivf.stat().st_size)

    def test_small_archives_are_rebuilt_when_a_tenth_is_new(self, archive: Archive, clustered: Clustered) -> None:
        archive.append(clustered(1000, D))
        archive.search.refresh(1000)
        archive.append(clustered(100, D, seed=1))
        archive.search.refresh(1100)
        assert archive.search.status(1100).tail == 100
        archive.append(clustered(1, D, seed=2))
        archive.search.refresh(1101)
        status = archive.search.status(1101)
        assert (status.tail, status.rows, status.parameters["trained_rows"]) == (0, 1101, 1101)

    def test_a_small_addition_to_a_large_index_writes_nothing(self, large: Archive, clustered: Clustered) -> None:
        before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in large.ivf.parent.glob("ivf*")}
        large.append(clustered(300, D, seed=1))
        measured = large.search.refresh(3300)
        after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in large.ivf.parent.glob("ivf*")}
        assert measured is not None
        assert measured.rows == 3000
        assert before == after
        assert large.search.status(3300).tail == 300

    def test_a_long_tail_is_added_without_training(self, large: Archive, clustered: Clustered) -> None:
        lists = large.search.status(3000).parameters["lists"]
        large.append(clustered(301, D, seed=1))
        large.search.refresh(3301)
        measured = large.measured()
        assert (measured.rows, measured.trained_rows, measured.lists) == (3301, 3000, lists)
        assert large.search.status(3301).tail == 0
        assert large.search.check(3301, NONE) == []
        assert large.recall(20) >= 0.99

    def test_four_times_the_rows_are_trained_again(self, large: Archive, clustered: Clustered) -> None:
        large.append(clustered(8999, D, seed=1))
        large.search.refresh(11_999)
        measured = large.measured()
        assert measured.trained_rows == 3000
        large.append(clustered(301, D, seed=2))
        large.search.refresh(12_300)
        measured = large.measured()
        assert (measured.rows, measured.trained_rows) == (12_300, 12_300)

    def test_other_targets_are_kept(self, large: Archive, clustered: Clustered) -> None:
        nprobe = large.search.status(3000).parameters["nprobe"]
        large.search.rebuild(3000, targets=Targets(0.8, 10))
        measured = large.measured()
        assert (measured.target_recall, measured.k) == (0.8, 10)
        assert measured.nprobe < nprobe
        large.append(clustered(9000, D, seed=1))
        large.search.refresh(12_000)
        measured = large.measured()
        assert (measured.rows, measured.trained_rows, measured.target_recall) == (12_000, 12_000, 0.8)

    def test_a_crash_between_index_and_measurement_is_made_up_for(self, large: Archive) -> None:
        large.ivf.with_suffix(".json").unlink()
        status = large.search.status(3000)
        assert (status.rows, status.recall, status.target_recall, status.k) == (3000, None, None, None)
        assert large.search.check(3000, NONE) == []
        large.search.refresh(3000)
        measured = large.measured()
        assert large.search.status(3000).recall == measured.recall

    def test_a_broken_index_is_rebuilt(self, large: Archive) -> None:
        for damage in (b"", b"broken"):
            large.ivf.write_bytes(damage)
            assert large.search.refresh(3000).rows == 3000
            assert large.search.check(3000, NONE) == []

    def test_a_killed_run_leaves_the_old_index_at_work(self, archive: Archive, clustered: Clustered) -> None:
        archive.append(clustered(100, D))
        archive.search.refresh(100)
        archive.append(clustered(100, D, seed=1))
        partial = archive.ivf.with_name("ivf.faiss.partial")
        partial.write_bytes(archive.ivf.read_bytes()[:1000])  # killed while writing
        found = ask(archive.reader(), archive.queries(), 5, 200, NONE)
        assert_alike(found, archive.truth(archive.queries(), 5))
        archive.search.refresh(200)
        assert not partial.exists()
        assert archive.search.status(200).rows == 200

    def test_rebuilding_without_rows_leaves_no_index(self, archive: Archive, clustered: Clustered) -> None:
        archive.append(clustered(10, D))
        archive.search.refresh(10)
        archive.file.truncate(0)
        assert archive.search.rebuild(0) == SearchStatus(tail=0)
        assert archive.search.status(0) == SearchStatus(tail=0)
        assert [path.name for path in archive.ivf.parent.iterdir()] == ["vectors.f16"]


class TestCheck:
    def test_finds_nothing_wrong_with_what_was_made(self, large: Archive, clustered: Clustered) -> None:
        large.append(clustered(100, D, seed=1))
        dead = np.arange(0, 3000, 7)
        for seed in range(5):
            assert large.search.check(3100, dead, seed=seed) == []
        assert large.search.check(3100, np.arange(1, 3100)) == []

    def test_finds_nothing_wrong_with_few_rows_or_none(self, archive: Archive, clustered: Clustered) -> None:
        assert archive.search.check(0, NONE) == []
        archive.append(clustered(3, D))
        assert archive.search.check(3, NONE) == []
        for rows in (1, 2, 3):
            archive.search.rebuild(rows)
            assert archive.search.check(3, NONE) == []

    def test_sees_a_broken_file(self, large: Archive) -> None:
        large.ivf.write_bytes(b"broken")
        assert large.search.check(3000, NONE) == [
            SearchProblem("file", f"the bytes of {large.ivf} are not those that were written")
        ]


def loads(program: str, *arguments: str) -> set[str]:
    """Which of the large libraries a program loads."""
    ending = "\nimport sys; print(*({'faiss', 'torch', 'sqlalchemy'} & sys.modules.keys()))"
    command = [sys.executable, "-c", program + ending, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_numpy_alone_serves_until_there_is_an_ivf(archive: Archive, clustered: Clustered) -> None:
    archive.append(clustered(20, D))
    search = """
import sys, numpy as np
from pathlib import Path
from retrieval.search.registry import search_in_folder
from retrieval.search.selection import Selection
from retrieval.search.vectors import VectorFile
file = VectorFile(Path(sys.argv[1]), 16)
found = search_in_folder(file.path.parent, file)
found.search(np.ones((1, 16), np.float32), 3, Selection.of(20, np.array([1])))
found.status(20), found.check(20, np.array([1]))
"""
    assert loads(search, str(archive.file.path)) == set()
    archive.search.refresh(20)
    assert loads(search, str(archive.file.path)) == {"faiss"}
