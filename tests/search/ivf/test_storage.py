"""Where an index is kept: read when it is needed, replaced whole, known again by its measurement."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ivf_indexes import D, build, load, save

from retrieval.errors import IndexFormatError, Remedy
from retrieval.search.ivf import check
from retrieval.search.ivf.index import IvfIndex
from retrieval.search.ivf.settings import DEFAULTS
from retrieval.search.ivf.storage import IvfFile, IvfInMemory
from retrieval.search.targets import Targets
from retrieval.search.vectors import HalfVectors

Clustered = Callable[..., HalfVectors]


def contents(index: IvfIndex, vectors: HalfVectors, rows: np.ndarray) -> list[str]:
    return [problem.what for problem in check.contents(index, vectors, rows)]


@pytest.mark.parametrize("to_add", [True, False])
def test_comes_back_as_it_was(saved: Path, vectors: HalfVectors, index: IvfIndex, to_add: bool) -> None:
    loaded = load(saved, to_add=to_add)
    assert loaded.measurement == index.measurement
    assert (loaded.rows, loaded.lists, loaded.nprobe) == (index.rows, index.lists, index.nprobe)
    assert loaded.trained_rows == index.trained_rows
    assert contents(loaded, vectors, np.arange(4000)) == []
    queries = vectors[::200].astype(np.float32)
    np.testing.assert_array_equal(loaded.search(vectors, queries, 9)[1], index.search(vectors, queries, 9)[1])


def test_can_be_grown_after_loading(saved: Path, vectors: HalfVectors, clustered: Clustered) -> None:
    loaded = load(saved, to_add=True)
    more = clustered(50, D, seed=9)
    loaded.add(more, 4000)
    save(loaded, saved)
    assert contents(load(saved), np.concatenate([vectors, more]), np.arange(4050)) == []


def test_nprobe_survives_without_the_measurement(saved: Path, index: IvfIndex) -> None:
    saved.with_suffix(".json").unlink()
    loaded = load(saved)
    assert loaded.measurement is None
    assert (loaded.nprobe, loaded.trained_rows) == (index.nprobe, 4000)


@pytest.mark.parametrize("field", ["size", "lists", "nprobe"])
def test_a_measurement_of_other_contents_is_ignored(saved: Path, field: str) -> None:
    sidecar = saved.with_suffix(".json")
    values = json.loads(sidecar.read_text())
    values[field] += 1
    sidecar.write_text(json.dumps(values))
    assert load(saved).measurement is None


def test_the_leftover_of_a_killed_run_is_replaced(saved: Path, index: IvfIndex) -> None:
    leftover = saved.with_name(".ivf.faiss.0123456789abcdef.partial")
    leftover.write_bytes(b"half an index")
    save(index, saved)
    assert sorted(path.name for path in saved.parent.iterdir()) == ["ivf.faiss", "ivf.json"]


@pytest.mark.parametrize("name", ["with space", "two\nlines", "🐦", "not-utf8-\udcff", "Ürümqi"])
def test_may_lie_in_any_folder(tmp_path: Path, index: IvfIndex, vectors: HalfVectors, name: str) -> None:
    folder = tmp_path / name
    try:
        folder.mkdir()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has no such names")
    save(index, folder / "ivf.faiss")
    loaded = load(folder / "ivf.faiss")
    assert loaded.search(vectors, vectors[:1].astype(np.float32), 1)[1].tolist() == [[0]]


def test_absent_is_not_broken(tmp_path: Path) -> None:
    assert IvfFile(tmp_path, D, DEFAULTS).load() is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_leaves_the_old_index(saved: Path, index: IvfIndex) -> None:
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


def test_is_refused_when_cut_short(saved: Path) -> None:
    whole = saved.read_bytes()
    for size in [0, 1, 4, 30, 200, len(whole) // 2, len(whole) - 1]:
        saved.write_bytes(whole[:size])
        for to_add in (True, False):
            with pytest.raises(IndexFormatError, match=r"ivf\.faiss are not those that were written") as caught:
                load(saved, to_add=to_add)
            assert caught.value.remedy is Remedy.REPAIR


def test_an_index_is_opened_once_until_it_is_replaced(saved: Path, index: IvfIndex) -> None:
    reader = IvfFile(saved.parent, D, DEFAULTS)
    first = reader.current(4000)
    assert first is not None
    assert reader.current(5000) is first
    save(index, saved)  # the same bytes in another file
    second = reader.current(4000)
    assert second is not None
    assert second is not first
    saved.unlink()
    assert reader.current(4000) is None


def test_an_index_of_more_rows_than_are_asked_for_is_not_used(
    saved: Path, vectors: HalfVectors, clustered: Clustered
) -> None:
    """Unless an older one is open: a reader that asked for the rows before a writer added more goes on with that."""
    reader, late = (IvfFile(saved.parent, D, DEFAULTS) for _ in range(2))
    assert reader.current(3999) is None
    before = reader.current(4000)
    assert before is not None
    loaded = load(saved, to_add=True)
    loaded.add(clustered(50, D, seed=9), 4000)
    save(loaded, saved)
    assert reader.current(4000) is before
    assert late.current(4000) is None
    for one in (reader, late):
        found = one.current(4050)
        assert found is not None
        assert found.rows == 4050


def test_a_measurement_that_comes_after_its_index_is_seen(saved: Path) -> None:
    sidecar = saved.with_suffix(".json")
    measured = sidecar.read_bytes()
    sidecar.unlink()
    reader = IvfFile(saved.parent, D, DEFAULTS)
    unmeasured = reader.current(4000)
    assert unmeasured is not None
    assert unmeasured.measurement is None
    sidecar.write_bytes(measured)
    found = reader.current(4000)
    assert found is not None
    assert found.measurement is not None


def test_a_damaged_file_is_refused_each_time(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[100] ^= 1
    saved.write_bytes(data)
    reader = IvfFile(saved.parent, D, DEFAULTS)
    for _ in range(2):
        with pytest.raises(IndexFormatError, match="are not those that were written"):
            reader.current(4000)


def test_a_file_is_held_against_the_digest_of_what_was_written(saved: Path) -> None:
    file, loaded = IvfFile(saved.parent, D, DEFAULTS), load(saved)
    assert file.file_problem(loaded) == ""
    with saved.open("ab") as more:
        more.write(b"x")
    assert file.file_problem(loaded) == f"the bytes of {saved} are not those that were written"


def test_targets_are_those_of_the_last_index(tmp_path: Path, vectors: HalfVectors) -> None:
    file = IvfFile(tmp_path, D, DEFAULTS)
    assert file.targets() == Targets()
    save(build(vectors[:500], Targets(0.9, 5)), file.path)
    assert file.targets() == Targets(0.9, 5)
    assert file.size_bytes() == os.path.getsize(file.path)
    file.remove()
    assert (file.targets(), list(tmp_path.iterdir())) == (Targets(), [])
    file.remove()  # nothing is there, and that is no error


def test_only_what_a_killed_process_left_is_cleaned_up(saved: Path) -> None:
    left = [saved.with_name(f".{name}.0123456789abcdef.partial") for name in ("ivf.faiss", "ivf.json")]
    other = saved.with_name("vectors.f16")
    for path in (*left, other):
        path.write_bytes(b"bytes")
    IvfFile(saved.parent, D, DEFAULTS).clean()
    assert sorted(path.name for path in saved.parent.iterdir()) == ["ivf.faiss", "ivf.json", "vectors.f16"]


def test_an_index_in_memory_is_kept_and_forgotten(vectors: HalfVectors) -> None:
    memory, built = IvfInMemory(), build(vectors[:500], Targets(0.9, 5))
    assert (memory.current(10), memory.load(), memory.targets()) == (None, None, Targets())
    memory.save(built)
    assert memory.current(500) is memory.load() is built
    assert memory.current(499) is None
    assert (memory.size_bytes(), memory.file_problem(built)) == (0, "")
    memory.clean()
    memory.remove()
    assert (memory.current(500), memory.targets()) == (None, Targets(0.9, 5))
