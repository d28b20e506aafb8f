"""Images that cannot be read fail in their place: whatever their names, folders or types, the others get answers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photos import archive, photo, scene

from retrieval import Index
from retrieval.errors import PhotoError


@pytest.fixture
def filled(index, tmp_path):
    index.add(archive(tmp_path / "a", 6))
    return index


class PathOfBytes:
    """A path as `os.scandir(b"...")` gives it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> bytes:
        return os.fsencode(self._path)


def circle(folder: Path) -> Path:
    path = folder / "circle.jpg"
    if not path.is_symlink():
        try:
            path.symlink_to(path)
        except OSError:
            pytest.skip("this user may not make links")
    return path


BAD = {
    "too long a name": (lambda folder: folder / f"{'x' * 300}.jpg", "unreadable"),
    "too long a path": (lambda folder: folder / "/".join(["y" * 200] * 30), "unreadable"),
    "NUL": (lambda _folder: "a\0b.jpg", "unreadable"),
    "a lone surrogate": (lambda folder: folder / "\ud800.jpg", "unreadable"),
    "a file as a folder": (lambda folder: folder / "a" / "000.jpg" / "b.jpg", "unreadable"),
    "links in a circle": (circle, "unreadable"),
    "a folder": (lambda folder: folder / "a", "not-a-photo"),
    "no name": (lambda _folder: "", "not-a-photo"),  # the current folder, to the operating system
    "nothing": (lambda _folder: None, "unsupported"),
    "a number": (lambda _folder: 5, "unsupported"),
    "a list": (lambda _folder: [1, 2], "unsupported"),
    "no bytes": (lambda _folder: b"", "empty"),
    "no bytes in an array": (lambda _folder: bytearray(), "empty"),
    "floats": (lambda _folder: np.zeros((4, 4, 3)), "unsupported"),
    "a closed picture": (lambda _folder: closed(), "damaged"),
}


def closed():
    picture = scene(1)
    picture.close()
    return picture


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_image_fails_in_its_place(filled, tmp_path, bad):
    make, kind = BAD[bad]
    good = tmp_path / "a" / "002.jpg"
    before, failed, after = filled.query_many([good, make(tmp_path), photo(tmp_path / "new.jpg", 77)], k=3)
    assert before.hits[0].path == good
    assert len(after.hits) == 3
    assert failed.failure is not None
    assert failed.failure.kind == kind
    assert failed.hits == ()
    with pytest.raises(PhotoError):
        filled.embedder.embed([make(tmp_path)])


def test_what_is_no_image_is_told_what_an_image_is(filled):
    failure = filled.query(None).failure
    assert failure.reason == (
        "NoneType is not an image: give a path, the bytes of a file, a Pillow image, or an array of uint8"
    )


def test_anything_that_holds_bytes_is_a_file(filled, tmp_path):
    path = tmp_path / "a" / "003.jpg"
    data = path.read_bytes()
    passes = filled.embedder.passes
    answers = list(filled.query_many([data, bytearray(data), memoryview(data), PathOfBytes(path)], k=2))
    assert filled.embedder.passes == passes
    assert [answer.hits for answer in answers] == [filled.query(path, k=2).hits] * 4
    assert [answer.query for answer in answers] == ["-", "-", "-", str(path)]
    new = photo(tmp_path / "new.jpg", 77).read_bytes()
    assert filled.query(bytearray(new)).hits == filled.query(new).hits


def as_a_user_who_obeys_permissions(*command: object) -> subprocess.CompletedProcess:
    """Run a command as this user; as root, without the right to pass over permissions."""
    humble = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root passes over permissions, and there is no setpriv to give that up")
        humble = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    return subprocess.run([*humble, *map(str, command)], capture_output=True, text=True)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_a_photo_in_a_closed_folder_fails_in_its_place(filled, tmp_path):
    closed = photo(tmp_path / "closed" / "1.jpg", 5)
    lists = tmp_path / "list.txt"
    lists.write_text(
        f"{tmp_path / 'a' / '002.jpg'}\n{closed}\n{tmp_path / ('x' * 300)}\n{tmp_path / 'a' / '003.jpg'}\n"
    )
    folder = filled.folder
    filled.close()
    closed.parent.chmod(0o600)
    try:
        command = [sys.executable, "-m", "retrieval", "query", "--index", folder, "--from-file", lists, "-k", 1]
        found = as_a_user_who_obeys_permissions(*command, "-f")
        strict = as_a_user_who_obeys_permissions(*command, "--format", "tsv", "--strict")
    finally:
        closed.parent.chmod(0o700)
    assert found.stdout.splitlines() == [str(tmp_path / "a" / "002.jpg"), str(tmp_path / "a" / "003.jpg")], found.stderr
    assert found.returncode == 0
    assert f"{closed}: cannot be read: {os.strerror(13)}" in found.stderr
    assert strict.returncode == 3
    assert sum(line.split("\t")[1] == "failure" for line in strict.stdout.splitlines()) == 2
    with Index.open(folder) as again:
        assert again.query(closed).failure is None
