"""The SHA-256 of weight files: always that of the bytes, remembered only while that is safe."""

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from retrieval.models.digest import sha256


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRIEVAL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sha256.json"


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def old_file(path: Path, data: bytes, age_s: float = 3600) -> Path:
    path.write_bytes(data)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def test_a_settled_file_is_read_once(tmp_path: Path, memory: Path) -> None:
    path = old_file(tmp_path / "a.pt", b"weights")
    assert sha256(path) == digest_of(b"weights")
    stamp = path.stat()
    path.write_bytes(b"WEIGHTS")  # same size, and then the same time: nothing tells it apart
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert sha256(path) == digest_of(b"weights")


@pytest.mark.parametrize("data", [b"longer weights", b"WEIGHTS"])
def test_a_changed_file_is_read_again(tmp_path: Path, data: bytes) -> None:
    path = old_file(tmp_path / "a.pt", b"weights")
    sha256(path)
    old_file(path, data, age_s=60)
    assert sha256(path) == digest_of(data)


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path, memory: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"weights")
    assert sha256(tmp_path / "a.pt") == digest_of(b"weights")
    assert not memory.exists()


def test_files_that_are_gone_are_forgotten(tmp_path: Path, memory: Path) -> None:
    first, second = old_file(tmp_path / "a.pt", b"a"), old_file(tmp_path / "b.pt", b"b")
    sha256(first)
    first.unlink()
    sha256(second)
    assert list(json.loads(memory.read_bytes())) == [str(second.resolve())]


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"a": 3}', b"\xff\xfe", b"null"])
def test_a_broken_memory_costs_a_second_reading_only(tmp_path: Path, memory: Path, broken: bytes) -> None:
    memory.parent.mkdir()
    memory.write_bytes(broken)
    path = old_file(tmp_path / "a.pt", b"weights")
    assert sha256(path) == digest_of(b"weights")
    assert str(path.resolve()) in json.loads(memory.read_bytes())


def test_a_cache_folder_that_cannot_be_made_is_no_obstacle(tmp_path: Path, memory: Path) -> None:
    memory.parent.write_bytes(b"a file where the folder should be")
    assert sha256(old_file(tmp_path / "a.pt", b"weights")) == digest_of(b"weights")


def test_a_missing_file_is_the_callers_to_explain(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256(tmp_path / "missing.pt")
