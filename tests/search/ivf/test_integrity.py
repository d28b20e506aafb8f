"""A search index file that was changed is either refused, with what to do, or gives the answers that it gave before."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import IndexFormatError, Remedy
from retrieval.search.ivf.checksums import CheckedFile
from retrieval.search.ivf.file import hash_file
from retrieval.search.ivf.measurement import Measurement
from retrieval.search.ivf.search import IvfSearch
from retrieval.search.ivf.settings import IvfSettings
from retrieval.search.ivf.storage import IvfFile
from retrieval.search.selection import Selection
from retrieval.search.vectors import HalfVectors, VectorFile

D = 96
N = 4000
SMALL = IvfSettings(few_rows=50, filtered_rows=1500)  # half precision, mapped: lists are checked when they are searched
LARGE = IvfSettings(few_rows=50, filtered_rows=1500, coded_from=1000)  # codes, checked when the file is opened
SECTOR = 512  # bytes

Clustered = Callable[..., HalfVectors]
Change = Callable[[bytearray, np.random.Generator], None]


def flip_a_bit(data: bytearray, rng: np.random.Generator) -> None:
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))


def overwrite_a_byte(data: bytearray, rng: np.random.Generator) -> None:
    data[rng.integers(len(data))] = int(rng.integers(256))


def overwrite_a_word(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data) - 8))
    data[start : start + 8] = rng.bytes(8)


def lose_a_sector(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data) // SECTOR)) * SECTOR
    data[start : start + SECTOR] = bytes(SECTOR)


def overwrite_sectors(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data) // SECTOR)) * SECTOR
    length = min(SECTOR * int(rng.integers(1, 300)), len(data) - start)
    data[start : start + length] = rng.bytes(length)


def swap_sectors(data: bytearray, rng: np.random.Generator) -> None:
    a, b = (int(place) * SECTOR for place in rng.integers(len(data) // SECTOR, size=2))
    data[a : a + SECTOR], data[b : b + SECTOR] = data[b : b + SECTOR], data[a : a + SECTOR]


def cut_short(data: bytearray, rng: np.random.Generator) -> None:
    del data[rng.integers(len(data)) :]


def lose_bytes(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 5000))]


def insert_bytes(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    data[start:start] = rng.bytes(int(rng.integers(1, 5000)))


def append_bytes(data: bytearray, rng: np.random.Generator) -> None:
    data += rng.bytes(int(rng.integers(1, 5000)))


CHANGES: list[Change] = [
    flip_a_bit,
    overwrite_a_byte,
    overwrite_a_word,
    lose_a_sector,
    overwrite_sectors,
    swap_sectors,
    cut_short,
    lose_bytes,
    insert_bytes,
    append_bytes,
]


class Bench:
    """An index in a folder, and what it answers as long as nothing has happened to it."""

    def __init__(self, folder: Path, settings: IvfSettings) -> None:
        self.folder, self.settings = folder, settings
        self.file = VectorFile(folder / "vectors.f16", D)
        self.path = folder / "ivf.faiss"
        self.queries = self.file.read(N)[::97].astype(np.float32)
        self.selections = [
            Selection.everything(N),
            Selection.of(N, np.arange(0, N, 5)),
            Selection.of(N, np.empty(0, np.int64), np.arange(1, N, 7)),
        ]

    def opened(self) -> IvfSearch:
        return IvfSearch(self.file, IvfFile(self.folder, D, self.settings), self.settings)

    def answers(self) -> list[object]:
        """One query after another, some together, filtered ones, and all pairs."""
        search = self.opened()
        everything = self.selections[0]
        found: list[object] = [search.search(query[None], 10, everything)[1].tolist() for query in self.queries[:8]]
        found += [search.search(self.queries, 10, selection)[1].tolist() for selection in self.selections]
        pairs = search.neighbours(np.arange(0, N, 11), 5, everything)
        found.append(
            sorted((row, *line) for rows, (_, lines) in pairs for row, line in zip(rows, lines.tolist(), strict=True))
        )
        return found


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory, clustered: Clustered) -> dict[IvfSettings, Path]:
    made = {}
    for settings in (SMALL, LARGE):
        folder = made[settings] = tmp_path_factory.mktemp("integrity")
        VectorFile(folder / "vectors.f16", D).append(clustered(N, D).astype(np.float32), 0)
        Bench(folder, settings).opened().rebuild(N)
    return made


@pytest.fixture(params=[SMALL, LARGE], ids=["mapped", "coded"])
def bench(request: pytest.FixtureRequest, templates: dict[IvfSettings, Path], tmp_path: Path) -> Bench:
    return Bench(shutil.copytree(templates[request.param], tmp_path / "index"), request.param)


def attempt(bench: Bench, changes: int, seed: int) -> int:
    """Change the file again and again; return how many changes were refused. Fails at the first wrong answer."""
    whole, rng = bench.path.read_bytes(), np.random.default_rng(seed)
    right, refused = bench.answers(), 0
    for number in range(changes):
        change = CHANGES[number % len(CHANGES)]
        data = bytearray(whole)
        change(data, rng)
        bench.path.write_bytes(data)
        try:
            assert bench.answers() == right, (number, change.__name__)
        except IndexFormatError as error:
            refused += 1
            assert error.remedy is Remedy.REPAIR, (number, change.__name__)
        problems = bench.opened().check(N)
        assert (problems == []) == (data == whole), (number, change.__name__)
    return refused


def test_no_change_gives_a_wrong_answer(bench: Bench) -> None:
    assert attempt(bench, changes=40, seed=0) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_none_of_many_changes_gives_a_wrong_answer(bench: Bench, seed: int) -> None:
    assert attempt(bench, changes=500, seed=seed) >= 300


def test_no_change_gives_a_wrong_answer_without_the_measurement(bench: Bench) -> None:
    (bench.folder / "ivf.json").unlink()
    whole, rng = bench.path.read_bytes(), np.random.default_rng(0)
    right = bench.answers()
    for number in range(20):
        data = bytearray(whole)
        CHANGES[number % 6](data, rng)  # a file that lost its end is not known to have had checksums
        if bytes(data[-64:]) != whole[-64:]:
            continue
        bench.path.write_bytes(data)
        try:
            assert bench.answers() == right, number
        except IndexFormatError as error:
            assert error.remedy is Remedy.REPAIR


def test_a_copy_with_other_times_opens(bench: Bench) -> None:
    right = bench.answers()
    for path in bench.folder.iterdir():
        os.utime(path, (1, 1))
    assert bench.answers() == right
    assert bench.opened().check(N) == []


def test_the_writer_replaces_a_damaged_index(bench: Bench) -> None:
    right = bench.answers()
    data = bytearray(bench.path.read_bytes())
    data[1000] ^= 1
    bench.path.write_bytes(data)
    assert bench.opened().refresh(N).rows == N
    assert bench.answers() == right


def test_an_index_of_other_vectors_is_refused(bench: Bench, tmp_path: Path, clustered: Clustered) -> None:
    """As when it was restored from the backup of another index."""
    right = bench.answers()
    other = tmp_path / "other"
    other.mkdir()
    VectorFile(other / "vectors.f16", D).append(clustered(N, D, seed=1).astype(np.float32), 0)
    Bench(other, bench.settings).opened().rebuild(N)
    shutil.copy(other / "ivf.faiss", bench.path)
    with pytest.raises(IndexFormatError, match="is an index of other vectors") as caught:
        bench.answers()
    assert caught.value.remedy is Remedy.REPAIR
    assert bench.opened().check(N) != []
    bench.opened().refresh(N)
    assert bench.answers() == right


def test_an_index_whose_measurement_was_lost_is_not_taken_for_another(bench: Bench) -> None:
    (bench.folder / "ivf.json").unlink()
    assert bench.answers()
    assert bench.opened().status(N).rows == N


def as_written_by_0_1_0(bench: Bench) -> None:
    """Take the checksums away again: nothing else is new in the two files."""
    checked, measured = CheckedFile.open(bench.path), Measurement.load(bench.folder / "ivf.json")
    assert checked is not None
    assert measured is not None
    bench.path.write_bytes(bench.path.read_bytes()[: checked.size])
    replace(measured, checksums="", sha256=hash_file(bench.path)).save(bench.folder / "ivf.json")


def test_an_index_of_0_1_0_opens_and_gets_checksums(bench: Bench) -> None:
    right, now = bench.answers(), bench.path.read_bytes()
    as_written_by_0_1_0(bench)
    assert bench.answers() == right
    assert bench.opened().check(N) == []
    status = bench.opened().refresh(N)
    assert status.recall == bench.opened().status(N).recall
    assert bench.path.read_bytes() == now
    assert bench.answers() == right


def test_a_damaged_index_of_0_1_0_gets_no_checksums(bench: Bench) -> None:
    right = bench.answers()
    as_written_by_0_1_0(bench)
    data = bytearray(bench.path.read_bytes())
    data[len(data) // 2] ^= 1
    bench.path.write_bytes(data)
    (problem,) = bench.opened().check(N)
    assert problem.kind == "file"
    bench.opened().refresh(N)
    assert bench.opened().check(N) == []
    assert bench.answers() == right
