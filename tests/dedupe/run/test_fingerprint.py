import base64
import hashlib
import os
import shutil
import threading
from dataclasses import replace

import pytest
from extended_attributes import mark

from retrieval.dedupe.run.fingerprint import (
    any_status,
    fingerprint,
    holds_bytes,
    is_one_file,
    plain_file_status,
    read_extended,
)
from retrieval.errors import RunError

NANOSECONDS = 1_600_000_000_123_456_700


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"bytes")
    path.chmod(0o640)
    os.utime(path, ns=(NANOSECONDS, NANOSECONDS))
    return path


def test_a_fingerprint_has_the_bytes_and_attributes_of_a_file(photo):
    found, status = fingerprint(photo), photo.stat()
    assert (found.size, found.mtime_ns, found.mode) == (5, NANOSECONDS, 0o640)
    assert found.sha256 == hashlib.sha256(b"bytes").hexdigest()
    assert (found.inode, found.uid, found.gid) == (status.st_ino, status.st_uid, status.st_gid)
    assert found.extended is None


def test_a_file_that_changes_while_it_is_read_has_no_fingerprint(tmp_path):
    path = tmp_path / "copied just now.raw"
    path.write_bytes(bytes(40_000_000))
    stop, begun = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            with path.open("r+b") as file:
                file.write(os.urandom(8))
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        begun.wait()
        with pytest.raises(RunError, match="changed while it was being read"):
            fingerprint(path)
    finally:
        stop.set()
        writer.join()
    assert fingerprint(path).size == 40_000_000


def test_only_plain_files_are_looked_at(tmp_path, photo):
    (tmp_path / "link").symlink_to(photo)
    for path, reason in ((tmp_path / "link", "symbolic link"), (tmp_path, "regular file"), (tmp_path / "x", "missing")):
        for look in (plain_file_status, fingerprint):
            with pytest.raises(RunError, match=reason):
                look(path)
        assert not holds_bytes(path, fingerprint(photo))
    for look in (plain_file_status, any_status):
        with pytest.raises(RunError, match="missing"):
            look(photo / "below a file")
    assert any_status(tmp_path / "link").st_ino != photo.stat().st_ino


def test_a_file_holds_bytes_whatever_its_attributes_are(tmp_path, photo):
    was = fingerprint(photo)
    copy = tmp_path / "copy.jpg"
    for content, same in ((b"bytes", True), (b"bytez", False), (b"byte", False), (b"", False)):
        copy.write_bytes(content)
        assert holds_bytes(copy, was) is same


def test_extended_attributes_are_read_whatever_bytes_they_hold(photo):
    mark(photo, "user.rating", b"five\xff\x00stars")
    mark(photo, "user.empty", b"")
    values = {name: base64.b64decode(value) for name, value in read_extended(photo).items()}
    assert values == {"user.empty": b"", "user.rating": b"five\xff\x00stars"}
    assert list(values) == sorted(values)
    assert fingerprint(photo).extended == read_extended(photo)
    link = photo.with_name("link")
    link.symlink_to(photo)
    assert read_extended(link) == {}


def test_what_a_file_system_notes_for_itself_is_no_attribute_of_a_photo(photo):
    mark(photo, "trusted.overlay.origin", b"\x00\xfb")
    assert read_extended(photo) == {}


def test_what_0_1_0_did_not_record_is_taken_from_the_file(photo):
    mark(photo, "user.rating", b"5")
    whole = fingerprint(photo)
    old = replace(whole, uid=None, gid=None, extended=None, mtime_ns=7)
    assert old.completed(photo) == replace(whole, mtime_ns=7)
    other = replace(whole, uid=12345, gid=0, extended={})
    assert other.completed(photo) == other  # what is known stays: root, and none at all


def test_names_of_one_file_are_one_file_and_copies_are_not(tmp_path, photo):
    link, copy = tmp_path / "link.jpg", tmp_path / "copy.jpg"
    os.link(photo, link)
    shutil.copy2(photo, copy)
    assert is_one_file(photo.lstat(), link.lstat())
    assert not is_one_file(photo.lstat(), copy.lstat())


def test_a_file_seen_on_another_device_is_one_file(photo):
    """As an overlay shows it. Test_two_ways.py mounts one, where it may."""
    status = photo.lstat()
    times = {"st_mtime_ns": status.st_mtime_ns, "st_ctime_ns": status.st_ctime_ns}

    def seen(size: int = status.st_size, **changes: int) -> os.stat_result:
        """What `lstat` would say there."""
        facts = [*status[:2], status.st_dev + 1, *status[3:6], size, *status[7:10]]
        return os.stat_result(facts, times | changes)

    assert is_one_file(status, seen())
    for other in (seen(size=6), seen(st_mtime_ns=1), seen(st_ctime_ns=1)):
        assert not is_one_file(status, other)
