import base64
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from extended_attributes import mark

from retrieval.dedupe.run.attributes import give, refuse_other_owner
from retrieval.dedupe.run.fingerprint import fingerprint, read_extended
from retrieval.errors import Remedy, RunError

NANOSECONDS = 1_600_000_000_123_456_700
USER, GROUP = 12345, 23456
for_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="becomes another user and back")


@pytest.fixture
def open_folder():
    """A folder that every user can reach and write to."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def made(path: Path) -> Path:
    path.write_bytes(b"bytes")
    path.chmod(0o640)
    os.utime(path, ns=(NANOSECONDS, NANOSECONDS))
    return path


@contextmanager
def another_user(user: int = USER, groups: tuple[int, ...] = ()):
    """Be another user for a while, one of these groups."""
    before = os.getgroups()
    os.setgroups(groups)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setgroups(before)


def test_permissions_and_times_come_back(tmp_path):
    path = made(tmp_path / "a.jpg")
    was = fingerprint(path)
    path.chmod(0o444)
    os.utime(path, ns=(5, 5))
    give(path, was)
    assert path.stat().st_atime_ns == 5  # when it was last read stays
    assert fingerprint(path) == was


@for_root
def test_an_owner_comes_back_with_the_bits_that_giving_a_file_away_clears(tmp_path):
    path = made(tmp_path / "a.jpg")
    os.chown(path, USER, GROUP)
    path.chmod(0o4755)
    was = fingerprint(path)
    os.chown(path, 0, 0)
    give(path, was)
    assert fingerprint(path) == was
    assert was.mode == 0o4755


def test_extended_attributes_come_back_beside_those_that_came_since(tmp_path):
    path = made(tmp_path / "a.jpg")
    for name, value in (("user.rating", b"5\xff"), ("user.label", b"red")):
        mark(path, name, value)
    was = fingerprint(path)
    os.setxattr(path, "user.rating", b"1")
    os.removexattr(path, "user.label")
    os.setxattr(path, "user.new", b"kept")
    give(path, was)
    assert read_extended(path) == {**was.extended, "user.new": base64.b64encode(b"kept").decode()}


def test_a_file_that_has_everything_is_not_touched(tmp_path):
    path = made(tmp_path / "a.jpg")
    before = path.stat()
    give(path, fingerprint(path))
    assert path.stat().st_ctime_ns == before.st_ctime_ns


@for_root
def test_what_0_1_0_did_not_record_stays_as_it_is(tmp_path):
    path = made(tmp_path / "a.jpg")
    was = replace(fingerprint(path), uid=None, gid=None, extended=None)
    os.chown(path, USER, GROUP)
    path.chmod(0o600)
    give(path, was)
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (USER, GROUP, 0o640)


@for_root
def test_the_group_comes_back_where_the_owner_cannot(open_folder):
    path = made(open_folder / "a.jpg")
    was = replace(fingerprint(path), uid=0, gid=GROUP)
    os.chown(path, USER, 0)
    with another_user(groups=(GROUP,)):
        give(path, was)
    assert (path.stat().st_uid, path.stat().st_gid) == (USER, GROUP)


@for_root
def test_what_another_users_file_cannot_be_given_is_left_out(open_folder):
    """Nothing of it fails: the file itself is back in its place."""
    path = made(open_folder / "a.jpg")
    was = replace(fingerprint(path), uid=USER, mode=0o604, mtime_ns=7, extended={"user.rating": "NQ=="})
    with another_user():
        give(path, was)
    found = fingerprint(path)
    assert (found.uid, found.mode, found.mtime_ns, found.extended) == (0, 0o640, NANOSECONDS, None)


def test_a_system_without_extended_attributes_leaves_them_out(tmp_path, monkeypatch):
    """A disk whose journal was written on Linux may be undone on a Mac."""
    path = made(tmp_path / "a.jpg")
    was = replace(fingerprint(path), mode=0o604, extended={"user.rating": "NQ=="})
    for name in ("setxattr", "getxattr", "listxattr"):
        monkeypatch.delattr(os, name, raising=False)
    give(path, was)
    assert path.stat().st_mode & 0o777 == 0o604


@for_root
def test_only_a_copy_that_has_the_owner_is_accepted(open_folder):
    path, copy = made(open_folder / "a.jpg"), made(open_folder / "copy.jpg")
    os.chown(path, USER, GROUP)
    was = fingerprint(path)
    refuse_other_owner(path, copy, was)  # an administrator can correct it
    with another_user(USER + 1):
        with pytest.raises(RunError, match=r"a\.jpg belongs to another user") as caught:
            refuse_other_owner(path, copy, was)
        refuse_other_owner(path, path, was)
        refuse_other_owner(path, copy, replace(was, uid=None))  # nobody knows whose it was
    assert caught.value.remedy is Remedy.RUN_AS_OWNER
