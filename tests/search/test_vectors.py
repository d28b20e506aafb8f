"""The vector file: what is durable, what is a leftover, and what happens when the disk says no."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import IndexFormatError
from retrieval.records import Vectors
from retrieval.search.vectors import VectorFile

D = 8


def unit_vectors(n: int, d: int = D, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def file(tmp_path: Path) -> VectorFile:
    return VectorFile(tmp_path / "vectors.f16", D)


def test_reads_back_what_was_appended_in_half_precision(file: VectorFile) -> None:
    first, second = unit_vectors(3, seed=1), unit_vectors(2, seed=2)
    file.append(first, at_row=0)
    file.append(second, at_row=3)
    assert file.count() == 5
    np.testing.assert_array_equal(file.read(5), np.concatenate([first, second]).astype("<f2"))


def test_the_file_is_raw_little_endian_halves(file: VectorFile) -> None:
    file.append(np.eye(D, dtype=np.float32)[:1], at_row=0)
    assert file.path.read_bytes() == b"\x00\x3c" + bytes(2 * (D - 1))  # 1.0 is 0x3c00


def test_what_is_read_cannot_be_written(file: VectorFile) -> None:
    file.append(unit_vectors(1), at_row=0)
    with pytest.raises(ValueError, match="read-only"):
        file.read(1)[0, 0] = 2


def test_an_absent_file_has_no_rows(file: VectorFile) -> None:
    assert file.count() == 0
    assert not file.has_partial_row()
    assert file.read(0).shape == (0, D)
    file.truncate(0)
    with pytest.raises(IndexFormatError, match=r"vectors\.f16 holds 0 of the 3 vectors .*: repair the index"):
        file.read(3)


def test_a_file_with_too_few_rows_is_refused(file: VectorFile) -> None:
    file.append(unit_vectors(2), at_row=0)
    for use in (file.read, file.truncate, lambda rows: file.append(unit_vectors(1), at_row=rows)):
        with pytest.raises(IndexFormatError, match="holds 2 of the 3 vectors"):
            use(3)
    assert file.count() == 2


def test_leftovers_of_a_killed_run_are_overwritten(file: VectorFile) -> None:
    committed = unit_vectors(3, seed=1)
    file.append(committed, at_row=0)
    with file.path.open("ab") as raw:
        raw.write(b"\xff" * (5 * 2 * D + 3))  # five rows and a bit
    assert file.count() == 8
    assert file.has_partial_row()
    np.testing.assert_array_equal(file.read(3), committed.astype("<f2"))
    new = unit_vectors(1, seed=2)
    file.append(new, at_row=3)
    assert file.path.stat().st_size == 4 * 2 * D
    np.testing.assert_array_equal(file.read(4)[3:], new.astype("<f2"))


def test_truncate_cuts_off_what_lies_behind(file: VectorFile) -> None:
    file.append(unit_vectors(5), at_row=0)
    file.truncate(2)
    assert file.count() == 2
    assert not file.has_partial_row()


@pytest.mark.parametrize(
    "vectors",
    [np.ones((2, D + 1), np.float32), np.ones(D, np.float32), np.full((1, D), np.nan, np.float32)],
    ids=["other dimension", "one vector", "not a number"],
)
def test_what_is_no_batch_of_vectors_is_refused_before_anything_is_written(file: VectorFile, vectors: Vectors) -> None:
    with pytest.raises(ValueError, match="vectors"):
        file.append(vectors, at_row=0)
    assert not file.path.exists()


def test_a_map_stays_valid_while_the_file_grows(file: VectorFile) -> None:
    file.append(unit_vectors(2, seed=1), at_row=0)
    before = file.read(2)
    expected = before.copy()
    for row in range(2, 40):
        file.append(unit_vectors(1, seed=row), at_row=row)
    np.testing.assert_array_equal(before, expected)


def test_readers_in_other_processes_work_while_a_writer_appends(file: VectorFile) -> None:
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        import numpy as np
        from retrieval.search.vectors import VectorFile
        file = VectorFile(Path(sys.argv[1]), 8)
        committed = file.read(4).copy()
        print("reading", flush=True)
        for line in sys.stdin:
            rows = int(line)
            assert (file.read(rows)[:4] == committed).all()
            assert (file.read(rows)[-1] == np.float16(rows)).all()
            print(rows, flush=True)
    """)
    file.append(unit_vectors(4), at_row=0)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        for row in range(4, 30):
            file.append(np.full((1, D), row + 1, np.float32), at_row=row)
            reader.stdin.write(f"{row + 1}\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"{row + 1}\n"
        reader.stdin.close()
    assert reader.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_write_that_stops_early_is_taken_back(file: VectorFile) -> None:
    """A limit on the file size is a full disk that any user can have: first a short write, then an error."""
    program = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        import numpy as np
        from retrieval.search.vectors import VectorFile
        file = VectorFile(Path(sys.argv[1]), 8)
        file.append(np.eye(8, dtype=np.float32)[:3], at_row=0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5 * 16 + 7, resource.RLIM_INFINITY))
        try:
            file.append(np.eye(8, dtype=np.float32), at_row=3)
        except OSError as error:
            print(type(error).__name__, error.filename, file.path.stat().st_size)
    """)
    output = subprocess.run(
        [sys.executable, "-c", program, str(file.path)], capture_output=True, text=True, check=True
    ).stdout
    assert output == f"StorageError {file.path} {3 * 16}\n"
    np.testing.assert_array_equal(file.read(3), np.eye(D)[:3])


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 70)), max_size=6),
    seed=st.integers(0, 1000),
)
def test_a_crash_at_any_byte_loses_at_most_what_was_not_committed(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, int]], seed: int
) -> None:
    """Each batch is first killed after some bytes of its write, then written again by the next run."""
    file = VectorFile(tmp_path_factory.mktemp("crash") / "vectors.f16", D)
    committed = np.empty((0, D), "<f2")
    for size, killed_after in batches:
        batch = unit_vectors(size, seed=seed + len(committed)).astype("<f2")
        with file.path.open("ab") as raw:
            raw.write(batch.tobytes()[:killed_after])
        np.testing.assert_array_equal(file.read(len(committed)), committed)
        file.append(batch.astype(np.float32), at_row=len(committed))
        committed = np.concatenate([committed, batch])
        assert file.path.stat().st_size == committed.nbytes
    np.testing.assert_array_equal(file.read(len(committed)), committed)
