"""Indexes on a disk that cannot be written: what was committed last is shown, or it is said that it cannot be."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from photos import archive

from retrieval import Index

WRITER = """
import os, signal, sys
from pathlib import Path
from retrieval import Index

with Index.open(sys.argv[1]) as index:
    Path(sys.argv[2], "000.jpg").unlink()
    index.add(sys.argv[2])
    os.kill(os.getpid(), signal.SIGKILL)
"""
READER = """
import sys
from retrieval import Index
from retrieval.errors import RetrievalError

try:
    open(sys.argv[1] + "/probe", "w")
except OSError:
    pass
else:
    raise SystemExit("the folder can be written")
try:
    with Index.open(sys.argv[1]) as index:
        hits = index.query(sys.argv[2], k=100).hits
        print(index.status().counts.indexed, len(hits), any("000.jpg" in str(hit.path) for hit in hits))
except RetrievalError as error:
    print(error.remedy)
"""
MOUNTED = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$1" "$4"'


def can_mount() -> bool:
    probe = ["unshare", "-m", "sh", "-c", "mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp"]
    return bool(shutil.which("unshare")) and subprocess.run(probe, capture_output=True).returncode == 0


@pytest.fixture
def killed(index, tmp_path):
    """An index of 12 photos whose writer was killed after it had added 10 and lost one: 21 there."""
    photos = archive(tmp_path / "photos", 12)
    index.add(photos)
    index.close()
    archive(photos, 22)
    done = subprocess.run([sys.executable, "-c", WRITER, index.folder, photos], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (index.folder / "catalogue.sqlite-wal").stat().st_size > 0
    return index.folder


def read(folder, photo):
    """Ask from a process that cannot write into the folder."""
    if os.getuid():
        folder.chmod(0o555)
        for path in folder.iterdir():
            path.chmod(0o444)
        try:
            command = [sys.executable, "-c", READER, folder, photo]
            return subprocess.run(command, capture_output=True, text=True, timeout=120)
        finally:
            folder.chmod(0o755)
    if not can_mount():
        pytest.skip("root is stopped by a read-only mount alone, and none can be made here")
    command = ["unshare", "-m", "sh", "-c", MOUNTED, "sh", folder, sys.executable, READER, photo]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("left", ["log and its index", "log alone"])
def test_what_was_committed_last_is_shown(killed, tmp_path, left):
    if left == "log alone":
        (killed / "catalogue.sqlite-shm").unlink()
    before = {path.name: path.read_bytes() for path in killed.iterdir()}
    done = read(killed, tmp_path / "photos" / "001.jpg")
    assert (done.stdout, done.stderr) == ("21 21 False\n", "")
    assert {path.name: path.read_bytes() for path in killed.iterdir()} == before


def test_an_index_without_a_log_needs_nothing_but_the_file(killed, tmp_path):
    with Index.open(killed) as index:  # takes the log up, and removes it when it closes
        index.status()
    assert not (killed / "catalogue.sqlite-wal").exists()
    done = read(killed, tmp_path / "photos" / "001.jpg")
    assert (done.stdout, done.stderr) == ("21 21 False\n", "")


def test_a_reader_says_so_where_it_cannot_see_the_last_changes(killed, tmp_path):
    """A log that cannot be opened must not be passed over."""
    log = killed / "catalogue.sqlite-wal"
    log.unlink()
    log.mkdir()
    (log / "in the way").touch()
    done = read(killed, tmp_path / "photos" / "001.jpg")
    assert (done.stdout, done.stderr) == ("Remedy.COPY_TO_WRITABLE\n", "")
