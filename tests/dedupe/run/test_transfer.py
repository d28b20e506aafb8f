import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.dedupe.run import transfer
from retrieval.dedupe.run.fingerprint import fingerprint, holds_bytes
from retrieval.dedupe.run.transfer import delete, hardlink, move, reflink, same_bytes
from retrieval.errors import Remedy, RunError

NANOSECONDS = 1_600_000_000_123_456_700


def made(path: Path, content: bytes = b"bytes") -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(NANOSECONDS, NANOSECONDS))
    return path


def test_a_move_keeps_everything_and_leaves_nothing(tmp_path):
    source, target = made(tmp_path / "a"), tmp_path / "b"
    was = fingerprint(source)
    move(source, target, tmp_path / "partial", was)
    assert fingerprint(target) == was
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_move_across_file_systems_keeps_bytes_time_and_permissions(tmp_path, elsewhere):
    source, target = made(tmp_path / "a", os.urandom(3_000_000)), elsewhere / "b"
    source.chmod(0o640)
    was = fingerprint(source)
    move(source, target, elsewhere / "partial", was)
    found = fingerprint(target)
    assert (found.size, found.mtime_ns, found.mode, found.sha256) == (was.size, was.mtime_ns, 0o640, was.sha256)
    assert not source.exists()
    assert [path.name for path in elsewhere.iterdir()] == ["b"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives files to other users")
def test_a_move_across_file_systems_keeps_owner_and_extended_attributes(tmp_path, elsewhere):
    source, target = made(tmp_path / "a"), elsewhere / "b"
    os.chown(source, 12345, 23456)
    source.chmod(0o4755)  # giving a file to another user clears the first of these
    for name, value in (("user.rating", b"5"), ("user.empty", b"")):
        try:
            os.setxattr(source, name, value)
            os.setxattr(elsewhere, name, value)
        except OSError:
            pytest.skip("no extended attributes at hand")
    was, read_at = fingerprint(source), source.stat().st_atime_ns
    move(source, target, elsewhere / "partial", was)
    assert replace(fingerprint(target), inode=was.inode) == was
    assert target.stat().st_atime_ns >= read_at > NANOSECONDS
    assert set(was.extended) == {"user.rating", "user.empty"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="becomes another user and back")
def test_a_file_of_another_user_is_not_copied_by_one_who_cannot_give_it_back(tmp_path, elsewhere):
    source = made(tmp_path / "a")
    was = fingerprint(source)
    elsewhere.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    os.seteuid(12345)
    try:
        with pytest.raises(RunError, match="belongs to another user") as caught:
            move(source, elsewhere / "b", elsewhere / "partial", was)
    finally:
        os.seteuid(0)
    assert caught.value.remedy is Remedy.RUN_AS_OWNER
    assert fingerprint(source) == was


def test_a_move_never_overwrites(tmp_path):
    source = made(tmp_path / "a")
    for target in (made(tmp_path / "b", b"other"), made(tmp_path / "empty", b"")):
        with pytest.raises(FileExistsError):
            move(source, target, tmp_path / "partial", fingerprint(source))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        move(source, tmp_path / "dangling", tmp_path / "partial", fingerprint(source))
    assert (tmp_path / "b").read_bytes() == b"other"
    assert source.read_bytes() == b"bytes"


def test_a_source_that_changes_meanwhile_stays_whole(tmp_path, monkeypatch):
    source, target = made(tmp_path / "a"), tmp_path / "b"
    was = fingerprint(source)
    replace = os.replace

    def across(one, other):
        if Path(one) == source:
            source.write_bytes(b"newer bytes")
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(one, other)

    monkeypatch.setattr(os, "replace", across)
    with pytest.raises(RunError, match="stays where it is"):
        move(source, target, tmp_path / "partial", was)
    assert source.read_bytes() == b"newer bytes"


def test_same_bytes(tmp_path):
    one = made(tmp_path / "one", b"x" * (transfer.BLOCK_BYTES + 5))
    assert same_bytes(one, made(tmp_path / "same", one.read_bytes()))
    assert not same_bytes(one, made(tmp_path / "last", one.read_bytes()[:-1] + b"y"))
    assert not same_bytes(one, made(tmp_path / "short", one.read_bytes()[:-1]))
    assert same_bytes(made(tmp_path / "none", b""), made(tmp_path / "nothing", b""))


def test_a_hard_link_makes_one_file_of_two(tmp_path):
    keeper, claimed, path = made(tmp_path / "keeper"), made(tmp_path / "claimed"), tmp_path / "member"
    hardlink(keeper, claimed, path)
    assert path.samefile(keeper)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keeper", "member"]


def test_a_link_never_overwrites(tmp_path):
    keeper, claimed, path = made(tmp_path / "keeper"), made(tmp_path / "claimed"), made(tmp_path / "new", b"other")
    with pytest.raises(FileExistsError):
        hardlink(keeper, claimed, path)
    assert (path.read_bytes(), claimed.read_bytes()) == (b"other", b"bytes")


def test_different_bytes_are_never_linked(tmp_path):
    keeper, member = made(tmp_path / "keeper", b"12345"), made(tmp_path / "member", b"12346")
    with pytest.raises(RunError, match="no longer has the bytes"):
        hardlink(keeper, member, tmp_path / "partial")
    with pytest.raises(RunError, match=r"no longer has the bytes|not supported"):
        reflink(keeper, member, tmp_path / "path", tmp_path / "partial", fingerprint(member))
    assert member.read_bytes() == b"12346"


def test_no_hard_link_leads_to_another_file_system(tmp_path, elsewhere):
    keeper, member = made(tmp_path / "keeper"), made(elsewhere / "member")
    with pytest.raises(RunError, match="another file system"):
        hardlink(keeper, member, elsewhere / "partial")
    assert member.read_bytes() == b"bytes"


def test_a_reflink_shares_blocks_or_says_that_it_cannot(tmp_path):
    keeper, claimed, path = made(tmp_path / "keeper"), made(tmp_path / "claimed"), tmp_path / "member"
    claimed.chmod(0o600)
    was = fingerprint(claimed)
    try:
        reflink(keeper, claimed, path, tmp_path / "partial", was)
        found = path
    except RunError as error:
        assert "cannot share blocks" in str(error) or sys.platform != "linux"
        found = claimed
    assert holds_bytes(found, was)
    assert not found.samefile(keeper)
    assert (fingerprint(found).mtime_ns, fingerprint(found).mode) == (was.mtime_ns, was.mode)


def test_delete(tmp_path):
    delete(made(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []
