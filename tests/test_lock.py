import errno
import os
import stat
import subprocess
import sys

import pytest

from retrieval.errors import ArchiveLockedError, IndexLockedError
from retrieval.lock import ARCHIVE_LOCK_NAME, changing, writing

HOLD = """
import sys, pathlib
from retrieval.lock import writing
with writing(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_writer_is_told_who_the_first_is(tmp_path, holder):
    with pytest.raises(IndexLockedError, match=rf"process {holder.pid} on .* since "), writing(tmp_path):
        pass


def test_a_killed_writer_leaves_no_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    with writing(tmp_path):
        assert str(os.getpid()) in (tmp_path / "writer.json").read_text()


def test_a_lock_is_free_again_after_use(tmp_path):
    for _ in range(2):
        with writing(tmp_path):
            pass
    assert not (tmp_path / "writer.json").exists()


def test_two_writers_in_one_process_exclude_each_other(tmp_path):
    with writing(tmp_path), pytest.raises(IndexLockedError), writing(tmp_path):
        pass


@pytest.fixture
def archive(tmp_path):
    for name in ("photos/2019", "pictures"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "photos" / "a.jpg").write_bytes(b"photo")
    return tmp_path


@pytest.mark.parametrize("first", ["photos", "photos/2019"])
@pytest.mark.parametrize("second", ["photos", "photos/2019"])
def test_archives_that_are_one_or_lie_in_each_other_exclude_each_other(archive, first, second):
    with changing([archive / first]), pytest.raises(ArchiveLockedError), changing([archive / second]):
        pass
    with changing([archive / second]):
        pass


def test_archives_side_by_side_do_not(archive):
    with changing([archive / "photos"]), changing([archive / "pictures"]):
        pass


def test_an_index_may_have_roots_in_each_other_and_one_by_two_ways(archive):
    (archive / "link").symlink_to(archive / "photos")
    roots = [archive / "photos", archive / "photos" / "2019", archive / "link"]
    with changing(roots), pytest.raises(ArchiveLockedError), changing(roots[2:]):
        pass
    with changing([archive / "link"]), pytest.raises(ArchiveLockedError), changing([archive / "photos"]):
        pass


def test_files_are_moved_beside_an_archive_but_not_into_one_in_use(archive):
    with changing([archive / "photos"], [archive / "held"]):
        with changing([archive / "pictures"], [archive / "held"]):  # nothing that is moved there overwrites anything
            pass
        with pytest.raises(ArchiveLockedError), changing([archive / "pictures"], [archive / "photos" / "held"]):
            pass


def test_locking_an_archive_writes_nothing_into_it(archive):
    before = sorted(archive.rglob("*"))
    with changing([archive / "photos", archive / "not there"]):
        assert sorted(archive.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="folders are never locked there")
def test_where_folders_cannot_be_locked_a_hidden_file_is(archive, monkeypatch):
    """As on network file systems."""
    import fcntl

    real = fcntl.flock

    def files_alone(handle, how):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", files_alone)
    with changing([archive / "photos"]):
        assert (archive / "photos" / ARCHIVE_LOCK_NAME).exists()
        for other in (archive / "photos", archive / "photos" / "2019"):
            with pytest.raises(ArchiveLockedError), changing([other]):
                pass
    with changing([archive / "photos" / "2019"]):
        pass
    assert list((archive / "photos" / "2019").iterdir()) == []  # an empty folder may be where a disk is missing
