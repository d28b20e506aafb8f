import os

import pytest

from retrieval.archive.content import hash_bytes, hash_file, read_file
from retrieval.errors import PhotoError


def test_read_gives_bytes_hash_size_and_time(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    content = read_file(path)
    assert content.data == b"photo"
    assert content.hash == hash_bytes(b"photo") == hash_file(path)
    assert (content.size, content.mtime_ns) == (5, path.stat().st_mtime_ns)


def test_read_refuses_a_file_that_changes_meanwhile(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    fstat, calls = os.fstat, []

    def grow(handle):  # a card that is still being copied
        calls.append(handle)
        if len(calls) == 2:
            with path.open("ab") as file:
                file.write(b" and more")
        return fstat(handle)

    monkeypatch.setattr(os, "fstat", grow)
    with pytest.raises(PhotoError, match="changed while it was being read") as error:
        read_file(path)
    assert error.value.kind == "unreadable"


def test_read_says_why_it_cannot(tmp_path):
    with pytest.raises(PhotoError, match="No such file") as error:
        read_file(tmp_path / "gone.jpg")
    assert error.value.kind == "unreadable"
